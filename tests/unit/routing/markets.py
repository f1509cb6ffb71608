"""Pools of one pair on every venue, each with the curve it should have: what a test says of a
market, and nothing else.

The curve (`Piece`s) is told from what the pool was made of, not from what it quotes: it is the
reference that splits are held against. Amounts are atoms, prices output atoms per input atom.
"""

import random
from collections.abc import Callable, Sequence
from itertools import pairwise
from math import exp, isqrt, log, sqrt
from typing import NamedTuple

from solders.pubkey import Pubkey

from fairlead.ports import PoolSnapshot
from fairlead.routing import Binding, RouteLeg
from fairlead.routing.limits import Room
from fairlead.venues.meteora import damm_v1, damm_v2, damm_v2_accounts, dlmm, dlmm_accounts
from fairlead.venues.meteora.bins import array_of, id_range, price_from_id
from fairlead.venues.meteora.damm_v2_fees import BaseFee
from fairlead.venues.meteora.dlmm_accounts import bin_array_address, pair_address, reserve_address
from fairlead.venues.meteora.dlmm_arrays import BinContent, bitmap_with, encode_array
from fairlead.venues.meteora.dlmm_fees import StaticParameters
from fairlead.venues.raydium import (
    amm_v4,
    amm_v4_accounts,
    clmm,
    clmm_accounts,
    clmm_encode,
    cpmm,
    cpmm_accounts,
)
from fairlead.venues.raydium.clmm_encode import Position, ticks_of
from fairlead.venues.raydium.ticks import sqrt_price_at_tick, tick_at_sqrt_price
from fairlead.venues.token2022 import TOKEN_PROGRAM, encode_mint, encode_token_account
from fairlead.venues.venue import Account, ChainTime, LoadedPool, VenueError
from tests.vectors import damm_v1_pools
from tests.vectors.pools import key

NOW = ChainTime(slot=400_000_000, unix_timestamp=1_790_000_000, epoch=925)
FEES = (100, 400, 500, 2_500, 3_000, 10_000)
"""Trade fees in parts of a million."""

Mints = tuple[Pubkey, Pubkey]


class Piece(NamedTuple):
    """A part of a pool's curve between two marginal prices: constant product with these virtual
    reserves, or where `reserve_in` is 0 one price, `reserve_out`."""

    reserve_in: float
    reserve_out: float
    # Of input, without the fee.
    most_in: float
    # What fees leave of the input, and of the output.
    kept: float
    kept_out: float = 1.0


class Made(NamedTuple):
    """A pool with its curves: of token 0 as the input, and of token 1."""

    pool: LoadedPool
    curves: tuple[list[Piece], list[Piece]]


def ordered(one: Pubkey, other: Pubkey) -> Mints:
    """As programs that sort their mints have them."""
    return (one, other) if bytes(one) < bytes(other) else (other, one)


MINTS = ordered(key("routing one"), key("routing two"))


def _reserves(depth: int, price: float) -> tuple[int, int]:
    """Atoms of token 0 and of token 1 of a pool of this depth, in atoms of token 0."""
    return depth, max(int(depth * price), 1)


def _product(reserves: tuple[int, int], fee: int) -> tuple[list[Piece], list[Piece]]:
    a, b = reserves
    kept = 1 - fee / 1e6
    return [Piece(a, b, float("inf"), kept)], [Piece(b, a, float("inf"), kept)]


def a_cpmm(label: str, mints: Mints, depth: int, price: float, fee: int) -> Made:
    reserves = _reserves(depth, price)
    config = cpmm_accounts.config_address(0)
    address = key(f"{label} cpmm")
    pool = cpmm_accounts.encode_pool(
        address=address,
        amm_config=config,
        mint_0=mints[0],
        mint_1=mints[1],
        decimals_0=9,
        decimals_1=6,
    )
    rates = cpmm_accounts.encode_config(
        index=0,
        trade_fee_rate=fee,
        protocol_fee_rate=120_000,
        fund_fee_rate=40_000,
        creator_fee_rate=0,
    )
    accounts = {
        address: Account(cpmm_accounts.PROGRAM_ID, 1, pool),
        config: Account(cpmm_accounts.PROGRAM_ID, 1, rates),
    }
    for mint, atoms in zip(mints, reserves, strict=True):
        vault = encode_token_account(mint, cpmm_accounts.authority_address(), atoms)
        accounts[cpmm_accounts.vault_address(address, mint)] = Account(TOKEN_PROGRAM, 1, vault)
    return Made(cpmm.decode(address, accounts[address]).load(accounts), _product(reserves, fee))


