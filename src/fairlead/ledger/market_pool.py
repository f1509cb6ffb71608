"""What a pool of the paper market is, and what the files of its kinds (`market_….py`) share.

Each kind builds its pools with its venue's own encoders and says how one comes to a price. A
treasury holds the other side of every price move, so that tokens are neither made nor lost when
the market moves (`market_flow.py`).
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from math import isqrt

import msgspec
from solders.pubkey import Pubkey

from fairlead.ledger.account import SYSTEM_PROGRAM, AccountState, rent_minimum
from fairlead.ledger.program import Program
from fairlead.ledger.programs.associated_token import associated_address
from fairlead.ledger.programs.token_data import (
    ACCOUNT_SIZE,
    NATIVE_MINT,
    TOKEN_PROGRAM,
    amount_of,
    token_account,
)
from fairlead.ledger.tokens import Token, atoms_worth
from fairlead.venues.venue import Venue

MILLION = 1_000_000

SIDE_DOLLARS = 60_000_000
"""Worth of each side of a pool at genesis: 1,000 SOL move its price by about half a percent."""

MIN_MOVE = 500
"""Millionths a pool's price must be off before it is moved: what no arbitrage pays for. Without it
every pool would be written to the journal in every slot, 8 GB a day."""

TREASURY = hashlib.sha256(b"fairlead paper treasury").digest()
"""Owner of the treasury's token accounts; nobody has its key."""

TOKEN_RENT = rent_minimum(ACCOUNT_SIZE)
LOADER = bytes(Pubkey.from_string("BPFLoaderUpgradeab1e11111111111111111111111"))

Accounts = dict[bytes, AccountState]
Read = Callable[[bytes], AccountState | None]


class MarketPool(msgspec.Struct, frozen=True):
    """A pool of the paper market."""

    address: bytes
    venue: Venue
    base: Token
    quote: Token
    # In the pool's own order of its mints.
    vault_0: bytes
    vault_1: bytes
    is_base_first: bool

    @property
    def tokens(self) -> tuple[Token, Token]:
        """In the pool's own order."""
        return (self.base, self.quote) if self.is_base_first else (self.quote, self.base)


class PoolMove(msgspec.Struct, frozen=True):
    """What brings a pool to a price, the transfers between its vaults and the treasury aside."""

    changed: Mapping[bytes, AccountState]
    # Atoms that the treasury pays into the vaults, in the pool's own order; negative out of them.
    gain_0: int
    gain_1: int


class PoolKind(msgspec.Struct, frozen=True):
    """What the market knows of a venue."""

    program_id: bytes
    program: Program
    # From base and quote.
    pool: Callable[[Token, Token], MarketPool]
    # Adds the pool's accounts and those it shares with others of its kind, as at genesis.
    put: Callable[[Accounts, MarketPool], None]
    # To a price of token 0 in token 1 (atoms, numerator and denominator); None where it stays.
    moved: Callable[[Read, MarketPool, int, int], PoolMove | None]
    # The accounts of a swap with these keys after the market moved by so many bps against it.
    against: Callable[[Read, Sequence[bytes], int], Mapping[bytes, AccountState]]


def sorted_mints(base: Token, quote: Token) -> tuple[Pubkey, Pubkey]:
    """Both mints, the smaller address first."""
    first, second = sorted((base.mint, quote.mint))
    return Pubkey.from_bytes(first), Pubkey.from_bytes(second)


def pool_at(
    address: Pubkey,
    venue: Venue,
    base: Token,
    quote: Token,
    vault_address: Callable[[Pubkey, Pubkey], Pubkey],
    *,
    is_base_first: bool = True,
) -> MarketPool:
    """The pool at this address; its vaults' addresses are by it and their mints."""
    first, second = (base, quote) if is_base_first else (quote, base)
    vault_0, vault_1 = (
        bytes(vault_address(address, Pubkey.from_bytes(token.mint))) for token in (first, second)
    )
    return MarketPool(bytes(address), venue, base, quote, vault_0, vault_1, is_base_first)


def sides_worth(pool: MarketPool) -> tuple[int, int]:
    """Atoms of both sides at genesis, in the pool's own order."""
    first, second = pool.tokens
    return atoms_worth(first, SIDE_DOLLARS), atoms_worth(second, SIDE_DOLLARS)


def treasury_account(token: Token) -> bytes:
    """Where the treasury holds a token."""
    return associated_address(TREASURY, token.mint)


