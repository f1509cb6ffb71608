"""Compute Budget: read from the message before it runs; its instructions then do nothing."""

from collections.abc import Sequence

import msgspec
from solders.pubkey import Pubkey

from fairlead.ledger.failures import Refused
from fairlead.ledger.message import Message
from fairlead.ledger.program import AccountView, InvokeContext, Program

COMPUTE_BUDGET_PROGRAM = bytes(Pubkey.from_string("ComputeBudget111111111111111111111111111111"))

MAX_UNITS = 1_400_000
"""Compute units a transaction may ask for; more is cut to it."""

DEFAULT_UNITS = 200_000
"""Limit per instruction where the transaction sets none."""

DEFAULT_BUILTIN_UNITS = 3_000
"""The same for an instruction of a program built into the validator (SIMD-170)."""

_HEAP_BYTES = range(32 * 1024, 256 * 1024 + 1, 1024)

# Tag: size of the instruction data with it.
_SIZES = {1: 5, 2: 5, 3: 9, 4: 5}
_HEAP_FRAME, _UNIT_LIMIT, _UNIT_PRICE, _DATA_SIZE = 1, 2, 3, 4


class ComputeBudget(msgspec.Struct, frozen=True, gc=False):
    """What a message asks for."""

    unit_limit: int
    # Micro-lamports per unit of the limit.
    price: int


def requested(message: Message, builtins: frozenset[bytes]) -> ComputeBudget:
    """The budget the message sets; `Refused` if malformed, or if one value is set twice."""
    values: dict[int, int] = {}
    default_limit = 0
    for index, program_index in enumerate(message.shape.program_indexes):
        program = message.keys[program_index]
        if program != COMPUTE_BUDGET_PROGRAM:
            default_limit += DEFAULT_BUILTIN_UNITS if program in builtins else DEFAULT_UNITS
            continue
        default_limit += DEFAULT_BUILTIN_UNITS
        data = message.datas[index]
        # Bytes after the value are ignored, as borsh's `try_from_slice_unchecked` does.
        if not data or len(data) < _SIZES.get(data[0], 1 << 16):
            raise Refused({"InstructionError": [index, "InvalidInstructionData"]})
        tag = data[0]
        if tag in values:
            raise Refused({"DuplicateInstruction": index})
        values[tag] = int.from_bytes(data[1 : _SIZES[tag]], "little")
        if tag == _HEAP_FRAME and values[tag] not in _HEAP_BYTES:
            raise Refused({"InstructionError": [index, "InvalidInstructionData"]})
    if values.get(_DATA_SIZE) == 0:
        raise Refused("InvalidLoadedAccountsDataSizeLimit")
    unit_limit = min(values.get(_UNIT_LIMIT, default_limit), MAX_UNITS)
    return ComputeBudget(unit_limit, values.get(_UNIT_PRICE, 0))


def process(context: InvokeContext, accounts: Sequence[AccountView], data: bytes) -> None:
    """Nothing: what it says was read before the message ran."""


PROGRAM = Program(process, frozenset(), 150, is_builtin=True, is_idle=True)
