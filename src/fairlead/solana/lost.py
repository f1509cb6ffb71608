"""Transactions of ours that the store may not know: how they are recognised, and who took a latch.
Pure.

A latch's address can be created in one way only: createAccountWithSeed with our wallet as the base,
which our wallet must sign for. Anybody else can but pay lamports to it. So a successful transaction
that names the latch and bears our wallet's signature is ours, whatever the store knows
(EXACTLY-ONCE 10, 11, 23). It took the latch, unless it took its rent back (12).
"""

from collections.abc import Sequence
from struct import Struct as Layout

import msgspec
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.transaction import VersionedTransaction

from fairlead.ledger.message import MalformedTransaction, Message, parse_transaction
from fairlead.orders.model import Order
from fairlead.solana.accounts import SYSTEM_PROGRAM
from fairlead.solana.landed import LandedTransaction
from fairlead.solana.latch import (
    SEED_CHARACTERS,
    WRAP_SEED_CHARACTERS,
    latch_seed,
    wrap_seed,
)

MAX_WRAPS = 64
"""Attempts of one order whose temporary wSOL accounts are looked for."""

_CREATE_ACCOUNT_WITH_SEED = (3).to_bytes(4, "little")
_TRANSFER_WITH_SEED = (11).to_bytes(4, "little")
_HEX = frozenset("0123456789abcdef")
_SYSTEM = bytes(SYSTEM_PROGRAM)
# Tag, base, length of the seed.
_HEAD = Layout("<I32sQ")


class Ours(msgspec.Struct, frozen=True):
    """A transaction of ours took the latch."""

    transaction: LandedTransaction


class Stranger(msgspec.Struct, frozen=True):
    """Somebody paid into the latch, and no transaction of ours succeeded under it."""


class Nobody(msgspec.Struct, frozen=True):
    """The latch is not there, and no transaction of ours ever succeeded under it."""


Taker = Ours | Stranger | Nobody


class TakerEvidence(msgspec.Struct, frozen=True):
    """What one witness says of a latch at `finalized`."""

    # The account, with a bank at least as new as the one that told the height.
    is_present: bool
    # Successful transactions that name it, each as shown; None where one is not shown.
    named_by: tuple[LandedTransaction | None, ...] = ()
    # Whether these are all of them.
    is_complete: bool = True


def taker_of(evidence: TakerEvidence, wallet: str, latch: str) -> Taker | None:
    """Who took it, as one witness shows it; None while that is not shown."""
    signed = [
        None if each is None or each.error is not None else is_signed_by(each, wallet)
        for each in evidence.named_by
    ]
    was_there = evidence.is_present
    for each, is_ours in zip(evidence.named_by, signed, strict=True):
        if each is None or not is_ours:
            continue
        if not is_reclaim(each, wallet):
            return Ours(each)
        was_there = True
    if not evidence.is_complete or None in signed:
        return None
    if not was_there:
        return Nobody()
    # An index of history may lag behind the bank. So it does not do that no taker is ours: the one
    # by which the account came to be must be there, and be a stranger's.
    if any(each is not None and _made(each, latch) for each in evidence.named_by):
        return Stranger()
    return None


def agreed_taker(said: Sequence[Taker | None], needed: int) -> Taker | None:
    """What several witnesses come to. That it was ours is shown by one: it bears our signature.
    Anything else takes enough of
    them, and not as many that contradict."""
    for each in said:
        if isinstance(each, Ours):
            return each
    strangers = sum(isinstance(each, Stranger) for each in said)
    nobodies = sum(isinstance(each, Nobody) for each in said)
    if strangers >= needed > nobodies:
        return Stranger()
    return Nobody() if nobodies >= needed > strangers else None


def is_signed_by(transaction: LandedTransaction, wallet: str) -> bool | None:
    """Whether the wallet signed it; None where what was told is not a transaction, or not it."""
    message = message_of(transaction)
    if message is None:
        return None
    signers = message.keys[: message.required_signatures]
    if bytes(Pubkey.from_string(wallet)) not in signers:
        return False
    try:
        is_genuine = all(VersionedTransaction.from_bytes(transaction.raw).verify_with_results())
    except ValueError:
        return None
    return True if is_genuine else None


