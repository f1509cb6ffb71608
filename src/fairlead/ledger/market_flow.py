"""How the paper market moves: prices as a function of seed and slot, and the account changes that
set them.

A price has no memory: it is the genesis price times smooth noise of the slot, so that the market
goes on after a restart where the slot says. The two venues stand 2–5 % apart; which one is dearer
changes every few hundred slots. What people trade is pushed back to these prices, as arbitrage
would.
"""

import functools
import hashlib
from collections.abc import Callable
from math import isqrt

from fairlead.ledger.account import AccountState
from fairlead.ledger.market import (
    MarketPool,
    all_pools,
    genesis_accounts,
    treasury_account,
    with_more_tokens,
)
from fairlead.ledger.message import parse_transaction
from fairlead.ledger.programs import meteora_damm_v2, raydium_cpmm
from fairlead.ledger.programs.token_data import (
    NATIVE_MINT,
    TOKEN_PROGRAM,
    amount_of,
    with_amount,
    with_bytes,
)
from fairlead.ledger.tokens import Token
from fairlead.venues.raydium import cpmm_accounts as cpmm
from fairlead.venues.venue import Venue

MILLION = 1_000_000

OCTAVES = ((16, 400), (128, 2_500), (1_024, 12_000), (8_192, 35_000))
"""Periods in slots and amplitudes in millionths of a token's price noise: up to 5 % in an hour."""

SPREAD_MIN, SPREAD_MAX = 22_000, 48_000
"""Distance between the venues in millionths: inside 2–5 % after the walk between two values."""

SPREAD_SLOTS, SPREAD_WALK_SLOTS = 300, 12
"""Slots a spread lasts, and the part of them in which it walks to its value."""

MIN_MOVE = 500
"""Millionths a pool's price must be off before it is moved: what no arbitrage pays for. Without it
every pool would be written to the journal in every slot, 8 GB a day."""

Read = Callable[[bytes], AccountState | None]

_SQRT_PRICE_OFFSET, _AMOUNTS_OFFSET, _LIQUIDITY_OFFSET = 456, 680, 360


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
    """Millionths by which Raydium's price of the pair is above Meteora's."""
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
    half = spread(seed, f"{base.symbol}/{quote.symbol}", slot) // 2
    lead = half if pool.venue is Venue.RAYDIUM_CPMM else -half
    numerator = base_price * 10**quote.decimals * (MILLION + lead)
    return numerator, quote_price * 10**base.decimals * MILLION


def market_flow(
    read: Read, pools: tuple[MarketPool, ...], seed: int, slot: int
) -> dict[bytes, AccountState]:
    """The accounts that bring the pools to this slot's prices; tokens come from the treasury."""
    changes: dict[bytes, AccountState] = {}

    def current(key: bytes) -> AccountState | None:
        return changes[key] if key in changes else read(key)

    for pool in pools:
        changes.update(_moved_pool(current, pool, target_price(seed, pool, slot)))
    return changes


def opening_accounts(seed: int, slot: int = 0) -> dict[bytes, AccountState]:
    """The chain before its first block, with the market at its prices of that slot."""
    accounts = genesis_accounts()
    accounts.update(market_flow(accounts.get, all_pools(), seed, slot))
    return accounts


def _moved_pool(read: Read, pool: MarketPool, price: tuple[int, int]) -> dict[bytes, AccountState]:
    """The pool, its vaults and the treasury after the move; nothing where one cannot take it."""
    first, second = (pool.base, pool.quote) if pool.is_base_first else (pool.quote, pool.base)
    keys = (
        pool.address, pool.vault_0, pool.vault_1, treasury_account(first), treasury_account(second)
    )  # fmt: skip
    states = [state for state in map(read, keys) if state is not None]
    if len(states) < len(keys):
        return {}
    state, vault_0, vault_1, treasury_0, treasury_1 = states
    numerator, denominator = price if pool.is_base_first else (price[1], price[0])
    if pool.venue is Venue.RAYDIUM_CPMM:
        move = _moved_cpmm(state.data, vault_0, vault_1, numerator, denominator)
    else:
        move = _moved_damm(state.data, numerator, denominator)
    if move is None:
        return {}
    data, gain_0, gain_1 = move
    for treasury, vault, gain in ((treasury_0, vault_0, gain_0), (treasury_1, vault_1, gain_1)):
        if not 0 <= amount_of(treasury.data) - gain < 2**64:
            return {}
        if not 0 <= amount_of(vault.data) + gain < 2**64:
            return {}
    return {
        keys[0]: AccountState(state.lamports, data, state.owner),
        keys[1]: with_more_tokens(vault_0, gain_0),
        keys[2]: with_more_tokens(vault_1, gain_1),
        keys[3]: with_more_tokens(treasury_0, -gain_0),
        keys[4]: with_more_tokens(treasury_1, -gain_1),
    }


