"""Runs a recorded swap on the ledger's programs: state before in, balances or refusal out."""

from collections.abc import Mapping

import msgspec
from solders.instruction import Instruction
from solders.pubkey import Pubkey

from fairlead.ledger.program import AccountView, InstructionError, Program
from fairlead.ledger.programs import (
    meteora_damm_v1,
    meteora_damm_v2,
    meteora_dlmm,
    meteora_vault,
    raydium_amm_v4,
    raydium_clmm,
    raydium_cpmm,
)
from fairlead.venues.meteora import damm_v2
from fairlead.venues.raydium.clmm_instruction import MEMO_PROGRAM
from fairlead.venues.token2022 import TOKEN_2022_PROGRAM, TOKEN_PROGRAM
from fairlead.venues.vectors import Vector
from fairlead.venues.venue import Account, ChainTime

PROGRAMS: Mapping[Pubkey, Program] = {
    Pubkey.from_bytes(module.PROGRAM_ID): module.PROGRAM
    for module in (
        meteora_damm_v1,
        meteora_damm_v2,
        meteora_dlmm,
        raydium_amm_v4,
        raydium_clmm,
        raydium_cpmm,
    )
}


MISSING = Account(Pubkey.default(), 0, b"")
VAULT = Pubkey.from_bytes(meteora_vault.PROGRAM_ID)
LOADER = Pubkey.from_string("BPFLoaderUpgradeab1e11111111111111111111111")
SYSVAR_OWNER = Pubkey.from_string("Sysvar1111111111111111111111111111111111111")
BUILT_IN = {
    **dict.fromkeys(
        (*PROGRAMS, TOKEN_PROGRAM, TOKEN_2022_PROGRAM, MEMO_PROGRAM, VAULT), Account(LOADER, 1, b"")
    ),
    damm_v2.INSTRUCTIONS_SYSVAR: Account(SYSVAR_OWNER, 0, b""),
}
"""What exists on a cluster though no vector stores it."""


class Context:
    """The transaction around the instruction."""

    def __init__(self, time: ChainTime) -> None:
        self.slot = time.slot
        self.unix_timestamp = time.unix_timestamp
        self.epoch = time.epoch
        self.logs: list[str] = []

    def log(self, line: str) -> None:
        self.logs.append(line)

    def rent_minimum(self, space: int) -> int:
        return (space + 128) * 6960


class Replay(msgspec.Struct):
    """What the ledger's program did. On a refusal nothing is to be read from `views`."""

    error: InstructionError | None
    views: dict[Pubkey, AccountView]
    logs: list[str]


def views_of(sent: Instruction, accounts: Mapping[Pubkey, Account]) -> list[AccountView]:
    """The instruction's accounts in its order; one named twice is one object."""
    views: dict[Pubkey, AccountView] = {}
    ordered = []
    read_only = (sent.program_id, damm_v2.INSTRUCTIONS_SYSVAR)
    for meta in sent.accounts:
        view = views.get(meta.pubkey)
        if view is None:
            a = accounts.get(meta.pubkey) or BUILT_IN.get(meta.pubkey, MISSING)
            view = AccountView(bytes(meta.pubkey), a.lamports, a.data, bytes(a.owner))
            views[meta.pubkey] = view
        view.is_signer |= meta.is_signer
        # The runtime lets nobody write an invoked program or a sysvar.
        view.is_writable |= meta.is_writable and meta.pubkey not in read_only
        ordered.append(view)
    return ordered


def replay(vector: Vector) -> Replay:
    """Runs the vector's instruction."""
    assert vector.sent is not None
    return replay_instruction(vector.sent, vector.accounts, vector.time)


def replay_instruction(
    sent: Instruction, accounts: Mapping[Pubkey, Account], time: ChainTime
) -> Replay:
    """Runs an instruction on these accounts."""
    context = Context(time)
    views = views_of(sent, accounts)
    error = None
    try:
        PROGRAMS[sent.program_id].process(context, views, bytes(sent.data))
    except InstructionError as refused:
        error = refused
    return Replay(error, {Pubkey.from_bytes(v.key): v for v in views}, context.logs)


def atoms(data: bytes) -> int:
    """What a token account holds."""
    return int.from_bytes(data[64:72], "little")


def difference(vector: Vector) -> str | None:
    """How the ledger differs from the recorded program; None where they agree."""
    done = replay(vector)
    if vector.refused:
        if done.error is None:
            return f"the ledger accepts, recorded: {vector.error_name}"
        if done.error.code != vector.error_code:
            return f"the ledger says {done.error}, recorded: {vector.error_name}"
        if vector.error_code is None and done.error.kind != "ProgramFailedToComplete":
            return f"the ledger says {done.error}, recorded: {vector.error_name}"
        return None
    if done.error is not None:
        return f"the ledger refuses with {done.error}: {done.logs[-1]}"
    before = vector.accounts
    paid = atoms(before[vector.user_input].data) - atoms(done.views[vector.user_input].data)
    got = atoms(done.views[vector.user_output].data) - atoms(before[vector.user_output].data)
    if (paid, got) != (vector.amount_in, vector.amount_out):
        return f"{paid} for {got}, recorded: {vector.amount_in} for {vector.amount_out}"
    return None
