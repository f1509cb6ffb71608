"""Records swaps of the compiled AMM v4 program on pools of our own, and compares at random.

    FAIRLEAD_PROGRAMS_DIR=… python -m tests.vectors.record_amm_v4 FOLDER
    FAIRLEAD_PROGRAMS_DIR=… python -m tests.vectors.record_amm_v4 random COUNT SEED

As `record.py`: pools come from our encoders, keys and amounts from a seed, results are balances
that the program left behind. `random` lets pools evolve in the program and holds each quote, each
refusal and the pool's bytes after the swap against what the program then did.
"""

import json
import random
from collections import Counter
from pathlib import Path

from solders.pubkey import Pubkey

from fairlead.venues.raydium import amm_v4, amm_v4_accounts, amm_v4_curve
from fairlead.venues.raydium.amm_v4_accounts import (
    OPENBOOK_PROGRAM_ID,
    STATUS_INITIALIZED,
    STATUS_SWAP_ONLY,
    STATUS_WAITING_TRADE,
    associated_address,
    authority_address,
)
from fairlead.venues.token2022 import TOKEN_PROGRAM, encode_token_account
from fairlead.venues.venue import Account, Venue, VenueError
from tests.vectors.pools import START, Accounts, PoolOfOurs, key, rent
from tests.vectors.trials import Trials, open_machine, run

SHA256 = "b0dda274ad5733a8745abb210bf0700adbe0bed8e984b851b527e4388ce6d9c3"
SEED = 20_251_122
ERROR_NAMES = {code: name for code, (name, _) in amm_v4_curve.ERRORS.items()}
NAMES = {9: "SwapBaseIn", 11: "SwapBaseOut"}
# What OpenBook's accounts begin with: the head, and the flags "initialized" and their kind.
HEAD, TAIL = b"serum", b"padding"
MARKET, OPEN_ORDERS, EVENT_QUEUE, BIDS, ASKS = 3, 5, 17, 33, 65


def make_pool(
    label: str,
    *,
    note: str = "",
    reserves: tuple[int, int] = (10**12, 10**14),
    owed: tuple[int, int] = (0, 0),
    swap_fee: tuple[int, int] = (25, 10_000),
    status: int = STATUS_SWAP_ONLY,
    open_time: int = START.unix_timestamp,
    book: str = "",
) -> PoolOfOurs:
    """The accounts of such a pool; `book` is "", "market", or "market and target"."""
    mints = (key(f"{label} coin"), key(f"{label} pc"))
    market = key(f"{label} market")
    address = associated_address(market)
    data = amm_v4_accounts.encode_pool(
        market=market,
        coin_mint=mints[0],
        pc_mint=mints[1],
        coin_decimals=9,
        pc_decimals=6,
        swap_fee=swap_fee,
        status=status,
        need_take_pnl=owed,
        open_time=open_time,
    )
    accounts: Accounts = {address: _account(amm_v4_accounts.PROGRAM_ID, data)}
    vaults = (associated_address(market, "coin_vault"), associated_address(market, "pc_vault"))
    authority = authority_address()[0]
    for vault, mint, atoms, kept in zip(vaults, mints, reserves, owed, strict=True):
        token = encode_token_account(mint, authority, atoms + kept)
        accounts[vault] = _account(TOKEN_PROGRAM, token)
    if book:
        accounts |= _order_book(label, market, mints)
    if "target" in book:
        target = bytes(amm_v4_accounts.TARGET_ORDERS_SIZE)
        place = associated_address(market, "target")
        accounts[place] = _account(amm_v4_accounts.PROGRAM_ID, target)
    fee = f"fee {swap_fee[0]}/{swap_fee[1]}"
    return PoolOfOurs(
        venue=Venue.RAYDIUM_AMM_V4,
        note=f"{note}: {fee}, status {status}, profit owed {owed}, {book or 'no market'}",
        address=address,
        mints=mints,
        depth=(max(reserves[0], 1), max(reserves[1], 1)),
        accounts=accounts,
        changing=(address, *vaults),
        has_partial=False,
        disabled=lambda accounts: _patched(accounts, address, 0, 3),
        opens_later=lambda accounts, time: {
            address: _patched(
                _patched(accounts, address, 0, STATUS_WAITING_TRADE),
                address,
                224,
                time.unix_timestamp + 1,
            )[address]
        },
    )


