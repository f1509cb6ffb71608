"""Money for new wallets of the paper chain, given at the root so that it is final at once."""

import functools
from collections.abc import Callable

from fairlead.ledger.account import SYSTEM_PROGRAM, AccountState
from fairlead.ledger.bank import Bank
from fairlead.ledger.market_pool import tokens_of, with_more_tokens
from fairlead.ledger.programs.associated_token import associated_address
from fairlead.ledger.programs.token_data import with_bytes
from fairlead.ledger.tokens import SOL, TOKENS, atoms_worth

FUND_LAMPORTS = 5_000 * 10**9
"""SOL a wallet gets."""

FUND_DOLLARS = 500_000
"""Worth of every token a wallet gets."""

Change = Callable[[AccountState | None], AccountState]


def fund(
    bank: Bank, wallet: bytes, *, lamports: int = FUND_LAMPORTS, dollars: int = FUND_DOLLARS
) -> None:
    """Give a wallet SOL and every token of the market, on top of what it has."""
    changes: dict[bytes, Change] = {wallet: functools.partial(_more_lamports, lamports)}
    for token in TOKENS:
        if token is SOL:
            continue
        atoms = atoms_worth(token, dollars)
        account = associated_address(wallet, token.mint)
        changes[account] = functools.partial(_more_tokens, token.mint, wallet, atoms)
        changes[token.mint] = functools.partial(_more_supply, atoms)
    bank.change_at_root(changes)


def _more_lamports(lamports: int, state: AccountState | None) -> AccountState:
    if state is None:
        return AccountState(lamports, b"", SYSTEM_PROGRAM)
    return AccountState(state.lamports + lamports, state.data, state.owner, state.executable)


def _more_tokens(
    mint: bytes, wallet: bytes, atoms: int, state: AccountState | None
) -> AccountState:
    if state is None or not state.data:
        return tokens_of(mint, wallet, atoms)
    return with_more_tokens(state, atoms)


def _more_supply(atoms: int, state: AccountState | None) -> AccountState:
    assert state is not None
    supply = int.from_bytes(state.data[36:44], "little") + atoms
    data = with_bytes(state.data, 36, supply.to_bytes(8, "little"))
    return AccountState(state.lamports, data, state.owner)
