"""Whole transactions with swaps on the market's pools, against the real runtime.

The engine's own form of transaction, as it is and with something wrong: latch, token accounts,
wrapped SOL and the swap. Compared: the error, and every byte and lamport of every account named.
"""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from solders.account import Account
from solders.clock import Clock as SvmClock
from solders.litesvm import LiteSVM
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.transaction import VersionedTransaction
from solders.transaction_metadata import FailedTransactionMetadata

from fairlead.ledger.account import EMPTY, AccountState
from fairlead.ledger.execution import execute
from fairlead.ledger.failures import Refused
from fairlead.ledger.market import PROGRAMS
from fairlead.ledger.market_pool import put_program
from fairlead.ledger.message import Message
from fairlead.ledger.plans import ProgramTable
from fairlead.ledger.programs import (
    BASE_PROGRAMS,
    meteora_damm_v1,
    meteora_dlmm,
    meteora_vault,
    raydium_amm_v4,
    raydium_clmm,
)
from fairlead.ledger.programs.token_transfer import TOKEN_2022_PROGRAM
from fairlead.venues.venue import Venue
from tests.ledger.random_swaps import RESERVED, RandomSwaps
from tests.ledger.test_against_litesvm import error_as_json, state_in

FOLDER = os.environ.get("FAIRLEAD_PROGRAMS_DIR")
TRANSACTIONS = 200
FEE_LAMPORTS = 5_000
# What the machine has besides accounts, and it has one venue's program at a time. The ledger knows
# Token-2022 by its address alone.
BUILT_IN = {
    *BASE_PROGRAMS,
    raydium_amm_v4.PROGRAM_ID,
    raydium_clmm.PROGRAM_ID,
    meteora_damm_v1.PROGRAM_ID,
    meteora_vault.PROGRAM_ID,
    meteora_dlmm.PROGRAM_ID,
    TOKEN_2022_PROGRAM,
}
# The ledger's compute units are estimates, one figure for a program.
OUT_OF_UNITS = ("exceeded CUs meter", "Computational budget exceeded")


AMM_V4_DUST = 200
"""Atoms of which the fee is below one half: the compiled build takes none of it, newer ones one."""


def machine(world: RandomSwaps, programs: Mapping[bytes, bytes]) -> LiteSVM:
    svm = LiteSVM().with_sigverify(False).with_blockhash_check(False)
    svm = svm.with_transaction_history(0)
    for program_id, code in programs.items():
        svm.add_program(Pubkey.from_bytes(program_id), code)
    time = world.clock
    svm.set_clock(SvmClock(time.slot, 0, time.epoch, time.epoch, time.unix_timestamp))
    return svm


def names_another_program(world: RandomSwaps, message: Message) -> bool:
    """Whether it names a program or a sysvar that the two have not got alike."""
    return any(
        key == RESERVED or (key not in BUILT_IN and world.accounts.get(key, EMPTY).executable)
        for key in message.keys
    )


def put(svm: LiteSVM, accounts: dict[bytes, AccountState], keys: tuple[bytes, ...]) -> None:
    """The accounts named, as they are in the world."""
    for key in keys:
        state = accounts.get(key, EMPTY)
        if key not in BUILT_IN:
            owner = Pubkey.from_bytes(state.owner)
            account = Account(state.lamports, state.data, owner, state.executable)
            svm.set_account(Pubkey.from_bytes(key), account)


def is_of_the_swap(message: Message, error: Any, program_id: bytes) -> bool:
    """Whether the transaction got as far as the swap; what is before it is held elsewhere."""
    if not isinstance(error, dict) or "InstructionError" not in error:
        return error is None
    failed = message.instructions[error["InstructionError"][0]]
    program: bytes = message.keys[failed.program_index]
    return program == program_id


def svm_logs(answer: Any) -> Sequence[str]:
    failed = isinstance(answer, FailedTransactionMetadata)
    found: Sequence[str] = (answer.meta() if failed else answer).logs()
    return found


def ran_out(logs: Sequence[str]) -> bool:
    return any(text in line for line in logs for text in OUT_OF_UNITS)


