"""50 orders a second: how long one order takes, from its acceptance to `confirmed` at the client.

An open loop: orders are sent at their moments whatever became of the earlier ones. Two figures:
from the answer to the POST, and from the POST itself, to the frame on the stream of all orders.
"""

import argparse
import asyncio
import contextlib
from collections.abc import Iterator
from time import perf_counter

import uvloop

from bench.commits import commit_ms
from bench.engine import STORES, Engine, counts, engine, print_figures, settings_in
from bench.live import open_socket, order_id
from bench.load import Paced, market_orders, quantiles_ms

# Orders in flight between POST and answer: at 50/s one would do.
CONNECTIONS = 64
WARM_UP_S = 3.0
# How long the last order may take.
LAST_ORDER_S = 30.0

Answer = tuple[float, float, int, bytes]


async def measure(port: int, per_second: float, seconds: float) -> dict[str, object]:
    confirmed: dict[bytes, float] = {}
    a_confirmation = asyncio.Event()

    def on_frame(frame: bytes, now: float) -> None:
        if b'"event":"confirmed"' in frame:
            confirmed.setdefault(order_id(frame), now)
            a_confirmation.set()

    socket = await open_socket(port, "/ws", on_frame)
    paced = Paced(port)
    await paced.open(CONNECTIONS)
    warm_up = int(per_second * WARM_UP_S)
    requests = market_orders(port, warm_up + int(per_second * seconds))
    late: list[float] = []
    answers = await _send(paced, requests, 1 / per_second, late)
    accepted = [answer for answer in answers[warm_up:] if answer[2] == 202]
    wanted = [order_id(body) for *_, body in accepted]
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LAST_ORDER_S):
            while not confirmed.keys() >= set(wanted):
                a_confirmation.clear()
                await a_confirmation.wait()
    socket.transport.close()
    paced.close()
    seen = [(a, confirmed[id]) for a, id in zip(accepted, wanted, strict=True) if id in confirmed]
    return {
        "orders": len(answers) - warm_up,
        "accepted": len(accepted),
        "confirmed": len(seen),
        "accept_to_confirmed_ms": quantiles_ms(max(0.0, at - a[1]) for a, at in seen),
        "post_to_confirmed_ms": quantiles_ms(at - a[0] for a, at in seen),
        "post_to_accepted_ms": quantiles_ms(a[1] - a[0] for a in accepted),
        # The client's own lateness: figures are only as good as it is small.
        "client_late_ms": quantiles_ms(late[warm_up:]),
    }


async def _send(
    paced: Paced, requests: list[bytes], interval_s: float, late: list[float]
) -> list[Answer]:
    """Every request at its moment, and the answers in order."""
    begin = perf_counter()
    pending = []
    for number, request in enumerate(requests):
        due = begin + number * interval_s
        # The loop's timers are a millisecond coarse: the last one is spent turning.
        if (wait := due - perf_counter() - 0.001) > 0:
            await asyncio.sleep(wait)
        while perf_counter() < due:
            await asyncio.sleep(0)
        late.append(perf_counter() - due)
        pending.append(paced.send(request))
    return list(await asyncio.gather(*pending))


@contextlib.contextmanager
def started(store: str, split: bool, settings: dict[str, str]) -> Iterator[Engine]:
    """One process, or an API and a worker."""
    if not split:
        with engine("serve", store, settings) as running:
            yield running
        return
    with engine("api", store, settings, also=("worker",)) as running:
        yield running


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--store", choices=STORES, default="postgresql")
    arguments.add_argument("--per-second", type=float, default=50)
    arguments.add_argument("--seconds", type=float, default=20)
    arguments.add_argument("--split", action="store_true", help="an API process and a worker")
    arguments.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    asked = arguments.parse_args()
    settings = settings_in(asked.set)
    with started(asked.store, asked.split, settings) as running:
        measured = uvloop.run(measure(running.port, asked.per_second, asked.seconds))
        url = running.database_url
        print_figures(
            {
                "what": "steady load, end to end",
                "processes": "api + worker" if asked.split else "one",
                "per_second": asked.per_second,
                **measured,
                "commit_of_one_row_ms": url and uvloop.run(commit_ms(url, asked.per_second)),
                "counts": counts(running.port),
                **running.figures(),
            }
        )


if __name__ == "__main__":
    main()
