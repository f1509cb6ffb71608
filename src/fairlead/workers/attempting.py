"""One attempt: read the pools, choose, build, simulate, sign, and store it. Nothing is sent
here."""

import math

import msgspec
from solders.pubkey import Pubkey
from solders.signature import Signature

from fairlead.errors import Unavailable
from fairlead.orders import execution, resting
from fairlead.orders.execution import Failure
from fairlead.orders.failures import ABOUT_PRICE
from fairlead.orders.model import Attempt, AttemptState, Leg, Order
from fairlead.ports import Blockhash
from fairlead.routing import NetworkCosts, NoRoute, Route, RouteRequest, best_route
from fairlead.solana import program_errors
from fairlead.solana.accounts import TOKEN_ACCOUNT_SIZE, WSOL_MINT
from fairlead.solana.fees import base_fee_lamports, priority_fee_lamports
from fairlead.solana.latch import Latch, latch_address, latch_seed, wrap_address, wrap_seed
from fairlead.solana.transaction import (
    MAX_COMPUTE_UNITS,
    UNSIGNED,
    SwapPlan,
    TokenMint,
    TransactionTooLarge,
    Wrap,
    assemble,
    swap_message,
    user_account,
)
from fairlead.venues.venue import ErrorClass
from fairlead.workers import latches
from fairlead.workers.work import Work, Workbench

UNITS_AROUND_A_SWAP = 60_000
"""Compute units of latch, account creation, wrap and unwrap together, with the classic token
program."""

UNITS_MARGIN = (12, 10)
"""The limit asked for over the estimate: 20 % more. The simulation of the same message checks
it."""


async def attempt(bench: Workbench, work: Work, replaces: Attempt | None) -> None:
    """Make and store the next attempt of the order, or end the round with the reason."""
    order = work.order
    try:
        made = await _make(bench, order, work.attempts)
    except Unavailable:
        now_ms = bench.now_ms()
        await bench.commit(work, execution.outage(order, now_ms, bench.settings.retry))
        return
    now_ms = bench.now_ms()
    retry = bench.settings.retry
    match made:
        case Failure():
            await bench.commit(work, execution.round_failed(order, made, now_ms, retry))
        case LatchTaken():
            await latches.taken_before(bench, work)
        case Made():
            change = execution.submitted(order, made.route, made.attempt, now_ms, replaces)
            await bench.commit(work, change)


class LatchTaken(msgspec.Struct, frozen=True):
    """The simulation met an existing latch while none of our attempts may have won."""


class Made(msgspec.Struct, frozen=True):
    """A signed attempt that passed simulation, not yet stored."""

    route: Route
    attempt: Attempt


async def _make(
    bench: Workbench, order: Order, earlier: tuple[Attempt, ...]
) -> Made | Failure | LatchTaken:
    parts, terms, number = bench.parts, order.terms, len(earlier) + 1
    if resting.cap_is_spent(order, earlier):
        return Failure("fee_cap_spent", "no fee is left for another attempt", terminal=True)
    token_in, token_out = Pubkey.from_string(terms.token_in), Pubkey.from_string(terms.token_out)
    snapshot = await parts.pools.snapshot(token_in, token_out)
    addresses = [pool.address for pool in snapshot.pools]
    price = await _unit_price(bench, order, earlier, addresses)
    request = RouteRequest(
        token_in, token_out, terms.amount_in_atoms, terms.venues, terms.max_price_impact_bps
    )
    result = best_route(request, snapshot, NetworkCosts(price))
    if isinstance(result, NoRoute):
        return _no_route(result)
    route = resting.reaching(result, resting.floor_of(order))
    if route is None:
        return Failure(
            "stale_price",
            "the best quote is below the order's minimum",
            candidates=result.candidates,
            below_floor=True,
        )
    minimum = execution.minimum_for(order, route.quote.amount_out_atoms)
    blockhash = await parts.chain.latest_blockhash()
    plan = await _plan(bench, order, route, minimum, price, blockhash, number)
    try:
        message = swap_message(plan)
    except TransactionTooLarge as error:
        return Failure("transaction_too_large", str(error), terminal=True)
    simulation = await parts.chain.simulate(assemble(message, (UNSIGNED,)))
    if simulation.error is not None:
        refusal = program_errors.failure_of(simulation.error, simulation.logs)
        return _refused(refusal, route, minimum == resting.floor_of(order))
    # A mapped paper wallet is found by the address that it stands for, in whichever process.
    parts.wallet.held_address(terms.wallet_address)
    signature = parts.wallet.sign(terms.wallet, message)
    made_at_ms = bench.now_ms()
    attempt = _attempt(
        order, route, plan, blockhash, minimum, number, message, signature, made_at_ms
    )
    return Made(route, attempt)


