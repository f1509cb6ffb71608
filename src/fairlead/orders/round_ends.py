"""What the end of a round changes: the next round after its back-off, rest where the limit does not
hold, or the order's end."""

import msgspec

from fairlead.orders import lifecycle, narration, resting
from fairlead.orders.events import iso
from fairlead.orders.failures import Failure
from fairlead.orders.model import AttemptSettled, Change, Order, OrderStatus
from fairlead.orders.model import EventType as E
from fairlead.orders.retry import RetryPolicy

MAX_LATCH_GENERATIONS = 5
"""Latches a stranger may take from one order before it fails (rule 11)."""


def round_failed(
    order: Order,
    why: Failure,
    now_ms: int,
    policy: RetryPolicy,
    settled: tuple[AttemptSettled, ...] = (),
) -> Change:
    """What follows a round after which nothing can land any more: the next one after its back-off,
    rest where the limit does not hold, or the order's end."""
    if order.status is OrderStatus.CANCELLING:
        return _cancel_won(order, why, now_ms, settled)
    if why.terminal:
        return _failed(order, why, now_ms, settled)
    expires_at = order.terms.expires_at_ms
    if expires_at is not None and expires_at <= now_ms:
        return _expired(order, why, now_ms, settled, "expired in this round")
    if why.below_floor and order.terms.limit_out_atoms is not None:
        return resting.reopened(order, why.code, why.reason, why.candidates, now_ms, settled)
    delay_ms = policy.delay_ms(order.round - order.earlier_rounds)
    if delay_ms is None:
        return _failed(order, why, now_ms, settled)
    due_at_ms = now_ms + delay_ms
    if expires_at is not None and expires_at <= due_at_ms:
        # The next round would begin after the expiry: say so now.
        return _expired(order, why, now_ms, settled, "expired before the next round")
    told = narration.failed_round(order, why.code, why.reason, iso(due_at_ms), why.candidates)
    return lifecycle.change(
        order,
        now_ms,
        (lifecycle.event(order.status, E.ROUND_FAILED, told),),
        settled=settled,
        round=order.round + 1,
        due_at_ms=due_at_ms,
        release=True,
    )


def _cancel_won(
    order: Order, why: Failure, now_ms: int, settled: tuple[AttemptSettled, ...]
) -> Change:
    """Nothing can land any more of an order that is cancelling."""
    end = E.CANCELLED if order.cancel_requested else E.EXPIRED
    event = lifecycle.event(order.status, end, narration.because(why.reason))
    return lifecycle.change(order, now_ms, (event,), settled=settled, release=True, end=True)


def _failed(order: Order, why: Failure, now_ms: int, settled: tuple[AttemptSettled, ...]) -> Change:
    told = narration.failed_round(order, why.code, why.reason, None, why.candidates)
    return lifecycle.change(
        order,
        now_ms,
        (lifecycle.event(order.status, E.FAILED, told),),
        settled=settled,
        failure_code=why.code,
        failure_reason=why.reason,
        release=True,
        end=True,
    )


def _expired(
    order: Order, why: Failure, now_ms: int, settled: tuple[AttemptSettled, ...], reason: str
) -> Change:
    told = narration.failed_round(order, why.code, why.reason, None, why.candidates)
    failed = lifecycle.event(order.status, E.ROUND_FAILED, told)
    over = lifecycle.event(failed.status, E.EXPIRED, narration.because(reason))
    return lifecycle.change(order, now_ms, (failed, over), settled=settled, release=True, end=True)


def latch_taken(
    order: Order, now_ms: int, policy: RetryPolicy, settled: tuple[AttemptSettled, ...] = ()
) -> Change:
    """None of our attempts won and yet the latch exists: a stranger took it (rule 11).

    Every attempt under it is settled by now, so the next generation may be opened; a round is
    used up.
    """
    if order.latch_generation + 1 >= MAX_LATCH_GENERATIONS:
        why = Failure(
            "latch_taken", "strangers keep taking the order's latch accounts", terminal=True
        )
        return round_failed(order, why, now_ms, policy, settled)
    why = Failure("latch_taken", "a stranger paid into the latch account; a new one is opened")
    change = round_failed(order, why, now_ms, policy, settled)
    return msgspec.structs.replace(change, latch_generation=order.latch_generation + 1)
