"""What a paper chain lacks that began when the market had fewer pools.

Its own pools, wallets and history stay as they are. A pool whose address is empty is put there as
at genesis, moved to the price of the slot, with tokens made for it: the mints' supplies grow by
what it holds, so that the books of every token still close.
"""

from collections.abc import Mapping

from fairlead.ledger.account import AccountState
from fairlead.ledger.market import KINDS, PROGRAMS, all_pools
from fairlead.ledger.market_flow import market_flow
from fairlead.ledger.market_pool import Accounts, put_program
from fairlead.ledger.programs.token_data import (
    ACCOUNT_SIZE,
    NATIVE_MINT,
    TOKEN_PROGRAM,
    amount_of,
    with_bytes,
)

_SUPPLY_OFFSET = 36


def missing_accounts(accounts: Mapping[bytes, AccountState], seed: int, slot: int) -> Accounts:
    """Accounts to set so that the chain has all of the market; empty where it has."""
    grown = dict(accounts)
    for program in PROGRAMS:
        if program not in grown:
            put_program(grown, program)
    pools = tuple([pool for pool in all_pools() if pool.address not in grown])
    for pool in pools:
        KINDS[pool.venue].put(grown, pool)
    grown.update(market_flow(grown.get, pools, seed, slot))
    changed = {key: state for key, state in grown.items() if accounts.get(key) != state}
    for mint, atoms in _made(accounts, changed).items():
        state = grown[mint]
        supply = int.from_bytes(state.data[_SUPPLY_OFFSET : _SUPPLY_OFFSET + 8], "little") + atoms
        data = with_bytes(state.data, _SUPPLY_OFFSET, supply.to_bytes(8, "little"))
        changed[mint] = AccountState(state.lamports, data, state.owner)
    return changed


def _made(before: Mapping[bytes, AccountState], changed: Accounts) -> dict[bytes, int]:
    """Atoms by which the accounts of each mint that was there before hold more."""
    made: dict[bytes, int] = {}
    for key, state in changed.items():
        mint = state.data[:32]
        if _is_tokens(state) and mint in before and mint != NATIVE_MINT:
            old = before.get(key)
            held = amount_of(old.data) if old is not None and _is_tokens(old) else 0
            made[mint] = made.get(mint, 0) + amount_of(state.data) - held
    return made


def _is_tokens(state: AccountState) -> bool:
    return state.owner == TOKEN_PROGRAM and len(state.data) == ACCOUNT_SIZE
