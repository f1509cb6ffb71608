"""getProgramAccounts: the accounts of a program that pass the filters, as the cluster answers.

Bounds and words are agave's (`rpc/src/rpc.rs`, `rpc-client-api/src/filter.rs`). What would be too
much is refused whole, never cut short: a caller cannot tell a part from all.
"""

from base64 import b64decode
from typing import Any

import msgspec
from solders.pubkey import Pubkey

from fairlead.node import views
from fairlead.node.failures import SCAN_ERROR, RpcFailure, invalid_params
from fairlead.node.params import Config, Params
from fairlead.ports import Chain
from fairlead.solana import base58
from fairlead.venues.pools import Search
from fairlead.venues.venue import Account

MAX_FILTERS = 4
MAX_COMPARED_BYTES = 128
"""Of one memcmp filter."""

MAX_FOUND = 10_000
"""Accounts of one answer."""
MAX_FOUND_BYTES = 32 * 1024 * 1024
"""Of their data, before slices are cut from it: what agave counts as well."""
ACCOUNTS_PER_READ = 100

_TOO_MUCH = "scan aborted: The accumulated scan results exceeded the limit"


class Memcmp(msgspec.Struct, rename="camel"):
    offset: int
    # Text in base58 or the encoding named, or the bytes as numbers.
    bytes: str | list[int]
    encoding: str | None = None


class Filter(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """One of the two."""

    memcmp: Memcmp | None = None
    data_size: int | None = None


class SearchConfig(msgspec.Struct, rename="camel"):
    """The options of this method alone; the others are in `Config`."""

    filters: list[Filter] | None = None
    with_context: bool = False


async def get_program_accounts(chain: Chain, given: Params) -> Any:
    """The accounts in the order of their addresses, in a context if that is asked for."""
    program, config = given.address(0), given.config(1)
    options = given.optional(1, SearchConfig, SearchConfig())
    search = _search(program, options.filters or [])
    found = () if search is None else await chain.search(search, config.commitment)
    if len(found) > MAX_FOUND:
        raise RpcFailure(SCAN_ERROR, _TOO_MUCH)
    slot, accounts = await _read(chain, sorted(found, key=bytes), config)
    config.require(slot)
    answer = [
        {"pubkey": str(key), "account": views.account(account, config)}
        for key, account in accounts.items()
    ]
    return views.in_context(slot, answer) if options.with_context else answer


async def _read(
    chain: Chain, keys: list[Pubkey], config: Config
) -> tuple[int, dict[Pubkey, Account]]:
    """The accounts that are still there, and the oldest slot that any of them was read at."""
    slot = (await chain.epoch_info(config.commitment)).slot
    accounts: dict[Pubkey, Account] = {}
    size = 0
    for start in range(0, len(keys), ACCOUNTS_PER_READ):
        wanted = keys[start : start + ACCOUNTS_PER_READ]
        read = await chain.accounts(wanted, config.commitment)
        accounts |= {key: read.accounts[key] for key in wanted if key in read.accounts}
        size += sum(len(account.data) for account in read.accounts.values())
        if size > MAX_FOUND_BYTES:
            raise RpcFailure(SCAN_ERROR, _TOO_MUCH)
    return slot, accounts


def _search(program: Pubkey, filters: list[Filter]) -> Search | None:
    """What the filters ask for; None where no account can pass all of them."""
    if len(filters) > MAX_FILTERS:
        raise RpcFailure(-32602, f"Too many filters provided; max {MAX_FILTERS}")
    if any((one.memcmp is None) == (one.data_size is None) for one in filters):
        raise invalid_params("a filter must be memcmp or dataSize")
    sizes = {one.data_size for one in filters if one.data_size is not None}
    compared = [(one.memcmp.offset, _bytes(one.memcmp)) for one in filters if one.memcmp]
    if any(offset < 0 for offset, _ in compared):
        raise invalid_params("a filter's offset is negative")
    if len(sizes) > 1:
        return None
    return Search(program, next(iter(sizes), None), tuple(compared))


def _bytes(memcmp: Memcmp) -> bytes:
    given = memcmp.bytes
    found: bytes | None
    if isinstance(given, list):
        found = bytes(given) if all(0 <= one < 256 for one in given) else None
    elif memcmp.encoding == "base64":
        try:
            found = b64decode(given, validate=True)
        except ValueError:
            found = None
    elif memcmp.encoding in (None, "base58", "binary"):
        found = base58.decode(given)
    else:
        raise invalid_params(f"unsupported filter encoding: {memcmp.encoding}")
    if found is None:
        raise invalid_params("Invalid filter: the bytes cannot be decoded")
    if len(found) > MAX_COMPARED_BYTES:
        raise invalid_params(f"Invalid filter: more than {MAX_COMPARED_BYTES} bytes")
    return found
