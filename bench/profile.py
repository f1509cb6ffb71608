"""Where an order's time goes: µs of CPU per order of each stage, by calling the real functions,
and of the loops that call them.

Only sockets and asyncio's turns are left out. No profiler slows the stages down: each runs over a
batch of orders at once, between two readings of the thread's CPU clock.
"""

import argparse
import json
import subprocess
import sys

from bench.engine import REPOSITORY, machine, print_figures
from bench.load import market_orders
from bench.stages import Pipeline, Stages
from bench.wholes import accept_us, drive_and_settle_us
from tests import servers

# Stages are measured over so many orders at a time, which share a slot; the median batch counts.
BATCH = 250
WALLETS = 50
STORE_ORDERS = 10_000
STORE_TIMEOUT_S = 180

# Stages that another figure contains, or that not every engine has.
NOT_ADDED = ("id and secret", "verify", "ledger execution", "frames of 4 events (Redis)")


def stores(orders: int) -> dict[str, object]:
    """What bench.store says of a whole life in each store, or why it says nothing."""
    with servers.start_postgres(fsync=True, own=True) as postgres:
        return {
            "sqlite": _store("sqlite", orders),
            "postgresql": _store(postgres.url, orders),
        }


def _store(target: str, orders: int) -> object:
    command = [sys.executable, "-m", "bench.store", target, f"--orders={orders}"]
    done = subprocess.run(  # noqa: S603
        [*command, "--concurrent", "64", "--no-quiet"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=STORE_TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        return {"failed": done.stderr[-500:]}
    return json.loads(done.stdout)["load"]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--orders", type=int, default=5_000)
    arguments.add_argument("--no-stores", action="store_true")
    asked = arguments.parse_args()
    stages = Stages()
    pipeline = Pipeline(stages)
    requests = market_orders(1, asked.orders, wallets=WALLETS)
    bodies = [request.partition(b"\r\n\r\n")[2] for request in requests]
    batches = [bodies[i : i + BATCH] for i in range(0, len(bodies) - BATCH + 1, BATCH)]
    for batch in batches:
        pipeline.run(batch)
    figures = stages.figures()
    driven, settled = drive_and_settle_us(batches)
    # A send verifies, too.
    figures["ledger execution"] = round(figures["send"] - figures["verify"], 2)
    print_figures(
        {
            "what": "µs of CPU per order by stage",
            "orders": len(bodies),
            "us_per_order": figures,
            "us_per_order_together": round(
                sum(us for stage, us in figures.items() if stage not in NOT_ADDED), 1
            ),
            "us_per_order_whole": {
                "accept, from the bytes of the POST to its answer": round(accept_us(), 1),
                "drive, from claim to confirmed": round(driven, 1),
                "settle, from confirmed to finalized": round(settled, 1),
            },
            "stores": None if asked.no_stores else stores(STORE_ORDERS),
            "machine": machine(),
        }
    )


if __name__ == "__main__":
    main()
