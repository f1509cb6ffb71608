"""Executing an order: from what is stored, the next action.

A function of facts. The executor performs the actions and commits what they change (`changes`,
`round_ends`); after a crash another worker comes to the same action from the same row and attempts.
"""

import msgspec

from fairlead.orders import lifecycle
from fairlead.orders.changes import ended, expiry_reached
from fairlead.orders.failures import Failure
from fairlead.orders.model import (
    Attempt,
    AttemptKind,
    AttemptState,
    Change,
    Order,
    OrderStatus,
    live_of,
)
from fairlead.orders.model import EventType as E
from fairlead.orders.retry import RetryPolicy
from fairlead.orders.round_ends import round_failed
from fairlead.solana.landing import Purpose


class FindRoute(msgspec.Struct, frozen=True, gc=False):
    """Quote, build, sign and store an attempt: the first of its round, or one that follows what is
    proven dead."""

    purpose: Purpose = Purpose.FIRST


class Land(msgspec.Struct, frozen=True, gc=False):
    """Bring the live attempts to their end. `sending` is off once cancel or expiry was asked."""

    sending: bool


class Explain(msgspec.Struct, frozen=True, gc=False):
    """Nothing can land any more and this attempt failed on chain: its logs say how the round
    ended."""

    attempt: Attempt


class AwaitFinality(msgspec.Struct, frozen=True, gc=False):
    """Confirmed: only finality is missing."""


class Commit(msgspec.Struct, frozen=True, gc=False):
    """Nothing to ask of the chain: store this and look again."""

    change: Change


class Done(msgspec.Struct, frozen=True, gc=False):
    """The order has ended or is nobody's to work on."""


Action = FindRoute | Land | Explain | AwaitFinality | Commit | Done


def next_action(
    order: Order, attempts: tuple[Attempt, ...], now_ms: int, policy: RetryPolicy
) -> Action:
    """What to do for an order that this worker owns."""
    status = order.status
    if status in lifecycle.ENDED or order.finalized_at_ms is not None:
        return Done()
    if status is OrderStatus.CONFIRMED:
        assert winner_of(order, attempts).state is AttemptState.LIVE
        return AwaitFinality()
    expires_at = order.terms.expires_at_ms
    expired = expires_at is not None and expires_at <= now_ms
    if live_of(attempts):
        if expired and status is OrderStatus.SUBMITTED:
            return Commit(expiry_reached(order, now_ms))
        return Land(sending=status is not OrderStatus.CANCELLING)
    if status is OrderStatus.CANCELLING:
        return Commit(ended(order, E.CANCELLED if order.cancel_requested else E.EXPIRED, now_ms))
    if status is OrderStatus.SUBMITTED:
        return _after_all_ended(order, attempts, now_ms, policy, expired)
    if expired:
        return Commit(ended(order, E.EXPIRED, now_ms))
    return FindRoute()


def winner_of(order: Order, attempts: tuple[Attempt, ...]) -> Attempt:
    """The attempt that a confirmed order was filled by: not always the last."""
    for attempt in attempts:
        if attempt.signature == order.signature:
            return attempt
    raise AssertionError(f"{order.order_id} is confirmed without an attempt")


def _after_all_ended(
    order: Order, attempts: tuple[Attempt, ...], now_ms: int, policy: RetryPolicy, expired: bool
) -> Action:
    """Nothing of an order can land any more, and its round was not ended in the commit that stored
    the last proof."""
    swaps = [a for a in attempts if a.round == order.round and a.kind is AttemptKind.SWAP]
    failed = [a for a in swaps if a.state is AttemptState.ERRORED]
    if failed:
        return Explain(failed[-1])
    if expired or len(swaps) >= policy.max_attempts_per_round:
        why = Failure(
            "expired_blockhash", "no attempt of this round landed before its blockhash died"
        )
        return Commit(round_failed(order, why, now_ms, policy))
    return FindRoute(Purpose.REPLACE)
