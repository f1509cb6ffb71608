"""From a route to the plan of an attempt: its swaps with their amounts and minimums, and the
accounts they need. Pure."""

from collections.abc import Sequence

import msgspec
from solders.instruction import Instruction
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


def swap_plan(
    order: Order,
    route: Route,
    minimum_out_atoms: int,
    around: Surroundings,
    maximum_in_atoms: int | None = None,
) -> SwapPlan:
    """The plan of this route. Parallel legs ask for `minimum_out_atoms` together, at least; the
    first hop of two asks for what the second one takes. With `maximum_in_atoms` it is an exact
    output: the one leg asks for just that minimum.

    SOL is swapped through one temporary account, whether it is sold, bought or in the middle. The
    accounts of other tokens that the wallet receives are made where they are missing.
    """
    terms = order.terms
    given = terms.amount_in_atoms if maximum_in_atoms is None else maximum_in_atoms
    assert route.amount_in_atoms == given or maximum_in_atoms is not None
    wallet = Pubkey.from_string(terms.wallet)
    tokens = _tokens(route)
    wrap = None
    if WSOL_MINT in route.path.mints:
        seed = wrap_seed(order.secret, around.number)
        # What an exact output leaves of it comes back when the account is closed.
        sold = given if tokens[0].mint == WSOL_MINT else 0
        wrap = Wrap(wrap_address(wallet, seed), seed, around.account_rent_lamports + sold)
    accounts = [user_account(wallet, token, wrap) for token in tokens]
    return SwapPlan(
        wallet,
        around.blockhash,
        compute_unit_limit(route.compute_units),
        around.compute_unit_price_micro_lamports,
        around.latch,
        tuple([token for token in tokens[1:] if token.mint != WSOL_MINT]),
        wrap,
        _swaps(wallet, route, minimum_out_atoms, accounts)
        if maximum_in_atoms is None
        else (_exact_out(wallet, route, minimum_out_atoms, maximum_in_atoms, accounts),),
    )


def _tokens(route: Route) -> list[TokenMint]:
    """The tokens of the path with their programs."""
    mints, first = route.path.mints, route.legs[0]
    if len(mints) == 2:
        side = first.pool.mints.index(mints[0])
        programs = first.pool.token_programs
        return [TokenMint(mints[0], programs[side]), TokenMint(mints[1], programs[1 - side])]
    known = {
        mint: program
        for leg in route.legs
        for mint, program in zip(leg.pool.mints, leg.pool.token_programs, strict=True)
    }
    return [TokenMint(mint, known[mint]) for mint in mints]


def _swaps(
    wallet: Pubkey, route: Route, minimum_out_atoms: int, accounts: Sequence[Pubkey]
) -> tuple[Instruction, ...]:
    """The instructions of the legs. `accounts`: the wallet's, of each token of the path."""
    legs = route.legs
    if len(legs) == 1:
        (leg,) = legs
        amount, (source, target) = leg.quote.amount_in_atoms, accounts
        mint = leg.input_mint
        return (leg.pool.swap_exact_in(wallet, mint, source, target, amount, minimum_out_atoms),)
    held = dict(zip(route.path.mints, accounts, strict=True))
    leasts = _minimums(route, minimum_out_atoms)
    return tuple(
        [
            leg.pool.swap_exact_in(
                wallet,
                leg.input_mint,
                held[leg.input_mint],
                held[leg.output_mint],
                leg.quote.amount_in_atoms,
                least,
            )
            for leg, least in zip(legs, leasts, strict=True)
        ]
    )


def _exact_out(
    wallet: Pubkey, route: Route, out_atoms: int, most_in_atoms: int, accounts: Sequence[Pubkey]
) -> Instruction:
    (leg,) = route.legs
    source, target = accounts
    mint = leg.input_mint
    return leg.pool.swap_exact_out(wallet, mint, source, target, out_atoms, most_in_atoms)


def _minimums(route: Route, minimum_out_atoms: int) -> list[int]:
    """What each leg asks for. Each share is rounded up; what the last hop then asks for together
    beyond the minimum, an atom of each leg at most, is taken off again: it is what was promised."""
    leasts = list(leg_minimums(route, minimum_out_atoms))
    last = [at for at, leg in enumerate(route.legs) if leg.output_mint == route.path.mints[-1]]
    beyond = sum([leasts[at] for at in last]) - minimum_out_atoms
    assert 0 <= beyond < len(last)
    for at in last[:beyond]:
        leasts[at] -= 1
    return leasts


def latch_of(order: Order, rent_lamports: int) -> Latch:
    """The order's present latch. `rent_lamports`: the rent minimum of an account of no bytes."""
    wallet = Pubkey.from_string(order.terms.wallet)
    seed = latch_seed(order.secret, order.latch_generation)
    return Latch(latch_address(wallet, seed), seed, rent_lamports)


def legs_of(route: Route, maximum_in_atoms: int | None = None) -> tuple[Leg, ...]:
    """The legs as the attempt keeps them, in execution order; of an exact output with its most."""
    legs = tuple([leg_of(leg.pool, leg.input_mint) for leg in route.legs])
    if maximum_in_atoms is None:
        return legs
    (leg,) = legs
    return (msgspec.structs.replace(leg, maximum_in_atoms=maximum_in_atoms),)
