"""What a transaction's bytes ask for and what a record says came of it.

Read apart from the engine's own reading of both."""

from collections import Counter
from collections.abc import Sequence
from hashlib import sha256

import msgspec

from fairlead.ledger.account import SYSTEM_PROGRAM
from fairlead.ledger.blocks import TransactionRecord
from fairlead.ledger.market import KINDS
from fairlead.ledger.message import CompiledInstruction, Message, parse_transaction
from fairlead.ledger.programs import raydium_amm_v4
from fairlead.ledger.programs.token_data import NATIVE_MINT, amount_of
from fairlead.orders.model import Leg, OrderTerms

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


def swap_in(raw: bytes, legs: Sequence[Leg], terms: OrderTerms) -> Swap | None:
    """The swaps of a transaction as one: what leaves the order's input, and comes at the least to
    its output. None where the legs are not what the instructions do, one for one, or where a later
    hop may want more than the hop before it brings."""
    message = parse_transaction(raw).message
    found = [each for each in message.instructions if message.keys[each.program_index] in VENUES]
    if not found or len(found) != len(legs):
        return None
    given, least = 0, 0
    # What the wallet surely has of each middle token.
    held: Counter[str] = Counter()
    swaps = [_swap_of(message, each) for each in found]
    for swap, leg in zip(swaps, legs, strict=True):
        if leg.token_in == terms.token_in:
            given += swap.amount_in_atoms
        else:
            held[leg.token_in] -= swap.amount_in_atoms
        if leg.token_out == terms.token_out:
            least += swap.minimum_out_atoms
        else:
            held[leg.token_out] += swap.minimum_out_atoms
        if min(held.values(), default=0) < 0:
            return None
    return Swap(given, least, is_exact_out=any(each.is_exact_out for each in swaps))


def holds_swap(raw: bytes) -> bool:
    """Whether any venue is called."""
    message = parse_transaction(raw).message
    return any(message.keys[each.program_index] in VENUES for each in message.instructions)


def middle_mints(legs: Sequence[Leg], terms: OrderTerms) -> set[str]:
    """What is passed through on the way."""
    ends = {terms.token_in, terms.token_out}
    return {mint for leg in legs for mint in (leg.token_in, leg.token_out)} - ends


def _swap_of(message: Message, instruction: CompiledInstruction) -> Swap:
    # All venues: the name, then two amounts. A name has eight bytes, AMM v4's has one.
    is_short = message.keys[instruction.program_index] == raydium_amm_v4.PROGRAM_ID
    data = instruction.data
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
