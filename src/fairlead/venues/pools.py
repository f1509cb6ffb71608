"""The pool in an account of any venue."""

from collections.abc import Callable, Mapping

from solders.pubkey import Pubkey

from fairlead.venues.meteora import (
    damm_v1,
    damm_v1_accounts,
    damm_v2,
    damm_v2_accounts,
    dlmm,
    dlmm_accounts,
)
from fairlead.venues.raydium import amm_v4, amm_v4_accounts, clmm, clmm_accounts, cpmm
from fairlead.venues.venue import Account, ErrorClass, Pool, VenueError

_DECODERS: Mapping[Pubkey, Callable[[Pubkey, Account], Pool]] = {
    **dict.fromkeys(cpmm.AUTHORITIES, cpmm.decode),
    **dict.fromkeys(amm_v4_accounts.PROGRAM_IDS, amm_v4.decode),
    damm_v2_accounts.PROGRAM_ID: damm_v2.decode,
    damm_v1_accounts.PROGRAM_ID: damm_v1.decode,
    **dict.fromkeys(clmm_accounts.PROGRAM_IDS, clmm.decode),
    dlmm_accounts.PROGRAM_ID: dlmm.decode,
}


def decode_pool(address: Pubkey, account: Account) -> Pool:
    """The pool in this account, by its owner; `VenueError` not_a_pool where no venue knows it."""
    decode = _DECODERS.get(account.owner)
    if decode is None:
        raise VenueError(ErrorClass.TERMINAL, "not_a_pool", detail=str(address))
    return decode(address, account)
