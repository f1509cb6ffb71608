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


class Witness:
    """Tells of these signatures, newest first, and shows as many."""

    def __init__(self, *signatures: str, shows: tuple[str, ...] | None = None) -> None:
        self.name = "witness"
        self.signatures = signatures
        self.shows = signatures if shows is None else shows
        self.is_down = False
        self.asked: list[dict[str, Any]] = []

    async def signatures_for_address(
        self, address: Pubkey, *, limit: int, before: str | None, until: str | None, commitment: str
    ) -> tuple[AddressSignature, ...]:
        assert "finalized" == commitment
        self.asked.append({"before": before, "until": until})
        if self.is_down:
            raise Unavailable("chain", "down")
        found = list(self.signatures)
        if before is not None:
            found = found[found.index(before) + 1 :]
        if until in found:
            found = found[: found.index(until)]
        return tuple([AddressSignature(each, 1, None) for each in found[:limit]])

    async def transaction(self, signature: str, commitment: str) -> Any:
        if self.is_down:
            raise Unavailable("chain", "down")
        return signature if signature in self.shows else None


class Chain:
    def __init__(self, *witnesses: Witness) -> None:
        self.witnesses = witnesses


class Store:
    def __init__(self, *known: str, last: str | None = None) -> None:
        self.known = known
        self.last = last

    async def last_landed(self, wallet: str) -> str | None:
        return self.last

    async def known_attempts(self, signatures: list[str]) -> frozenset[str]:
        return frozenset(self.known).intersection(signatures)


def told(store: Store, *witnesses: Witness) -> tuple[list[Any], bool]:
    history = asyncio.run(unknown_of(Chain(*witnesses), store, WALLET))  # type: ignore[arg-type]
    return list(history.unknown), history.is_complete


def test_what_is_newer_than_the_last_known_and_not_known_comes_oldest_first() -> None:
    witness = Witness("e", "d", "c", "b", "a")
    assert (["c", "e"], True) == told(Store("d", last="b"), witness)
    assert [{"before": None, "until": "b"}] == witness.asked


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
