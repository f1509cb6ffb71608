"""Random pools of every venue for `soak.py`, what to swap on them, and which mode a swap is of."""

import random
from collections.abc import Callable, Mapping

import msgspec
from solders.pubkey import Pubkey

from fairlead.amounts import U64_MAX
from fairlead.venues.check import AnyLoadedPool
from fairlead.venues.meteora import damm_v1, damm_v2, dlmm
from fairlead.venues.meteora.damm_v2_fees import (
    MARKET_CAP_SCHEDULER_EXPONENTIAL,
    MARKET_CAP_SCHEDULER_LINEAR,
    RATE_LIMITER,
    TIME_SCHEDULER_EXPONENTIAL,
    TIME_SCHEDULER_LINEAR,
    BaseFee,
    DynamicFee,
)
from fairlead.venues.raydium import amm_v4, clmm, clmm_accounts, cpmm
from fairlead.venues.raydium.ticks import sqrt_price_at_tick
from fairlead.venues.token2022 import Mint, TransferFee
from fairlead.venues.venue import ChainTime, Venue
from tests.vectors import amm_v4_pools, clmm_pools, damm_v1_pools, dlmm_pools, pools, record_clmm
from tests.vectors.pools import START, Accounts
from tests.vectors.record_dlmm import _any_amount as dlmm_amount

FEE, DEAR = TransferFee(0, 5_000, 50), TransferFee(0, 10**12, 300)
TRANSFER_FEES = ((None, None), (None, None), (FEE, None), (None, DEAR), (DEAR, FEE))
ARRAYS = clmm.ARRAYS_PER_SWAP
BASE_FEES = (
    "time, linear",
    "time, exponential",
    "rate limiter",
    "market cap, linear",
    "market cap, exponential",
)
COLLECT = ("fee on the output", "fee in B", "compounding")
DEPEGS = ("", ", depeg by Marinade", ", depeg by Lido", ", depeg by an SPL stake pool")


class SoakPool(msgspec.Struct):
    """A pool with its accounts; `depth` is about what it holds, atoms of either side."""

    address: Pubkey
    mints: tuple[Pubkey, Pubkey]
    depth: tuple[int, int]
    accounts: Accounts
    time: ChainTime = START


class Wanted(msgspec.Struct):
    """A swap to make."""

    kind: str
    side: int
    amount: int
    sqrt_price_limit_x64: int = 0


def _ours(pool: pools.PoolOfOurs) -> SoakPool:
    return SoakPool(pool.address, pool.mints, pool.depth, pool.accounts, pool.time)


def _cpmm(number: int, rng: random.Random) -> SoakPool:
    rates = (
        # Without any fee newer sources divide by zero, and this build swaps.
        rng.choice((1, 100, 2_500, 10_000, 40_000, 250_000)),
        rng.choice((0, 120_000, 333_333)),
        rng.choice((0, 40_000, 100_000)),
    )
    index = number % 2**16
    return _ours(pools._cpmm_pool(index, "random", rates, rng.choice(TRANSFER_FEES), rng))


def _damm_v2(number: int, rng: random.Random) -> SoakPool:
    mode, version = rng.choice((0, 1, 2)), rng.choice((0, 1, 1))
    kind = rng.randrange(5)
    if kind == RATE_LIMITER:
        # The program makes such pools with the fee in B alone.
        mode = 1
    volatile = DynamicFee(
        1,
        rng.choice((350_000, 14_460_000)),
        rng.choice((956, 40_000)),
        1,
        rng.choice((10, 60)),
        rng.choice((120, 600)),
        5_000,
        0,
        pools.BIN_STEP_Q64,
    )
    dynamic, fees = rng.choice((None, volatile)), rng.choice(TRANSFER_FEES)
    pool = pools._damm_v2_pool(number, mode, _base_fee(kind, rng), dynamic, fees, version, rng)
    return _ours(pool)


