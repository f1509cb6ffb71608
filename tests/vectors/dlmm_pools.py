"""DLMM pairs of our own for the recorder: fee modes, limit orders, gaps, the bitmap's ends."""

import random
from collections.abc import Callable
from typing import Any

import msgspec
from solders.pubkey import Pubkey

from fairlead.venues.meteora import dlmm_accounts
from fairlead.venues.meteora.bins import BINS_PER_ARRAY, array_of, id_range, price_from_id
from fairlead.venues.meteora.dlmm_accounts import (
    COLLECT_INPUT,
    COLLECT_ONLY_Y,
    CUSTOMIZABLE_PERMISSIONLESS,
    LIMIT_ORDER,
    LIQUIDITY_MINING,
    PERMISSIONLESS_V2,
    UNDETERMINED,
    bin_array_address,
    bitmap_extension_address,
    oracle_address,
    pair_address,
    reserve_address,
)
from fairlead.venues.meteora.dlmm_arrays import (
    BinContent,
    bitmap_with,
    encode_array,
    encode_extension,
)
from fairlead.venues.meteora.dlmm_fees import StaticParameters, VariableParameters
from fairlead.venues.token2022 import (
    TOKEN_2022_PROGRAM,
    TOKEN_PROGRAM,
    TransferFee,
    encode_mint,
    encode_token_account,
)
from fairlead.venues.venue import Account, ChainTime, Venue
from tests.vectors.pools import START, Accounts, PoolOfOurs, key, rent

Fees = tuple[TransferFee | None, TransferFee | None]


class Shape(msgspec.Struct):
    """What a pair of ours is to be like."""

    note: str
    bin_step: int
    base_factor: int
    active_id: int
    variable_fee_control: int = 40_000
    filter_period: int = 30
    decay_period: int = 600
    reduction_factor: int = 5_000
    max_volatility_accumulator: int = 350_000
    protocol_share: int = 1_000
    base_fee_power_factor: int = 0
    function_type: int = LIQUIDITY_MINING
    collect_fee_mode: int = COLLECT_INPUT
    pair_type: int = PERMISSIONLESS_V2
    activation_type: int = 0
    activation_point: int = 0
    fees: Fees = (None, None)
    # Bins with liquidity on either side of the active one, and how many of these are empty.
    reach: int = 7
    emptiness: float = 0.2
    # Whether bins hold limit orders.
    orders: float = 0.0
    # Atoms in a bin, about; X is less or more by the price.
    size: float = 1e9
    # Arrays far away that hold a bin or two, by their distance.
    islands: tuple[int, ...] = ()
    has_extension: bool = False
    version: int = 1
    array_version: int = 2
    reward: bool = False


