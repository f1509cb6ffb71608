"""How much of each token a pool has: what pools of one pair are ranked by.

A pool's depth is not in its own account. It is what its vaults hold, or of vaults that it shares
with other pools its share of them.
"""

from collections.abc import Mapping

from solders.pubkey import Pubkey

from fairlead.venues.meteora.damm_v1 import DammV1Pool
from fairlead.venues.token2022 import STATE_FROZEN, decode_token_account
from fairlead.venues.venue import Account, ErrorClass, Pool, VenueError, account_of


def accounts_weighed(pool: Pool) -> tuple[Pubkey, ...]:
    """What to read to know the pool's depth, and whether its vaults are frozen."""
    if isinstance(pool, DammV1Pool):
        return pool.accounts_needed
    return pool.vaults


def depth(pool: Pool, accounts: Mapping[Pubkey, Account]) -> tuple[int, int]:
    """Atoms of each mint, in the order of `mints`; `VenueError` frozen_vault, or what is missing.

    Fees that wait in the vaults for their owners are counted too.
    """
    if isinstance(pool, DammV1Pool):
        return _of_shares(pool, accounts)
    first, second = (_of_vault(vault, accounts) for vault in pool.vaults)
    return first, second


def _of_vault(vault: Pubkey, accounts: Mapping[Pubkey, Account]) -> int:
    found = decode_token_account(account_of(accounts, vault))
    if found.state == STATE_FROZEN:
        raise VenueError(ErrorClass.TERMINAL, "frozen_vault", detail=str(vault))
    return found.amount_atoms


def _of_shares(pool: DammV1Pool, accounts: Mapping[Pubkey, Account]) -> tuple[int, int]:
    """Lent tokens count: they come back when they are asked for, as far as they can."""
    first, second = (
        side.state.total_amount * side.lp_amount // side.lp_supply if side.lp_supply else 0
        for side in pool.load(accounts).sides
    )
    return first, second
