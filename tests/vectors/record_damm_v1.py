"""Records swaps of the compiled DAMM v1 and vault programs on our own pools; compares at random.

    FAIRLEAD_PROGRAMS_DIR=… python -m tests.vectors.record_damm_v1 FOLDER
    FAIRLEAD_PROGRAMS_DIR=… python -m tests.vectors.record_damm_v1 random COUNT SEED

As `record.py`: pools come from our encoders, keys and amounts from a seed, results are balances
that the programs left behind. `random` lets pools and vaults evolve in the programs and holds each
quote and each refusal against what they then did.
"""

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
from solders.pubkey import Pubkey

from fairlead.venues.meteora import damm_v1, damm_v1_accounts
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
from fairlead.venues.meteora.damm_v1_swap import raised_minimum
from fairlead.venues.token2022 import TOKEN_PROGRAM, encode_mint, encode_token_account
from fairlead.venues.venue import Account, Venue, VenueError
from tests.vectors.pools import START, Accounts, PoolOfOurs, key, rent
from tests.vectors.trials import U64_MAX, Trials, open_machine, run

SHA256 = {
    PROGRAM_ID: "4529bb15f8507843f12bc80d5d5e728565f203237d679a1608b1caf30be701c8",
    VAULT_PROGRAM_ID: "e52970f5192bcddd535543018a03e4d5cc137f4206ecf8842d24b4a89e2b6ea7",
}
SEED = 20_251_123
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


