"""Reads that decide nothing, over several providers: what an order needs on its way."""

from collections.abc import Sequence

from solders.pubkey import Pubkey

from fairlead.chain.agreeing_providers import Endpoint, Providers
from fairlead.chain.rpc_caches import MAX_KEPT, Recent
from fairlead.errors import Unavailable
from fairlead.ports import (
    AccountsAtSlot,
    AddressSignature,
    Clock,
    EpochInfo,
    LandedTransaction,
    SignatureStatus,
)
from fairlead.solana.agreement import agreed_height, agreed_value, likely_status, needed_of
from fairlead.solana.proof import compact
from fairlead.venues.pools import Search
from fairlead.venues.venue import ChainTime

LAG_BLOCKS = 50
"""How far behind the others a provider is left alone for a while: 20 s of 400 ms slots."""

LONE_WORD_S = 10.0
"""How long a success is believed that one provider tells of while two have never heard of it:
longer than honest ones are apart, and too short for a liar to keep an order from its proof."""


class AgreeingReads:
    """From the first that answers, or what two say, or what is likely."""

    def __init__(self, endpoints: Sequence[Endpoint], clock: Clock, max_age_s: float) -> None:
        self._needed = needed_of(len(endpoints))
        self._monotonic = clock.monotonic
        self._providers = Providers(endpoints, self._needed, clock.monotonic)
        self._max_age_s = max_age_s
        self._epochs: Recent[str, EpochInfo] = Recent(clock.monotonic)
        self._fees: Recent[tuple[int, tuple[Pubkey, ...]], int] = Recent(clock.monotonic)
        # Since when one provider alone tells of a success, by signature.
        self._lone: dict[str, float] = {}

    async def epoch_info(self, commitment: str = "finalized") -> EpochInfo:
        """The newest for which another provider vouches; where none does, the newest. For pace: it
        proves nothing."""
        if commitment == "finalized":
            return await self._epoch_info(commitment)
        return await self._epochs.get(
            commitment, self._max_age_s, lambda: self._epoch_info(commitment)
        )

    async def _epoch_info(self, commitment: str) -> EpochInfo:
        heard = await self._providers.together(
            lambda c: c.epoch_info(commitment), self._are_two_near
        )
        newest_last = sorted([info for _, info in heard], key=lambda info: info.block_height)
        height = agreed_height([info.block_height for info in newest_last], self._needed)
        return next((i for i in newest_last if i.block_height == height), newest_last[-1])

    def _are_two_near(self, infos: Sequence[EpochInfo]) -> bool:
        heights = sorted([info.block_height for info in infos])
        return len(heights) >= self._needed and heights[-1] - heights[-2] <= LAG_BLOCKS

    async def time(self) -> ChainTime:
        return (await self._providers.first(lambda c: c.time()))[1]

    async def accounts(
        self, addresses: Sequence[Pubkey], commitment: str = "confirmed", min_context_slot: int = 0
    ) -> AccountsAtSlot:
        """From one provider, which is at `min_context_slot` or later."""
        _, read = await self._providers.first(
            lambda c: c.accounts(addresses, commitment, min_context_slot)
        )
        return read

    async def search(self, search: Search, commitment: str = "confirmed") -> tuple[Pubkey, ...]:
        """From the first provider that does not refuse: what it leaves out is not found.

        One after the other, and none is left alone for it: to be slow at this, or to refuse it,
        says nothing of what orders need.
        """
        failure = Unavailable("chain", "no provider")
        for provider in self._providers.in_order():
            try:
                return await provider.chain.search(search, commitment)
            except Unavailable as error:
                failure = error
        raise failure

    async def signature_statuses(
        self, signatures: Sequence[str], *, search_history: bool = False
    ) -> tuple[SignatureStatus | None, ...]:
        """What is likely, given what each provider says: a hint, on which nothing ends."""
        if not signatures:
            return ()
        heard = await self._providers.together(
            lambda c: c.signature_statuses(signatures, search_history=search_history),
            lambda all: len(all) >= self._needed and len({_kinds(each) for each in all}) == 1,
        )
        answers = [each for _, each in heard]
        return tuple(
            [
                self._likely(signature, [each[index] for each in answers])
                for index, signature in enumerate(signatures)
            ]
        )

    def _likely(
        self, signature: str, answers: Sequence[SignatureStatus | None]
    ) -> SignatureStatus | None:
        told = likely_status(answers, self._needed)
        nobody = [each for each in answers if each is None]
        if told is None or len(nobody) < self._needed:
            self._lone.pop(signature, None)
            return told
        # One against two. It may be the first to see it; it may also lie.
        since_s = self._lone.setdefault(signature, self._monotonic())
        if len(self._lone) > MAX_KEPT:
            del self._lone[next(iter(self._lone))]
        return told if self._monotonic() - since_s <= LONE_WORD_S else None

    async def transaction(self, signature: str, commitment: str) -> LandedTransaction | None:
        """As two providers show it, else as one does: rather one that succeeded. Provisional."""

        def shown(all: Sequence[LandedTransaction | None]) -> LandedTransaction | None:
            moved = [None if each is None else _what_moved(each) for each in all]
            agreed = agreed_value(moved, self._needed)
            return None if agreed is None else all[moved.index(agreed)]

        heard = await self._providers.together(
            lambda c: c.transaction(signature, commitment), lambda all: shown(all) is not None
        )
        answers = [each for _, each in heard]
        ranked = sorted([a for a in answers if a is not None], key=lambda a: a.error is not None)
        return shown(answers) or next(iter(ranked), None)

    async def signatures_for_address(
        self,
        address: Pubkey,
        *,
        limit: int = 1_000,
        before: str | None = None,
        until: str | None = None,
        commitment: str = "finalized",
    ) -> tuple[AddressSignature, ...]:
        _, found = await self._providers.first(
            lambda c: c.signatures_for_address(
                address, limit=limit, before=before, until=until, commitment=commitment
            )
        )
        return found

    async def first_available_block(self) -> int:
        return (await self._providers.first(lambda c: c.first_available_block()))[1]

    async def prioritization_fee(self, accounts: Sequence[Pubkey], percentile: int) -> int:
        """The middle one of what the providers say."""

        async def ask() -> int:
            heard = await self._providers.together(
                lambda c: c.prioritization_fee(accounts, percentile)
            )
            fees = sorted([fee for _, fee in heard])
            return fees[(len(fees) - 1) // 2]

        return await self._fees.get((percentile, tuple(accounts)), self._max_age_s, ask)


def _what_moved(landed: LandedTransaction) -> tuple[object, ...]:
    """By what two are the same: logs may be cut short."""
    lamports, tokens = landed.post_lamports, landed.post_tokens
    return landed.slot, landed.error and compact(landed.error), lamports, tokens


def _kinds(answers: Sequence[SignatureStatus | None]) -> tuple[str, ...]:
    """What is said of each signature, as far as providers can differ in it."""
    return tuple(
        "" if each is None else f"{each.commitment} {each.error is None}" for each in answers
    )
