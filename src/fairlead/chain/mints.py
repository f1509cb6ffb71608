"""The Mints port: what mint accounts say, read at most once a minute."""

from collections.abc import Mapping, Sequence

from solders.pubkey import Pubkey

from fairlead.chain.slot_reads import read_in_parts
from fairlead.ports import Chain, Clock
from fairlead.venues.token_facts import TokenFacts, token_facts
from fairlead.venues.venue import VenueError

FRESH_S = 60.0
"""For how long facts are told again. Decimals never change; an authority, a fee or a pause may."""

MAX_KEPT = 10_000
"""Mints remembered; when full, the one that was read first is forgotten."""


class ChainMints:
    """Mint accounts of a chain."""

    def __init__(self, chain: Chain, clock: Clock) -> None:
        self._chain = chain
        self._monotonic = clock.monotonic
        # With the time of the read.
        self._kept: dict[str, tuple[TokenFacts, float]] = {}

    async def facts(self, mints: Sequence[str]) -> Mapping[str, TokenFacts]:
        """By mint; one that is not on the chain is absent, and asked for again each time."""
        now = self._monotonic()
        found: dict[str, TokenFacts] = {}
        wanted: list[Pubkey] = []
        for mint in dict.fromkeys(mints):
            kept = self._kept.get(mint)
            if kept is not None and now - kept[1] <= FRESH_S:
                found[mint] = kept[0]
            else:
                wanted.append(Pubkey.from_string(mint))
        if wanted:
            read = await read_in_parts(self._chain, wanted)
            for key, account in read.accounts.items():
                try:
                    facts = token_facts(key, account)
                except VenueError:
                    continue  # an account, but no mint
                found[str(key)] = facts
                self._keep(str(key), facts, now)
        return found

    def _keep(self, mint: str, facts: TokenFacts, now: float) -> None:
        self._kept.pop(mint, None)
        if len(self._kept) >= MAX_KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[mint] = (facts, now)
