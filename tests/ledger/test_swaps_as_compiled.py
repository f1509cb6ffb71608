"""AMM v4's and DAMM v1's swaps: the ledger leaves the bytes, balances and errors that the compiled
programs leave; recorded here, and live where the programs are at hand."""

import os
from collections import Counter
from pathlib import Path

import pytest

from fairlead.venues.vectors import parse
from fairlead.venues.venue import Venue
from tests.ledger.both import Case, Outcome, decode, on_ledger
from tests.ledger.record_swaps import FOLDER, WANTED, compared, find_programs, pool_cases
from tests.vectors import replay

HERE = Path(__file__).parent
VECTORS = HERE.parent / "vectors"
FILES = sorted(path for venue in WANTED for path in HERE.glob(f"{venue.value}_*.jsonl"))
LIVE_SEEDS = 3


def difference(case: Case, theirs: Outcome) -> str | None:
    """How the ledger differs; None where it does not."""
    ours = on_ledger(case)
    if ours.error != theirs.error:
        return f"{case.label}: the ledger says {ours.error}, the program {theirs.error}"
    expected, found = compared(theirs).after, compared(ours).after
    wrong = [str(k) for k in {*expected, *found} if expected.get(k) != found.get(k)]
    return f"{case.label}: other bytes in {wrong}" if wrong else None


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in FILES])
def test_ledger_leaves_what_the_program_left(path):
    runs = decode(path.read_text())
    assert [] == [found for run in runs if (found := difference(*run)) is not None]


@pytest.mark.parametrize("venue", WANTED)
def test_ledger_moves_what_the_program_moved_in_every_recorded_swap(venue):
    vectors = [
        v for path in VECTORS.glob(f"{venue.value}_own*.json") for v in parse(path.read_bytes())
    ]
    assert len(vectors) == 330
    # The ledger divides as newer builds do.
    alike = [vector for vector in vectors if vector.build_quirk is None]
    assert [] == [(v.id, found) for v in alike if (found := replay.difference(v)) is not None]


@pytest.mark.parametrize("venue", WANTED)
def test_recordings_hold_swaps_and_refusals_of_every_kind(venue):
    seen: Counter[str] = Counter()
    for path in HERE.glob(f"{venue.value}_*.jsonl"):
        seen.update(str(outcome.error) for _, outcome in decode(path.read_text()))
    assert seen["None"] > 80
    assert len(seen) > 17, seen


def test_a_difference_is_seen():
    runs = decode(FILES[0].read_text())
    case, theirs = next(run for run in runs if run[1].error is None)
    for key, account in theirs.after.items():
        changed = bytearray(account.data or b"\0")
        changed[-1] ^= 1
        other = type(account)(account.owner, account.lamports, bytes(changed))
        seen = Outcome(None, {**theirs.after, key: other}, [])
        assert difference(case, seen) is not None
    assert difference(case, Outcome({"InstructionError": [1, {"Custom": 1}]}, {}, [])) is not None


@pytest.mark.skipif(
    FOLDER not in os.environ, reason=f"no compiled programs: {FOLDER} names no folder"
)
@pytest.mark.parametrize("venue", WANTED)
@pytest.mark.parametrize("seed", range(LIVE_SEEDS))
def test_ledger_does_what_the_program_does_now(venue: Venue, seed: int) -> None:
    machine = find_programs(Path(os.environ[FOLDER]), venue)
    for number in range(4):
        cases = pool_cases(venue, number + 4 * seed, seed)
        for case in cases.all(plain=60, spoilt=150):
            assert difference(case, machine.run(case)) is None, (seed, number)
            if case.label == "plain":
                cases.wait(cases.random.choice((0, 1, 700)))
