"""Plans of routes over the paper market: their minimums, their accounts, and what can be read back
from their bytes."""

from functools import cache

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from solders.pubkey import Pubkey

from fairlead.ledger.market import all_pools
from fairlead.ledger.market_flow import opening_accounts
from fairlead.ledger.message import parse_transaction
from fairlead.orders.model import Order, OrderStatus
from fairlead.orders.plan import Surroundings, latch_of, legs_of, swap_plan
from fairlead.orders.routes import (
    MIDDLES,
    Edge,
    RoutingPolicy,
    edge_of,
    may_gain_around,
    narrower,
    request_of,
    with_middles,
)
from fairlead.ports import PoolSnapshot
from fairlead.routing import NetworkCosts, Route, RouteRequest, best_route
from fairlead.solana.accounts import WSOL_MINT
from fairlead.solana.adopted_legs import legs_in
from fairlead.solana.transaction import UNSIGNED, SwapPlan, assemble, swap_message
from fairlead.tokens import BONK, JUP, LISTED, RAY, SOL, USDC, USDT, WIF, Token
from fairlead.venues.pools import decode_pool
from fairlead.venues.venue import Account, ChainTime, LoadedPool
from tests.unit.orders import facts

WALLET = str(Pubkey.from_bytes(bytes([7]) * 32))
ATOMS = st.integers(10**3, 10**15)
PAIRS = ((SOL, USDC), (USDC, USDT), (SOL, USDT), (BONK, JUP), (JUP, USDT), (WIF, USDC), (RAY, BONK))


@cache
def market() -> tuple[LoadedPool, ...]:
    """Every pool of the paper market as it opens."""
    chain = {
        Pubkey(key): Account(Pubkey(state.owner), state.lamports, state.data)
        for key, state in opening_accounts(seed=1).items()
    }
    addresses = [Pubkey(pool.address) for pool in all_pools()]
    return tuple([decode_pool(each, chain[each]).load(chain) for each in addresses])


def key(token: Token) -> Pubkey:
    return Pubkey.from_string(token.mint)


def snapshot(token_in: Token, token_out: Token) -> PoolSnapshot:
    mints = {key(token_in), key(token_out)}
    own = tuple([pool for pool in market() if set(pool.mints) == mints])
    others = tuple([pool for pool in market() if set(pool.mints) != mints])
    return PoolSnapshot(0, ChainTime(0, 1_800_000_000, 0), own, (), others)


def routed(
    token_in: Token, token_out: Token, atoms: int, max_legs: int = 3
) -> tuple[Route, RouteRequest] | None:
    mints = key(token_in), key(token_out)
    request = RouteRequest(*mints, atoms, max_legs=max_legs, middles=MIDDLES)
    route = best_route(request, snapshot(token_in, token_out), NetworkCosts(1_000))
    return (route, request) if isinstance(route, Route) else None


def order_of(token_in: Token, token_out: Token, atoms: int) -> Order:
    terms = facts.terms(
        wallet=WALLET, token_in=token_in.mint, token_out=token_out.mint, amount_in_atoms=atoms
    )
    return facts.order(OrderStatus.ROUTING, terms=terms)


def planned(order: Order, route: Route, minimum: int) -> SwapPlan:
    around = Surroundings(1, str(Pubkey.default()), 1_000, 2_039_280, latch_of(order, 890_880))
    return swap_plan(order, route, minimum, around)


