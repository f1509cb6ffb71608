"""DAMM v1 pools of our own with their vaults: for the recorder, and small ones for tests."""

import random

import msgspec
from solders.pubkey import Pubkey

from fairlead.venues.meteora import damm_v1_accounts
from fairlead.venues.meteora.damm_v1_accounts import (
    DEPEG_LIDO,
    DEPEG_MARINADE,
    DEPEG_NONE,
    DEPEG_SPL_STAKE,
    PROGRAM_ID,
    VAULT_PROGRAM_ID,
    lp_mint_address,
    protocol_fee_address,
    stake_address,
    token_vault_address,
    vault_address,
    vault_lp_address,
)
from fairlead.venues.token2022 import TOKEN_PROGRAM, encode_mint, encode_token_account
from fairlead.venues.venue import Account, Venue
from tests.vectors.pools import START, Accounts, PoolOfOurs, key, rent

MARINADE_PROGRAM = Pubkey.from_string("MarBmsSgKXdrN1egZf5sqe1TMai9K1rChYNDJgjq7aD")


class Side(msgspec.Struct):
    """What a vault and the pool's part in it are to be like."""

    total: int
    # Shares that exist, and of these the pool's.
    supply: int
    shares: int
    # Not lent out.
    reserve: int
    locked_profit: tuple[int, int, int] = (0, 0, 0)
    is_enabled: bool = True


class Shape(msgspec.Struct):
    """What a pool is to be like."""

    sides: tuple[Side, Side]
    trade_fee: tuple[int, int] = (250, 100_000)
    protocol_fee: tuple[int, int] = (20_000, 100_000)
    stable: tuple[int, int, int, int] | None = None
    depeg: tuple[int, int, int] = (0, 0, DEPEG_NONE)
    # Of the staked token, parts of 1,000,000, as its stake pool says.
    stake_price: int = 0
    is_enabled: bool = True
    activation: tuple[int, int] = (0, 0)
    note: str = ""


def make_pool(label: str, shape: Shape, mints: tuple[Pubkey, Pubkey] | None = None) -> PoolOfOurs:
    """The accounts of such a pool, of two mints of its own unless told."""
    mints = mints or (key(f"{label} mint a"), key(f"{label} mint b"))
    address = key(f"{label} pool")
    vaults = (vault_address(mints[0]), vault_address(mints[1]))
    stake = key(f"{label} stake")
    data = damm_v1_accounts.encode_pool(
        address=address,
        mints=mints,
        vaults=vaults,
        trade_fee=shape.trade_fee,
        protocol_fee=shape.protocol_fee,
        is_enabled=shape.is_enabled,
        activation_point=shape.activation[0],
        activation_type=shape.activation[1],
        stable=shape.stable,
        depeg=shape.depeg,
        stake=stake,
    )
    accounts: Accounts = {address: _account(PROGRAM_ID, data)}
    changing = [address]
    for mint, vault, side in zip(mints, vaults, shape.sides, strict=True):
        state = damm_v1_accounts.encode_vault(
            mint=mint,
            total_amount=side.total,
            is_enabled=side.is_enabled,
            locked_profit=side.locked_profit,
        )
        lp_mint, shares = lp_mint_address(vault), vault_lp_address(vault, address)
        fees = protocol_fee_address(mint, address)
        made = {
            vault: _account(VAULT_PROGRAM_ID, state),
            token_vault_address(vault): _tokens(mint, vault, side.reserve),
            lp_mint: _account(TOKEN_PROGRAM, _mint_of(vault, side.supply)),
            shares: _tokens(lp_mint, vault_lp_address(vaults[0], address), side.shares),
            fees: _tokens(mint, key("treasury"), 0),
        }
        accounts |= made
        changing += made
    named = stake_address(data, shape.depeg[2])
    if named is not None:
        accounts[named] = _stake(shape.depeg[2], shape.stake_price)
    curve = "constant product" if shape.stable is None else f"stable {shape.stable}"
    return PoolOfOurs(
        venue=Venue.METEORA_DAMM_V1,
        note=f"{shape.note}: {curve}, fees {shape.trade_fee} {shape.protocol_fee}, depeg "
        f"{shape.depeg}",
        address=address,
        mints=mints,
        depth=(_depth(shape.sides[0]), _depth(shape.sides[1])),
        accounts=accounts,
        changing=tuple(changing),
        has_partial=False,
        disabled=lambda accounts: patched(accounts, address, 233, b"\0"),
        opens_later=lambda accounts, time: patched(
            accounts, address, 403, (time.slot + 1).to_bytes(8, "little")
        ),
    )


