"""How the paper market moves: prices as a function of seed and slot, and the account changes that
set them.

A price has no memory: it is the genesis price times smooth noise of the slot, so that the market
goes on after a restart where the slot says. The two venues of every pair stand 2–5 % apart; which
one is dearer changes every few hundred slots, and so does where the others of a pair stand. What
people trade is pushed back to these prices, as arbitrage would.
"""

import functools
import hashlib

from fairlead.ledger.account import AccountState
from fairlead.ledger.market import KINDS, ON_EVERY_PAIR, all_pools, genesis_accounts
from fairlead.ledger.market_pool import (
    MILLION,
    Accounts,
    MarketPool,
    Read,
    treasury_account,
    with_more_tokens,
)
from fairlead.ledger.message import parse_transaction
from fairlead.ledger.programs.token_data import amount_of
from fairlead.ledger.tokens import Token
from fairlead.venues.venue import Venue

OCTAVES = ((16, 400), (128, 2_500), (1_024, 12_000), (8_192, 35_000))
"""Periods in slots and amplitudes in millionths of a token's price noise: up to 5 % in an hour."""

SPREAD_MIN, SPREAD_MAX = 22_000, 48_000
"""Distance between the venues in millionths: inside 2–5 % after the walk between two values."""

SPREAD_SLOTS, SPREAD_WALK_SLOTS = 300, 12
"""Slots a spread lasts, and the part of them in which it walks to its value."""

_KINDS_BY_PROGRAM = {kind.program_id: kind for kind in KINDS.values()}


@functools.lru_cache(maxsize=65_536)
def _noise(seed: int, label: str, step: int) -> int:
    """-1,000,000 … 1,000,000, evenly."""
    digest = hashlib.blake2b(f"{seed} {label} {step}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") % (2 * MILLION + 1) - MILLION


def price_shift(seed: int, token: Token, slot: int) -> int:
    """Millionths by which a token's price differs from its genesis price."""
    if token.is_stable:
        return 0
    shift = 0
    for period, amplitude in OCTAVES:
        step, phase = divmod(slot, period)
        label = f"{token.symbol} {period}"
        here, there = _noise(seed, label, step), _noise(seed, label, step + 1)
        shift += (here * (period - phase) + there * phase) * amplitude // (period * MILLION)
    return shift


def spread(seed: int, pair: str, slot: int) -> int:
    """Millionths by which CPMM's price of the pair is above DAMM v2's; of another label, alike."""
    step, phase = divmod(slot, SPREAD_SLOTS)
    there = _spread_of(seed, pair, step)
    if phase >= SPREAD_WALK_SLOTS:
        return there
    here = _spread_of(seed, pair, step - 1)
    return (here * (SPREAD_WALK_SLOTS - phase) + there * phase) // SPREAD_WALK_SLOTS


def _spread_of(seed: int, pair: str, step: int) -> int:
    noise = _noise(seed, f"{pair} spread", step)
    size = SPREAD_MIN + (SPREAD_MAX - SPREAD_MIN) * abs(noise) // MILLION
    return size if noise >= 0 else -size


def target_price(seed: int, pool: MarketPool, slot: int) -> tuple[int, int]:
    """Quote atoms per base atom as (numerator, denominator)."""
    base, quote = pool.base, pool.quote
    base_price = base.price_nanos * (MILLION + price_shift(seed, base, slot))
    quote_price = quote.price_nanos * (MILLION + price_shift(seed, quote, slot))
    numerator = base_price * 10**quote.decimals * (MILLION + _lead(seed, pool, slot))
    return numerator, quote_price * 10**base.decimals * MILLION


def _lead(seed: int, pool: MarketPool, slot: int) -> int:
    """Millionths by which the pool's price is above the market's."""
    pair = f"{pool.base.symbol}/{pool.quote.symbol}"
    if pool.venue not in ON_EVERY_PAIR:
        return spread(seed, f"{pair} {pool.venue.value}", slot) // 2
    half = spread(seed, pair, slot) // 2
    return half if pool.venue is Venue.RAYDIUM_CPMM else -half


def market_flow(read: Read, pools: tuple[MarketPool, ...], seed: int, slot: int) -> Accounts:
    """The accounts that bring the pools to this slot's prices; tokens come from the treasury."""
    changes: Accounts = {}

    def current(key: bytes) -> AccountState | None:
        return changes[key] if key in changes else read(key)

    for pool in pools:
        changes.update(moved_pool(current, pool, target_price(seed, pool, slot)))
    return changes


def opening_accounts(seed: int, slot: int = 0) -> Accounts:
    """The chain before its first block, with the market at its prices of that slot."""
    accounts = genesis_accounts()
    accounts.update(market_flow(accounts.get, all_pools(), seed, slot))
    return accounts


def moved_pool(read: Read, pool: MarketPool, price: tuple[int, int]) -> Accounts:
    """The pool, its vaults and the treasury after the move; nothing where one cannot take it.

    `price` is quote atoms per base atom as (numerator, denominator).
    """
    first, second = pool.tokens
    treasuries = treasury_account(first), treasury_account(second)
    keys = (pool.vault_0, pool.vault_1, *treasuries)
    states = [state for state in map(read, (pool.address, *keys)) if state is not None]
    if len(states) <= len(keys):
        return {}
    price_of_first = price if pool.is_base_first else (price[1], price[0])
    move = KINDS[pool.venue].moved(read, pool, *price_of_first)
    if move is None:
        return {}
    changes = dict(move.changed)
    gains = (move.gain_0, move.gain_1, -move.gain_0, -move.gain_1)
    for key, state, gain in zip(keys, states[1:], gains, strict=True):
        if not 0 <= amount_of(state.data) + gain < 2**64:
            return {}
        changes[key] = with_more_tokens(state, gain)
    return changes


def moved_against(read: Read, raw: bytes, shift_bps: int = 2_000) -> Accounts:
    """Accounts as they would be had the market moved against the transaction's swaps by this much.

    For `Bank.send(raw, moved=…)`: the swap then fails with its program's slippage error.
    """
    moved: Accounts = {}
    message = parse_transaction(raw).message
    for instruction in message.instructions:
        kind = _KINDS_BY_PROGRAM.get(message.keys[instruction.program_index])
        if kind is not None:
            keys = [message.keys[index] for index in instruction.account_indexes]
            moved.update(kind.against(read, keys, shift_bps))
    return moved