def _account(owner: Pubkey, data: bytes) -> Account:
    return Account(owner, rent(len(data)), data)


def _patched(accounts: Accounts, address: Pubkey, offset: int, number: int) -> Accounts:
    account = accounts[address]
    data = account.data[:offset] + number.to_bytes(8, "little") + account.data[offset + 8 :]
    return {address: Account(account.owner, account.lamports, data)}


def _order_book(label: str, market: Pubkey, mints: tuple[Pubkey, Pubkey]) -> Accounts:
    """An empty OpenBook market, and open orders of the pool without any."""
    bids, asks, events, requests, coin, pc = (
        key(f"{label} {what}") for what in ("bids", "asks", "events", "requests", "coin v", "pc v")
    )
    nonce, signer = next(_signers(market))
    keys = {13: market, 53: mints[0], 85: mints[1], 117: coin, 165: pc, 221: requests}
    keys |= {253: events, 285: bids, 317: asks}
    numbers = {45: nonce, 205: 100, 349: 1_000, 357: 1_000}
    orders = {13: market, 45: authority_address()[0]}
    built = {
        market: _book_account(MARKET, amm_v4_accounts.MARKET_SIZE, keys, numbers),
        associated_address(market, "open_order"): _book_account(
            OPEN_ORDERS, amm_v4_accounts.OPEN_ORDERS_SIZE, orders, {}
        ),
        bids: _book_account(BIDS, 65_548, {}, {}),
        asks: _book_account(ASKS, 65_548, {}, {}),
        events: _book_account(EVENT_QUEUE, 262_156, {}, {}),
    }
    accounts = {at: _account(OPENBOOK_PROGRAM_ID, data) for at, data in built.items()}
    for vault, mint in ((coin, mints[0]), (pc, mints[1])):
        accounts[vault] = _account(TOKEN_PROGRAM, encode_token_account(mint, signer, 0))
    return accounts


def _signers(market: Pubkey):
    for nonce in range(256):
        seeds = [bytes(market), nonce.to_bytes(8, "little")]
        try:
            yield nonce, Pubkey.create_program_address(seeds, OPENBOOK_PROGRAM_ID)
        except Exception:  # On the curve: the next one.
            continue


def _book_account(flags: int, size: int, keys: dict[int, Pubkey], numbers: dict[int, int]) -> bytes:
    data = bytearray(size)
    data[:13] = HEAD + flags.to_bytes(8, "little")
    data[-7:] = TAIL
    for at, each in keys.items():
        data[at : at + 32] = bytes(each)
    for at, number in numbers.items():
        data[at : at + 8] = number.to_bytes(8, "little")
    return bytes(data)


def pools_to_record(rng: random.Random) -> list[PoolOfOurs]:
    """Pools over sizes, fees, profit owed, states and forms of the instruction."""
    fees = [(25, 10_000)] * 6 + [(33, 7_777), (1, 10_000), (0, 10_000), (1_499, 10_000), (1, 3)]
    books = ["", "market", "market and target", "", ""]
    made = []
    for number in range(12):
        reserves = (int(10 ** rng.uniform(5, 17)), int(10 ** rng.uniform(5, 17)))
        owed = (rng.randrange(10**6), rng.randrange(10**6)) if number % 3 else (0, 0)
        book = books[number % len(books)]
        status = STATUS_WAITING_TRADE if number % 4 == 3 else STATUS_SWAP_ONLY
        if number == 6:
            status = STATUS_INITIALIZED
        made.append(
            make_pool(
                f"raydium_amm_v4 {number}",
                note=f"pool {number}",
                reserves=reserves,
                owed=owed,
                swap_fee=fees[number % len(fees)],
                status=status,
                book=book,
            )
        )
    return made


