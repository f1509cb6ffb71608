"""What an order holds back from its wallet: amount (of an exact output the most that it may cost),
fee cap, cancel allowance and rents. Pure: terms in, numbers out.

The store compares each reservation with the balance less what live orders already hold, in the
commit that accepts the order.
"""

from collections.abc import Mapping

from fairlead.orders.budget import CANCEL_ALLOWANCE_LAMPORTS
from fairlead.orders.model import OrderTerms, Reservation
from fairlead.tokens import SOL

LAMPORTS = "lamports"
"""The asset that stands for the native balance."""
LATCH_RENT_LAMPORTS = 890_880
"""Rent minimum of the latch, an account of no bytes; lent until it is reclaimed."""
TOKEN_ACCOUNT_RENT_LAMPORTS = 2_039_280
"""Rent minimum of a token account (165 bytes)."""


def needs(terms: OrderTerms) -> tuple[tuple[str, int], ...]:
    """What must be there, by asset; lamports first.

    Every order may have to make one token account that stays (of tokenOut) or one that is closed in
    the same transaction (wrapped SOL); with SOL on neither side there is only the first. A path of
    two hops makes one more: of a middle token, or for SOL in the middle. Whoever sends it may
    cancel it, and a cancel that cannot pay does not land. A reclaim needs nothing: it pays from
    what it takes back.
    """
    lamports = terms.fee_cap_lamports + CANCEL_ALLOWANCE_LAMPORTS + LATCH_RENT_LAMPORTS
    if terms.token_in == SOL.mint or terms.token_out == SOL.mint:
        lamports += TOKEN_ACCOUNT_RENT_LAMPORTS
    if terms.token_out != SOL.mint:
        lamports += TOKEN_ACCOUNT_RENT_LAMPORTS
    if terms.exact_out_atoms is None:
        # Of an exact output no path has two hops.
        lamports += TOKEN_ACCOUNT_RENT_LAMPORTS
    if terms.token_in == SOL.mint:
        return ((LAMPORTS, lamports + terms.amount_in_atoms),)
    return ((LAMPORTS, lamports), (terms.token_in, terms.amount_in_atoms))


def reservations(
    terms: OrderTerms, needed: tuple[tuple[str, int], ...], balances: Mapping[str, int]
) -> tuple[Reservation, ...]:
    """The needs with what the wallet holds of each; an asset it never had counts as none."""
    return tuple(
        [Reservation(terms.wallet, asset, atoms, balances.get(asset, 0)) for asset, atoms in needed]
    )
