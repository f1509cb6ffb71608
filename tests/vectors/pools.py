"""Pools of our own for the recorder: every fee mode that the recorded programs know."""

import hashlib
import random
from collections.abc import Callable
from math import isqrt

import msgspec
from solders.pubkey import Pubkey

from fairlead.venues.meteora import damm_v2_accounts
from fairlead.venues.meteora.damm_v2_fees import (
    MARKET_CAP_SCHEDULER_EXPONENTIAL,
    MARKET_CAP_SCHEDULER_LINEAR,
    RATE_LIMITER,
    TIME_SCHEDULER_EXPONENTIAL,
    TIME_SCHEDULER_LINEAR,
    BaseFee,
    DynamicFee,
)
from fairlead.venues.raydium import cpmm_accounts
from fairlead.venues.token2022 import (
    TOKEN_2022_PROGRAM,
    TOKEN_PROGRAM,
    TransferFee,
    encode_mint,
    encode_token_account,
)
from fairlead.venues.venue import Account, ChainTime, Venue

START = ChainTime(400_000_000, 1_790_000_000, 925)
BIN_STEP_Q64 = 1_844_674_407_370_955
"""One basis point in Q64.64, as the program stores it for a bin step of 1."""

Accounts = dict[Pubkey, Account]


class PoolOfOurs(msgspec.Struct):
    """A pool with all its accounts."""

    venue: Venue
    note: str
    address: Pubkey
    mints: tuple[Pubkey, Pubkey]
    # About how many atoms of each side it can pay out.
    depth: tuple[int, int]
    accounts: Accounts
    # What a swap changes, the user's accounts aside.
    changing: tuple[Pubkey, ...]
    has_partial: bool
    # The changed pool account, switched off; and one that opens in the future.
    disabled: Callable[[Accounts], Accounts]
    opens_later: Callable[[Accounts, ChainTime], Accounts]
    time: ChainTime = START


def key(label: str) -> Pubkey:
    """A key that depends on its label alone."""
    return Pubkey.from_bytes(hashlib.sha256(label.encode()).digest())


def rent(size: int) -> int:
    """Lamports that make an account of this size rent-exempt."""
    return (size + 128) * 6960


def _account(owner: Pubkey, data: bytes) -> Account:
    return Account(owner, rent(len(data)), data)


def _patched(address: Pubkey, offset: int, value: bytes) -> Callable[[Accounts], Accounts]:
    def patch(accounts: Accounts) -> Accounts:
        account = accounts[address]
        data = account.data[:offset] + value + account.data[offset + len(value) :]
        return {address: Account(account.owner, account.lamports, data)}

    return patch


def _tokens(
    label: str, fees: tuple[TransferFee | None, TransferFee | None], decimals: tuple[int, int]
) -> tuple[list[Pubkey], list[Pubkey], Accounts]:
    """Two mints in ascending order, their programs and their accounts."""
    mints = sorted((key(f"{label} mint x"), key(f"{label} mint y")), key=bytes)
    programs = [TOKEN_2022_PROGRAM if fee else TOKEN_PROGRAM for fee in fees]
    accounts = {
        mint: _account(program, encode_mint(d, 2**63, newer_fee=fee, older_fee=_older(fee)))
        for mint, program, fee, d in zip(mints, programs, fees, decimals, strict=True)
    }
    return mints, programs, accounts


def _older(fee: TransferFee | None) -> TransferFee | None:
    return TransferFee(0, 1, 1) if fee else None


def _vaults(
    accounts: Accounts,
    addresses: list[Pubkey],
    mints: list[Pubkey],
    programs: list[Pubkey],
    authority: Pubkey,
    amounts: tuple[int, int],
) -> None:
    for address, mint, program, atoms in zip(addresses, mints, programs, amounts, strict=True):
        withheld = 0 if program == TOKEN_2022_PROGRAM else None
        data = encode_token_account(mint, authority, atoms, withheld_atoms=withheld)
        accounts[address] = _account(program, data)


