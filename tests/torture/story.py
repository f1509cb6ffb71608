"""The story of one order, for people: what was asked and answered, what happened, what landed."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime

import asyncpg

from tests.torture.facts import Facts

_EVENTS = "SELECT at_ms, sequence, type, status, data::text FROM fairlead.events"
_ATTEMPTS = """SELECT number, round, state, signature, blockhash_height, last_valid_block_height,
    minimum_out_atoms, latch_address, latch_generation, slot, error FROM fairlead.attempts"""
_ROW = """SELECT status, sequence, owner, ended, round, due_at_ms, cancel_requested,
    minimum_out_atoms, amount_out_atoms, failure_code, failure_reason FROM fairlead.orders"""
# Of what an event tells, what matters for a story.
_TOLD = (
    "reason", "failureCode", "txSignature", "attempt", "minimumOut", "amountOut", "slot",
    "retryCount", "nextTryAt",
)  # fmt: skip

Struck = Sequence[tuple[float, str]]


async def story_of(
    order_id: str, url: str, facts: Facts, struck: Struck, logs: Sequence[str]
) -> str:
    """Lines in the order of time; `struck` is what was broken when, by the wall clock."""
    connection = await asyncpg.connect(url)
    try:
        where = "WHERE order_id = $1"
        row = await connection.fetchrow(f"{_ROW} {where}", order_id)
        events = await connection.fetch(f"{_EVENTS} {where} ORDER BY sequence", order_id)
        attempts = await connection.fetch(f"{_ATTEMPTS} {where} ORDER BY number", order_id)
    finally:
        await connection.close()
    sent = facts.sent.get(order_id)
    lines = [f"order {order_id}", f"  row: {dict(row) if row else 'none'}"]
    if sent is not None:
        lines.append(f"  sent as {sent.key}: {json.dumps(sent.body)}")
    times = [event["at_ms"] / 1000 for event in events]
    timeline = [(at, f"client  {what}") for at, what in (sent.told if sent else [])]
    timeline += [(event["at_ms"] / 1000, _event(event)) for event in events]
    if times:
        first, last = min(times) - 3, max(times) + 3
        timeline += [(at, f"broken  {what}") for at, what in struck if first <= at <= last]
    lines += [f"  {_clock(at)}  {what}" for at, what in sorted(timeline, key=_moment)]
    for attempt in attempts:
        landed = facts.ledger.by_signature.get(attempt["signature"])
        lines.append(f"  attempt {dict(attempt)}")
        lines.append(f"    ledger: {landed.told() if landed else 'never final'}")
    lines += [f"  log  {line}" for line in logs]
    return "\n".join(lines)


def _moment(told: tuple[float, str]) -> float:
    return told[0]


def _event(event: asyncpg.Record) -> str:
    data = json.loads(event["data"])
    told = {name: data[name] for name in _TOLD if name in data}
    return f"event   {event['sequence']} {event['type']} -> {event['status']} {told or ''}".rstrip()


def _clock(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%H:%M:%S.%f")[:-3]