def on_ledger(world: RandomSwaps, message: Message, table: ProgramTable):
    """The error, the accounts after it, and the logs."""
    try:
        done = execute(message, world.accounts, table, world.clock, FEE_LAMPORTS)
    except Refused as refused:
        return refused.err, None, ()
    return done.err, dict(zip(message.keys, done.after, strict=True)), done.logs


def sells_dust(message: Message) -> bool:
    """Whether builds of AMM v4 part over its fee."""
    return any(
        message.keys[each.program_index] == raydium_amm_v4.PROGRAM_ID
        and int.from_bytes(each.data[1:9], "little") < AMM_V4_DUST
        for each in message.instructions
    )


def compared(seed: int, venue: Venue, programs: Mapping[bytes, bytes]) -> Counter[str]:
    """What came of the venue's swaps, all the same on both; its program comes first."""
    program_id = next(iter(programs))
    world, table = RandomSwaps(seed, venues=(venue,)), ProgramTable(PROGRAMS)
    put_program(world.accounts, TOKEN_2022_PROGRAM)
    svm = machine(world, programs)
    seen: Counter[str] = Counter()
    for number in range(TRANSACTIONS):
        spoil = world.spoil_instructions if number % 2 else lambda found: None
        message = world.message(world.plan(), spoil)
        if names_another_program(world, message) or sells_dust(message):
            continue
        put(svm, world.accounts, message.keys)
        signatures = [Signature.default()] * message.required_signatures
        sent = VersionedTransaction.populate(MessageV0.from_bytes(message.raw[1:]), signatures)
        answer = svm.send_transaction(sent)
        expected = None
        if isinstance(answer, FailedTransactionMetadata):
            expected = error_as_json(answer.err())
        error, after, logs = on_ledger(world, message, table)
        if (
            not is_of_the_swap(message, expected, program_id)
            or ran_out(svm_logs(answer))
            or ran_out(logs)
        ):
            continue
        where = (seed, number, message.instructions)
        assert expected == error, where
        for key, state in (after or {}).items():
            if key not in BUILT_IN:
                found = state_in(svm, key)
                assert (EMPTY if found is None else found) == (state if state.lamports else EMPTY)
        seen[str(error)] += 1
    return seen


@pytest.mark.skipif(FOLDER is None, reason="no compiled programs: FAIRLEAD_PROGRAMS_DIR not set")
@pytest.mark.parametrize("seed", range(2))
def test_transactions_with_clmm_swaps_do_what_the_real_runtime_does(seed):
    from tests.vectors.record_clmm import find_program

    code = find_program(Path(FOLDER or ""))
    seen = compared(seed, Venue.RAYDIUM_CLMM, {raydium_clmm.PROGRAM_ID: code})
    assert seen["None"] > TRANSACTIONS // 4, seen
    assert len(seen) > 8, seen


@pytest.mark.skipif(FOLDER is None, reason="no compiled programs: FAIRLEAD_PROGRAMS_DIR not set")
@pytest.mark.parametrize("seed", range(2))
def test_transactions_with_dlmm_swaps_do_what_the_real_runtime_does(seed):
    from tests.vectors.record_dlmm import find_program

    code = find_program(Path(FOLDER or ""))
    seen = compared(seed, Venue.METEORA_DLMM, {meteora_dlmm.PROGRAM_ID: code})
    assert seen["None"] > TRANSACTIONS // 4, seen
    assert len(seen) > 8, seen


@pytest.mark.skipif(FOLDER is None, reason="no compiled programs: FAIRLEAD_PROGRAMS_DIR not set")
@pytest.mark.parametrize("venue", [Venue.RAYDIUM_AMM_V4, Venue.METEORA_DAMM_V1])
@pytest.mark.parametrize("seed", range(2))
def test_transactions_with_swaps_of_older_venues_do_what_the_real_runtime_does(seed, venue):
    from tests.ledger.record_swaps import codes_of

    found = codes_of(Path(FOLDER or ""), venue)
    seen = compared(seed, venue, {bytes(key): code for key, code in found.items()})
    assert seen["None"] > TRANSACTIONS // 6, seen
    assert len(seen) > 8, seen
