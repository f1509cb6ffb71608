"""Recorded swaps with all that they left, one after another on one pool: the format swap-chain/1.

A file has the accounts before its first swap; each further swap starts from what the last one left,
as our ledger makes it, so that one wrong byte is met again in all that follow. Of every swap it
holds the clock, the instruction, and the program's refusal or a hash of each writable account after
it. Results are those of the compiled program, never a formula.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from fairlead.venues.vectors import decode_accounts, encode_account
from fairlead.venues.venue import Account, ChainTime
from tests.vectors import replay

FORMAT = "swap-chain/1"
HASH_BYTES = 12

Accounts = dict[Pubkey, Account]


class Swap(msgspec.Struct, frozen=True):
    """One swap of a chain."""

    time: ChainTime
    sent: Instruction
    # Who pays the fee; its lamports are no part of this.
    payer: Pubkey
    # The custom number or the kind of the refusal; None where it swapped.
    error: int | str | None
    # Of each writable account by its address, see `hash_of`; empty after a refusal.
    after: dict[Pubkey, str]
    # The event in the logs.
    event: str | None


class Chain(msgspec.Struct, frozen=True):
    """A file."""

    note: str
    base: Accounts
    swaps: list[Swap]


def hash_of(account: Account) -> str:
    """Of owner, lamports and data."""
    parts = bytes(account.owner) + account.lamports.to_bytes(8, "little") + account.data
    return hashlib.sha256(parts).hexdigest()[: 2 * HASH_BYTES]


def encode(
    *, note: str, seed: int, programs: Mapping[str, Any], base: Accounts, swaps: Iterable[Swap]
) -> str:
    """The text of a file."""
    keys: dict[Pubkey, int] = {}
    rows = [
        {
            "clock": [swap.time.slot, swap.time.unix_timestamp, swap.time.epoch],
            "payer": keys.setdefault(swap.payer, len(keys)),
            "program": keys.setdefault(swap.sent.program_id, len(keys)),
            # Per account: its key's number times four, 2 for a signer, 1 for a writable one.
            "accounts": [
                keys.setdefault(meta.pubkey, len(keys)) * 4 + meta.is_signer * 2 + meta.is_writable
                for meta in swap.sent.accounts
            ],
            "data": bytes(swap.sent.data).hex(),
            "error": swap.error,
            "after": {keys[address]: found for address, found in swap.after.items()},
            "event": swap.event,
        }
        for swap in swaps
    ]
    file = {
        "format": FORMAT,
        "note": note,
        "made_by": "synthesised with fairlead's encoders",
        "seed": seed,
        "programs": programs,
        "keys": [str(address) for address in keys],
        "base": {str(address): encode_account(account) for address, account in base.items()},
        "swaps": rows,
    }
    return json.dumps(file, separators=(",", ":")) + "\n"


def parse(text: str | bytes) -> Chain:
    """The chain in one file; ValueError where it is of another format."""
    file = json.loads(text)
    if file.get("format") != FORMAT:
        raise ValueError(f"not a {FORMAT} file")
    keys = [Pubkey.from_string(address) for address in file["keys"]]
    return Chain(
        file["note"], decode_accounts(file["base"]), [_swap(row, keys) for row in file["swaps"]]
    )


def _swap(row: dict[str, Any], keys: list[Pubkey]) -> Swap:
    metas = [AccountMeta(keys[n >> 2], bool(n & 2), bool(n & 1)) for n in row["accounts"]]
    return Swap(
        ChainTime(*row["clock"]),
        Instruction(keys[row["program"]], bytes.fromhex(row["data"]), metas),
        keys[row["payer"]],
        row["error"],
        {keys[int(number)]: found for number, found in row["after"].items()},
        row["event"],
    )


def differences(chain: Chain) -> list[str]:
    """Where the ledger differs from what was recorded, swap by swap."""
    state = dict(chain.base)
    found: list[str] = []
    for number, swap in enumerate(chain.swaps):
        done = replay.replay_instruction(swap.sent, state, swap.time)
        said = None
        if done.error is not None:
            said = done.error.kind if done.error.code is None else done.error.code
        if said != swap.error:
            found.append(f"swap {number}: the ledger says {said}, recorded: {swap.error}")
            continue
        if done.error is not None:
            continue
        for address in swap.after:
            view = done.views[address]
            owner = Pubkey.from_bytes(view.owner)
            state[address] = Account(owner, view.lamports, view.data)
        found += [
            f"swap {number}: {address} has other bytes"
            for address, recorded in swap.after.items()
            if hash_of(state[address]) != recorded
        ]
        if swap.event is not None and swap.event not in done.logs:
            found.append(f"swap {number}: another event")
    return found


def with_other_bit(chain: Chain, size: int, at: int) -> Chain:
    """The chain as if a bit at this offset of its account of this size had been another before."""
    address = next(a for a, found in chain.base.items() if len(found.data) == size)
    account = chain.base[address]
    data = bytearray(account.data)
    data[at] ^= 1
    other = {**chain.base, address: msgspec.structs.replace(account, data=bytes(data))}
    return msgspec.structs.replace(chain, base=other)


def sizes_written(found: Iterable[Chain]) -> set[int]:
    """Of the accounts that swaps wrote."""
    return {
        len(chain.base[address].data)
        for chain in found
        for swap in chain.swaps
        for address in swap.after
    }
