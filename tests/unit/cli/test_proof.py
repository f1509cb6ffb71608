"""`fairlead proof`: the file, the verdict, and the exit code."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from fairlead.proofcheck import NOTHING_SIGNED, digest
from tests.unit.client.serving import serving

ORDER = {
    "orderId": "o-1",
    "type": "market",
    "status": "cancelled",
    "wallet": "w",
    "tokenIn": "a",
    "tokenOut": "b",
    "amountInAtoms": "1",
    "exactOutAtoms": None,
    "minimumOutAtoms": None,
    "amountOutAtoms": None,
    "txSignature": None,
}
NO_MORE = {"txSignature": None, "slot": None, "proof": None}
EVENTS = [
    {"sequence": 1, "event": "accepted", "status": "pending", **NO_MORE},
    {"sequence": 2, "event": "cancelled", "status": "cancelled", **NO_MORE},
]
UNSIGNED: dict[str, Any] = {"version": 1, "order": ORDER, "attempts": [], "events": EVENTS}


async def answer(request: Request) -> Response:
    match request.path_params["order_id"]:
        case "unsigned":
            return JSONResponse({**UNSIGNED, "digest": digest(UNSIGNED)})
        case "changed":
            return JSONResponse({**UNSIGNED, "digest": "0" * 64})
        case _:
            problem = {"code": "not_ended", "orderId": "o-1", "orderStatus": "submitted"}
            return JSONResponse(problem, 409)


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with serving([Route("/api/orders/{order_id}/proof", answer)]) as url:
        yield url


async def test_the_file_is_what_was_sent_and_the_verdict_is_told(
    fairlead_async: Any, url: str, tmp_path: Path
) -> None:
    ended = await fairlead_async("proof", "unsigned", "--url", url)
    assert 0 == ended.code
    assert ended.out.startswith(f"{NOTHING_SIGNED}: ")
    kept = json.loads((tmp_path / "proof-unsigned.json").read_text("utf-8"))
    assert {**UNSIGNED, "digest": digest(UNSIGNED)} == kept


async def test_a_bundle_that_is_refused_is_kept_and_exit_1(
    fairlead_async: Any, url: str, tmp_path: Path
) -> None:
    file = tmp_path / "kept.json"
    ended = await fairlead_async("proof", "changed", "--out", str(file), "--json", "--url", url)
    told = json.loads(ended.out)
    assert (1, "refused", str(file)) == (ended.code, told["verdict"], told["file"])
    assert file.exists()


async def test_before_the_end_there_is_nothing_to_keep(
    fairlead_async: Any, url: str, tmp_path: Path
) -> None:
    ended = await fairlead_async("proof", "flying", "--url", url)
    assert (3, "") == (ended.code, ended.out)
    assert "submitted" in ended.err
    assert [] == list(tmp_path.glob("proof-*"))


async def test_a_file_that_cannot_be_written_is_told(
    fairlead_async: Any, url: str, tmp_path: Path
) -> None:
    out = str(tmp_path / "nowhere" / "x.json")
    ended = await fairlead_async("proof", "unsigned", "--out", out, "--url", url)
    assert 2 == ended.code
    assert out in ended.err
