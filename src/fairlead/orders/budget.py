"""What an order's attempts may cost together, and whether one more may live beside others. Pure."""

from collections.abc import Sequence

import msgspec

from fairlead.orders.model import Attempt, AttemptKind, AttemptState, Order, live_of
from fairlead.solana.evidence import may_have_paid
from fairlead.solana.fees import base_fee_lamports, priority_fee_lamports, raised_price
from fairlead.solana.landing import May

CANCEL_ALLOWANCE_LAMPORTS = 50_000
"""Beside the fee cap, for the attempts of one order that take its latch without a swap: such a one
costs its base fee and, of 2,000 compute units at the highest default price, 2,000 lamports."""


class Bidding(msgspec.Struct, frozen=True):
    """What the operator may set about attempts beside others."""

    # Off: nothing new until the last one is proven dead or failed for good (rule 17 a, b).
    latch: bool = True
    # A raised price in percent of the last.
    raise_percent: int = 150
    # Cap on the price per compute unit.
    max_price_micro_lamports: int = 1_000_000
    # Swaps signed in one round, and cancels of one order.
    max_attempts_per_round: int = 3


def room_lamports(order: Order, attempts: Sequence[Attempt], kind: AttemptKind) -> int:
    """What is left for one more attempt of this kind. Every attempt counts from when it is stored,
    unless it is proven never to have landed: losers that land pay too, and an excluded one may
    land yet."""
    held = 0
    for each in attempts:
        if each.kind is kind and (each.state is not AttemptState.DEAD or may_have_paid(each)):
            held += each.fee_lamports
    if kind is AttemptKind.CANCEL:
        return CANCEL_ALLOWANCE_LAMPORTS - held
    return order.terms.fee_cap_lamports - held


def is_spent(order: Order, room_lamports: int) -> bool:
    """Whether a further swap would exceed the fee cap, of which so much is left. A first one may:
    its base fee is the least that any swap costs."""
    return room_lamports < min(order.terms.fee_cap_lamports, base_fee_lamports(1))


def still_excludes(live: Sequence[Attempt], blockhash_height: int, reclaim_margin: int) -> bool:
    """Whether, should one of these have won, their latch stands for as long as an attempt of a
    blockhash of this height may land (rules 12 and 17 c).

    After a restore one of them may have won in a past that is forgotten, and its latch been taken
    back since. That takes the margin past its death at the least; whatever dies before is excluded.
    What was seen to land once tells no such height, if it was found on the chain: nothing more is
    signed beside it.
    """
    return all(
        each.slot is None and blockhash_height <= each.blockhash_height + reclaim_margin
        for each in live
    )


def may_sign(order: Order, attempts: Sequence[Attempt], sending: bool, bidding: Bidding) -> May:
    """What may be signed beside the live attempts of an order (rules 17 c and 21).

    Only a further holder of the same latch is exclusive with all that live. `sending` is off once
    cancel or expiry was asked.
    """
    live, generation = live_of(attempts), order.latch_generation
    others = [a for a in live if a.latch_address is None or a.latch_generation != generation]
    if others or not bidding.latch:
        return May()
    if not sending:
        return May(cancel=_may_cancel(order, attempts, bidding))
    swaps = [a for a in attempts if a.round == order.round and a.kind is AttemptKind.SWAP]
    failed = [a for a in swaps if a.state is AttemptState.ERRORED]
    if not swaps or failed or len(swaps) >= bidding.max_attempts_per_round:
        # After a failure the round only waits for its other attempts: its retry is a new round.
        return May()
    newest = swaps[-1]
    price = newest.compute_unit_price_micro_lamports
    higher = raised_price(price, bidding.raise_percent, bidding.max_price_micro_lamports)
    fee = base_fee_lamports(1) + priority_fee_lamports(newest.compute_unit_limit, higher)
    room = room_lamports(order, attempts, AttemptKind.SWAP)
    return May(raise_fee=higher > price and fee <= room, renew=room >= base_fee_lamports(1))


def _may_cancel(order: Order, attempts: Sequence[Attempt], bidding: Bidding) -> bool:
    """Whether one more attempt may take the latch instead of the swaps: while one of those lives,
    and as often as a round has attempts. After that the proof of their death ends the order."""
    cancels = [a for a in attempts if a.kind is AttemptKind.CANCEL]
    if all(a.kind is AttemptKind.CANCEL for a in live_of(attempts)):
        return False
    if len(cancels) >= bidding.max_attempts_per_round:
        return False
    return room_lamports(order, attempts, AttemptKind.CANCEL) >= base_fee_lamports(1)