def read_back(order: Order, plan: SwapPlan):
    message = parse_transaction(assemble(swap_message(plan), (UNSIGNED,))).message
    return legs_in(message, order.terms, market())


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(PAIRS), st.booleans(), ATOMS, st.integers(0, 5_000))
def test_legs_and_minimums_are_in_the_bytes_and_are_just_the_promise(
    pair: tuple[Token, Token], turned: bool, atoms: int, slippage_bps: int
) -> None:
    token_in, token_out = reversed(pair) if turned else pair
    found = routed(token_in, token_out, atoms)
    if found is None:
        return
    route, _ = found
    order = order_of(token_in, token_out, atoms)
    minimum = max(route.amount_out_atoms * (10_000 - slippage_bps) // 10_000, 1)
    read = read_back(order, planned(order, route, minimum))
    assert read is not None
    assert legs_of(route) == read.legs
    # DAMM v1 compares before its last rounding: its instruction asks for more.
    asks_more = any(leg.venue == "meteora_damm_v1" for leg in read.legs)
    assert read.minimum_out_atoms == minimum or (asks_more and read.minimum_out_atoms > minimum)


@pytest.mark.parametrize("pair", PAIRS)
def test_accounts_are_made_for_what_is_received_and_sol_is_wrapped_once(
    pair: tuple[Token, Token],
) -> None:
    token_in, token_out = pair
    atoms = 10**token_in.decimals
    found = routed(token_in, token_out, atoms)
    assert found is not None
    route, _ = found
    plan = planned(order_of(token_in, token_out, atoms), route, 1)
    made = [token.mint for token in plan.create]
    assert made == [mint for mint in route.path.mints[1:] if mint != WSOL_MINT]
    assert (plan.wrap is not None) == (WSOL_MINT in route.path.mints)
    if plan.wrap is not None:
        assert 2_039_280 + (atoms if token_in is SOL else 0) == plan.wrap.lamports


def test_swaps_of_another_amount_or_token_are_not_the_orders() -> None:
    atoms = 10_000 * 10**5
    found = routed(BONK, JUP, atoms)
    assert found is not None
    route, _ = found
    assert len(route.legs) > 1
    order = order_of(BONK, JUP, atoms)
    plan = planned(order, route, 1)
    assert read_back(order, plan) is not None
    assert read_back(order_of(BONK, JUP, atoms + 1), plan) is None
    assert read_back(order_of(BONK, RAY, atoms), plan) is None


@pytest.mark.parametrize(("pair", "whole"), [((SOL, USDT), 3_000), ((BONK, JUP), 10_000)])
def test_what_does_not_fit_is_asked_for_with_fewer_legs_until_one_is_left(
    pair: tuple[Token, Token], whole: int
) -> None:
    atoms = whole * 10 ** pair[0].decimals
    found = routed(*pair, atoms)
    assert found is not None
    route, request = found
    while len(route.legs) > 1:
        narrow = narrower(request, route)
        assert narrow is not None
        request = narrow
        again = routed(*pair, atoms, request.max_legs) if request.middles else None
        if again is None:
            # Without a path through the middle no pool trades it, or the pools' own are left.
            assert not request.middles
            return
        assert len(again[0].legs) < len(route.legs)
        route = again[0]
    assert narrower(request, route) is None


def test_edge_counts_only_paths_that_fit_a_transaction() -> None:
    for token_in in LISTED:
        for token_out in LISTED:
            if token_in is token_out:
                continue
            found = routed(token_in, token_out, 10**token_in.decimals)
            assert found is not None
            route, request = found
            edge = edge_of(route, 0, request.hop_tolerance_bps)
            if edge is None:
                assert not any(c.quote for c in route.candidates)
            elif route.path.hops == 2:
                assert edge.gain_bps > 0
            else:
                # The tolerance, which is no part of the edge, took the rest.
                assert edge.gain_bps <= 2 + request.hop_tolerance_bps


@pytest.mark.parametrize(
    ("slippage_bps", "tolerance_bps"), [(0, 0), (1, 0), (10, 5), (99, 49), (100, 50), (5_000, 50)]
)
def test_no_more_is_left_in_the_middle_than_half_the_orders_slippage(
    slippage_bps: int, tolerance_bps: int
) -> None:
    terms = facts.terms(
        token_in=BONK.mint, token_out=JUP.mint, amount_in_atoms=10**9, slippage_bps=slippage_bps
    )
    request = with_middles(request_of(terms, RoutingPolicy()))
    assert tolerance_bps == request.hop_tolerance_bps
    route = best_route(request, snapshot(BONK, JUP), NetworkCosts(1_000))
    assert isinstance(route, Route)
    assert 2 == route.path.hops
    middle = route.path.mints[1]
    taken = sum(leg.quote.amount_in_atoms for leg in route.legs if leg.input_mint == middle)
    brought = sum(leg.quote.amount_out_atoms for leg in route.legs if leg.output_mint == middle)
    assert taken == brought * (10_000 - tolerance_bps) // 10_000


def test_edge_is_the_same_whatever_tolerance_the_order_before_had() -> None:
    mints = key(SOL), key(USDT)
    edges = []
    for tolerance_bps in (0, 50):
        request = RouteRequest(*mints, 10**9, max_legs=3, middles=MIDDLES)
        request = msgspec.structs.replace(request, hop_tolerance_bps=tolerance_bps)
        route = best_route(request, snapshot(SOL, USDT), NetworkCosts(1_000))
        edge = edge_of(route, 0, tolerance_bps)
        assert edge is not None
        edges.append(edge.gain_bps)
    assert abs(edges[0] - edges[1]) <= 1
    # Who has less tolerance gains more: it may be worth a look for one order and not for another.
    pays = Edge(0, 30)
    direct = best_route(RouteRequest(*mints, 10**6), snapshot(SOL, USDT), NetworkCosts(1_000))
    assert isinstance(direct, Route)
    assert direct.price_impact_bps <= 5
    assert may_gain_around(direct, RoutingPolicy(), pays, 0, 5)
    assert not may_gain_around(direct, RoutingPolicy(), pays, 0, 50)