def an_amm_v4(label: str, mints: Mints, depth: int, price: float, fee: int) -> Made:
    reserves = _reserves(depth, price)
    market = key(f"{label} market")
    address = amm_v4_accounts.associated_address(market)
    data = amm_v4_accounts.encode_pool(
        market=market,
        coin_mint=mints[0],
        pc_mint=mints[1],
        coin_decimals=9,
        pc_decimals=6,
        swap_fee=(fee, 1_000_000),
    )
    accounts = {address: Account(amm_v4_accounts.PROGRAM_ID, 1, data)}
    names = ("coin_vault", "pc_vault")
    authority = amm_v4_accounts.authority_address()[0]
    for name, mint, atoms in zip(names, mints, reserves, strict=True):
        vault = encode_token_account(mint, authority, atoms)
        place = amm_v4_accounts.associated_address(market, name)
        accounts[place] = Account(TOKEN_PROGRAM, 1, vault)
    return Made(amm_v4.decode(address, accounts[address]).load(accounts), _product(reserves, fee))


def a_damm_v1(label: str, mints: Mints, depth: int, price: float, fee: int) -> Made:
    reserves = _reserves(depth, price)
    sides = [damm_v1_pools.Side(atoms, atoms, atoms, atoms) for atoms in reserves]
    shape = damm_v1_pools.Shape(
        sides=(sides[0], sides[1]), trade_fee=(fee, 1_000_000), protocol_fee=(0, 1)
    )
    made = damm_v1_pools.make_pool(label, shape, mints)
    pool = damm_v1.decode(made.address, made.accounts[made.address]).load(made.accounts)
    return Made(pool, _product(reserves, fee))


def a_damm_v2(
    label: str, mints: Mints, depth: int, price: float, fee: int, width: float = 0.0
) -> Made:
    """Over the whole range, or from 1/(1+width) of the price to (1+width) of it."""
    root = sqrt(price)
    liquidity = int(depth * root)
    low_x64, high_x64 = damm_v2_accounts.SQRT_PRICE_MIN, damm_v2_accounts.SQRT_PRICE_MAX
    if width:
        low_x64 = int(root / sqrt(1 + width) * 2**64)
        high_x64 = int(root * sqrt(1 + width) * 2**64)
    address = key(f"{label} damm v2")
    data = damm_v2_accounts.encode_pool(
        address=address,
        mint_a=mints[0],
        mint_b=mints[1],
        base_fee=BaseFee(fee * 1_000),
        liquidity=liquidity << 64,
        sqrt_price=int(root * 2**64),
        # The fee in B only when B is bought: the output of one direction, the input of the other.
        collect_fee_mode=1,
        token_a_atoms=2**62,
        token_b_atoms=2**62,
        sqrt_min_price=low_x64,
        sqrt_max_price=high_x64,
    )
    pool = damm_v2.decode(address, Account(damm_v2_accounts.PROGRAM_ID, 1, data)).load({})
    down, up = _ranges([(low_x64 / 2**64, high_x64 / 2**64, float(liquidity))], root, fee)
    return Made(pool, ([piece._replace(kept=1.0, kept_out=piece.kept) for piece in down], up))


def a_clmm(
    label: str,
    mints: Mints,
    positions: Sequence[Position],
    price: float,
    fee: int,
    spacing: int = 10,
) -> Made:
    config = clmm_accounts.config_address(1)
    address = key(f"{label} clmm")
    root_x64 = isqrt(int(price * 2**128))
    ticks = ticks_of(positions, tick_at_sqrt_price(root_x64), spacing)
    data = clmm_encode.encode_pool(
        amm_config=config,
        mint_0=mints[0],
        mint_1=mints[1],
        decimals_0=9,
        decimals_1=6,
        tick_spacing=spacing,
        sqrt_price_x64=root_x64,
        liquidity=ticks.liquidity,
        pool_bitmap=ticks.pool_bitmap,
    )
    rates = clmm_encode.encode_config(
        index=1,
        trade_fee_rate=fee,
        tick_spacing=spacing,
        protocol_fee_rate=120_000,
        fund_fee_rate=40_000,
    )
    owner = clmm_accounts.PROGRAM_ID
    accounts = {address: Account(owner, 1, data), config: Account(owner, 1, rates)}
    for start, found in ticks.arrays.items():
        array = clmm_encode.encode_tick_array(address, start, found, spacing)
        accounts[clmm_accounts.tick_array_address(address, start)] = Account(owner, 1, array)
    extension = clmm_encode.encode_extension(address, ticks.extension_bits)
    accounts[clmm_accounts.extension_address(address)] = Account(owner, 1, extension)
    observation = clmm_encode.encode_observation(address)
    accounts[clmm_accounts.observation_address(address)] = Account(owner, 1, observation)
    for mint in mints:
        accounts[mint] = Account(TOKEN_PROGRAM, 1, encode_mint(6, 2**63))
        vault = Account(TOKEN_PROGRAM, 1, encode_token_account(mint, address, 2**62))
        accounts[clmm_accounts.vault_address(address, mint)] = vault
    pool = clmm.decode(address, accounts[address]).load(accounts)
    ends = sorted({end for p in positions for end in (p.lower, p.upper)})
    spans = [
        (
            sqrt_price_at_tick(low) / 2**64,
            sqrt_price_at_tick(high) / 2**64,
            float(sum(p.liquidity for p in positions if p.lower <= low and high <= p.upper)),
        )
        for low, high in pairwise(ends)
    ]
    return Made(pool, _ranges(spans, root_x64 / 2**64, fee))


