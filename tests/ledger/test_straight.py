"""The short way against the general one: where it answers, it answers the same to the byte."""

import struct
from collections import Counter
from collections.abc import Mapping

import msgspec
import pytest

from fairlead.ledger.account import AccountState
from fairlead.ledger.execution import Clock, Execution, execute
from fairlead.ledger.failures import Refused
from fairlead.ledger.market import KINDS, ON_EVERY_PAIR, PROGRAMS
from fairlead.ledger.message import Message
from fairlead.ledger.plans import ProgramTable
from fairlead.ledger.straight import StraightRuns
from tests.ledger.random_swaps import RandomSwaps

FEE_LAMPORTS = 5_000
SWAPS = 250


class Both:
    """Runs messages both ways and compares; counts what came of them."""

    def __init__(self) -> None:
        self.programs = ProgramTable(PROGRAMS)
        self.runs = StraightRuns(self.programs)
        self.seen: Counter[str] = Counter()

    def run(
        self, message: Message, accounts: Mapping[bytes, AccountState], clock: Clock
    ) -> Execution | None:
        """What the general way says; None where no block would hold the message."""
        straight = self.runs.straight(message, accounts, clock, FEE_LAMPORTS)
        general = self.general(message, accounts, clock)
        if general is None:
            assert straight is None
            self.seen["refused"] += 1
            return None
        if straight is None:
            self.seen["ok" if general.err is None else str(general.err)] += 1
            return general
        self.seen["straight"] += 1
        assert_same(general, straight)
        again = self.runs.execute(message, accounts, clock, FEE_LAMPORTS)
        assert_same(general, again)
        return general

    def general(
        self, message: Message, accounts: Mapping[bytes, AccountState], clock: Clock
    ) -> Execution | None:
        try:
            return execute(message, accounts, self.programs, clock, FEE_LAMPORTS)
        except Refused:
            return None
        except (IndexError, ArithmeticError, struct.error):
            # A state that no program would have left.
            return None


def assert_same(expected: Execution, found: Execution) -> None:
    assert expected.err == found.err
    assert list(expected.before) == list(found.before)
    assert list(expected.after) == list(found.after)
    # Their order is that of the journal.
    assert list(expected.changed) == list(found.changed)
    assert list(expected.logs) == list(found.logs)
    assert expected.compute_units == found.compute_units
    assert expected.fee_lamports == found.fee_lamports
    for index, (before, after) in enumerate(zip(found.before, found.after, strict=True)):
        assert (before is not after) == (index in set(found.changed))


def nothing(_: object) -> None:
    pass


@pytest.mark.parametrize("seed", range(4))
def test_swaps_one_after_another_take_the_short_way_and_end_the_same(seed):
    world, both = RandomSwaps(seed), Both()
    for _ in range(SWAPS):
        message = world.message(world.plan(), nothing)
        done = both.run(message, world.accounts, world.clock)
        assert done is not None
        for key, state in zip(message.keys, done.after, strict=True):
            world.accounts.pop(key, None)
            if state.lamports:
                world.accounts[key] = state
    # The others asked for more than the pool paid, or sold so little that it paid nothing.
    assert both.seen["straight"] > SWAPS * 3 // 5, both.seen
    assert both.seen["refused"] == 0, both.seen


@pytest.mark.parametrize("venue", [v for v in KINDS if v not in ON_EVERY_PAIR])
def test_swaps_of_other_venues_take_the_general_way(venue):
    world, both = RandomSwaps(0, venues=(venue,)), Both()
    for _ in range(20):
        plan = msgspec.structs.replace(world.plan(), compute_unit_limit=400_000)
        message = world.message(plan, nothing)
        assert both.run(message, world.accounts, world.clock) is not None
    assert both.seen["straight"] == 0
    assert both.seen["ok"] > 10, both.seen


@pytest.mark.parametrize("seed", range(8))
def test_spoilt_instructions_end_the_same(seed):
    world, both = RandomSwaps(seed, spoils_headers=True), Both()
    for _ in range(SWAPS):
        message = world.message(world.plan(), world.spoil_instructions)
        both.run(message, world.accounts, world.clock)
    assert both.seen["straight"] > 5, both.seen
    assert len(both.seen) > 15, both.seen


@pytest.mark.parametrize("seed", range(8))
def test_spoilt_accounts_end_the_same(seed):
    world, both = RandomSwaps(seed), Both()
    for _ in range(SWAPS):
        message = world.message(world.plan(), nothing)
        both.run(message, world.spoil_accounts(message), world.clock)
    assert both.seen["straight"] > SWAPS // 4, both.seen
    assert len(both.seen) > 8, both.seen


def test_what_was_prepared_for_a_message_knows_nothing_of_accounts():
    """The same message on changed accounts, at another time and for another fee."""
    world, both = RandomSwaps(0), Both()
    message = world.message(world.plan(), nothing)
    first = both.run(message, world.accounts, world.clock)
    assert first is not None
    assert first.err is None
    for _ in range(SWAPS):
        later = msgspec.structs.replace(world.clock, slot=2_000, unix_timestamp=1, epoch=3)
        both.run(message, world.spoil_accounts(message), later)
    cheap = both.runs.execute(message, world.accounts, world.clock, 1)
    dear = both.runs.execute(message, world.accounts, world.clock, 2)
    assert dear.fee_lamports == cheap.fee_lamports + 1
    assert both.seen["straight"] > SWAPS // 4, both.seen
