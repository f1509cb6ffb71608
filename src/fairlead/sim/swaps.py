"""What a transaction's bytes ask for and what a record says came of it.

Read apart from the engine's own reading of both."""

from hashlib import sha256

import msgspec

from fairlead.ledger.account import SYSTEM_PROGRAM
from fairlead.ledger.blocks import TransactionRecord
from fairlead.ledger.market import KINDS
from fairlead.ledger.message import CompiledInstruction, Message, parse_transaction
from fairlead.ledger.programs import raydium_amm_v4
from fairlead.ledger.programs.token_data import NATIVE_MINT, amount_of
from fairlead.orders.model import OrderTerms

VENUES = frozenset(kind.program_id for kind in KINDS.values())
# Swaps of an exact output: the most of the input comes first.
_OF_OUTPUT = frozenset(
    (
        b"\x0b",
        *[sha256(b"global:" + n).digest()[:8] for n in (b"swap_base_output", b"swap_exact_out2")],
    )
)
# Those that say at their end which side is exact; there the output comes first.
_OF_EITHER = {
    sha256(b"global:swap2").digest()[:8]: (16, b"\2"),
    sha256(b"global:swap_v2").digest()[:8]: (32, b"\0"),
}
_CREATE_WITH_SEED = (3).to_bytes(4, "little")


class Swap(msgspec.Struct, frozen=True):
    """A swap as its instruction has it."""

    # Exactly, or at the most; at the least, or exactly.
    amount_in_atoms: int
    minimum_out_atoms: int
    # Whether it names the output exactly.
    is_exact_out: bool = False

    def is_of(self, terms: OrderTerms) -> bool:
        """Whether it swaps the amount of these terms, on the side that is exact; and of an exact
        output takes no more than they allow."""
        if terms.exact_out_atoms is None:
            return not self.is_exact_out and self.amount_in_atoms == terms.amount_in_atoms
        is_asked = self.is_exact_out and self.minimum_out_atoms == terms.exact_out_atoms
        return is_asked and self.amount_in_atoms <= terms.amount_in_atoms


def swap_in(raw: bytes) -> Swap | None:
    """The swap of a transaction, None unless there is just one."""
    message = parse_transaction(raw).message
    found = [each for each in message.instructions if message.keys[each.program_index] in VENUES]
    if len(found) != 1:
        return None
    # All venues: the name, then two amounts. A name has eight bytes, AMM v4's has one.
    is_short = message.keys[found[0].program_index] == raydium_amm_v4.PROGRAM_ID
    data = found[0].data
    name, rest = (data[:1], data[1:]) if is_short else (data[:8], data[8:])
    first, second = (int.from_bytes(rest[at : at + 8], "little") for at in (0, 8))
    at, flag = _OF_EITHER.get(name, (0, b"-"))
    if rest[at:] == flag:
        return Swap(second, first, is_exact_out=True)
    return Swap(first, second, is_exact_out=name in _OF_OUTPUT)


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
