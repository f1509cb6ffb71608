"""How many orders a second are made durable, and how long each waits, with nothing executing.

One `fairlead serve` with FAIRLEAD_CONCURRENCY=0: it accepts orders and takes none, and balances are
read from the chain in the same process.
"""

import argparse

import uvloop

from bench.engine import STORES, counts, engine, print_figures, settings_in
from bench.load import Load, market_orders, run

WARM_UP_ORDERS = 3_000
TIMEOUT_S = 120.0


async def measure(port: int, orders: int, clients: int) -> Load:
    requests = market_orders(port, WARM_UP_ORDERS + orders)
    warm_up, measured = requests[:WARM_UP_ORDERS], requests[WARM_UP_ORDERS:]
    await run(port, warm_up, connections=clients, timeout_s=TIMEOUT_S)
    return await run(port, measured, connections=clients, timeout_s=TIMEOUT_S)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--orders", type=int, default=60_000)
    arguments.add_argument("--clients", type=int, default=64)
    arguments.add_argument("--store", choices=STORES, default="postgresql")
    arguments.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    asked = arguments.parse_args()
    settings = {
        "FAIRLEAD_CONCURRENCY": "0",
        "FAIRLEAD_MAX_WAITING_ORDERS": "10000000",
        **settings_in(asked.set),
    }
    with engine("serve", asked.store, settings) as running:
        cpu = running.process.cpu_s()
        load = uvloop.run(measure(running.port, asked.orders, asked.clients))
        used = running.process.cpu_s()
        answered = load.answers + WARM_UP_ORDERS
        print_figures(
            {
                "what": "accept, nothing executing",
                "clients": asked.clients,
                **load.figures(),
                "api_us_per_order": None
                if cpu is None or used is None
                else round((used - cpu) * 1e6 / answered, 1),
                "counts": counts(running.port),
                **running.figures(),
            }
        )


if __name__ == "__main__":
    main()
