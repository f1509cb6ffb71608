"""AMM v4 pools of our own, with or without a market: for the recorder, and small ones for tests."""

import random
from collections.abc import Iterator

from solders.pubkey import Pubkey

from fairlead.venues.raydium import amm_v4_accounts
from fairlead.venues.raydium.amm_v4_accounts import (
    OPENBOOK_PROGRAM_ID,
    STATUS_INITIALIZED,
    STATUS_SWAP_ONLY,
    STATUS_WAITING_TRADE,
    associated_address,
    authority_address,
)
from fairlead.venues.token2022 import TOKEN_PROGRAM, encode_token_account
from fairlead.venues.venue import Account, Venue
from tests.vectors.pools import START, Accounts, PoolOfOurs, key, rent

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


def _signers(market: Pubkey) -> Iterator[tuple[int, Pubkey]]:
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