def record_pool(trials: Trials, rng: random.Random, *, refusals: bool) -> None:
    """Some swaps of one pool: ordinary ones, dust, limits, and what it must refuse.

    All but the last start from the same state, which keeps the file small.
    """
    pool = trials.pool
    side = rng.randrange(2)
    trials.record("exact_in", side, rng.randint(2, 100), category="tiny")
    amount = pool.depth[side] // 1000 + 1
    paid = trials.send("exact_in", side, amount).get("amount_out", 0)
    trials.record("exact_in", side, amount, paid, category="slippage_exact")
    out = pool.depth[1 - side] // 1000 + 1
    taken = trials.send("exact_out", side, out).get("amount_in", 0)
    trials.record("exact_out", side, out, taken, category="slippage_exact")
    trials.record("exact_in", side, pool.depth[side] * 9 + 1, category="large")
    if refusals:
        _record_refusals(trials, side, (amount, paid), (out, taken))
    for turn in range(22):
        side, kind = rng.randrange(2), ("exact_in", "exact_out")[turn % 2]
        size = pool.depth[1 - side if kind == "exact_out" else side]
        amount = max(1, int(size * 10 ** rng.uniform(-4, -0.2)))
        trials.wait(rng.choice((0, 1, 40)))
        trials.record(kind, side, amount, keep=refusals and turn > 20)


def _record_refusals(
    trials: Trials, side: int, sold: tuple[int, int], bought: tuple[int, int]
) -> None:
    """`sold`: an input and what it brings; `bought`: an output and what it costs."""
    pool = trials.pool
    trials.record("exact_in", side, sold[0], sold[1] + 1, category="slippage")
    trials.record("exact_out", side, bought[0], bought[1] - 1, category="slippage")
    trials.record("exact_in", side, 0, category="zero_input")
    trials.record("exact_out", side, pool.depth[1 - side], category="insufficient_liquidity")
    off, later = pool.disabled(trials.state), pool.opens_later(trials.state, trials.time)
    trials.record("exact_in", side, sold[0], category="status", changed=off)
    trials.record("exact_in", side, sold[0], category="not_open", changed=later)


def quirk(trials: Trials, kind: str, side: int, amount: int, result: dict) -> str | None:
    """ceil_div where this build's older ceiling division makes another result."""
    plain, old = (_quoted(trials, kind, side, amount, old=old) for old in (False, True))
    return "ceil_div" if plain != old else None


def _quoted(trials: Trials, kind: str, side: int, amount: int, *, old: bool):
    """(in, out) by our maths, or the number of the refusal."""
    loaded = amm_v4.decode(trials.pool.address, trials.before[trials.pool.address]).load(
        trials.before
    )
    ask = loaded.quote_exact_in if kind == "exact_in" else loaded.quote_exact_out
    try:
        quote = ask(trials.pool.mints[side], amount, trials.time, old_ceil_div=old)
    except VenueError as refused:
        return refused.code if refused.code is not None else refused.name
    return quote.amount_in_atoms, quote.amount_out_atoms


