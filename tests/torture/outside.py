"""What any client can read of the orders in the end, beside the rows: the API must say the same."""

import asyncio
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import aiohttp

from tests.torture.facts import Facts, OrderRow, Violation

SAMPLE = 300
"""Orders that are asked about, evenly over the run."""

_RULE = "the API says what is so"
_ATTEMPTS = 20
_AGAIN_AFTER_S = 0.25
_AT_ONCE = 8

Answers = dict[str, dict[str, Any]]


async def ask(facts: Facts, apis: Sequence[str]) -> Answers:
    """The order and its events, by id, as an API tells them."""
    ids = list(facts.orders)
    places = asyncio.Semaphore(_AT_ONCE)
    async with aiohttp.ClientSession() as session:

        async def one(number: int, order_id: str) -> tuple[str, dict[str, Any]]:
            url = f"http://{apis[number % len(apis)]}/api/orders/{order_id}"
            async with places:
                told = await _get(session, url)
                told["events"] = (await _get(session, f"{url}/events"))["events"]
            return order_id, told

        sample = ids[:: max(1, len(ids) // SAMPLE)]
        return dict(await asyncio.gather(*(one(n, each) for n, each in enumerate(sample))))


async def _get(session: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    for left in reversed(range(_ATTEMPTS)):
        async with session.get(url) as answer:
            if answer.status != 503 or not left:
                found: dict[str, Any] = await answer.json(content_type=None)
                assert answer.status == 200, (url, found)
                return found
        # It has just been through a storm: give it time to find its servers again.
        await asyncio.sleep(_AGAIN_AFTER_S)
    raise AssertionError("unreachable")


def check(facts: Facts, answers: Answers) -> list[Violation]:
    """Pure: where they differ from the rows, or undercut a limit."""
    events = facts.events_by_order()
    found: list[Violation] = []
    for order_id, told in answers.items():
        sequences = [event["sequence"] for event in told["events"]]
        if sequences != [event.sequence for event in events.get(order_id, [])]:
            found.append(Violation(_RULE, f"events {sequences}", order_id))
        found += _differences(facts.orders[order_id], told)
    return found


def _differences(row: OrderRow, told: dict[str, Any]) -> Iterator[Violation]:
    terms = row.terms
    is_filled = row.status == "confirmed"
    out = None if told["amountOut"] is None else Decimal(told["amountOut"])
    atoms = row.amount_out_atoms
    booked = None if atoms is None else Decimal(atoms).scaleb(-terms["token_out_decimals"])
    if told["status"] != row.status or (told["finalizedAt"] is not None) != is_filled:
        text = f"{told['status']}, finalized {told['finalizedAt']}; the row is {row.status}"
        yield Violation(_RULE, text, row.order_id)
    if out != booked:
        yield Violation(_RULE, f"amountOut {out}, booked {booked}", row.order_id)
    limit = told["limitPrice"]
    if is_filled and limit and Decimal(told["executedPrice"]) < Decimal(limit):
        text = f"{told['executedPrice']} for a limit of {limit}"
        yield Violation("no price is below its limit", text, row.order_id)
