"""One attempt: read the pools, choose, build, simulate, sign, and store it. Nothing is sent
here."""

from collections.abc import Sequence

import msgspec
import structlog
from solders.signature import Signature

from fairlead.errors import Unavailable
from fairlead.orders import budget, changes, exact_out, resting, round_ends
from fairlead.orders.failures import Failure, refused
from fairlead.orders.model import Attempt, AttemptKind, Leg, Order, live_of
from fairlead.orders.plan import Surroundings, latch_of, legs_of, swap_plan
from fairlead.ports import Blockhash
from fairlead.routing import Route, compute_unit_limit
from fairlead.solana import program_errors
from fairlead.solana.accounts import TOKEN_ACCOUNT_SIZE
from fairlead.solana.fees import affordable_price, base_fee_lamports, priority_fee_lamports
from fairlead.solana.landing import Purpose
from fairlead.solana.transaction import (
    UNSIGNED,
    SwapPlan,
    TransactionTooLarge,
    assemble,
    swap_message,
)
from fairlead.workers import choosing, latches
from fairlead.workers.choosing import Choice
from fairlead.workers.work import Work, Workbench

log = structlog.get_logger("fairlead.attempting")


async def attempt(bench: Workbench, work: Work, purpose: Purpose) -> None:
    """Make and store the next attempt of an order of which nothing may land, or end the round with
    the reason."""
    await work.place.regain(bench.places)
    order = work.order
    try:
        made = await _make(bench, order, work.attempts, purpose)
    except Unavailable:
        made = NotNow()
    now_ms = bench.now_ms()
    retry = bench.settings.retry
    match made:
        case Made():
            change = changes.submitted(order, made.route, made.attempt, now_ms, purpose)
            await bench.commit(work, change)
        case Failure():
            await bench.commit(work, round_ends.round_failed(order, made, now_ms, retry))
        case LatchTaken():
            await latches.taken_before(bench, work)
        case NotNow():
            await bench.commit(work, changes.outage(order, now_ms, retry))


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
    change = changes.submitted(order, made.route, made.attempt, now_ms, purpose)
    await bench.commit(work, change)
    return True


class LatchTaken(msgspec.Struct, frozen=True):
    """The simulation met an existing latch while none of our attempts may have won."""


class NotNow(msgspec.Struct, frozen=True):
    """The fee cap leaves no higher price, the endpoint knows no newer blockhash or does not answer,
    or the latch may be taken back while it could land."""


class Made(msgspec.Struct, frozen=True):
    """A signed attempt that passed simulation, not yet stored."""

    route: Route
    attempt: Attempt


async def _make(
    bench: Workbench, order: Order, earlier: tuple[Attempt, ...], purpose: Purpose
) -> Made | Failure | LatchTaken | NotNow:
    parts = bench.parts
    room_lamports = budget.room_lamports(order, earlier, AttemptKind.SWAP)
    if budget.is_spent(order, room_lamports):
        return Failure("fee_cap_spent", "no fee is left for another attempt", terminal=True)
    last = _last_swap(order, earlier)
    choice = await choosing.choose(bench, order, earlier, last, purpose)
    if isinstance(choice, Failure):
        return choice
    blockhash = await parts.chain.latest_blockhash()
    margin, live = bench.settings.landing.reclaim_margin, live_of(earlier)
    if not budget.still_excludes(live, blockhash.block_height, margin):
        return NotNow()
    built = await _built(bench, order, earlier, room_lamports, choice, blockhash)
    if isinstance(built, Failure):
        return built
    plan, price = built.plan, built.plan.compute_unit_price_micro_lamports
    if last is not None and not _is_another(last, blockhash, price, purpose):
        return NotNow()
    if is_signed(built.message, earlier):
        return NotNow()
    simulation = await parts.chain.simulate(assemble(built.message, (UNSIGNED,)))
    route, minimum = built.route, built.minimum_out_atoms
    if simulation.error is not None:
        is_exact_out = built.maximum_in_atoms is not None
        refusal = program_errors.failure_of(
            simulation.error, simulation.logs, is_exact_out=is_exact_out
        )
        return _refused(refusal, route, minimum == resting.floor_of(order))
    legs = legs_of(route, built.maximum_in_atoms)
    number = len(earlier) + 1
    attempt = signed_attempt(bench, order, plan, blockhash, built.message, number, minimum, legs)
    return Made(route, attempt)


