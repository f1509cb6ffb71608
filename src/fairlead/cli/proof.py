"""`fairlead proof`: an order's proof as a file, and what the checker says of it."""

import sys
from pathlib import Path

from fairlead import proofcheck
from fairlead.cli import outcomes
from fairlead.cli.order import connect
from fairlead.cli.output import print_json


async def prove(order_id: str, out: Path | None, url: str | None, as_json: bool) -> int:
    """Fetch, write, check. Done when the end is proven, or nothing was ever signed."""
    async with connect(url) as client:
        bundle = await client.proof(order_id)
    file = out if out is not None else Path(f"proof-{order_id}.json")
    try:
        file.write_bytes(bundle)
    except OSError as error:
        print(f"fairlead: {file}: {error.strerror}", file=sys.stderr)
        return outcomes.USAGE
    verdict, why = proofcheck.check(bundle)
    if as_json:
        print_json({"orderId": order_id, "file": str(file), "verdict": verdict, "why": why})
    else:
        print(f"{verdict}: {why}")
        print(f"Written to {file}. It is checked without fairlead, too: docs/proof.md")
    holds = verdict not in (proofcheck.NOT_PROVEN, proofcheck.REFUSED)
    return outcomes.DONE if holds else outcomes.FAILED