def random_pool(label: str, rng: random.Random) -> PoolOfOurs:
    """A pool that may be like anything the program stores."""
    odd = rng.random() < 0.3
    denominator = rng.choice((10_000, 7_777, 1, 3, 2**64 - 1, rng.randrange(1, 2**40)))
    numerator = rng.choice(
        (0, 1, denominator // 400, denominator // 3, denominator - 1, denominator)
    )
    reserves = (int(10 ** rng.uniform(2, 18.5)), int(10 ** rng.uniform(2, 18.5)))
    if odd:
        reserves = (rng.choice((0, 1, reserves[0])), rng.choice((0, 1, reserves[1])))
    return make_pool(
        label,
        note="random",
        reserves=reserves,
        owed=(rng.randrange(10**9), rng.randrange(10**9)) if rng.random() < 0.5 else (0, 0),
        swap_fee=(numerator, denominator) if odd else (25, 10_000),
        status=rng.choice((0, 1, 2, 3, 4, 5, 6, 7, 8))
        if rng.random() < 0.1
        else rng.choice((6, 7)),
        open_time=START.unix_timestamp + rng.choice((-5, 0, 0, 0, 30)),
        book=rng.choice(("", "", "", "market", "market and target")) if rng.random() < 0.1 else "",
    )


def compare_one(trials: Trials, rng: random.Random, seen: Counter[str]) -> None:
    """One swap by the program and by us."""
    pool = trials.pool
    trials.wait(rng.choice((0, 0, 1, 7, 40)))
    side, kind = rng.randrange(2), rng.choice(("exact_in", "exact_out"))
    amount = _amount(rng, trials, side, kind)
    loaded = amm_v4.decode(pool.address, trials.state[pool.address]).load(trials.state)
    # All there can be of the token, so that no sum in the token program overflows.
    balance = 2**64 - 1 - loaded.vault_atoms[side]
    result = trials.send(kind, side, amount, balance=balance, keep=rng.random() < 0.8)
    ours = _quoted(trials, kind, side, amount, old=True)
    seen["swaps"] += 1
    seen["of these where the older division matters"] += ours != _quoted(
        trials, kind, side, amount, old=False
    )
    error = result.get("error")
    if error and error["code"] == 40 and not isinstance(ours, int | str) and ours[0] > balance:
        seen["more than the user can have"] += 1
        return
    if error and kind == "exact_in" and amount > balance:
        seen["more than the user can have"] += 1
        return
    theirs = error["code"] if error else (result["amount_in"], result["amount_out"])
    theirs = "panic" if theirs is None else theirs
    if ours == "unknown_status":
        ours = "panic"
    if ours != theirs:
        seen["DIFFERENT"] += 1
        print("DIFFERENT", pool.note, kind, side, amount, "ours", ours, "theirs", error or theirs)
        return
    seen[f"agreed {error['name'] if error else kind}"] += 1
    if not error and trials.kept:
        after = loaded.after_exact_in if kind == "exact_in" else loaded.after_exact_out
        data = after(pool.mints[side], amount, trials.time, old_ceil_div=True).pool_data
        now = trials.state[pool.address].data
        # This build does not write recent_epoch at 736, as the sources of its year do.
        same = (data[:736], data[744:]) == (now[:736], now[744:])
        seen["pool bytes agree" if same else "POOL BYTES DIFFER"] += 1


def _amount(rng: random.Random, trials: Trials, side: int, kind: str) -> int:
    vault = trials.state[trials.pool.changing[1 + (1 - side if kind == "exact_out" else side)]]
    held = int.from_bytes(vault.data[64:72], "little")
    chance = rng.random()
    if chance < 0.1:
        return rng.choice((0, 1, 2, 3, 10, 2**64 - 1, rng.randrange(2**64)))
    if chance < 0.2:
        return max(0, min(2**64 - 1, held + rng.randint(-2, 2)))
    return min(2**64 - 1, int(held * 10 ** rng.uniform(-5, 0.3)))


def main() -> None:
    """Records into the folder named, or compares at random."""
    wanted = {amm_v4_accounts.PROGRAM_ID: SHA256}

    def record(folder: Path) -> None:
        machine, rng = open_machine(wanted), random.Random(SEED)
        for number, pool in enumerate(pools_to_record(rng)):
            trials = Trials(
                machine, f"own{number:02}", pool, lambda d: NAMES[d[0]], ERROR_NAMES, quirk
            )
            record_pool(trials, rng, refusals=number % 4 == 0)
            path = folder / f"raydium_amm_v4_own{number:02}.json"
            path.write_text(json.dumps(trials.file(SEED), separators=(",", ":")) + "\n")
            print(f"{path.name}: {len(trials.vectors)} swaps, {path.stat().st_size} bytes")

    def compare(count: int, seed: int) -> Counter[str]:
        machine, rng, seen = open_machine(wanted), random.Random(seed), Counter[str]()
        while seen["swaps"] < count:
            pool = random_pool(f"random {seed} {seen['swaps']}", rng)
            trials = Trials(machine, "random", pool, lambda d: NAMES[d[0]], ERROR_NAMES)
            for _ in range(rng.choice((5, 20, 40))):
                compare_one(trials, rng, seen)
        return seen

    run(record, compare)


if __name__ == "__main__":
    main()
