"""Network costs in lamports, and what they are worth in the output token."""

from collections.abc import Iterable

import msgspec
from solders.pubkey import Pubkey

from fairlead.amounts import mul_div_ceil
from fairlead.routing.limits import compute_unit_limit
from fairlead.routing.model import NetworkCosts
from fairlead.solana.accounts import WSOL_MINT
from fairlead.solana.fees import base_fee_lamports, priority_fee_lamports
from fairlead.venues.venue import ChainTime, LoadedPool, VenueError

PROBE_LAMPORTS = 1_000_000_000
"""One SOL: what it buys is the price of a lamport. Much less would let a pool of dust name it."""


class LamportPrice(msgspec.Struct, frozen=True, gc=False):
    """Atoms of some token per lamport, as a fraction."""

    atoms: int
    lamports: int = 1
    # The token is the one put in: what the route itself pays for it comes on top.
    is_of_input: bool = False

    def worth(self, lamports: int, amount_in: int, amount_out: int) -> int:
        """Atoms of the output for this many lamports, on a route of these amounts; rounded up, at
        each of up to two steps."""
        atoms = lamports
        if self.lamports != 1 or self.atoms != 1:
            atoms = mul_div_ceil(lamports, self.atoms, self.lamports)
        return mul_div_ceil(atoms, amount_out, amount_in) if self.is_of_input else atoms


OF_SOL_OUT = LamportPrice(1)
OF_SOL_IN = LamportPrice(1, is_of_input=True)
UNKNOWN = LamportPrice(0)
"""No pool says what a lamport is worth: network costs count as nothing."""


def lamport_price(
    token_in: Pubkey, token_out: Pubkey, others: Iterable[LoadedPool], time: ChainTime
) -> LamportPrice:
    """By the route itself where a side is SOL, else by the best offer of other pools for one SOL in
    the output token, else in the input token."""
    if token_out == WSOL_MINT:
        return OF_SOL_OUT
    if token_in == WSOL_MINT:
        return OF_SOL_IN
    best = {token_out: 0, token_in: 0}
    for pool in others:
        first, second = pool.mints
        if first == WSOL_MINT:
            token = second
        elif second == WSOL_MINT:
            token = first
        else:
            continue
        if token in best:
            best[token] = max(best[token], _paid_for_one_sol(pool, time))
    if best[token_out]:
        return LamportPrice(best[token_out], PROBE_LAMPORTS)
    if best[token_in]:
        return LamportPrice(best[token_in], PROBE_LAMPORTS, is_of_input=True)
    return UNKNOWN


def _paid_for_one_sol(pool: LoadedPool, time: ChainTime) -> int:
    try:
        return pool.quote_exact_in(WSOL_MINT, PROBE_LAMPORTS, time).amount_out_atoms
    except VenueError:
        return 0


def lamports_of(swap_units: int, costs: NetworkCosts, middle: Pubkey | None = None) -> int:
    """What landing these swaps costs: fees, tip, and the rent that does not come back."""
    lamports = base_fee_lamports(signatures=1) + costs.tip_lamports + costs.rent_lamports
    if price := costs.compute_unit_price_micro_lamports:
        lamports += priority_fee_lamports(compute_unit_limit(swap_units), price)
    if middle is not None:
        lamports += sum([rent for mint, rent in costs.middle_rents if mint == middle])
    return lamports


def further_leg_lamports(swap_units: int, costs: NetworkCosts) -> int:
    """What a leg of so many units adds to the priority fee."""
    more = compute_unit_limit(swap_units) - compute_unit_limit(0)
    return priority_fee_lamports(more, costs.compute_unit_price_micro_lamports)