def _depth(side: Side) -> int:
    return max(1, side.shares * side.total // (side.supply or 1))


def _account(owner: Pubkey, data: bytes) -> Account:
    return Account(owner, rent(len(data)), data)


def _tokens(mint: Pubkey, owner: Pubkey, atoms: int) -> Account:
    return _account(TOKEN_PROGRAM, encode_token_account(mint, owner, atoms))


def _mint_of(vault: Pubkey, supply: int) -> bytes:
    """A mint whose authority is the vault."""
    plain = encode_mint(6, supply)
    return (1).to_bytes(4, "little") + bytes(vault) + plain[36:]


def patched(accounts: Accounts, address: Pubkey, offset: int, value: bytes) -> Accounts:
    account = accounts[address]
    data = account.data[:offset] + value + account.data[offset + len(value) :]
    return {address: Account(account.owner, account.lamports, data)}


def _stake(kind: int, price: int) -> Account:
    """A stake pool's account that says this price."""
    data = bytearray(2_616)
    if kind == DEPEG_MARINADE:
        data[:8] = bytes.fromhex("d8926b5e684bb6b1")
        data[512:520] = ((price << 32) // 10**6).to_bytes(8, "little")
        return _account(MARINADE_PROGRAM, bytes(data))
    supply = 10**9
    first, second = (73, 81) if kind == DEPEG_LIDO else (266, 258)
    data[first : first + 8] = supply.to_bytes(8, "little")
    data[second : second + 8] = (price * supply // 10**6).to_bytes(8, "little")
    if kind == DEPEG_SPL_STAKE:
        data[0] = 1
    return _account(key("stake program"), bytes(data))


def shapes_to_record(rng: random.Random) -> list[Shape]:
    """Pools over curves, prices of a staked token, fees, and worths of the vaults' shares."""
    day = START.unix_timestamp - 10**5
    curves: list[tuple[tuple[int, int, int, int] | None, tuple[int, int, int]]] = [
        (None, (0, 0, DEPEG_NONE)),
        ((100, 1, 1, 6), (0, 0, DEPEG_NONE)),
        (None, (0, 0, DEPEG_NONE)),
        ((1_000, 1, 1, 9), (1_198_483, START.unix_timestamp, DEPEG_MARINADE)),
        ((100, 1_000, 1, 9), (0, 0, DEPEG_NONE)),
        (None, (0, 0, DEPEG_NONE)),
        ((500, 1, 1, 9), (1_198_483, day, DEPEG_MARINADE)),
        ((10, 1, 1_000, 9), (0, 0, DEPEG_NONE)),
        (None, (0, 0, DEPEG_NONE)),
        ((200, 1, 1, 9), (1_100_000, day, DEPEG_LIDO)),
        ((1_000, 1, 1, 9), (1_050_000, day, DEPEG_SPL_STAKE)),
        (None, (0, 0, DEPEG_NONE)),
    ]
    fees = (((250, 10**5), (20_000, 10**5)), ((10, 10**5), (0, 10**5)), ((4_000, 10**5), (1, 3)))
    made = []
    for number, (stable, depeg) in enumerate(curves):
        size = 10 ** rng.uniform(8, 14)
        scales = stable[1:3] if stable else (10 ** rng.uniform(0, 4), 1)
        sides = [_random_side(rng, size / scale, odd=False) for scale in scales]
        made.append(
            Shape(
                sides=(sides[0], sides[1]),
                trade_fee=fees[number % 3][0],
                protocol_fee=fees[number % 3][1],
                stable=stable,
                depeg=depeg,
                stake_price=depeg[0] + 1_000 if depeg[2] else 0,
                note=f"pool {number}",
            )
        )
    return made


def random_shape(rng: random.Random) -> Shape:
    """A pool that may be like anything the programs store."""
    odd = rng.random() < 0.15
    stable = depeg = None
    if rng.random() < 0.55:
        amp = rng.choice((1, 10, 100, 1_000, 10_000))
        multipliers = rng.choice(((1, 1), (1_000, 1), (1, 1_000), (1, 10**5)))
        stable = (amp, *multipliers, 9)
    if stable and rng.random() < 0.5:
        kind = rng.choice((DEPEG_MARINADE, DEPEG_MARINADE, DEPEG_LIDO, DEPEG_SPL_STAKE))
        updated = START.unix_timestamp - rng.choice((0, 1, 599, 600, 601, 10**5))
        depeg = (rng.randrange(900_000, 1_600_000), updated, kind)
    size = 10 ** rng.uniform(4, 17 if odd else 14)
    sides = [_random_side(rng, size * 10 ** rng.uniform(-0.5, 0.5), odd) for _ in range(2)]
    if stable:
        # The side of the larger multiplier has fewer atoms.
        sides = [
            _random_side(rng, max(1, size / m * 10 ** rng.uniform(-0.3, 0.3)), odd)
            for m in stable[1:3]
        ]
    fees = ((250, 100_000), (10, 100_000), (4_000, 100_000), (100, 1_000_000), (0, 100_000))
    protocol = ((20_000, 100_000), (0, 100_000), (1, 3))
    fee, cut = rng.choice(fees), rng.choice(protocol)
    if odd and rng.random() < 0.3:
        fee, cut = (rng.randrange(2**20), 10**5), (rng.randrange(2**18), 10**5)
    point = (0, 0)
    if odd and rng.random() < 0.3:
        point = rng.choice(
            ((START.slot + rng.choice((0, 1, 50)), 0), (START.unix_timestamp + 20, 1))
        )
    return Shape(
        sides=(sides[0], sides[1]),
        trade_fee=fee,
        protocol_fee=cut,
        stable=stable,
        depeg=depeg or (0, 0, DEPEG_NONE),
        stake_price=rng.randrange(900_000, 1_600_000) if depeg else 0,
        is_enabled=not odd or rng.random() < 0.95,
        activation=point,
        note="random",
    )


def _random_side(rng: random.Random, size: float, odd: bool) -> Side:
    """A vault of which the pool has about `size` atoms."""
    others = rng.choice((0, 1, 30))
    total = int(size * (1 + others)) + 1
    worth = rng.choice((1, 1, 1, 1.000_001, 1.03, 1.9, 0.7, 25.4))
    supply = total if worth == 1 else max(1, int(total / worth))
    shares = supply // (1 + others)
    locked = (0, 0, 0)
    if worth != 1 and rng.random() < 0.7:
        report = START.unix_timestamp - rng.choice((0, 10, 3_600, 21_600, 10**6))
        locked = (total // rng.choice((10, 1_000, 10**6)), report, 46_296_296)
        if odd and rng.random() < 0.3:
            locked = (rng.choice((total, total * 2)), report + rng.choice((0, 30)), 10**6)
    reserve = total
    if rng.random() < 0.15:
        reserve = int(total * rng.random() * 0.3)
    return Side(total, supply, shares, reserve, locked, not odd or rng.random() < 0.95)