async def _unit_price(
    bench: Workbench, order: Order, earlier: tuple[Attempt, ...], pools: list[Pubkey]
) -> int:
    """The price per compute unit: what others lately paid, within our cap and what is left of the
    order's fee cap (attempts that failed on chain have paid)."""
    settings = bench.settings
    paid_lamports = sum(a.fee_lamports for a in earlier if a.state is not AttemptState.DEAD)
    paid = await bench.parts.chain.prioritization_fee(pools, settings.priority_fee_percentile)
    room_lamports = max(order.terms.fee_cap_lamports - paid_lamports - base_fee_lamports(1), 0)
    affordable = room_lamports * 1_000_000 // MAX_COMPUTE_UNITS
    return min(paid, settings.max_compute_unit_price_micro_lamports, affordable)


async def _plan(
    bench: Workbench,
    order: Order,
    route: Route,
    minimum: int,
    price: int,
    blockhash: Blockhash,
    number: int,
) -> SwapPlan:
    chain, terms, pool = bench.parts.chain, order.terms, route.pool
    wallet = Pubkey.from_string(terms.wallet)
    token_in, token_out = _sides(order, route)
    wrap = None
    if WSOL_MINT in (token_in.mint, token_out.mint):
        seed = wrap_seed(order.secret, number)
        rent = await chain.rent_minimum(TOKEN_ACCOUNT_SIZE)
        sold = terms.amount_in_atoms if token_in.mint == WSOL_MINT else 0
        wrap = Wrap(wrap_address(wallet, seed), seed, rent + sold)
    latch = None
    if bench.settings.latch:
        seed = latch_seed(order.secret, order.latch_generation)
        latch = Latch(latch_address(wallet, seed), seed, await chain.rent_minimum(0))
    swap = pool.swap_exact_in(
        wallet,
        token_in.mint,
        user_account(wallet, token_in, wrap),
        user_account(wallet, token_out, wrap),
        terms.amount_in_atoms,
        minimum,
    )
    up, down = UNITS_MARGIN
    units = math.ceil((route.quote.compute_units + UNITS_AROUND_A_SWAP) * up / down)
    return SwapPlan(
        wallet,
        blockhash.blockhash,
        min(units, MAX_COMPUTE_UNITS),
        price,
        latch,
        None if token_out.mint == WSOL_MINT else token_out,
        wrap,
        (swap,),
    )


def _sides(order: Order, route: Route) -> tuple[TokenMint, TokenMint]:
    """Input and output mint with their token programs."""
    pool = route.pool
    first, second = (
        TokenMint(mint, program)
        for mint, program in zip(pool.mints, pool.token_programs, strict=True)
    )
    return (first, second) if str(first.mint) == order.terms.token_in else (second, first)


def _attempt(
    order: Order,
    route: Route,
    plan: SwapPlan,
    blockhash: Blockhash,
    minimum: int,
    number: int,
    message: bytes,
    signature: bytes,
    now_ms: int,
) -> Attempt:
    fee = base_fee_lamports(1) + priority_fee_lamports(
        plan.compute_unit_limit, plan.compute_unit_price_micro_lamports
    )
    return Attempt(
        signature=str(Signature.from_bytes(signature)),
        order_id=order.order_id,
        round=order.round,
        number=number,
        raw=assemble(message, (signature,)),
        blockhash=blockhash.blockhash,
        blockhash_slot=blockhash.slot,
        blockhash_height=blockhash.block_height,
        last_valid_block_height=blockhash.last_valid_block_height,
        compute_unit_limit=plan.compute_unit_limit,
        compute_unit_price_micro_lamports=plan.compute_unit_price_micro_lamports,
        tip_lamports=0,
        fee_lamports=fee,
        latch_address=str(plan.latch.address) if plan.latch else None,
        latch_generation=order.latch_generation,
        minimum_out_atoms=minimum,
        legs=(_leg(order, route),),
        created_at_ms=now_ms,
    )


def _leg(order: Order, route: Route) -> Leg:
    pool = route.pool
    first_is_in = str(pool.mints[0]) == order.terms.token_in
    vault_in, vault_out = pool.pool.vaults if first_is_in else pool.pool.vaults[::-1]
    return Leg(
        venue=pool.venue.value,
        program=str(pool.pool.program_id),
        pool=str(pool.address),
        token_in=order.terms.token_in,
        token_out=order.terms.token_out,
        vault_in=str(vault_in),
        vault_out=str(vault_out),
    )


def _no_route(result: NoRoute) -> Failure:
    terminal = result.error_class is ErrorClass.TERMINAL
    code = "no_route" if terminal else program_errors.code_of(result.error_class)
    return Failure(code, result.reason, terminal, result.candidates, below_floor=True)


def _refused(
    failure: program_errors.ProgramFailure, route: Route, at_floor: bool
) -> Failure | LatchTaken:
    """The simulation failed: nothing was signed, nothing is stored (rule 8)."""
    if failure.latch_taken:
        return LatchTaken()
    terminal = failure.error_class is ErrorClass.TERMINAL
    reason = f"simulation: {failure.reason}"
    below = at_floor and failure.code in ABOUT_PRICE
    return Failure(failure.code, reason, terminal, route.candidates, below)