def make_pool(label: str, shape: Shape, rng: random.Random) -> PoolOfOurs:
    """The accounts of such a pair; everything random comes from `rng`."""
    mints = (key(f"{label} mint x"), key(f"{label} mint y"))
    programs = [TOKEN_2022_PROGRAM if fee else TOKEN_PROGRAM for fee in shape.fees]
    accounts: Accounts = {}
    for mint, program, fee, decimals in zip(mints, programs, shape.fees, (9, 6), strict=True):
        older = TransferFee(0, 1, 1) if fee else None
        data = encode_mint(decimals, 2**63, newer_fee=fee, older_fee=older)
        accounts[mint] = Account(program, rent(len(data)), data)
    base = key(f"{label} base")
    pair = pair_address(base, *mints)
    contents = _bins(shape, rng)
    by_array: dict[int, dict[int, BinContent]] = {}
    for bin_id, content in contents.items():
        by_array.setdefault(array_of(bin_id), {})[bin_id] = content
    bitmap, extension = bitmap_with(by_array)
    needs_extension = bool(extension.positive or extension.negative)
    addresses = [pair, oracle_address(pair)]
    low, high = id_range(shape.bin_step)
    parameters = StaticParameters(
        shape.base_factor,
        shape.filter_period,
        shape.decay_period,
        shape.reduction_factor,
        shape.variable_fee_control,
        shape.max_volatility_accumulator,
        low,
        high,
        shape.protocol_share,
        shape.base_fee_power_factor,
        shape.bin_step,
    )
    data = dlmm_accounts.encode_pair(
        base=base,
        mint_x=mints[0],
        mint_y=mints[1],
        parameters=parameters,
        active_id=shape.active_id,
        v_parameters=VariableParameters(
            rng.randrange(shape.max_volatility_accumulator + 1),
            rng.randrange(shape.max_volatility_accumulator + 1),
            shape.active_id + rng.randint(-20, 20),
            START.unix_timestamp - rng.randrange(2 * shape.decay_period + 1),
        ),
        bitmap=bitmap,
        program_x=programs[0],
        program_y=programs[1],
        pair_type=shape.pair_type,
        activation_type=shape.activation_type,
        activation_point=shape.activation_point,
        function_type=shape.function_type,
        collect_fee_mode=shape.collect_fee_mode,
        reward_mint=key("reward") if shape.reward else None,
        version=shape.version,
    )
    program_id = dlmm_accounts.PROGRAM_ID
    accounts[pair] = Account(program_id, rent(len(data)), data)
    oracle = dlmm_accounts.encode_oracle()
    accounts[oracle_address(pair)] = Account(program_id, rent(len(oracle)), oracle)
    for index, bins in by_array.items():
        data = encode_array(pair, index, bins, version=shape.array_version)
        addresses.append(bin_array_address(pair, index))
        accounts[addresses[-1]] = Account(program_id, rent(len(data)), data)
    if shape.has_extension or needs_extension:
        data = encode_extension(pair, extension)
        addresses.append(bitmap_extension_address(pair))
        accounts[addresses[-1]] = Account(program_id, rent(len(data)), data)
    held = [0, 0]
    for b in contents.values():
        orders = b.open_order_amount + b.processed_order_remaining_amount
        held[0] += b.amount_x + (orders if b.ask_side else 0)
        held[1] += b.amount_y + (0 if b.ask_side else orders)
    for mint, program, atoms in zip(mints, programs, held, strict=True):
        reserve = reserve_address(pair, mint)
        withheld = 0 if program == TOKEN_2022_PROGRAM else None
        data = encode_token_account(mint, pair, min(atoms, 2**63), withheld_atoms=withheld)
        accounts[reserve] = Account(program, rent(len(data)), data)
        addresses.append(reserve)
    return PoolOfOurs(
        venue=Venue.METEORA_DLMM,
        note=f"{shape.note}: bin step {shape.bin_step}, base factor {shape.base_factor}, variable "
        f"fee control {shape.variable_fee_control}, collect fee mode {shape.collect_fee_mode}, "
        f"function type {shape.function_type}, active id {shape.active_id}",
        address=pair,
        mints=mints,
        depth=(max(held[0], 1), max(held[1], 1)),
        accounts=accounts,
        changing=tuple(addresses),
        has_partial=False,
        disabled=_patched(pair, 82, b"\1"),
        opens_later=lambda accounts, time: _opens(pair, accounts, time),
    )