def put(accounts: Accounts, key: bytes, data: bytes, owner: bytes) -> None:
    """Adds an account that is exempt from rent."""
    assert owner != SYSTEM_PROGRAM
    accounts[key] = AccountState(rent_minimum(len(data)), data, owner)


def put_tokens(accounts: Accounts, key: bytes, token: Token, owner: bytes, atoms: int) -> None:
    """Adds a token account."""
    accounts[key] = tokens_of(token.mint, owner, atoms)


def put_vaults(accounts: Accounts, pool: MarketPool, owner: bytes, atoms: tuple[int, int]) -> None:
    """Adds both vaults."""
    for vault, token, held in zip((pool.vault_0, pool.vault_1), pool.tokens, atoms, strict=True):
        put_tokens(accounts, vault, token, owner, held)


def put_program(accounts: Accounts, key: bytes) -> None:
    """Adds a program's account."""
    accounts[key] = AccountState(rent_minimum(36), bytes(36), LOADER, executable=True)


def tokens_of(mint_key: bytes, owner: bytes, atoms: int) -> AccountState:
    """A token account, with the lamports behind it where the token is wrapped SOL."""
    if mint_key == NATIVE_MINT:
        data = token_account(mint_key, owner, atoms, TOKEN_RENT)
        return AccountState(TOKEN_RENT + atoms, data, TOKEN_PROGRAM)
    return AccountState(TOKEN_RENT, token_account(mint_key, owner, atoms), TOKEN_PROGRAM)


def with_data(state: AccountState, data: bytes) -> AccountState:
    """The account with these bytes instead."""
    return AccountState(state.lamports, data, state.owner)


def with_more_tokens(state: AccountState, atoms: int) -> AccountState:
    """The token account with this many more atoms, or fewer; wrapped SOL's lamports follow."""
    total = amount_of(state.data) + atoms
    assert 0 <= total < 2**64
    data = state.data[:64] + total.to_bytes(8, "little") + state.data[72:]
    lamports = state.lamports + (atoms if state.data[109] else 0)
    return AccountState(lamports, data, state.owner)


def product_gains(
    reserves: tuple[int, int], numerator: int, denominator: int
) -> tuple[int, int] | None:
    """What both sides gain to have the same product at this price; None where it is about that."""
    product = reserves[0] * reserves[1]
    wanted_0 = max(1, isqrt(product * denominator // numerator))
    wanted_1 = max(1, isqrt(product * numerator // denominator))
    if abs(wanted_0 - reserves[0]) * 2 * MILLION < reserves[0] * MIN_MOVE:
        return None
    return wanted_0 - reserves[0], wanted_1 - reserves[1]


def product_moved(
    read: Read,
    pool: MarketPool,
    owed: Callable[[bytes], tuple[int, int]],
    numerator: int,
    denominator: int,
) -> PoolMove | None:
    """The same product at this price; the pool's own bytes stay.

    `owed` is what of both vaults is not the curve's, by the pool's bytes.
    """
    state, vault_0, vault_1 = read(pool.address), read(pool.vault_0), read(pool.vault_1)
    if state is None or vault_0 is None or vault_1 is None:
        return None
    owed_0, owed_1 = owed(state.data)
    reserves = amount_of(vault_0.data) - owed_0, amount_of(vault_1.data) - owed_1
    gains = product_gains(reserves, numerator, denominator)
    return None if gains is None else PoolMove({}, *gains)


def is_close(old_sqrt_price: int, new_sqrt_price: int) -> bool:
    """Whether a price is less than `MIN_MOVE` off, by its root."""
    return abs(new_sqrt_price - old_sqrt_price) * 2 * MILLION < old_sqrt_price * MIN_MOVE


def mint_going_in(source: AccountState | None) -> bytes:
    """What a swap takes from the user's account.

    That may be made by the same transaction: then it is wrapped SOL that goes in.
    """
    return NATIVE_MINT if source is None else source.data[:32]


def more_in_vault(read: Read, vault: bytes, shift_bps: int) -> Accounts:
    """The vault as if it had this much more than it has: its pool's price is lower then."""
    state = read(vault)
    if state is None or state.owner != TOKEN_PROGRAM:
        return {}
    atoms = min(amount_of(state.data) * (10_000 + shift_bps) // 10_000, 2**63)
    data = state.data[:64] + atoms.to_bytes(8, "little") + state.data[72:]
    return {vault: with_data(state, data)}
