"""CLMM pools of our own for the recorder: spacings, shapes of liquidity, fees, the far ends."""

import random
from typing import Any

import msgspec
from solders.pubkey import Pubkey

from fairlead.venues.raydium import clmm_accounts, clmm_encode
from fairlead.venues.raydium.clmm_encode import Position, Ticks, ticks_of
from fairlead.venues.raydium.ticks import MAX_TICK, MIN_TICK, sqrt_price_at_tick, tick_at_sqrt_price
from fairlead.venues.token2022 import (
    TOKEN_2022_PROGRAM,
    TOKEN_PROGRAM,
    TransferFee,
    encode_mint,
    encode_token_account,
)
from fairlead.venues.venue import Account
from tests.vectors.pools import key, rent

PROGRAM = clmm_accounts.PROGRAM_ID
VAULT_ATOMS = 2**61
Fees = tuple[TransferFee | None, TransferFee | None]


class Shape(msgspec.Struct, frozen=True):
    """A pool in words."""

    note: str
    tick_spacing: int
    # trade, protocol, fund: parts of 1,000,000.
    rates: tuple[int, int, int]
    tick: int
    # "gaps", "dense", "wide", "edge" or "thin".
    positions: str
    fees: Fees = (None, None)
    # About the square of what the pool holds.
    liquidity: int = 10**12


class ClmmPoolOfOurs(msgspec.Struct):
    """A pool with all its accounts."""

    note: str
    address: Pubkey
    mints: tuple[Pubkey, Pubkey]
    fees: Fees
    accounts: dict[Pubkey, Account]


FEE = TransferFee(0, 5_000, 50)
DEAR = TransferFee(0, 10**12, 300)

SHAPES = (
    Shape("spacing 1, dense", 1, (100, 120_000, 40_000), 3, "dense"),
    Shape("spacing 1 near the end of the default bitmap", 1, (400, 120_000, 0), 30_700, "edge"),
    Shape("spacing 1 beyond the default bitmap, below", 1, (400, 0, 0), -61_500, "edge"),
    Shape("spacing 10, gaps", 10, (500, 120_000, 40_000), -12_001, "gaps"),
    Shape("spacing 10, a fee on token 0", 10, (3_000, 120_000, 40_000), 777, "gaps", (FEE, None)),
    Shape("spacing 60, a fee on token 1", 60, (2_500, 1, 1), 60_000, "dense", (None, DEAR)),
    Shape("spacing 60, a fee on both", 60, (2_500, 120_000, 0), 0, "gaps", (DEAR, FEE)),
    Shape("spacing 120, the whole range", 120, (10_000, 500_000, 500_000), -900, "wide"),
    Shape("spacing 1, no fee at all, much liquidity", 1, (0, 0, 0), 1, "dense", liquidity=10**21),
    Shape("spacing 2, thin", 2, (999_000, 120_000, 40_000), 5_000, "thin", liquidity=50),
    Shape("spacing 14, high price", 14, (1_000, 120_000, 40_000), 300_000, "wide"),
    Shape("spacing 5, low price", 5, (1_000, 120_000, 40_000), -250_000, "gaps"),
)


def clmm_pools(rng: random.Random, shapes: tuple[Shape, ...] = SHAPES) -> list[ClmmPoolOfOurs]:
    """One pool of each shape."""
    return [clmm_pool(index, shape, rng) for index, shape in enumerate(shapes)]


def clmm_pool(index: int, shape: Shape, rng: random.Random) -> ClmmPoolOfOurs:
    """A pool of this shape with positions from the generator; `index` makes its addresses."""
    low, high = sqrt_price_at_tick(shape.tick), sqrt_price_at_tick(shape.tick + 1)
    positions = positions_of(shape, rng)
    return pool_with(index, shape, positions, rng.randrange(low, high))


