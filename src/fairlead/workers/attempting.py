"""One attempt: read the pools, choose, build, simulate, sign, and store it. Nothing is sent
here."""

import msgspec
import structlog
from solders.pubkey import Pubkey
from solders.signature import Signature

from fairlead.errors import Unavailable
from fairlead.orders import budget, execution, resting
from fairlead.orders.execution import Failure
from fairlead.orders.model import Attempt, AttemptKind, Leg, Order
from fairlead.ports import Blockhash, Chain
from fairlead.routing import (
    NetworkCosts,
    NoRoute,
    Route,
    RouteLeg,
    RouteRequest,
    best_route,
    compute_unit_limit,
)
from fairlead.solana import program_errors
from fairlead.solana.accounts import TOKEN_ACCOUNT_SIZE, WSOL_MINT
from fairlead.solana.fees import (
    affordable_price,
    base_fee_lamports,
    priority_fee_lamports,
    raised_price,
)
from fairlead.solana.landing import Purpose
from fairlead.solana.latch import Latch, latch_address, latch_seed, wrap_address, wrap_seed
from fairlead.solana.transaction import (
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

log = structlog.get_logger("fairlead.attempting")


async def attempt(bench: Workbench, work: Work, purpose: Purpose) -> None:
    """Make and store the next attempt of an order of which nothing may land, or end the round with
    the reason."""
    order = work.order
    try:
        made = await _make(bench, order, work.attempts, purpose)
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
        case NotNow():
            raise AssertionError(f"{purpose} waits for nothing")
        case Made():
            change = execution.submitted(order, made.route, made.attempt, now_ms, purpose)
            await bench.commit(work, change)


async def attempt_beside(bench: Workbench, work: Work, purpose: Purpose) -> bool:
    """Make and store another attempt beside those that live (rule 17 c); False, and nothing is
    stored, where none can be had now. Whatever stands in its way ends no round: the others may
    land."""
    order = work.order
    made = await _make(bench, order, work.attempts, purpose)
    if not isinstance(made, Made):
        reason = made.reason if isinstance(made, Failure) else type(made).__name__
        log.info("no_other_attempt", order_id=order.order_id, purpose=purpose.value, why=reason)
        return False
    now_ms = bench.now_ms()
    change = execution.submitted(order, made.route, made.attempt, now_ms, purpose)
    await bench.commit(work, change)
    return True


class LatchTaken(msgspec.Struct, frozen=True):
    """The simulation met an existing latch while none of our attempts may have won."""


class NotNow(msgspec.Struct, frozen=True):
    """The fee cap leaves no higher price, or the endpoint knows no newer blockhash."""


class Made(msgspec.Struct, frozen=True):
    """A signed attempt that passed simulation, not yet stored."""

    route: Route
    attempt: Attempt


async def _make(
    bench: Workbench, order: Order, earlier: tuple[Attempt, ...], purpose: Purpose
) -> Made | Failure | LatchTaken | NotNow:
    parts, terms, number = bench.parts, order.terms, len(earlier) + 1
    if budget.is_spent(order, earlier):
        return Failure("fee_cap_spent", "no fee is left for another attempt", terminal=True)
    last = _last_swap(order, earlier)
    token_in, token_out = Pubkey.from_string(terms.token_in), Pubkey.from_string(terms.token_out)
    snapshot = await parts.pools.snapshot(token_in, token_out)
    addresses = [pool.address for pool in snapshot.pools]
    price = await _wanted_price(bench, addresses, last, purpose)
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
    minimum = execution.minimum_for(order, route.amount_out_atoms)
    price = min(price, _affordable(order, earlier, route))
    blockhash = await parts.chain.latest_blockhash()
    if last is not None and not _is_another(last, blockhash, price, purpose):
        return NotNow()
    plan = await _plan(bench, order, route, minimum, price, blockhash, number)
    try:
        message = swap_message(plan)
    except TransactionTooLarge as error:
        return Failure("transaction_too_large", str(error), terminal=True)
    simulation = await parts.chain.simulate(assemble(message, (UNSIGNED,)))
    if simulation.error is not None:
        refusal = program_errors.failure_of(simulation.error, simulation.logs)
        return _refused(refusal, route, minimum == resting.floor_of(order))
    legs = tuple([_leg(leg) for leg in route.legs])
    attempt = signed_attempt(bench, order, plan, blockhash, message, number, minimum, legs)
    return Made(route, attempt)


def _last_swap(order: Order, earlier: tuple[Attempt, ...]) -> Attempt | None:
    """The newest attempt of this round."""
    swaps = [a for a in earlier if a.round == order.round and a.kind is AttemptKind.SWAP]
    return swaps[-1] if swaps else None


async def _wanted_price(
    bench: Workbench, pools: list[Pubkey], last: Attempt | None, purpose: Purpose
) -> int:
    """The price per compute unit: what others lately paid, within a round never less than the last
    attempt offered, more to outbid it, and within our cap."""
    settings = bench.settings
    cap = settings.max_compute_unit_price_micro_lamports
    price = await bench.parts.chain.prioritization_fee(pools, settings.priority_fee_percentile)
    if last is not None:
        offered = last.compute_unit_price_micro_lamports
        if purpose is Purpose.RAISE:
            offered = raised_price(offered, settings.fee_raise_percent, cap)
        price = max(price, offered)
    return min(price, cap)


def _affordable(order: Order, earlier: tuple[Attempt, ...], route: Route) -> int:
    """The price that what is left of the order's fee cap pays for this route."""
    room = budget.room_lamports(order, earlier, AttemptKind.SWAP)
    return affordable_price(room, compute_unit_limit(route.compute_units))


def _is_another(last: Attempt, blockhash: Blockhash, price: int, purpose: Purpose) -> bool:
    """Whether the new attempt would be more than the last one once again."""
    if purpose is Purpose.RAISE:
        return price > last.compute_unit_price_micro_lamports
    if purpose is Purpose.RENEW:
        return blockhash.last_valid_block_height > last.last_valid_block_height
    return True


async def _plan(
    bench: Workbench,
    order: Order,
    route: Route,
    minimum: int,
    price: int,
    blockhash: Blockhash,
    number: int,
) -> SwapPlan:
    chain, terms = bench.parts.chain, order.terms
    # One swap: nothing here asks routing for more.
    (leg,) = route.legs
    wallet = Pubkey.from_string(terms.wallet)
    token_in, token_out = _sides(leg)
    wrap = None
    if WSOL_MINT in (token_in.mint, token_out.mint):
        seed = wrap_seed(order.secret, number)
        rent = await chain.rent_minimum(TOKEN_ACCOUNT_SIZE)
        sold = terms.amount_in_atoms if token_in.mint == WSOL_MINT else 0
        wrap = Wrap(wrap_address(wallet, seed), seed, rent + sold)
    latch = await latch_of(chain, order) if bench.settings.latch else None
    swap = leg.pool.swap_exact_in(
        wallet,
        token_in.mint,
        user_account(wallet, token_in, wrap),
        user_account(wallet, token_out, wrap),
        terms.amount_in_atoms,
        minimum,
    )
    return SwapPlan(
        wallet,
        blockhash.blockhash,
        compute_unit_limit(route.compute_units),
        price,
        latch,
        None if token_out.mint == WSOL_MINT else token_out,
        wrap,
        (swap,),
    )


def _sides(leg: RouteLeg) -> tuple[TokenMint, TokenMint]:
    """Input and output mint with their token programs."""
    pool = leg.pool
    first, second = (
        TokenMint(mint, program)
        for mint, program in zip(pool.mints, pool.token_programs, strict=True)
    )
    return (first, second) if first.mint == leg.input_mint else (second, first)


async def latch_of(chain: Chain, order: Order) -> Latch:
    """The order's present latch, with the rent it takes."""
    wallet = Pubkey.from_string(order.terms.wallet)
    seed = latch_seed(order.secret, order.latch_generation)
    return Latch(latch_address(wallet, seed), seed, await chain.rent_minimum(0))


def signed_attempt(
    bench: Workbench,
    order: Order,
    plan: SwapPlan,
    blockhash: Blockhash,
    message: bytes,
    number: int,
    minimum: int,
    legs: tuple[Leg, ...],
) -> Attempt:
    """The attempt of a message that passed simulation, signed."""
    wallet = bench.parts.wallet
    # A mapped paper wallet is found by the address that it stands for, in whichever process.
    wallet.held_address(order.terms.wallet_address)
    signature = wallet.sign(order.terms.wallet, message)
    limit, price = plan.compute_unit_limit, plan.compute_unit_price_micro_lamports
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
        compute_unit_limit=limit,
        compute_unit_price_micro_lamports=price,
        tip_lamports=0,
        fee_lamports=base_fee_lamports(1) + priority_fee_lamports(limit, price),
        latch_address=str(plan.latch.address) if plan.latch else None,
        latch_generation=order.latch_generation,
        minimum_out_atoms=minimum,
        legs=legs,
        created_at_ms=bench.now_ms(),
    )


def _leg(leg: RouteLeg) -> Leg:
    pool = leg.pool
    first_is_in = pool.mints[0] == leg.input_mint
    vault_in, vault_out = pool.pool.vaults if first_is_in else pool.pool.vaults[::-1]
    return Leg(
        venue=pool.venue.value,
        program=str(pool.pool.program_id),
        pool=str(pool.address),
        token_in=str(leg.input_mint),
        token_out=str(leg.output_mint),
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
    return execution.refused(
        failure, at_floor=at_floor, candidates=route.candidates, where="simulation: "
    )