def is_reclaim(transaction: LandedTransaction, wallet: str) -> bool:
    """Whether it takes the rent of latches back, and takes none itself."""
    message = message_of(transaction)
    if message is None or seeds_in(transaction, wallet).are_ours:
        return False
    return any(
        message.keys[each.program_index] == _SYSTEM and each.data[:4] == _TRANSFER_WITH_SEED
        for each in message.instructions
    )


def message_of(transaction: LandedTransaction) -> Message | None:
    """The message of a transaction as it was told, None where it is not the one asked for."""
    if not transaction.raw:
        return None
    try:
        parsed = parse_transaction(transaction.raw)
    except MalformedTransaction:
        return None
    first = str(Signature.from_bytes(parsed.signatures[0])) if parsed.signatures else ""
    return parsed.message if first == transaction.signature else None


def _made(transaction: LandedTransaction, account: str) -> bool:
    """Whether the account came to be in it."""
    if account not in transaction.accounts:
        return False
    index = transaction.accounts.index(account)
    return transaction.pre_lamports[index] == 0 < transaction.post_lamports[index]


class Seeds(msgspec.Struct, frozen=True):
    """What the wallet created from seeds in one transaction."""

    # By instruction 0, owned by the System program: the form of a latch.
    latch: str | None
    # Whatever else.
    others: tuple[str, ...]

    @property
    def are_ours(self) -> bool:
        """Whether they look like those of an attempt, of whatever order."""
        return self.latch is not None or any(_is_hex(s, WRAP_SEED_CHARACTERS) for s in self.others)


def _is_hex(seed: str, size: int) -> bool:
    return len(seed) == size and set(seed) <= _HEX


def seeds_in(transaction: LandedTransaction, wallet: str) -> Seeds:
    """The seeds of the accounts that a transaction created with this wallet as their base."""
    message = message_of(transaction)
    if message is None:
        return Seeds(None, ())
    latch: str | None = None
    others: list[str] = []
    for index, instruction in enumerate(message.instructions):
        if message.keys[instruction.program_index] != _SYSTEM:
            continue
        found = _created(instruction.data, bytes(Pubkey.from_string(wallet)))
        if found is None:
            continue
        seed, owner = found
        if index == 0 and owner == _SYSTEM and _is_hex(seed, SEED_CHARACTERS):
            latch = seed
        else:
            others.append(seed)
    return Seeds(latch, tuple(others))


def _created(data: bytes, wallet: bytes) -> tuple[str, bytes] | None:
    """Seed and owner of a createAccountWithSeed with this base."""
    if data[:4] != _CREATE_ACCOUNT_WITH_SEED or len(data) < _HEAD.size:
        return None
    _, base, size = _HEAD.unpack_from(data)
    seed = data[_HEAD.size : _HEAD.size + size]
    # Lamports and space stand before the owner.
    owner = data[_HEAD.size + size + 16 :]
    if base != wallet or len(seed) != size or len(owner) != 32 or not seed.isascii():
        return None
    return seed.decode("ascii"), owner


class Match(msgspec.Struct, frozen=True):
    """The order that a transaction belongs to."""

    order: Order
    # Of its latch; None where it has none.
    generation: int | None


def match(seeds: Seeds, orders: Sequence[Order], max_generations: int) -> Match | None:
    """The order whose secret the seeds come from; nobody else can make such ones."""
    for order in orders:
        if seeds.latch is not None:
            for generation in range(max_generations):
                if seeds.latch == latch_seed(order.secret, generation):
                    return Match(order, generation)
        elif seeds.others:
            wraps = {wrap_seed(order.secret, number) for number in range(1, MAX_WRAPS + 1)}
            if not wraps.isdisjoint(seeds.others):
                return Match(order, None)
    return None