def _base_fee(kind: int, rng: random.Random) -> BaseFee:
    cliff = int(10 ** rng.uniform(5, 8.5))
    periods, every = rng.choice((1, 60, 1_000)), rng.choice((1, 30, 600))
    if kind in (TIME_SCHEDULER_LINEAR, MARKET_CAP_SCHEDULER_LINEAR):
        drop = rng.randrange(cliff // periods + 1)
    else:
        drop = rng.randrange(1, 9_000)
    if kind in (TIME_SCHEDULER_LINEAR, TIME_SCHEDULER_EXPONENTIAL):
        return BaseFee(cliff, kind, periods, rng.choice((0, every)), 0, drop)
    if kind in (MARKET_CAP_SCHEDULER_LINEAR, MARKET_CAP_SCHEDULER_EXPONENTIAL):
        return BaseFee(cliff, kind, periods, rng.choice((1, 20, 100)), 10**6, drop)
    reference = int(10 ** rng.uniform(3, 11))
    highest = rng.randrange(cliff // 100_000 + 1, 9_000)
    return BaseFee(cliff, kind, rng.choice((1, 100, 1_000)), 10**5, highest, reference)


def _amm_v4(number: int, rng: random.Random) -> SoakPool:
    return _ours(amm_v4_pools.random_pool(f"soak {number} {rng.random()}", rng))


def _damm_v1(number: int, rng: random.Random) -> SoakPool:
    label = f"soak {number} {rng.random()}"
    return _ours(damm_v1_pools.make_pool(label, damm_v1_pools.random_shape(rng)))


def _dlmm(number: int, rng: random.Random) -> SoakPool:
    label = f"soak {number} {rng.random()}"
    return _ours(dlmm_pools.make_pool(label, dlmm_pools.random_shape(rng), rng))


def _clmm(number: int, rng: random.Random) -> SoakPool:
    pool = clmm_pools.clmm_pool(number % 2**16, record_clmm.random_shape(rng), rng)
    if rng.random() < 0.3:
        # The program does not insist on the extension before it needs it.
        del pool.accounts[clmm_accounts.extension_address(pool.address)]
    return SoakPool(pool.address, pool.mints, (0, 0), pool.accounts)


MAKERS: Mapping[Venue, Callable[[int, random.Random], SoakPool]] = {
    Venue.RAYDIUM_CPMM: _cpmm,
    Venue.METEORA_DAMM_V2: _damm_v2,
    Venue.RAYDIUM_CLMM: _clmm,
    Venue.METEORA_DLMM: _dlmm,
    Venue.RAYDIUM_AMM_V4: _amm_v4,
    Venue.METEORA_DAMM_V1: _damm_v1,
}


def wanted(loaded: AnyLoadedPool, pool: SoakPool, rng: random.Random) -> Wanted:
    """A random swap, of dust and of more than there is too."""
    side = rng.randrange(2)
    if isinstance(loaded, clmm.LoadedClmmPool):
        return _clmm_swap(loaded, side, rng)
    kinds = ["exact_in", "exact_out"]
    if isinstance(loaded, damm_v2.LoadedDammV2Pool):
        kinds.append("partial")
    if isinstance(loaded, damm_v1.LoadedDammV1Pool):
        kinds = ["exact_in"]
    kind = rng.choice(kinds)
    if isinstance(loaded, dlmm.LoadedDlmmPool):
        return Wanted(kind, side, dlmm_amount(rng, loaded, side, kind))
    chance, held = rng.random(), pool.depth[1 - side if kind == "exact_out" else side]
    if chance < 0.04:
        amount = rng.choice((0, 1, 2, 3, 10, U64_MAX, rng.randrange(2**64)))
    elif chance < 0.1:
        amount = rng.randint(1, 200)
    else:
        amount = int(held * 10 ** rng.uniform(-6, 0.1 if kind == "exact_in" else -0.1))
    return Wanted(kind, side, max(0, min(amount, U64_MAX)))


def _clmm_swap(loaded: clmm.LoadedClmmPool, side: int, rng: random.Random) -> Wanted:
    kind, path = rng.choice(("exact_in", "exact_out")), loaded.steps[side]
    reach = path.reach(ARRAYS)
    most = max(1, reach.max_in_atoms if kind == "exact_in" else reach.max_out_atoms)
    if rng.random() < 0.25:
        sums = path.amounts_in if kind == "exact_in" else path.amounts_out
        amount = rng.choice(sums[1:] or sums) + rng.choice((-1, 0, 1))
    else:
        amount = int(most * 10 ** rng.uniform(-7, 0.05))
    limit = 0
    if rng.random() < 0.25:
        ahead = int(60 * loaded.numbers.tick_spacing * 10 ** rng.uniform(-2.5, 0.5))
        tick = loaded.numbers.tick_current + (ahead if side else -ahead)
        limit = sqrt_price_at_tick(max(-443_000, min(443_000, tick))) + rng.randint(-5, 5)
    return Wanted(kind, side, max(0, min(amount, U64_MAX)), limit)


def modes(loaded: AnyLoadedPool, swap: Wanted, time: ChainTime) -> list[str]:
    """What a table counts this swap under: one name per thing that a pool may be."""
    if isinstance(loaded, cpmm.LoadedCpmmPool):
        return [_transfer_fees(loaded.token_2022_mints, swap.side)]
    if isinstance(loaded, amm_v4.LoadedAmmV4Pool):
        named = "its market" if loaded.book is not None else "no market"
        if loaded.book is not None and loaded.book.target_orders is not None:
            named = "its market and target orders"
        return [f"status {loaded.pool.numbers.status}", f"instruction names {named}"]
    if isinstance(loaded, damm_v1.LoadedDammV1Pool):
        n = loaded.pool.numbers
        curve = f"stable{DEPEGS[n.depeg_type]}" if n.is_stable else "constant product"
        lends = any(side.state.locked_profit_degradation for side in loaded.sides)
        return [curve, "a vault with locked profit" if lends else "vaults without locked profit"]
    if isinstance(loaded, damm_v2.LoadedDammV2Pool):
        return _damm_v2_modes(loaded, swap, time)
    if isinstance(loaded, dlmm.LoadedDlmmPool):
        d = loaded.numbers
        return [
            ("fee on the input", "fee in Y")[d.collect_fee_mode],
            "with limit orders" if d.supports_limit_order else "without limit orders",
            "volatility fee" if d.parameters.variable_fee_control else "base fee alone",
            "bitmap extension" if loaded.has_extension else "own bitmap alone",
            _transfer_fees(loaded.token_2022_mints, swap.side),
        ]
    return [
        "up to a price" if swap.sqrt_price_limit_x64 else "the whole amount",
        "bitmap extension" if loaded.has_extension else "own bitmap alone",
        _transfer_fees(loaded.token_2022_mints, swap.side),
    ]


def _damm_v2_modes(loaded: damm_v2.LoadedDammV2Pool, swap: Wanted, time: ChainTime) -> list[str]:
    n = loaded.pool.numbers
    point = time.slot if n.activation_type == 0 else time.unix_timestamp
    base = BASE_FEES[n.base_fee.mode]
    if n.base_fee.rate_limiter_applies(swap.side == 0, point, n.activation_point):
        base += ", applied"
    return [
        COLLECT[n.collect_fee_mode],
        f"base fee: {base}",
        "dynamic fee" if n.dynamic_fee.initialized else "no dynamic fee",
        _transfer_fees(loaded.token_2022_mints, swap.side),
    ]


def _transfer_fees(mints: tuple[Mint | None, Mint | None], side: int) -> str:
    on_input, on_output = mints[side] is not None, mints[1 - side] is not None
    if on_input and on_output:
        return "transfer fees on both"
    if on_input or on_output:
        return f"transfer fee on the {'input' if on_input else 'output'}"
    return "SPL Token on both"
