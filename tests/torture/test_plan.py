"""The plan of a storm: from its seed alone, and enough of everything."""

import pytest

from tests.torture.plan import (
    APIS,
    LEASE_MS,
    NODE,
    POSTGRES,
    REDIS,
    SERVE,
    WORKERS,
    Cut,
    Kind,
    link_name,
    links,
    make_plan,
)

SEEDS = range(30)


def test_a_seed_is_a_plan_and_another_seed_is_another() -> None:
    assert make_plan(1, 600) == make_plan(1, 600)
    assert make_plan(1, 600) != make_plan(2, 600)


@pytest.mark.parametrize("seed", SEEDS)
def test_ten_minutes_kill_more_than_two_hundred_times_and_every_part(seed: int) -> None:
    plan = make_plan(seed, 600)
    kills = [strike for strike in plan if strike.kind is Kind.KILL]
    # Some find their part down already.
    assert len(kills) >= 240
    assert {*WORKERS, *APIS, NODE, POSTGRES, REDIS} == {kill.target for kill in kills}
    assert all(0 < strike.at_s < 600 for strike in plan)
    assert plan == sorted(plan, key=lambda strike: strike.at_s)


@pytest.mark.parametrize("seed", SEEDS)
def test_ten_minutes_stop_workers_past_their_lease_fill_the_disk_and_cut_in_every_way(
    seed: int,
) -> None:
    plan = make_plan(seed, 600)
    stops = [strike for strike in plan if strike.kind is Kind.STOP]
    assert {*WORKERS, SERVE} == {stop.target for stop in stops}
    assert all(stop.lasts_s > LEASE_MS / 1000 for stop in stops)
    assert any(strike.kind is Kind.FULL for strike in plan)
    cuts = [strike for strike in plan if strike.kind is Kind.CUT]
    assert set(Cut) == {cut.cut for cut in cuts}
    assert {cut.target for cut in cuts} <= {link_name(*pair) for pair in links()}


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_else_is_broken_when_a_kill_is_alone(seed: int) -> None:
    plan = make_plan(seed, 600)
    for kill in (strike for strike in plan if strike.is_alone):
        others = [strike for strike in plan if strike is not kill and not strike.is_alone]
        assert not any(each.at_s <= kill.at_s < each.at_s + each.lasts_s for each in others)


def test_half_a_minute_has_something_of_both_kinds_of_phase() -> None:
    plan = make_plan(1, 36)
    assert {True, False} == {strike.is_alone for strike in plan}
    assert len([strike for strike in plan if strike.kind is Kind.KILL]) >= 10
