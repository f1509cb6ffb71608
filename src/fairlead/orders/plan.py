"""From a route to the plan of an attempt: its swaps with their amounts and minimums, and the
accounts they need. Pure."""

import msgspec
from solders.pubkey import Pubkey

from fairlead.orders.model import Leg, Order
from fairlead.routing import Route, compute_unit_limit, leg_minimums
from fairlead.solana.accounts import WSOL_MINT
from fairlead.solana.latch import Latch, latch_address, latch_seed, wrap_address, wrap_seed
from fairlead.solana.legs import leg_of
from fairlead.solana.transaction import SwapPlan, TokenMint, Wrap, user_account


class Surroundings(msgspec.Struct, frozen=True, gc=False):
    """What an attempt says around its swaps."""

    # 1, 2, … within the order.
    number: int
    # Base58.
    blockhash: str
    compute_unit_price_micro_lamports: int
    # Rent minimum of a token account.
    account_rent_lamports: int
    latch: Latch | None


def swap_plan(order: Order, route: Route, minimum_out_atoms: int, around: Surroundings) -> SwapPlan:
    """The plan of this route. Parallel legs ask for `minimum_out_atoms` together, at least; the
    first hop of two asks for what the second one takes.

    SOL is swapped through one temporary account, whether it is sold, bought or in the middle. The
    accounts of other tokens that the wallet receives are made where they are missing.
    """
    terms, mints = order.terms, route.path.mints
    assert route.amount_in_atoms == terms.amount_in_atoms
    wallet = Pubkey.from_string(terms.wallet)
    wrap = None
    if WSOL_MINT in mints:
        seed = wrap_seed(order.secret, around.number)
        sold = terms.amount_in_atoms if mints[0] == WSOL_MINT else 0
        wrap = Wrap(wrap_address(wallet, seed), seed, around.account_rent_lamports + sold)
    tokens = _tokens(route)
    accounts = [user_account(wallet, token, wrap) for token in tokens]
    held = dict(zip(mints, accounts, strict=True))
    swaps = [
        leg.pool.swap_exact_in(
            wallet,
            leg.input_mint,
            held[leg.input_mint],
            held[leg.output_mint],
            leg.quote.amount_in_atoms,
            least,
        )
        for leg, least in zip(route.legs, _minimums(route, minimum_out_atoms), strict=True)
    ]
    return SwapPlan(
        wallet,
        around.blockhash,
        compute_unit_limit(route.compute_units),
        around.compute_unit_price_micro_lamports,
        around.latch,
        tuple([token for token in tokens[1:] if token.mint != WSOL_MINT]),
        wrap,
        tuple(swaps),
    )


def _minimums(route: Route, minimum_out_atoms: int) -> tuple[int, ...]:
    if len(route.legs) == 1:
        return (minimum_out_atoms,)
    return leg_minimums(route, minimum_out_atoms)


def _tokens(route: Route) -> list[TokenMint]:
    """The tokens of the path with their programs."""
    programs = {
        mint: program
        for leg in route.legs
        for mint, program in zip(leg.pool.mints, leg.pool.token_programs, strict=True)
    }
    return [TokenMint(mint, programs[mint]) for mint in route.path.mints]


def latch_of(order: Order, rent_lamports: int) -> Latch:
    """The order's present latch. `rent_lamports`: the rent minimum of an account of no bytes."""
    wallet = Pubkey.from_string(order.terms.wallet)
    seed = latch_seed(order.secret, order.latch_generation)
    return Latch(latch_address(wallet, seed), seed, rent_lamports)


def legs_of(route: Route) -> tuple[Leg, ...]:
    """The legs as the attempt keeps them, in execution order."""
    return tuple([leg_of(leg.pool, leg.input_mint) for leg in route.legs])
