"""Any number of accounts as of one slot."""

import asyncio
from collections.abc import Sequence

from solders.pubkey import Pubkey

from fairlead.errors import Unavailable
from fairlead.ports import AccountsAtSlot, Chain

MAX_ACCOUNTS = 100
"""Addresses of one read, as clusters answer it."""

MAX_TRIES = 6
"""Times that late parts are read again: answers come from one slot or two, seldom from more."""


async def read_at_one_slot(chain: Chain, addresses: Sequence[Pubkey]) -> AccountsAtSlot:
    """The accounts at `confirmed`, all of the same slot; `Unavailable` where there is none for all.

    More than a read takes are read in parts at the same time. Those parts that came from an older
    slot than the newest are read again, from that one on.
    """
    if len(addresses) <= MAX_ACCOUNTS:
        return await chain.accounts(addresses)
    parts = [
        addresses[start : start + MAX_ACCOUNTS] for start in range(0, len(addresses), MAX_ACCOUNTS)
    ]
    reads = list(await asyncio.gather(*[chain.accounts(part) for part in parts]))
    for _ in range(MAX_TRIES):
        newest = max(read.slot for read in reads)
        late = [index for index, read in enumerate(reads) if read.slot < newest]
        if not late:
            return _together(reads)
        again = await asyncio.gather(
            *[chain.accounts(parts[index], min_context_slot=newest) for index in late],
            return_exceptions=True,
        )
        for index, read in zip(late, again, strict=True):
            if isinstance(read, AccountsAtSlot):
                reads[index] = read
            elif not isinstance(read, Unavailable):
                raise read
            # A replica that is not there yet says so; another one, or a moment, may be.
    raise Unavailable("chain", f"{len(parts)} reads were of different slots {MAX_TRIES} times")


def _together(reads: Sequence[AccountsAtSlot]) -> AccountsAtSlot:
    accounts = {key: account for read in reads for key, account in read.accounts.items()}
    return AccountsAtSlot(reads[0].slot, accounts)


async def read_in_parts(chain: Chain, addresses: Sequence[Pubkey]) -> AccountsAtSlot:
    """The accounts, whichever slots they are of; the slot is the oldest. For what is only ranked.

    One part after the other: there may be many, and orders need the endpoint too.
    """
    reads = [
        await chain.accounts(addresses[start : start + MAX_ACCOUNTS])
        for start in range(0, len(addresses), MAX_ACCOUNTS)
    ]
    if not reads:
        return AccountsAtSlot(0, {})
    return AccountsAtSlot(min(read.slot for read in reads), _together(reads).accounts)