def cpmm_pools(rng: random.Random) -> list[PoolOfOurs]:
    """CPMM pools over rates and kinds of mints; the recorded build lacks the creator fee."""
    fee = TransferFee(0, 5_000, 50)
    dear = TransferFee(0, 10**12, 300)
    shapes: list[tuple[str, tuple[int, int, int], tuple[TransferFee | None, TransferFee | None]]]
    shapes = [
        ("plain", (2_500, 120_000, 40_000), (None, None)),
        ("cheap", (100, 0, 0), (None, None)),
        ("dear", (40_000, 333_333, 100_000), (None, None)),
        ("transfer fee on token 0", (2_500, 120_000, 40_000), (fee, None)),
        ("transfer fee on token 1", (500, 120_000, 40_000), (None, dear)),
        ("transfer fee on both", (20_000, 120_000, 40_000), (dear, fee)),
    ]
    return [
        _cpmm_pool(index, note, rates, fees, rng)
        for index, (note, rates, fees) in enumerate(shapes)
    ]


def _cpmm_pool(
    index: int,
    note: str,
    rates: tuple[int, int, int],
    fees: tuple[TransferFee | None, TransferFee | None],
    rng: random.Random,
) -> PoolOfOurs:
    label = f"raydium_cpmm {index}"
    mints, programs, accounts = _tokens(label, fees, (9, 6))
    config = cpmm_accounts.config_address(index)
    pool = cpmm_accounts.pool_address(config, mints[0], mints[1])
    vaults = [cpmm_accounts.vault_address(pool, mint) for mint in mints]
    depth = (int(10 ** rng.uniform(6, 15)), int(10 ** rng.uniform(6, 15)))
    owed = (rng.randrange(10_000), rng.randrange(10_000))
    authority = cpmm_accounts.authority_address()
    amounts = (depth[0] + owed[0], depth[1] + owed[1])
    _vaults(accounts, vaults, mints, programs, authority, amounts)
    observation = cpmm_accounts.observation_address(pool)
    program = cpmm_accounts.PROGRAM_ID
    accounts[config] = _account(
        program,
        cpmm_accounts.encode_config(
            index=index,
            trade_fee_rate=rates[0],
            protocol_fee_rate=rates[1],
            fund_fee_rate=rates[2],
        ),
    )
    data = cpmm_accounts.encode_pool(
        address=pool,
        amm_config=config,
        mint_0=mints[0],
        mint_1=mints[1],
        decimals_0=9,
        decimals_1=6,
        program_0=programs[0],
        program_1=programs[1],
        protocol_fees=owed,
        lp_supply=isqrt(depth[0] * depth[1]),
        open_time=START.unix_timestamp,
    )
    accounts[pool] = _account(program, data)
    accounts[observation] = _account(program, cpmm_accounts.encode_observation(pool))
    return PoolOfOurs(
        venue=Venue.RAYDIUM_CPMM,
        note=f"{note}: trade, protocol, fund rate {rates}",
        address=pool,
        mints=(mints[0], mints[1]),
        depth=depth,
        accounts=accounts,
        changing=(pool, *vaults, observation),
        has_partial=False,
        disabled=_patched(pool, 329, bytes([cpmm_accounts.STATUS_SWAP_OFF])),
        opens_later=lambda accounts, time: _patched(
            pool, 373, (time.unix_timestamp + 1).to_bytes(8, "little")
        )(accounts),
    )


def damm_v2_pools(rng: random.Random) -> list[PoolOfOurs]:
    """DAMM v2 pools over collect-fee modes, base fees, dynamic fee, ranges and kinds of mints."""
    volatile = DynamicFee(1, 350_000, 40_000, 1, 10, 120, 5_000, 0, BIN_STEP_Q64)
    wild = DynamicFee(1, 14_460_000, 956, 1, 60, 600, 5_000, 0, BIN_STEP_Q64)
    both, only_b, compounding = 0, 1, 2
    flat = BaseFee(2_500_000)
    linear = BaseFee(500_000_000, TIME_SCHEDULER_LINEAR, 60, 60, 0, 8_000_000)
    exponential = BaseFee(400_000_000, TIME_SCHEDULER_EXPONENTIAL, 100, 30, 0, 300)
    limiter = BaseFee(10_000_000, RATE_LIMITER, 100, 3_600 * 4, 5_000, 10**7)
    sharp_limiter = BaseFee(50_000_000, RATE_LIMITER, 1_000, 3_600 * 4, 9_000, 12_345)
    cap_linear = BaseFee(300_000_000, MARKET_CAP_SCHEDULER_LINEAR, 50, 20, 3_600, 5_000_000)
    cap_steep = BaseFee(300_000_000, MARKET_CAP_SCHEDULER_EXPONENTIAL, 50, 100, 3_600 * 24, 500)
    fee = TransferFee(0, 5_000, 50)
    dear = TransferFee(0, 10**12, 300)
    none = (None, None)
    shapes: list[
        tuple[int, BaseFee, DynamicFee | None, tuple[TransferFee | None, TransferFee | None], int]
    ]
    shapes = [
        (both, flat, None, none, 1),
        (only_b, flat, volatile, none, 1),
        (compounding, flat, volatile, none, 1),
        (both, linear, wild, none, 0),
        (only_b, exponential, None, (fee, None), 1),
        (compounding, exponential, None, (None, dear), 1),
        (only_b, limiter, None, none, 1),
        (only_b, sharp_limiter, volatile, none, 1),
        (only_b, sharp_limiter, None, (None, fee), 0),
        (both, cap_linear, None, none, 1),
        (only_b, cap_steep, wild, (dear, fee), 1),
        (compounding, cap_linear, volatile, none, 0),
    ]
    return [_damm_v2_pool(index, *shape, rng) for index, shape in enumerate(shapes)]


