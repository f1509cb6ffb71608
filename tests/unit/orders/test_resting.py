"""Orders with a limit: their floor, their rounds, and their way back to rest."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.orders import budget, changes, execution, resting, round_ends
from fairlead.orders.execution import Commit
from fairlead.orders.failures import Failure
from fairlead.orders.model import (
    NEVER_MS,
    Attempt,
    AttemptKind,
    AttemptSettled,
    AttemptState,
    EventType,
    Order,
    OrderStatus,
    OrderType,
)
from fairlead.orders.retry import RetryPolicy
from fairlead.routing import (
    Candidate,
    NetworkCosts,
    Route,
    RouteRequest,
    alone,
    best_route,
    route_of,
)
from fairlead.solana.landing import Purpose
from fairlead.venues.venue import LoadedPool
from tests.unit.orders.facts import NOW_MS, attempt, never_landed, order, terms
from tests.unit.triggers.facts import snapshot
from tests.unit.venues.pools import MINTS, cpmm_pool, damm_v2_pool

S, E = OrderStatus, EventType
POLICY = RetryPolicy(max_rounds=3, base_ms=1_000, max_attempts_per_round=2)
FLOOR = 225_000_000
BELOW = Failure("stale_price", "the best quote is below the order's minimum", below_floor=True)
ABOVE = Failure("stale_price", "the price moved")


def limit_order(status: OrderStatus, expires_at_ms: int | None = None, **given) -> Order:
    limited = terms(
        type=OrderType.LIMIT,
        limit_price="150",
        limit_out_atoms=FLOOR,
        expires_at_ms=expires_at_ms,
    )
    return order(status, terms=limited, **given)


# --- the floor


@given(st.integers(1, 2**63), st.integers(0, 5_000))
def test_minimum_of_a_limit_order_is_never_below_its_floor(quoted: int, slippage_bps: int) -> None:
    row = limit_order(S.ROUTING)
    row = msgspec.structs.replace(
        row, terms=msgspec.structs.replace(row.terms, slippage_bps=slippage_bps)
    )
    minimum = changes.minimum_for(row, quoted)
    assert minimum == max(FLOOR, quoted * (10_000 - slippage_bps) // 10_000)


def _route() -> Route:
    request = RouteRequest(*MINTS, 10**6)
    route = best_route(request, snapshot(cpmm_pool((10**12, 10**12))), NetworkCosts())
    assert isinstance(route, Route)
    return route


def test_the_row_keeps_the_floor_and_not_the_minimum_of_one_round() -> None:
    made = attempt(minimum_out_atoms=FLOOR + 1_000_000)
    change = changes.submitted(limit_order(S.ROUTING), _route(), made, NOW_MS, Purpose.FIRST)
    assert FLOOR == change.minimum_out_atoms
    market = changes.submitted(order(S.ROUTING), _route(), made, NOW_MS, Purpose.FIRST)
    assert FLOOR + 1_000_000 == market.minimum_out_atoms


# --- near a tie


def _two(outs: tuple[int, int]) -> Route:
    """Two candidates that pay so much, the first netting more."""
    pools: tuple[LoadedPool, LoadedPool] = (cpmm_pool(), damm_v2_pool())
    quote = _route().legs[0].quote
    first, second = (
        Candidate(pool, msgspec.structs.replace(quote, amount_out_atoms=out), 1_000 - n)
        for n, (pool, out) in enumerate(zip(pools, outs, strict=True))
    )
    refused = Candidate(cpmm_pool(), error="pays nothing")
    chosen = alone(first, *MINTS)
    return route_of(chosen, (first, second, refused), (chosen,), "nets more")


def test_route_that_reaches_the_floor_is_kept() -> None:
    route = _two((100, 101))
    assert route is resting.reaching(route, 100)
    assert route is resting.reaching(route, None)


def test_route_that_falls_short_gives_way_to_one_that_does_not() -> None:
    route = _two((100, 101))
    other = resting.reaching(route, 101)
    assert other is not None
    assert (route.candidates[1].pool, 101) == (other.legs[0].pool, other.amount_out_atoms)
    # What is told of first is what was chosen.
    assert route.candidates[1] is other.candidates[0]
    assert len(route.candidates) == len(other.candidates)


def test_no_route_reaches_what_none_pays() -> None:
    assert resting.reaching(_two((100, 101)), 102) is None


# --- back to rest


@pytest.mark.parametrize("status", [S.ROUTING, S.BUILDING, S.SUBMITTED])
def test_round_that_ends_below_the_floor_goes_back_to_rest(status: OrderStatus) -> None:
    settled = (AttemptSettled("5" * 88, AttemptState.ERRORED, 7, "{}"),)
    row = limit_order(status, round=3, earlier_rounds=1)
    change = round_ends.round_failed(row, BELOW, NOW_MS, POLICY, settled)
    assert (S.OPEN, NEVER_MS, True) == (change.status, change.due_at_ms, change.release)
    assert (None, 3, settled) == (change.round, change.earlier_rounds, change.settled)
    assert not change.end
    (event,) = change.events
    assert E.REOPENED is event.type
    told = msgspec.json.decode(event.data)
    assert ("stale_price", BELOW.reason) == (told["failureCode"], told["reason"])


def test_round_that_ends_above_the_floor_is_a_failed_round() -> None:
    change = round_ends.round_failed(limit_order(S.ROUTING), ABOVE, NOW_MS, POLICY)
    assert (S.ROUTING, 2) == (change.status, change.round)


def test_market_order_never_rests() -> None:
    change = round_ends.round_failed(order(S.ROUTING), BELOW, NOW_MS, POLICY)
    assert (S.ROUTING, 2) == (change.status, change.round)


def test_terminal_failure_fails_a_limit_order_too() -> None:
    terminal = msgspec.structs.replace(BELOW, terminal=True)
    assert (
        S.FAILED is round_ends.round_failed(limit_order(S.ROUTING), terminal, NOW_MS, POLICY).status
    )


def test_rounds_are_counted_from_the_last_firing() -> None:
    row = limit_order(S.ROUTING, round=7, earlier_rounds=5)
    change = round_ends.round_failed(row, ABOVE, NOW_MS, POLICY)
    assert change.due_at_ms is not None
    assert (8, 2_000) == (change.round, change.due_at_ms - NOW_MS)
    last = msgspec.structs.replace(row, round=8)
    assert S.FAILED is round_ends.round_failed(last, ABOVE, NOW_MS, POLICY).status


def test_cancel_wins_over_rest() -> None:
    row = limit_order(S.CANCELLING, cancel_requested=True)
    assert S.CANCELLED is round_ends.round_failed(row, BELOW, NOW_MS, POLICY).status


@pytest.mark.parametrize("why", [BELOW, ABOVE])
@pytest.mark.parametrize("status", [S.ROUTING, S.SUBMITTED])
def test_order_past_its_expiry_ends_expired_and_does_not_rest(
    why: Failure, status: OrderStatus
) -> None:
    row = limit_order(status, expires_at_ms=NOW_MS, round=3)
    change = round_ends.round_failed(row, why, NOW_MS, POLICY)
    assert [E.ROUND_FAILED, E.EXPIRED] == [event.type for event in change.events]
    assert (S.EXPIRED, True) == (change.status, change.end)


def test_order_that_expires_later_rests_until_then() -> None:
    row = limit_order(S.ROUTING, expires_at_ms=NOW_MS + 1)
    assert S.OPEN is round_ends.round_failed(row, BELOW, NOW_MS, POLICY).status


def test_expiry_in_the_last_round_ends_the_order_expired() -> None:
    row = order(S.SUBMITTED, terms=terms(expires_at_ms=NOW_MS), round=3)
    dead = attempt(round=3, state=AttemptState.DEAD)
    action = execution.next_action(row, (dead,), NOW_MS, POLICY)
    assert isinstance(action, Commit)
    assert S.EXPIRED is action.change.status


def test_what_a_reopened_order_has_used_up_is_known_in_memory_too() -> None:
    row = limit_order(S.ROUTING, round=2)
    after = changes.applied(row, round_ends.round_failed(row, BELOW, NOW_MS, POLICY), 5)
    assert (S.OPEN, 2, 2, None) == (after.status, after.round, after.earlier_rounds, after.owner)
    assert NEVER_MS == after.due_at_ms


# --- fees of firing again and again


@given(st.lists(st.sampled_from(AttemptState), max_size=20))
def test_no_attempt_is_made_that_could_exceed_the_fee_cap(states: list[AttemptState]) -> None:
    attempts: list[Attempt] = [attempt(state=state, fee_lamports=7_000) for state in states]
    attempts = [never_landed(a) if a.state is AttemptState.DEAD else a for a in attempts]
    row = limit_order(S.ROUTING, earlier_rounds=4)
    row = msgspec.structs.replace(
        row, terms=msgspec.structs.replace(row.terms, fee_cap_lamports=50_000)
    )
    paid = 7_000 * sum(state is not AttemptState.DEAD for state in states)
    room = budget.room_lamports(row, attempts, AttemptKind.SWAP)
    assert (paid + 5_000 > 50_000) == budget.is_spent(row, room)


# --- leaving rest


def test_firing_says_nothing_and_makes_the_order_due() -> None:
    change = resting.fired("id", 2, NOW_MS)
    assert (S.OPEN, S.OPEN, ()) == (change.status_before, change.status, change.events)
    assert (NOW_MS, None, True) == (change.due_at_ms, change.owner, change.release)
    assert not change.end


def test_resting_order_expires_and_gives_back_what_it_reserved() -> None:
    change = resting.expired("id", 2, NOW_MS)
    assert (S.OPEN, S.EXPIRED, True) == (change.status_before, change.status, change.end)
