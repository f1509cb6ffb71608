"""When several witnesses agree, and what a single liar among them can do: delay."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.orders.model import AttemptState as S
from fairlead.ports import LandedTransaction, SignatureStatus
from fairlead.solana.agreement import (
    MAX_APART_BLOCKS,
    agreed,
    agreed_height,
    likely_status,
    needed_of,
    reached_height,
)
from fairlead.solana.proof import Fill, LandedEvidence, Settled, compact, judge_landed

DEAD = Settled(S.DEAD)
ERRORED = Settled(S.ERRORED, 7, '"x"')
WON = Settled(S.SUCCEEDED, 7, fill=Fill(1, 2))
VERDICTS = st.sampled_from([None, DEAD, ERRORED, WON, Settled(S.SUCCEEDED, 7, fill=Fill(1, 3))])
SEEN, FINAL = SignatureStatus(7, None, "confirmed"), SignatureStatus(7, None, "finalized")
FAILED = SignatureStatus(7, '"x"', "finalized")
STATUSES = st.sampled_from([None, SEEN, FINAL, FAILED])


def landed(error: str | None) -> LandedTransaction:
    return LandedTransaction("s", 7, None, error, 0, (), (), (), (), (), (), 0)


def test_one_is_enough_only_where_there_is_one() -> None:
    assert [1, 2, 2, 2] == [needed_of(count) for count in (1, 2, 3, 9)]


@given(VERDICTS, VERDICTS, st.permutations([0, 1, 2]))
def test_one_liar_of_three_settles_nothing_that_no_honest_one_says(
    honest: Settled | None, lie: Settled | None, order: list[int]
) -> None:
    said = [honest, honest, lie]
    assert honest == agreed([said[index] for index in order], 2)


@given(VERDICTS, VERDICTS)
def test_of_two_that_differ_nothing_follows(one: Settled | None, other: Settled | None) -> None:
    assert (one if one == other else None) == agreed([one, other], 2)


def test_two_against_two_is_no_agreement() -> None:
    assert agreed([DEAD, WON, DEAD, WON], 2) is None
    assert agreed([DEAD, DEAD, WON, Settled(S.SUCCEEDED, 7, fill=Fill(1, 9))], 2) is None


@given(st.integers(0, 10**6), st.integers(0, 100), st.integers(0, 10**12))
def test_a_liar_never_lowers_the_height_and_hardly_raises_it(
    height: int, lag: int, lie: int
) -> None:
    found = agreed_height([height, max(height - lag, 0), lie], 2)
    assert found is not None
    assert height <= found <= height + MAX_APART_BLOCKS


def test_heights_far_apart_vouch_for_nothing() -> None:
    assert agreed_height([10**6, 0], 2) is None
    assert agreed_height([10**6], 2) is None
    assert 10**6 == agreed_height([10**6], 1)


@given(STATUSES, STATUSES)
def test_a_status_that_two_tell_of_goes_before_what_one_says(
    honest: SignatureStatus | None, lie: SignatureStatus | None
) -> None:
    found = likely_status([lie, honest, honest], 2)
    if honest is not None:
        assert found is not None
        assert honest.error == found.error
        assert found == honest or (lie == SEEN and found == SEEN)
    else:
        # A lone success may be the first to be seen; a lone error stops nothing.
        assert found == (lie if lie in (SEEN, FINAL) else None)


def test_a_success_counts_as_far_as_two_have_seen_it() -> None:
    assert SEEN == likely_status([FINAL, SEEN, None], 2)
    assert FINAL == likely_status([FINAL], 1)
    assert likely_status([FAILED], 2) is None
    assert likely_status([FINAL, None, None], 2, lone_success=False) is None


def test_the_transaction_decides_and_who_contradicts_himself_said_nothing() -> None:
    fill = Fill(1, 2)
    assert WON == judge_landed(LandedEvidence(FINAL, landed(None), fill))
    assert ERRORED == judge_landed(LandedEvidence(FAILED, landed('"x"')))
    assert ERRORED == judge_landed(LandedEvidence(FAILED))
    for found in (
        LandedEvidence(None),
        LandedEvidence(SEEN, landed(None), fill),
        LandedEvidence(FINAL),
        LandedEvidence(FINAL, landed('"x"')),
        LandedEvidence(FAILED, landed(None), fill),
    ):
        assert judge_landed(found) is None


def test_errors_are_the_same_however_they_are_written() -> None:
    assert '{"a":[5,{"Custom":6005}]}' == compact('{ "a" : [5, {"Custom": 6005}] }')
    assert "no json" == compact("no json")


@pytest.mark.parametrize(
    ("heights", "needed", "expected"),
    [
        ((), 1, None),
        ((7, 9), 1, 9),
        ((9,), 2, None),
        ((7, 9), 2, 7),
        # A liar far above, and one far below.
        ((10**9, 5_000, 5_001), 2, 5_000),
        ((5_001, 5_000, 1), 2, 5_000),
        # Who lies is not known.
        ((5_000, 1), 2, None),
    ],
)
def test_a_height_is_reached_where_two_that_are_near_each_other_say_so(
    heights: tuple[int, ...], needed: int, expected: int | None
) -> None:
    assert expected == reached_height(heights, needed)
