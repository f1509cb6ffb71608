"""Pools as the API shows them: what they hold, how old that is, and why one is left out."""

from collections.abc import Mapping

from solders.pubkey import Pubkey

from fairlead.amounts import decimal_from_atoms
from fairlead.api.schemas import PoolListAnswer, PoolReserve, PoolView
from fairlead.ports import ListedPool, Mints, PoolListing
from fairlead.tokens import TokenList
from fairlead.venues.venue import Venue

MAX_SHOWN = 500
"""Pools of one answer; of more the last, which are left out, are not shown."""


async def pool_list(listing: PoolListing, listed: TokenList, mints: Mints) -> PoolListAnswer:
    """The listing, with amounts where the decimals are known."""
    shown = listing.pools[:MAX_SHOWN]
    wanted = {str(mint) for pool in shown for mint in pool.mints or ()}
    tokens: dict[str, tuple[str | None, int]] = {
        token.mint: (token.symbol, token.decimals)
        for token in map(listed.find, wanted)
        if token is not None
    }
    unlisted = [mint for mint in wanted if mint not in tokens]
    for mint, facts in (await mints.facts(unlisted)).items():
        tokens[mint] = (None, facts.decimals)
    return PoolListAnswer(
        listing.slot,
        [_pool(pool, listing, tokens) for pool in shown],
        len(listing.pools) - len(shown),
    )


def _pool(
    pool: ListedPool, listing: PoolListing, tokens: Mapping[str, tuple[str | None, int]]
) -> PoolView:
    reserves = [
        _reserve(mint, None if pool.atoms is None else pool.atoms[side], tokens)
        for side, mint in enumerate(pool.mints or ())
    ]
    return PoolView(
        str(pool.address),
        pool.venue or None,
        Venue(pool.venue).dex if pool.venue else None,
        reserves,
        pool.slot,
        None if pool.slot is None else max(0, listing.slot - pool.slot),
        None if pool.read_at_ms is None else max(0, listing.now_ms - pool.read_at_ms),
        not pool.reason,
        pool.reason or None,
    )


def _reserve(
    mint: Pubkey, atoms: int | None, tokens: Mapping[str, tuple[str | None, int]]
) -> PoolReserve:
    token = tokens.get(str(mint))
    symbol = None if token is None else token[0]
    amount = None if token is None or atoms is None else decimal_from_atoms(atoms, token[1])
    return PoolReserve(str(mint), symbol, amount, None if atoms is None else str(atoms))
