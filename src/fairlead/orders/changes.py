"""What was learnt of an order, as the change to store; and row and attempts as the store has them
after it.

A change is made of facts alone. What a round's end changes is in `round_ends`.
"""

from collections.abc import Mapping
from typing import Literal, TypeVar

import msgspec

from fairlead.orders import lifecycle, narration, resting
from fairlead.orders.model import (
    Attempt,
    AttemptKind,
    AttemptSettled,
    AttemptState,
    Change,
    NewEvent,
    Order,
    live_of,
)
from fairlead.orders.model import EventType as E
from fairlead.orders.retry import RetryPolicy
from fairlead.ports import SignatureStatus
from fairlead.routing import Route
from fairlead.solana.landing import Purpose
from fairlead.solana.legs import Detail


def minimum_for(order: Order, quoted_atoms: int) -> int:
    """The minimum of an attempt: never below the order's floor (rule 6)."""
    fresh = narration.minimum_out_atoms(quoted_atoms, order.terms.slippage_bps)
    floor = resting.floor_of(order)
    return fresh if floor is None else max(floor, fresh)


def submitted(
    order: Order, route: Route, attempt: Attempt, now_ms: int, purpose: Purpose
) -> Change:
    """The attempt with its status, in one commit before its first byte leaves (rule 3).

    The limit, or else the first routing's minimum, becomes the order's own in the same commit
    (rule 6).
    """
    floor = resting.floor_of(order)
    events: tuple[NewEvent, ...]
    if purpose is Purpose.FIRST:
        told = narration.routed(order, route, attempt.minimum_out_atoms, attempt.maximum_in_atoms)
        chosen = lifecycle.event(order.status, E.ROUTED, told)
        sent = lifecycle.event(chosen.status, E.SUBMITTED, narration.submitted(order, attempt))
        events = (chosen, sent)
    else:
        type = E.FEE_RAISED if purpose is Purpose.RAISE else E.ATTEMPT_REPLACED
        told = narration.another_attempt(order, route, attempt, purpose)
        events = (lifecycle.event(order.status, type, told),)
    return lifecycle.change(
        order,
        now_ms,
        events,
        new_attempt=attempt,
        minimum_out_atoms=attempt.minimum_out_atoms if floor is None else floor,
        signature=attempt.signature,
        dex=narration.dex_of(attempt),
    )


def cancel_sent(order: Order, attempt: Attempt, now_ms: int) -> Change:
    """The attempt that takes the latch without a swap (rule 21), stored before it is sent.

    With an event, as every attempt: it moves the fence, so that nobody who has not seen this one
    proves the others dead.
    """
    told = narration.cancel_sent(attempt)
    event = lifecycle.event(order.status, E.CANCEL_SENT, told)
    return lifecycle.change(order, now_ms, (event,), new_attempt=attempt)


def confirmed(
    order: Order,
    attempt: Attempt,
    in_atoms: int,
    out_atoms: int,
    slot: int,
    now_ms: int,
    detail: Detail | None = None,
) -> Change:
    """Seen at `confirmed`: provisional (rule 19), with the provisional fill (rule 20). The row
    names the attempt that was seen, which need not be the last."""
    told = narration.filled(
        order, attempt, in_atoms, out_atoms, slot, provisional=True, detail=detail
    )
    event = lifecycle.event(order.status, E.CONFIRMED, told)
    seen = AttemptSettled(attempt.signature, AttemptState.LIVE, slot)
    return lifecycle.change(
        order,
        now_ms,
        (event,),
        settled=(seen,),
        amount_out_atoms=out_atoms,
        signature=attempt.signature,
        dex=narration.dex_of(attempt),
    )


def finalized(
    order: Order,
    attempt: Attempt,
    in_atoms: int,
    out_atoms: int,
    slot: int,
    now_ms: int,
    evidence: bytes | None = None,
    losers: tuple[AttemptSettled, ...] = (),
    detail: Detail | None = None,
) -> Change:
    """The chain cannot take it back: the fill is booked, the reservation given back. `losers`: the
    other attempts under its latch, as `lost_to` tells them."""
    told = narration.filled(
        order, attempt, in_atoms, out_atoms, slot, provisional=False, detail=detail
    )
    event = lifecycle.event(order.status, E.FINALIZED, told)
    won = AttemptSettled(attempt.signature, AttemptState.SUCCEEDED, slot, evidence=evidence)
    return lifecycle.change(
        order,
        now_ms,
        (event,),
        settled=(won, *losers),
        amount_out_atoms=out_atoms,
        finalized_at_ms=now_ms,
        release=True,
        end=True,
    )


def lost_to(
    winner: Attempt,
    attempts: tuple[Attempt, ...],
    statuses: Mapping[str, SignatureStatus | None],
) -> tuple[AttemptSettled, ...]:
    """What becomes of the other live attempts once the winner holds the latch at `finalized`: none
    can succeed. They may land as failures yet, and pay; of one that is seen to have, its error is
    told."""
    lost = []
    for other in live_of(attempts):
        if other.signature == winner.signature:
            continue
        assert other.latch_address is not None
        assert other.latch_address == winner.latch_address, "what lives shares one latch (rule 4)"
        status = statuses.get(other.signature)
        slot, error = None, None
        if status is not None and status.commitment == "finalized":
            slot, error = status.slot, status.error
        lost.append(AttemptSettled(other.signature, AttemptState.EXCLUDED, slot, error))
    return tuple(lost)


