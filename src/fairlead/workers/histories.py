"""What the chain tells of a wallet that the store may not know: transactions in later slots than
the last one up to which the store knew all of ours (EXACTLY-ONCE 23).

A worker whose wallets are all known says now and then up to which slot that is (`reconciling`).
What is sent is stored before. So what a restored store lacks landed after the slot that its backup
names, however old the orders are that go on.
"""

from collections.abc import Sequence

import msgspec
from solders.pubkey import Pubkey

from fairlead.errors import Unavailable
from fairlead.ports import Chain, LandedTransaction, Store
from fairlead.solana.agreement import needed_of
from fairlead.workers.proving import ask_each

PAGE = 1_000
MAX_PAGES = 50
"""Pages of a wallet's history that are read; more is not taken for all of it."""

MAX_UNKNOWN = 5_000
"""Transactions of a wallet that the store does not know and that are looked at."""


class History(msgspec.Struct, frozen=True):
    """A wallet's finalized transactions that the store does not know, oldest first."""

    unknown: tuple[LandedTransaction, ...]
    # Why these may not be all that the store lacks; None where they are.
    gap: str | None


class _Listed(msgspec.Struct, frozen=True):
    # Newest first.
    signatures: tuple[str, ...]
    gap: str | None


async def unknown_of(chain: Chain, store: Store, wallet: str) -> History:
    """What the store may have lost of this wallet; `Unavailable` while too few witnesses tell."""
    known_to = await store.known_to_slot()
    address = Pubkey.from_string(wallet)
    needed = needed_of(len(chain.witnesses))

    def are_whole(heard: Sequence[_Listed]) -> bool:
        return sum(each.gap is None for each in heard) >= needed

    heard = await ask_each(chain.witnesses, lambda each: _list(each, address, known_to), are_whole)
    if len(heard) < needed:
        raise Unavailable("chain", f"{len(heard)} of {needed} witnesses tell of {wallet}")
    # Whatever one of them names: hiding one would be to execute its order again.
    named = list(dict.fromkeys([each for one in heard for each in reversed(one.signatures)]))
    unknown: list[str] = []
    for start in range(0, len(named), PAGE):
        batch = named[start : start + PAGE]
        known = await store.known_attempts(batch)
        unknown += [each for each in batch if each not in known]
    shown = [await _shown(chain, each, heard, needed) for each in unknown[:MAX_UNKNOWN]]
    gap = None
    if not are_whole(heard):
        gap = next(each.gap for each in heard if each.gap is not None)
    elif len(unknown) > MAX_UNKNOWN:
        gap = f"{len(unknown)} of its transactions are not known"
    return History(tuple([each for each in shown if each is not None]), gap)


async def _list(witness: Chain, address: Pubkey, known_to: int | None) -> _Listed:
    found: list[str] = []
    before: str | None = None
    for _ in range(MAX_PAGES):
        page = await witness.signatures_for_address(
            address, limit=PAGE, before=before, commitment="finalized"
        )
        later = [each for each in page if known_to is None or each.slot > known_to]
        found += [each.signature for each in later]
        if len(later) < len(page):
            return _Listed(tuple(found), None)
        if len(page) < PAGE:
            return _Listed(tuple(found), await _cut(witness, known_to))
        before = page[-1].signature
    return _Listed(tuple(found), f"it has more than {MAX_PAGES * PAGE} transactions to compare")


async def _cut(witness: Chain, known_to: int | None) -> str | None:
    """Whether the witness has forgotten some of what was asked for: it does not say so itself."""
    return None if known_to is None else forgotten(known_to, await witness.first_available_block())


def forgotten(known_to: int, first_available: int) -> str | None:
    """What a provider that shows all from its first available slot on lacks; None where it shows
    all that is later than what is known."""
    if first_available <= known_to + 1:
        return None
    return f"providers have forgotten the slots {known_to + 1} to {first_available - 1}"


async def _shown(
    chain: Chain, signature: str, heard: Sequence[_Listed], needed: int
) -> LandedTransaction | None:
    """The transaction, by whichever witness shows it; None where only a liar can have named it."""
    for witness in chain.witnesses:
        try:
            found = await witness.transaction(signature, "finalized")
        except Unavailable:
            continue
        if found is not None:
            return found
    if sum(signature in each.signatures for each in heard) < needed:
        return None
    raise Unavailable("chain", f"nobody shows {signature}")