def _ranges(
    spans: Sequence[tuple[float, float, float]], root: float, fee: int
) -> tuple[list[Piece], list[Piece]]:
    """Pieces of liquidity between square-root prices, down from the current one and up from it."""
    kept = 1 - fee / 1e6
    down, up = [], []
    for low, high, liquidity in spans:
        if not liquidity:
            continue
        if low < root:
            top = min(high, root)
            most = liquidity * (1 / low - 1 / top) if low else float("inf")
            down.append(Piece(liquidity / top, liquidity * top, most, kept))
        if high > root:
            bottom = max(low, root)
            up.append(
                Piece(liquidity * bottom, liquidity / bottom, liquidity * (high - bottom), kept)
            )
    return down, up


def a_dlmm(
    label: str,
    mints: Mints,
    depth_by_bin: dict[int, int],
    price: float,
    fee: int,
    bin_step: int = 10,
    variable_fee_control: int = 0,
) -> Made:
    """Bins at these distances from the active one, each worth so many atoms of X."""
    base = key(f"{label} base")
    active_id = round(log(price) / log(1 + bin_step / 1e4))
    pair = pair_address(base, *mints)
    contents = {}
    for offset, depth in depth_by_bin.items():
        at = price_from_id(active_id + offset, bin_step)
        contents[active_id + offset] = BinContent(
            at,
            amount_x=depth if offset >= 0 else 0,
            amount_y=depth * at >> 64 if offset <= 0 else 0,
        )
    by_array: dict[int, dict[int, BinContent]] = {}
    for bin_id, content in contents.items():
        by_array.setdefault(array_of(bin_id), {})[bin_id] = content
    bitmap, _ = bitmap_with(by_array)
    # The base fee is factor * step * 10 in parts of 1e9.
    factor = min(fee * 1_000 // (bin_step * 10), 65_535)
    parameters = StaticParameters(
        factor, 30, 600, 5_000, variable_fee_control, 350_000, *id_range(bin_step), 1_000, 0,
        bin_step,
    )  # fmt: skip
    data = dlmm_accounts.encode_pair(
        base=base,
        mint_x=mints[0],
        mint_y=mints[1],
        parameters=parameters,
        active_id=active_id,
        bitmap=bitmap,
        program_x=TOKEN_PROGRAM,
        program_y=TOKEN_PROGRAM,
    )
    owner = dlmm_accounts.PROGRAM_ID
    accounts = {pair: Account(owner, 1, data)}
    for index, held in by_array.items():
        array = encode_array(pair, index, held)
        accounts[bin_array_address(pair, index)] = Account(owner, 1, array)
    for mint in mints:
        reserve = encode_token_account(mint, pair, 2**62)
        accounts[reserve_address(pair, mint)] = Account(TOKEN_PROGRAM, 1, reserve)
        accounts[mint] = Account(TOKEN_PROGRAM, 1, encode_mint(6, 2**63))
    pool = dlmm.decode(pair, accounts[pair]).load(accounts)
    down, up = [], []
    for bin_id, content in sorted(contents.items()):
        level = content.price / 2**64
        moved = abs(bin_id - active_id) * 10_000
        scaled = min(moved, 350_000) * bin_step
        rate = factor * bin_step * 10 / 1e9 + variable_fee_control * scaled * scaled / 1e11 / 1e9
        kept = 1 - min(rate, 0.1)
        if content.amount_y:
            down.append(Piece(0, level, content.amount_y / level, kept))
        if content.amount_x:
            up.append(Piece(0, 1 / level, content.amount_x * level, kept))
    return Made(pool, (down[::-1], up))


# --- at random


def random_cpmm(label: str, mints: Mints, depth: int, price: float, rng: random.Random) -> Made:
    return a_cpmm(label, mints, depth, price, rng.choice(FEES))


def random_amm_v4(label: str, mints: Mints, depth: int, price: float, rng: random.Random) -> Made:
    return an_amm_v4(label, mints, depth, price, rng.choice(FEES))


def random_damm_v1(label: str, mints: Mints, depth: int, price: float, rng: random.Random) -> Made:
    return a_damm_v1(label, mints, depth, price, rng.choice(FEES))


def random_damm_v2(label: str, mints: Mints, depth: int, price: float, rng: random.Random) -> Made:
    width = rng.choice((0.0, 0.02, 0.2, 3.0))
    return a_damm_v2(label, mints, depth, price, rng.choice(FEES), width)


def random_clmm(label: str, mints: Mints, depth: int, price: float, rng: random.Random) -> Made:
    """A position over a wide range, and up to a dozen narrower ones around the price."""
    spacing = rng.choice((1, 10, 60))
    tick = round(log(price) / log(1.0001) / spacing) * spacing
    liquidity = max(int(depth * sqrt(price)), 1)
    positions = [Position(tick - 60 * spacing, tick + 60 * spacing, liquidity)]
    for _ in range(rng.randrange(13)):
        ends = sorted(rng.sample(range(-40, 41), 2))
        part = max(int(liquidity * rng.uniform(0.1, 8)), 1)
        positions.append(Position(tick + ends[0] * spacing, tick + ends[1] * spacing, part))
    return a_clmm(label, mints, positions, price, rng.choice(FEES), spacing)


def random_dlmm(label: str, mints: Mints, depth: int, price: float, rng: random.Random) -> Made:
    """Up to fifty bins to either side, some of them empty, with a fee that grows on the way."""
    reach = rng.randrange(1, 51)
    bins = {
        offset: max(int(depth * rng.uniform(0.01, 2) / reach), 1)
        for offset in range(-reach, reach + 1)
        if not offset or rng.random() < 0.9
    }
    step = rng.choice((1, 5, 10, 25))
    control = rng.choice((0, 10_000, 40_000))
    return a_dlmm(label, mints, bins, price, rng.choice(FEES[2:]), step, control)


Maker = Callable[[str, Mints, int, float, random.Random], Made]
MAKERS: tuple[Maker, ...] = (
    random_cpmm,
    random_clmm,
    random_dlmm,
    random_damm_v2,
    random_amm_v4,
    random_damm_v1,
)


def random_market(
    rng: random.Random,
    count: int,
    mints: Mints = MINTS,
    *,
    price: float = 0.15,
    makers: Sequence[Maker] = MAKERS,
    spread_bps: float = 30,
) -> list[Made]:
    """Pools of any venue near one price, of depths that differ a thousandfold."""
    return [
        rng.choice(makers)(
            f"{mints[0]} {mints[1]} {n}",
            mints,
            int(exp(rng.uniform(log(1e11), log(1e14)))),
            price * (1 + rng.uniform(-spread_bps, spread_bps) / 1e4),
            rng,
        )
        for n in range(count)
    ]


def snapshot_of(made: Sequence[Made], others: Sequence[Made] = ()) -> PoolSnapshot:
    return PoolSnapshot(
        NOW.slot,
        NOW,
        tuple([each.pool for each in made]),
        others=tuple([each.pool for each in others]),
    )


def tables_of(made: Sequence[Made]) -> tuple[frozenset[Pubkey], ...]:
    """Lookup tables that hold all that the pools' swaps name, but for the wallet's own."""
    user = key("the wallet")
    held = frozenset(
        meta.pubkey
        for each in made
        for mint in each.pool.mints
        for meta in each.pool.swap_exact_in(user, mint, user, user, 1_000_000, 1).accounts
    )
    return (held - {user},)


def best_alone(pools: Sequence[LoadedPool], input_mint: Pubkey, amount: int) -> int:
    """What the best single pool pays; 0 where none serves."""
    best = 0
    for pool in pools:
        try:
            quote = pool.quote_exact_in(input_mint, amount, NOW)
        except VenueError:
            continue
        best = max(best, quote.amount_out_atoms)
    return best


class Unlimited(Room):
    """A transaction that takes anything."""

    def exceeded(self, legs: Sequence[RouteLeg]) -> Binding | None:
        return None