class Built(msgspec.Struct, frozen=True, gc=False):
    """A message that fits, not yet simulated."""

    route: Route
    minimum_out_atoms: int
    # Of an exact output only.
    maximum_in_atoms: int | None
    plan: SwapPlan
    message: bytes


async def _built(
    bench: Workbench,
    order: Order,
    earlier: tuple[Attempt, ...],
    room_lamports: int,
    choice: Choice,
    blockhash: Blockhash,
) -> Built | Failure:
    """The message of the chosen route; with fewer legs where it is too large for a transaction,
    which routing should have seen."""
    chain = bench.parts.chain
    rent = await chain.rent_minimum(TOKEN_ACCOUNT_SIZE)
    latch = None
    if bench.settings.latch:
        latch = latch_of(order, await chain.rent_minimum(0))
    while True:
        route = choice.route
        minimum, maximum = _limits(order, earlier, route)
        # At most what is left of the order's fee cap pays for this route.
        limit = compute_unit_limit(route.compute_units)
        price = min(choice.price, affordable_price(room_lamports, limit))
        around = Surroundings(len(earlier) + 1, blockhash.blockhash, price, rent, latch)
        plan = swap_plan(order, route, minimum, around, maximum)
        try:
            return Built(route, minimum, maximum, plan, swap_message(plan))
        except TransactionTooLarge as error:
            log.warning("too_large", order_id=order.order_id, legs=len(route.legs), why=str(error))
            other = choosing.with_fewer_legs(order, choice)
            if other is None:
                return Failure("transaction_too_large", str(error), terminal=True)
            if isinstance(other, Failure):
                return other
            choice = other


def _limits(order: Order, earlier: tuple[Attempt, ...], route: Route) -> tuple[int, int | None]:
    """The least that the attempt must bring; and of an exact output, which is that, the most that
    it may take."""
    exact = order.terms.exact_out_atoms
    if exact is None:
        return changes.minimum_for(order, route.amount_out_atoms), None
    return exact, exact_out.maximum_for(order, earlier, route.amount_in_atoms)


def _last_swap(order: Order, earlier: tuple[Attempt, ...]) -> Attempt | None:
    """The newest attempt of this round."""
    swaps = [a for a in earlier if a.round == order.round and a.kind is AttemptKind.SWAP]
    return swaps[-1] if swaps else None


def _is_another(last: Attempt, blockhash: Blockhash, price: int, purpose: Purpose) -> bool:
    """Whether the new attempt would be more than the last one once again."""
    if purpose is Purpose.RAISE:
        return price > last.compute_unit_price_micro_lamports
    if purpose is Purpose.RENEW:
        # The same one may be told with another end: the cluster may change how long it lives.
        is_later = blockhash.last_valid_block_height > last.last_valid_block_height
        return is_later and blockhash.blockhash != last.blockhash
    return True


def is_signed(message: bytes, earlier: Sequence[Attempt]) -> bool:
    """Whether an earlier attempt has these bytes. An endpoint that lags may tell the blockhash of
    one again; the simulation would then call it processed, which is no failure of the order."""
    return any(each.raw.endswith(message) for each in earlier)


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


def _refused(
    failure: program_errors.ProgramFailure, route: Route, at_floor: bool
) -> Failure | LatchTaken:
    """The simulation failed: nothing was signed, nothing is stored (rule 8)."""
    if failure.latch_taken:
        return LatchTaken()
    return refused(failure, at_floor=at_floor, candidates=route.candidates, where="simulation: ")
