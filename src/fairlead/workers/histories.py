"""What the chain tells of a wallet that the store may not know: transactions newer than the last
one that the store knew to be finalized before any order that goes on was accepted
(EXACTLY-ONCE 23).

An attempt of such an order is newer on the chain too: it was signed and sent later than that one
was final. So what a restored store has lost of it is among these, whatever the store has learnt
since it was restored.
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
    # Whether these are all since the last one that it knows.
    is_complete: bool


class _Listed(msgspec.Struct, frozen=True):
    # Newest first.
    signatures: tuple[str, ...]
    is_complete: bool


async def unknown_of(chain: Chain, store: Store, wallet: str) -> History:
    """What the store may have lost of this wallet; `Unavailable` while too few witnesses tell."""
    until = await store.last_landed(wallet)
    address = Pubkey.from_string(wallet)
    needed = needed_of(len(chain.witnesses))

    def is_enough(heard: Sequence[_Listed]) -> bool:
        return len(heard) >= needed

    heard = await ask_each(chain.witnesses, lambda each: _list(each, address, until), is_enough)
    if not is_enough(heard):
        raise Unavailable("chain", f"{len(heard)} of {needed} witnesses tell of {wallet}")
    # Whatever one of them names: hiding one would be to execute its order again.
    named = list(dict.fromkeys([each for one in heard for each in reversed(one.signatures)]))
    unknown: list[str] = []
    for start in range(0, len(named), PAGE):
        batch = named[start : start + PAGE]
        known = await store.known_attempts(batch)
        unknown += [each for each in batch if each not in known]
    shown = [await _shown(chain, each, heard, needed) for each in unknown[:MAX_UNKNOWN]]
    is_complete = all(each.is_complete for each in heard) and len(unknown) <= MAX_UNKNOWN
    return History(tuple([each for each in shown if each is not None]), is_complete)


async def _list(witness: Chain, address: Pubkey, until: str | None) -> _Listed:
    found: list[str] = []
    before: str | None = None
    for _ in range(MAX_PAGES):
        page = await witness.signatures_for_address(
            address, limit=PAGE, before=before, until=until, commitment="finalized"
        )
        found += [each.signature for each in page]
        if len(page) < PAGE:
            return _Listed(tuple(found), True)
        before = page[-1].signature
    return _Listed(tuple(found), False)


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