def _bins(shape: Shape, rng: random.Random) -> dict[int, BinContent]:
    ids = range(shape.active_id - shape.reach, shape.active_id + shape.reach + 1)
    chosen = [i for i in ids if rng.random() >= shape.emptiness or i == shape.active_id]
    for distance in shape.islands:
        first = (array_of(shape.active_id) + distance) * BINS_PER_ARRAY
        chosen += [first + rng.randrange(BINS_PER_ARRAY) for _ in range(2)]
    contents = {}
    low, high = id_range(shape.bin_step)
    for bin_id in chosen:
        if not low <= bin_id <= high:
            continue
        price = price_from_id(bin_id, shape.bin_step)
        y = int(shape.size * 10 ** rng.uniform(-2, 0.5)) + 1
        x = min((y << 64) // price + 1, 2**60)
        above = bin_id > shape.active_id or (bin_id == shape.active_id and rng.random() < 0.5)
        orders: dict[str, Any] = {}
        if rng.random() < shape.orders and abs(bin_id - shape.active_id) > 1:
            amount = x if above else y
            rest = rng.randrange(amount + 1) if rng.random() < 0.5 else 0
            orders = {
                "open_order_amount": rng.randrange(amount + 1) if rng.random() < 0.8 else 0,
                "total_processing_order_amount": rest + rng.randrange(amount + 1) if rest else 0,
                "processed_order_remaining_amount": rest,
                "ask_side": above,
            }
        has_mm = not orders or rng.random() < 0.6
        both = bin_id == shape.active_id
        contents[bin_id] = BinContent(
            amount_x=x if has_mm and (above or both) else 0,
            amount_y=y if has_mm and (not above or both) else 0,
            price=price,
            **orders,
        )
    return contents


def _patched(address: Pubkey, offset: int, value: bytes) -> Callable[[Accounts], Accounts]:
    def patch(accounts: Accounts) -> Accounts:
        account = accounts[address]
        data = account.data[:offset] + value + account.data[offset + len(value) :]
        return {address: Account(account.owner, account.lamports, data)}

    return patch


def _opens(pair: Pubkey, accounts: Accounts, time: ChainTime) -> Accounts:
    """A customizable pair that opens one point later than now."""
    changed = _patched(pair, 75, bytes([CUSTOMIZABLE_PERMISSIONLESS]))(accounts)
    by_time = changed[pair].data[86] == 1
    point = (time.unix_timestamp if by_time else time.slot) + 1
    return _patched(pair, 816, point.to_bytes(8, "little"))(changed)


FEE, DEAR = TransferFee(0, 5_000, 50), TransferFee(0, 10**12, 300)
EDGE = 512 * BINS_PER_ARRAY
"""The first bin beyond the pair's own bitmap."""


def recorded_shapes() -> list[Shape]:
    """One pair of each kind that a swap treats differently."""
    return [
        Shape("plain", 10, 10_000, -279),
        Shape("fee on Y", 80, 12_500, 160, collect_fee_mode=COLLECT_ONLY_Y),
        Shape("orders", 25, 8_000, 69, function_type=LIMIT_ORDER, orders=0.6),
        Shape(
            "orders, fee on Y",
            *(100, 10_000, -3),
            function_type=LIMIT_ORDER,
            collect_fee_mode=COLLECT_ONLY_Y,
            orders=0.8,
        ),
        Shape("undetermined", 15, 10_000, -44, function_type=UNDETERMINED, orders=0.5),
        Shape(
            "undetermined with a reward, older arrays",
            *(20, 10_000, 139),
            function_type=UNDETERMINED,
            orders=0.5,
            reward=True,
            version=0,
            array_version=1,
        ),
        Shape("lower end of the bitmap", 1, 20_000, 3 - EDGE),
        Shape("upper end of the bitmap", 1, 20_000, EDGE - 3, size=1e12),
        Shape("far below the bitmap", 2, 5_000, -2 * EDGE - 30, size=1e5),
        Shape("gaps", 50, 10_000, 35, emptiness=0.7, islands=(3, -3, 9, -20)),
        Shape("islands in the extension", 4, 50_000, 0, islands=(700, -700)),
        Shape("transfer fee on X", 10, 10_000, 500, fees=(FEE, None)),
        Shape(
            "transfer fees, orders, fee on Y",
            *(40, 10_000, -210),
            fees=(DEAR, FEE),
            function_type=LIMIT_ORDER,
            collect_fee_mode=COLLECT_ONLY_Y,
            orders=0.6,
        ),
        Shape(
            "highest fee",
            *(400, 50_000, 71),
            variable_fee_control=2_000_000,
            base_fee_power_factor=1,
        ),
        Shape("no base fee", 5, 0, -701, variable_fee_control=120_000, size=300),
        Shape(
            "customizable, by time",
            *(125, 1_000, 20),
            pair_type=CUSTOMIZABLE_PERMISSIONLESS,
            activation_type=1,
            activation_point=START.unix_timestamp,
        ),
    ]


def random_shape(rng: random.Random) -> Shape:
    """A pair that may be like anything the program makes, and some that it no longer makes."""
    bin_step = rng.choice((1, 2, 4, 5, 8, 10, 15, 20, 25, 50, 80, 100, 125, 200, 250, 400))
    low, high = id_range(bin_step)
    kind = rng.random()
    if kind < 0.8:
        # Prices of 10^-6 … 10^6.
        edge = int(138_000 / bin_step)
        active_id = rng.randint(-edge, edge)
    elif kind < 0.95:
        # Next to the ends of the pair's own bitmap.
        active_id = rng.choice((-1, 1)) * 512 * BINS_PER_ARRAY + rng.randint(-90, 90)
    else:
        active_id = rng.choice((low + 60, high - 60))
    active_id = max(low + 60, min(high - 60, active_id))
    function_type = rng.choice((LIQUIDITY_MINING, LIMIT_ORDER, UNDETERMINED))
    fee, dear = TransferFee(0, 5_000, 50), TransferFee(0, 10**12, 300)
    base_factor = rng.choice((0, 1, 100, 8_000, 10_000, 50_000, 65_535))
    return Shape(
        note="random",
        bin_step=bin_step,
        base_factor=base_factor,
        active_id=active_id,
        variable_fee_control=rng.choice((0, 5_000, 40_000, 2_000_000)),
        filter_period=rng.choice((1, 10, 300)),
        decay_period=rng.choice((5, 120, 1_200)) + 300,
        reduction_factor=rng.choice((0, 2_000, 5_000, 9_000, 10_000)),
        max_volatility_accumulator=rng.choice((0, 150_000, 350_000, 1_000_000)),
        protocol_share=rng.choice((0, 500, 1_000, 2_500)),
        base_fee_power_factor=rng.choice((0, 0, 0, 1, 2)),
        function_type=function_type,
        collect_fee_mode=rng.choice((COLLECT_INPUT, COLLECT_ONLY_Y)),
        fees=rng.choice(((None, None), (None, None), (fee, None), (None, dear), (dear, fee))),
        reach=rng.choice((0, 3, 40, 90)),
        emptiness=rng.choice((0.0, 0.3, 0.9)),
        orders=rng.choice((0.0, 0.3, 0.8)),
        size=10 ** rng.uniform(1, 14),
        islands=rng.choice(((), (), (3, -3), (9, -20), (700, -700))),
        has_extension=rng.random() < 0.3,
        array_version=rng.choice((1, 2)),
        reward=rng.random() < 0.2,
    )
