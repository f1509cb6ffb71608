"""What several providers tell of a wallet, held together (EXACTLY-ONCE 23)."""

import asyncio
from typing import Any

import pytest
from solders.pubkey import Pubkey

from fairlead.errors import Unavailable
from fairlead.ports import AddressSignature
from fairlead.workers import histories
from fairlead.workers.histories import unknown_of

WALLET = str(Pubkey.default())
NEWEST = 100
"""The slot of the first signature that a witness names."""


class Witness:
    """Tells of these signatures, newest first, each a slot earlier than the one before, and shows
    them."""

    def __init__(
        self, *signatures: str, shows: tuple[str, ...] | None = None, first_slot: int = 0
    ) -> None:
        self.name = "witness"
        self.signatures = signatures
        self.shows = signatures if shows is None else shows
        self.first_slot = first_slot
        self.is_down = False
        self.asked: list[dict[str, Any]] = []

    async def signatures_for_address(
        self, address: Pubkey, *, limit: int, before: str | None, commitment: str
    ) -> tuple[AddressSignature, ...]:
        assert "finalized" == commitment
        self.asked.append({"before": before})
        if self.is_down:
            raise Unavailable("chain", "down")
        found = [AddressSignature(each, NEWEST - n, None) for n, each in enumerate(self.signatures)]
        if before is not None:
            found = found[self.signatures.index(before) + 1 :]
        return tuple([each for each in found if each.slot >= self.first_slot][:limit])

    async def first_available_block(self) -> int:
        return self.first_slot

    async def transaction(self, signature: str, commitment: str) -> Any:
        if self.is_down:
            raise Unavailable("chain", "down")
        return signature if signature in self.shows else None


class Chain:
    def __init__(self, *witnesses: Witness) -> None:
        self.witnesses = witnesses


class Store:
    def __init__(self, *known: str, to_slot: int | None = None) -> None:
        self.known = known
        self.to_slot = to_slot

    async def known_to_slot(self) -> int | None:
        return self.to_slot

    async def known_attempts(self, signatures: list[str]) -> frozenset[str]:
        return frozenset(self.known).intersection(signatures)


def told(store: Store, *witnesses: Witness) -> tuple[list[Any], bool]:
    """What is not known, and whether it is all."""
    history = asyncio.run(unknown_of(Chain(*witnesses), store, WALLET))  # type: ignore[arg-type]
    return list(history.unknown), history.gap is None


def test_what_landed_since_all_was_known_and_is_not_known_comes_oldest_first() -> None:
    witness = Witness("e", "d", "c", "b", "a")
    assert (["c", "e"], True) == told(Store("d", to_slot=NEWEST - 3), witness)
    assert [{"before": None}] == witness.asked


@pytest.mark.parametrize(("first_slot", "whole"), [(0, True), (90, True), (91, True), (92, False)])
def test_history_that_does_not_reach_back_to_what_was_known_has_a_gap(
    first_slot: int, whole: bool
) -> None:
    """A provider that has forgotten says nothing of it: it tells what it still has."""
    witness = Witness("b", "a", first_slot=first_slot)
    assert (["a", "b"], whole) == told(Store(to_slot=90), witness)


def test_what_nobody_claimed_to_know_has_no_gap() -> None:
    assert (["a"], True) == told(Store(), Witness("a", first_slot=50))


def test_enough_whole_histories_make_up_for_one_with_a_gap() -> None:
    store, pruned = Store(to_slot=10), Witness("a", first_slot=100)
    whole = Witness("a", "b"), Witness("a", "b")
    assert (["a", "b"], True) == told(store, pruned, *whole)
    assert not told(store, pruned, whole[0])[1]
    assert not told(store, pruned, whole[0], Witness("a", first_slot=100))[1]


def test_one_witness_that_hides_a_transaction_hides_nothing() -> None:
    assert (["a", "b"], True) == told(Store(), Witness("a", shows=()), Witness("b", "a"))


def test_one_witness_alone_is_not_enough_where_there_are_two() -> None:
    silent = Witness()
    silent.is_down = True
    with pytest.raises(Unavailable):
        told(Store(), Witness("a"), silent)


def test_what_one_names_and_nobody_shows_holds_up_nobody() -> None:
    assert (["a"], True) == told(Store(), Witness("x", "a", shows=("a",)), Witness("a"))
    with pytest.raises(Unavailable):
        told(Store(), Witness("a", shows=()), Witness("a", shows=()))


def test_history_comes_page_by_page_and_no_further_than_its_bound(monkeypatch: Any) -> None:
    monkeypatch.setattr(histories, "PAGE", 2)
    witness = Witness("e", "d", "c", "b", "a")
    assert (["a", "b", "c", "d", "e"], True) == told(Store(), witness)
    assert [None, "d", "b"] == [each["before"] for each in witness.asked]
    monkeypatch.setattr(histories, "MAX_PAGES", 2)
    assert not told(Store(), witness)[1]
    monkeypatch.setattr(histories, "MAX_PAGES", 50)
    monkeypatch.setattr(histories, "MAX_UNKNOWN", 4)
    assert not told(Store(), witness)[1]