def _damm_v2_pool(
    index: int,
    mode: int,
    base_fee: BaseFee,
    dynamic_fee: DynamicFee | None,
    fees: tuple[TransferFee | None, TransferFee | None],
    fee_version: int,
    rng: random.Random,
) -> PoolOfOurs:
    label = f"meteora_damm_v2 {index}"
    mints, programs, accounts = _tokens(label, fees, (9, 6))
    pool = damm_v2_accounts.customizable_pool_address(mints[0], mints[1])
    sqrt_price = int(2**64 * 10 ** rng.uniform(-2, 2))
    liquidity = int(2**64 * 10 ** rng.uniform(8, 13))
    is_narrow = mode != 2 and index % 2 == 1
    low = sqrt_price * 3 // 4 if is_narrow else damm_v2_accounts.SQRT_PRICE_MIN
    high = sqrt_price * 4 // 3 if is_narrow else damm_v2_accounts.SQRT_PRICE_MAX
    depth = (
        liquidity * (high - sqrt_price) // (high * sqrt_price),
        liquidity * (sqrt_price - low) >> 128,
    )
    vaults = [damm_v2_accounts.vault_address(pool, mint) for mint in mints]
    by_slot = index % 3 == 2
    # Some price gained since the start, for the market-cap schedulers.
    data = damm_v2_accounts.encode_pool(
        address=pool,
        mint_a=mints[0],
        mint_b=mints[1],
        program_a=programs[0],
        program_b=programs[1],
        base_fee=base_fee,
        dynamic_fee=dynamic_fee,
        liquidity=liquidity,
        sqrt_price=sqrt_price,
        init_sqrt_price=sqrt_price * 10 // 11,
        sqrt_min_price=0 if mode == 2 else low,
        sqrt_max_price=2**128 - 1 if mode == 2 else high,
        activation_point=START.slot if by_slot else START.unix_timestamp,
        activation_type=0 if by_slot else 1,
        collect_fee_mode=mode,
        fee_version=fee_version,
        compounding_fee_bps=2_500 if mode == 2 else 0,
        token_a_atoms=depth[0],
        token_b_atoms=depth[1],
    )
    _vaults(accounts, vaults, mints, programs, damm_v2_accounts.POOL_AUTHORITY, depth)
    accounts[pool] = _account(damm_v2_accounts.PROGRAM_ID, data)
    names = {0: "fee on the output", 1: "fee in B", 2: "compounding"}
    return PoolOfOurs(
        venue=Venue.METEORA_DAMM_V2,
        note=f"{names[mode]}, base fee mode {base_fee.mode}, {'narrow' if is_narrow else 'full'} "
        f"range, {'dynamic fee' if dynamic_fee else 'no dynamic fee'}, fee version {fee_version}",
        address=pool,
        mints=(mints[0], mints[1]),
        depth=depth,
        accounts=accounts,
        changing=(pool, *vaults),
        has_partial=True,
        disabled=_patched(pool, 481, b"\1"),
        opens_later=lambda accounts, time: _patched(
            pool,
            472,
            ((time.slot if by_slot else time.unix_timestamp) + 1).to_bytes(8, "little"),
        )(accounts),
    )