def pool_with(
    index: int, shape: Shape, positions: list[Position], sqrt_price_x64: int, **numbers: Any
) -> ClmmPoolOfOurs:
    """A pool with just these positions and price; `numbers` go to `encode_pool`."""
    label = f"clmm {index}"
    mint_0, mint_1 = sorted((key(f"{label} mint x"), key(f"{label} mint y")), key=bytes)
    spacing = shape.tick_spacing
    trade, protocol, fund = shape.rates
    config = clmm_accounts.config_address(index)
    address = clmm_accounts.pool_address(config, mint_0, mint_1)
    ticks = ticks_of(positions, tick_at_sqrt_price(sqrt_price_x64), spacing)
    known: dict[str, Any] = {"liquidity": ticks.liquidity, "pool_bitmap": ticks.pool_bitmap}
    pool = clmm_encode.encode_pool(
        amm_config=config,
        mint_0=mint_0,
        mint_1=mint_1,
        decimals_0=9,
        decimals_1=6,
        tick_spacing=spacing,
        sqrt_price_x64=sqrt_price_x64,
        **{**known, **numbers},
    )
    rates = clmm_encode.encode_config(
        index=index,
        trade_fee_rate=trade,
        tick_spacing=spacing,
        protocol_fee_rate=protocol,
        fund_fee_rate=fund,
    )
    accounts = {address: _account(PROGRAM, pool), config: _account(PROGRAM, rates)}
    accounts |= _ticks(address, ticks, spacing)
    for mint, fee in zip((mint_0, mint_1), shape.fees, strict=True):
        program = TOKEN_2022_PROGRAM if fee else TOKEN_PROGRAM
        older = TransferFee(0, 1, 1) if fee else None
        accounts[mint] = _account(program, encode_mint(6, 2**63, newer_fee=fee, older_fee=older))
        vault = encode_token_account(mint, address, VAULT_ATOMS, withheld_atoms=0 if fee else None)
        accounts[clmm_accounts.vault_address(address, mint)] = _account(program, vault)
    return ClmmPoolOfOurs(shape.note, address, (mint_0, mint_1), shape.fees, accounts)


def _ticks(address: Pubkey, ticks: Ticks, spacing: int) -> dict[Pubkey, Account]:
    accounts = {
        clmm_accounts.tick_array_address(address, start): _account(
            PROGRAM, clmm_encode.encode_tick_array(address, start, found, spacing)
        )
        for start, found in ticks.arrays.items()
    }
    extension = clmm_encode.encode_extension(address, ticks.extension_bits)
    accounts[clmm_accounts.extension_address(address)] = _account(PROGRAM, extension)
    observation = clmm_encode.encode_observation(address)
    accounts[clmm_accounts.observation_address(address)] = _account(PROGRAM, observation)
    return accounts


def positions_of(shape: Shape, rng: random.Random) -> list[Position]:
    """Positions around the shape's tick, a dozen or two."""
    spacing, width = shape.tick_spacing, 60 * shape.tick_spacing
    reach, count = {
        "dense": (2 * width, 24),
        "thin": (2 * width, 10),
        "gaps": (9 * width, 10),
        "edge": (5 * width, 14),
        "wide": (30 * width, 8),
    }[shape.positions]
    found = []
    for _ in range(count):
        ends = [shape.tick + rng.randint(-reach, reach) for _ in range(2)]
        lower, upper = sorted(_on_grid(end, spacing) for end in ends)
        if shape.positions in ("wide", "thin") and rng.random() < 0.2:
            lower, upper = -(-MIN_TICK // spacing) * spacing, MAX_TICK // spacing * spacing
        if lower == upper:
            upper += spacing
        found.append(
            Position(lower, upper, max(1, int(shape.liquidity * 10 ** rng.uniform(-2, 1))))
        )
    return found


def _on_grid(tick: int, spacing: int) -> int:
    last = MAX_TICK // spacing - 1
    return max(-last, min(last, tick // spacing)) * spacing


def _account(owner: Pubkey, data: bytes) -> Account:
    return Account(owner, rent(len(data)), data)