def dropped(order: Order, now_ms: int, attempts: tuple[Attempt, ...] = ()) -> Change:
    """A fork took the confirmed transaction away: land the same bytes again (rule 19)."""
    why = narration.because("a fork dropped the transaction; the same bytes are sent again")
    cancels = any(a.kind is AttemptKind.CANCEL for a in live_of(attempts))
    if order.cancel_requested:
        event = lifecycle.event(order.status, E.CANCEL_REQUESTED, why)
    elif cancels:
        # Its time had run out before, and the attempt that says so may win now.
        event = lifecycle.event(order.status, E.EXPIRY_REACHED, why)
    else:
        event = lifecycle.event(order.status, E.DROPPED, why)
    return lifecycle.change(order, now_ms, (event,), clear_fill=True)


def settled(order: Order, known: tuple[AttemptSettled, ...], now_ms: int) -> Change:
    """Attempts that failed for good, or are proven dead. No event of their own: what follows tells
    it, and while others live the order goes on with those."""
    return lifecycle.change(order, now_ms, (), settled=known)


def cancel_won(
    order: Order,
    attempt: Attempt,
    won: AttemptSettled,
    attempts: tuple[Attempt, ...],
    statuses: Mapping[str, SignatureStatus | None],
    now_ms: int,
) -> Change:
    """Our own cancel holds the latch at `finalized`: the order ends without a swap (rule 21)."""
    assert attempt.kind is AttemptKind.CANCEL, "a swap that won is no cancel"
    assert won.state is AttemptState.SUCCEEDED
    end = E.CANCELLED if order.cancel_requested else E.EXPIRED
    told = narration.because("the attempt without a swap took the latch: no swap can succeed")
    return lifecycle.change(
        order,
        now_ms,
        (lifecycle.event(order.status, end, told),),
        settled=(won, *lost_to(attempt, attempts, statuses)),
        release=True,
        end=True,
    )


def outage(order: Order, now_ms: int, policy: RetryPolicy) -> Change:
    """The chain does not answer and nothing may be in flight: try again soon, no round used up."""
    return lifecycle.change(order, now_ms, (), due_at_ms=now_ms + policy.outage_ms, release=True)


def still_proving(order: Order, reason: str, now_ms: int) -> Change:
    """Unknown stays unknown, and visible (rule 18)."""
    event = lifecycle.event(order.status, E.STILL_PROVING, narration.because(reason))
    return lifecycle.change(order, now_ms, (event,))


def ended(order: Order, type: Literal[E.CANCELLED, E.EXPIRED], now_ms: int) -> Change:
    """Cancelled or expired, with proof that nothing can land."""
    event = lifecycle.event(order.status, type)
    return lifecycle.change(order, now_ms, (event,), release=True, end=True)


def expiry_reached(order: Order, now_ms: int) -> Change:
    why = narration.because("expiresAt passed while an attempt may still land")
    return lifecycle.change(order, now_ms, (lifecycle.event(order.status, E.EXPIRY_REACHED, why),))


# --- after the commit ---


_T = TypeVar("_T")


def _kept(new: _T | None, old: _T | None) -> _T | None:
    """A value once known is never overwritten by an unknown one."""
    return old if new is None else new


def applied(order: Order, change: Change, sequence: int) -> Order:
    """The row after a committed change, as the store now has it."""
    return msgspec.structs.replace(
        order,
        status=change.status,
        sequence=sequence,
        updated_at_ms=change.at_ms,
        owner=None if change.release else order.owner,
        round=order.round if change.round is None else change.round,
        due_at_ms=order.due_at_ms if change.due_at_ms is None else change.due_at_ms,
        minimum_out_atoms=_kept(change.minimum_out_atoms, order.minimum_out_atoms),
        latch_generation=(
            order.latch_generation if change.latch_generation is None else change.latch_generation
        ),
        cancel_requested=order.cancel_requested or change.cancel_requested,
        signature=_kept(change.signature, order.signature),
        dex=_kept(change.dex, order.dex),
        amount_out_atoms=(
            None if change.clear_fill else _kept(change.amount_out_atoms, order.amount_out_atoms)
        ),
        failure_code=_kept(change.failure_code, order.failure_code),
        failure_reason=_kept(change.failure_reason, order.failure_reason),
        finalized_at_ms=_kept(change.finalized_at_ms, order.finalized_at_ms),
        earlier_rounds=(
            order.earlier_rounds if change.earlier_rounds is None else change.earlier_rounds
        ),
    )


def settle(attempts: tuple[Attempt, ...], change: Change) -> tuple[Attempt, ...]:
    """The attempts after a committed change."""
    if change.settled:
        known = {told.signature: told for told in change.settled}
        attempts = tuple([_as_told(each, known.get(each.signature)) for each in attempts])
    return attempts if change.new_attempt is None else (*attempts, change.new_attempt)


def _as_told(attempt: Attempt, told: AttemptSettled | None) -> Attempt:
    if told is None:
        return attempt
    return msgspec.structs.replace(
        attempt, state=told.state, slot=told.slot, error=told.error, evidence=told.evidence
    )
