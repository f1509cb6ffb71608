"""Which route an attempt takes: the pair's own pools first, and those around it only where two hops
may pay more."""

from collections.abc import Sequence

import msgspec
from solders.pubkey import Pubkey

from fairlead.orders import exact_out, resting, routes
from fairlead.orders.failures import Failure
from fairlead.orders.model import Attempt, Order
from fairlead.ports import PoolSnapshot
from fairlead.routing import NetworkCosts, NoRoute, Route, RouteRequest, best_route
from fairlead.routing.exact_out import ExactOutRequest, exact_out_route
from fairlead.solana import program_errors
from fairlead.solana.accounts import TOKEN_ACCOUNT_SIZE
from fairlead.solana.fees import raised_price
from fairlead.solana.landing import Purpose
from fairlead.venues.venue import ErrorClass
from fairlead.workers.work import Workbench

MAX_EDGES = 4_096
"""Pairs, each way, of which it is remembered whether two hops pay; when full it starts anew."""


class Question(msgspec.Struct, frozen=True, gc=False):
    """What a route is chosen from."""

    request: RouteRequest | ExactOutRequest
    snapshot: PoolSnapshot
    costs: NetworkCosts

    def answer(self) -> Route | NoRoute:
        if isinstance(self.request, ExactOutRequest):
            return exact_out_route(self.request, self.snapshot, self.costs)
        return best_route(self.request, self.snapshot, self.costs)


class Choice(msgspec.Struct, frozen=True, gc=False):
    """A route that reaches the order's floor, with the question that it answers."""

    route: Route
    question: Question

    @property
    def price(self) -> int:
        """Wanted per compute unit, in micro-lamports."""
        return self.question.costs.compute_unit_price_micro_lamports


async def choose(
    bench: Workbench,
    order: Order,
    earlier: Sequence[Attempt],
    last: Attempt | None,
    purpose: Purpose,
) -> Choice | Failure:
    """Read the pools and choose; the failure of the round where no route reaches the floor.
    `last`: of the earlier attempts the newest swap of this round."""
    if order.terms.exact_out_atoms is not None:
        return await _choose_exact_out(bench, order, earlier, last, purpose)
    pools, policy = bench.parts.pools, bench.settings.routing
    request = routes.request_of(order.terms, policy)
    mints = request.token_in, request.token_out
    snapshot = await pools.snapshot(*mints)
    is_around = not snapshot.pools and policy.allows_hops
    if is_around:
        snapshot = await pools.around(*mints)
    addresses = [pool.address for pool in snapshot.pools or snapshot.others]
    price = await _wanted_price(bench, addresses, last, purpose)
    question = Question(request, snapshot, NetworkCosts(price))
    if not is_around:
        result = question.answer()
        if not _may_gain_around(bench, request, result):
            return _reaching(order, result, question)
        snapshot = await pools.around(*mints)
        # Another order may have learnt meanwhile that there is nothing to gain.
        if not _may_gain_around(bench, request, result):
            return _reaching(order, result, question)
    request = routes.with_middles(request)
    rents = await _middle_rents(bench, order, request)
    question = Question(request, snapshot, NetworkCosts(price, middle_rents=rents))
    result = question.answer()
    _remember(bench, request, result)
    return _reaching(order, result, question)


def _may_gain_around(bench: Workbench, request: RouteRequest, direct: Route | NoRoute) -> bool:
    edge = bench.edges.get((request.token_in, request.token_out))
    policy, tolerance_bps = bench.settings.routing, request.hop_tolerance_bps
    return routes.may_gain_around(direct, policy, edge, bench.elapsed_ms(), tolerance_bps)


def _remember(bench: Workbench, request: RouteRequest, result: Route | NoRoute) -> None:
    """What two hops have to offer for this pair, for the orders that come soon."""
    mints = request.token_in, request.token_out
    edge = routes.edge_of(result, bench.elapsed_ms(), request.hop_tolerance_bps)
    if edge is None:
        return
    if len(bench.edges) >= MAX_EDGES:
        bench.edges.clear()
    bench.edges[mints] = edge


def with_fewer_legs(order: Order, choice: Choice) -> Choice | Failure | None:
    """The best with fewer legs, for a transaction that did not fit; None where it has one leg."""
    question = choice.question
    if isinstance(question.request, ExactOutRequest):
        return None
    request = routes.narrower(question.request, choice.route)
    if request is None:
        return None
    question = msgspec.structs.replace(question, request=request)
    return _reaching(order, question.answer(), question)


async def _choose_exact_out(
    bench: Workbench,
    order: Order,
    earlier: Sequence[Attempt],
    last: Attempt | None,
    purpose: Purpose,
) -> Choice | Failure:
    """The pool that brings the order's output for the least input, within its ceiling."""
    request = exact_out.request_of(order.terms)
    snapshot = await bench.parts.pools.snapshot(request.token_in, request.token_out)
    price = await _wanted_price(bench, [pool.address for pool in snapshot.pools], last, purpose)
    question = Question(request, snapshot, NetworkCosts(price))
    result = question.answer()
    if isinstance(result, NoRoute):
        return _no_route(result)
    route = exact_out.within(result, exact_out.ceiling_of(order.terms, earlier))
    if route is None:
        why = "the best quote takes more than the order's maximum"
        return Failure("stale_price", why, candidates=result.candidates)
    return Choice(route, question)


def _no_route(result: NoRoute) -> Failure:
    terminal = result.error_class is ErrorClass.TERMINAL
    code = "no_route" if terminal else program_errors.code_of(result.error_class)
    return Failure(code, result.reason, terminal, result.candidates, below_floor=True)


def _reaching(order: Order, result: Route | NoRoute, question: Question) -> Choice | Failure:
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
    return Choice(route, question)


async def _middle_rents(
    bench: Workbench, order: Order, request: RouteRequest
) -> tuple[tuple[Pubkey, int], ...]:
    """Of each middle token for which the wallet has no account yet, the rent of one."""
    wanted = routes.middle_accounts(request, Pubkey.from_string(order.terms.wallet))
    if not wanted:
        return ()
    chain = bench.parts.chain
    read = await chain.accounts(tuple(wanted.values()))
    rent = await chain.rent_minimum(TOKEN_ACCOUNT_SIZE)
    return tuple([(mint, rent) for mint, at in wanted.items() if at not in read.accounts])


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