def make_pool(label: str, shape: Shape) -> PoolOfOurs:
    """The accounts of such a pool."""
    mints = (key(f"{label} mint a"), key(f"{label} mint b"))
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
        disabled=lambda accounts: _patched(accounts, address, 233, b"\0"),
        opens_later=lambda accounts, time: _patched(
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


def _patched(accounts: Accounts, address: Pubkey, offset: int, value: bytes) -> Accounts:
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


def record_pool(trials: Trials, rng: random.Random, *, refusals: bool) -> None:
    """Some swaps of one pool: ordinary ones, dust, limits, and what it must refuse.

    All but the last start from the same state, which keeps the file small.
    """
    pool, side = trials.pool, rng.randrange(2)
    loaded = damm_v1.decode(pool.address, pool.accounts[pool.address]).load(pool.accounts)
    amount = pool.depth[side] // 1_000 + 1
    compared = loaded.compared_out(pool.mints[side], amount, trials.time)
    trials.record("exact_in", side, rng.randint(2, 10), category="tiny")
    trials.record("exact_in", side, rng.randint(11, 200), category="tiny")
    trials.record("exact_in", side, amount, compared, category="slippage_exact")
    trials.record("exact_in", side, pool.depth[side] * 9 + 1, category="large")
    if refusals:
        trials.record("exact_in", side, amount, compared + 1, category="slippage")
        trials.record("exact_in", side, 0, category="zero_input")
        off, later = pool.disabled(trials.state), pool.opens_later(trials.state, trials.time)
        trials.record("exact_in", side, amount, category="status", changed=off)
        trials.record("exact_in", side, amount, category="not_open", changed=later)
        vault = loaded.pool.vault_states[side]
        closed = _patched(trials.state, vault, 8, b"\0")
        trials.record("exact_in", side, amount, category="status", changed=closed)
        reserve = loaded.pool.vaults[1 - side]
        lent = _patched(trials.state, reserve, 64, (compared // 2).to_bytes(8, "little"))
        category = "insufficient_liquidity"
        trials.record("exact_in", side, amount, category=category, changed=lent)
    for turn in range(22):
        side = rng.randrange(2)
        amount = max(1, int(pool.depth[side] * 10 ** rng.uniform(-5, -0.1)))
        trials.wait(rng.choice((0, 1, 40, 300)))
        trials.record("exact_in", side, amount, keep=refusals and turn > 20)


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


def compare_one(trials: Trials, rng: random.Random, seen: Counter[str]) -> None:
    """One swap by the programs and by us."""
    pool = trials.pool
    trials.wait(rng.choice((0, 0, 1, 7, 40, 700)))
    side = rng.randrange(2)
    loaded = damm_v1.decode(pool.address, trials.state[pool.address]).load(trials.state)
    amount = _amount(rng, pool.depth[side])
    if rng.random() < 0.1:
        amount = _input_for(loaded, trials, side, _amount(rng, pool.depth[1 - side]), seen)
    balance = U64_MAX - loaded.sides[side].reserve
    ours, limit, promise = _expected(loaded, trials, side, amount, rng)
    keep = rng.random() < 0.7
    result = trials.send("exact_in", side, amount, limit, balance=balance, keep=keep)
    seen["swaps"] += 1
    error = result.get("error")
    if amount > balance and error and error["code"] in (1, 6004):
        seen["more than the user can have"] += 1
        return
    theirs = (
        (result.get("amount_in"), result.get("amount_out")) if not error else _told(trials, error)
    )
    if ours == theirs:
        curve = "stable" if loaded.pool.numbers.is_stable else "constant product"
        seen[f"agreed {theirs if error else curve}"] += 1
    elif error and isinstance(ours, str):
        seen[f"both refuse, but {theirs} is {ours} to us"] += 1
    else:
        seen["DIFFERENT"] += 1
        print("DIFFERENT", pool.note, side, amount, limit, "ours", ours, "theirs", theirs)
    if not error and amount:
        # Without what the classic token program takes more.
        quote = loaded.quote_exact_in(pool.mints[side], amount, trials.time)
        seen["compute units above the estimate"] += trials.units > quote.compute_units - 22_500
        kept = result["amount_out"] >= promise
        seen["promised minimum kept" if kept else "PROMISE BROKEN"] += promise > 0


def _expected(
    loaded: damm_v1.LoadedDammV1Pool, trials: Trials, side: int, amount: int, rng: random.Random
) -> tuple[object, int, int]:
    """What we expect, the limit to send, and the minimum that this limit is to make sure of."""
    mint = trials.pool.mints[side]
    try:
        swap = loaded.exact_in(mint, amount, trials.time)
        compared = loaded.compared_out(mint, amount, trials.time)
    except VenueError as refused:
        return f"{refused.name} {refused.code}", 0, 0
    limit, promise = 0, 0
    if rng.random() < 0.5:
        # What is compared, or one more.
        limit = min(compared + rng.randrange(2), U64_MAX)
    elif rng.random() < 0.5:
        promise = max(0, swap.amount_out + rng.randint(-2, 1))
        limit = raised_minimum(promise, loaded.sides[1 - side])
    if limit > compared:
        return "ExceededSlippage 6004", limit, promise
    return (swap.amount_in, swap.amount_out), limit, promise


def _input_for(
    loaded: damm_v1.LoadedDammV1Pool, trials: Trials, side: int, wanted: int, seen: Counter[str]
) -> int:
    """The input that our search finds for an output."""
    try:
        quote = loaded.quote_exact_out(trials.pool.mints[side], wanted, trials.time)
    except VenueError:
        return 0
    assert quote.amount_out_atoms >= wanted
    seen["inputs found for an output"] += 1
    return quote.amount_in_atoms


def _told(trials: Trials, error: dict[str, Any]) -> str:
    if trials.units >= 1_399_000:
        return "out_of_compute_units None"
    return f"{error['name']} {error['code']}"


def _amount(rng: random.Random, depth: int) -> int:
    chance = rng.random()
    if chance < 0.08:
        return rng.choice((0, 1, 2, 3, 10, 2**64 - 1, rng.randrange(2**64)))
    if chance < 0.16:
        return rng.randint(1, 200)
    return min(2**64 - 1, int(depth * 10 ** rng.uniform(-6, 0.7)))


def main() -> None:
    """Records into the folder named, or compares at random."""

    def record(folder: Path) -> None:
        machine, rng = open_machine(SHA256), random.Random(SEED)
        for number, shape in enumerate(shapes_to_record(rng)):
            pool = make_pool(f"meteora_damm_v1 {number}", shape)
            trials = Trials(machine, f"own{number:02}", pool, lambda _: "swap")
            record_pool(trials, rng, refusals=number % 4 == 0)
            path = folder / f"meteora_damm_v1_own{number:02}.json"
            path.write_text(json.dumps(trials.file(SEED), separators=(",", ":")) + "\n")
            print(f"{path.name}: {len(trials.vectors)} swaps, {path.stat().st_size} bytes")

    def compare(count: int, seed: int) -> Counter[str]:
        machine, rng, seen = open_machine(SHA256), random.Random(seed), Counter[str]()
        while seen["swaps"] < count:
            pool = make_pool(f"random {seed} {seen['swaps']}", random_shape(rng))
            trials = Trials(machine, "random", pool, lambda _: "swap")
            for _ in range(rng.choice((5, 20, 40))):
                compare_one(trials, rng, seen)
        return seen

    run(record, compare)


if __name__ == "__main__":
    main()