def _moved_cpmm(
    data: bytes, vault_0: AccountState, vault_1: AccountState, numerator: int, denominator: int
) -> tuple[bytes, int, int] | None:
    """The pool and its vaults' gains: the same product at this price of token 0 in token 1."""
    numbers = cpmm.decode_numbers(data)
    owed_0 = (
        numbers.protocol_fees_token_0 + numbers.fund_fees_token_0 + numbers.creator_fees_token_0
    )
    owed_1 = (
        numbers.protocol_fees_token_1 + numbers.fund_fees_token_1 + numbers.creator_fees_token_1
    )
    reserve_0 = amount_of(vault_0.data) - owed_0
    reserve_1 = amount_of(vault_1.data) - owed_1
    product = reserve_0 * reserve_1
    wanted_0 = max(1, isqrt(product * denominator // numerator))
    wanted_1 = max(1, isqrt(product * numerator // denominator))
    if abs(wanted_0 - reserve_0) * 2 * MILLION < reserve_0 * MIN_MOVE:
        return None
    return data, wanted_0 - reserve_0, wanted_1 - reserve_1


def _moved_damm(data: bytes, numerator: int, denominator: int) -> tuple[bytes, int, int] | None:
    """The pool at this price of a in b, and its vaults' gains, rounded up for the pool."""
    liquidity = int.from_bytes(data[_LIQUIDITY_OFFSET : _LIQUIDITY_OFFSET + 16], "little")
    old = int.from_bytes(data[_SQRT_PRICE_OFFSET : _SQRT_PRICE_OFFSET + 16], "little")
    new = isqrt((numerator << 128) // denominator)
    if abs(new - old) * 2 * MILLION < old * MIN_MOVE:
        return None
    gain_a = -(-liquidity * (old - new) // (old * new))
    gain_b = -(-liquidity * (new - old) // (1 << 128))
    amount_a = int.from_bytes(data[_AMOUNTS_OFFSET : _AMOUNTS_OFFSET + 8], "little")
    amount_b = int.from_bytes(data[_AMOUNTS_OFFSET + 8 : _AMOUNTS_OFFSET + 16], "little")
    amounts = max(0, amount_a + gain_a).to_bytes(8, "little")
    amounts += max(0, amount_b + gain_b).to_bytes(8, "little")
    data = with_bytes(data, _SQRT_PRICE_OFFSET, new.to_bytes(16, "little"))
    return with_bytes(data, _AMOUNTS_OFFSET, amounts), gain_a, gain_b


def moved_against(read: Read, raw: bytes, shift_bps: int = 2_000) -> dict[bytes, AccountState]:
    """Accounts as they would be had the market moved against the transaction's swaps by this much.

    For `Bank.send(raw, moved=…)`: the swap then fails with its program's slippage error.
    """
    moved: dict[bytes, AccountState] = {}
    message = parse_transaction(raw).message
    for instruction in message.instructions:
        program = message.keys[instruction.program_index]
        if program not in (raydium_cpmm.PROGRAM_ID, meteora_damm_v2.PROGRAM_ID):
            continue
        keys = [message.keys[index] for index in instruction.account_indexes]
        if len(keys) < 8:
            continue
        if program == raydium_cpmm.PROGRAM_ID:
            moved.update(_more_in_vault(read, keys[6], shift_bps))
        else:
            moved.update(_shifted_damm(read, keys[1], keys[2], shift_bps))
    return moved


def _more_in_vault(read: Read, vault: bytes, shift_bps: int) -> dict[bytes, AccountState]:
    state = read(vault)
    if state is None or state.owner != TOKEN_PROGRAM:
        return {}
    atoms = min(amount_of(state.data) * (10_000 + shift_bps) // 10_000, 2**63)
    return {vault: AccountState(state.lamports, with_amount(state.data, atoms), state.owner)}


def _shifted_damm(
    read: Read, pool: bytes, user_input: bytes, shift_bps: int
) -> dict[bytes, AccountState]:
    state, source = read(pool), read(user_input)
    if state is None or state.owner != meteora_damm_v2.PROGRAM_ID:
        return {}
    # The user's account may be made by the same transaction: then it is wrapped SOL that goes in.
    is_a_to_b = (
        source.data[:32] == state.data[168:200]
        if source is not None
        else state.data[168:200] == NATIVE_MINT
    )
    old = int.from_bytes(state.data[_SQRT_PRICE_OFFSET : _SQRT_PRICE_OFFSET + 16], "little")
    factor = 10_000 - shift_bps // 2 if is_a_to_b else 10_000 + shift_bps // 2
    new = (old * factor // 10_000).to_bytes(16, "little")
    data = with_bytes(state.data, _SQRT_PRICE_OFFSET, new)
    return {pool: AccountState(state.lamports, data, state.owner)}
