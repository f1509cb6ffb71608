"""What a transaction's bytes ask for and what a record says came of it.

Read apart from the engine's own reading of both."""

import msgspec

from fairlead.ledger.account import SYSTEM_PROGRAM
from fairlead.ledger.blocks import TransactionRecord
from fairlead.ledger.market import KINDS
from fairlead.ledger.message import CompiledInstruction, Message, parse_transaction
from fairlead.ledger.programs import raydium_amm_v4
from fairlead.ledger.programs.token_data import NATIVE_MINT, amount_of

VENUES = frozenset(kind.program_id for kind in KINDS.values())
_CREATE_WITH_SEED = (3).to_bytes(4, "little")


class Swap(msgspec.Struct, frozen=True):
    """A swap as its instruction has it."""

    amount_in_atoms: int
    minimum_out_atoms: int


def swap_in(raw: bytes) -> Swap | None:
    """The swap of a transaction, None unless there is just one."""
    message = parse_transaction(raw).message
    found = [each for each in message.instructions if message.keys[each.program_index] in VENUES]
    if len(found) != 1:
        return None
    # All venues: the name, amount in, minimum out. A name has eight bytes, AMM v4's has one.
    is_short = message.keys[found[0].program_index] == raydium_amm_v4.PROGRAM_ID
    data = found[0].data[1 if is_short else 8 :]
    return Swap(int.from_bytes(data[:8], "little"), int.from_bytes(data[8:16], "little"))


def latches_in(message: Message) -> int:
    """Accounts of no data that it makes from a seed, which stay."""
    return sum(_is_latch(message, each) for each in message.instructions)


def _is_latch(message: Message, instruction: CompiledInstruction) -> bool:
    is_seeded = (
        message.keys[instruction.program_index] == SYSTEM_PROGRAM
        and instruction.data[:4] == _CREATE_WITH_SEED
    )
    return is_seeded and instruction.data[-40:-32] == bytes(8)


def gained(record: TransactionRecord, mint: bytes, latch_lamports: int) -> int:
    """Atoms of a mint that the payer of a successful transaction gained, fee and latch apart."""
    message = parse_transaction(record.raw).message
    if mint == NATIVE_MINT:
        change = record.post_lamports[0] - record.pre_lamports[0]
        return change + record.fee_lamports + latches_in(message) * latch_lamports
    payer = message.keys[0]
    total = 0
    for sign, side in ((1, record.post_tokens), (-1, record.pre_tokens)):
        for _, data in side:
            if data[:32] == mint and data[32:64] == payer:
                total += sign * amount_of(data)
    return total
