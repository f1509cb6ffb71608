"""Tokens by their mints, with what to beware of; pools with their age and why they are left out."""

from struct import pack
from typing import Any

import pytest
from solders.pubkey import Pubkey

from fairlead.errors import Unavailable
from fairlead.ledger.account import AccountState
from fairlead.ledger.market import all_pools
from fairlead.tokens import SOL, USDC
from fairlead.venues.token2022 import (
    ACCOUNT_TYPE_MINT,
    ACCOUNT_TYPE_OFFSET,
    TOKEN_2022_PROGRAM,
    TOKEN_PROGRAM,
    encode_mint,
)
from fairlead.venues.venue import Venue
from tests.api.world import ORDER, World, world

SOMEBODY = Pubkey.from_bytes(bytes([9]) * 32)
NOWHERE = str(Pubkey.from_bytes(bytes([3]) * 32))
PLAIN, WARNED, FROZEN = (str(Pubkey.from_bytes(bytes([n]) * 32)) for n in (4, 5, 6))
CPMM = next(pool for pool in all_pools() if pool.venue is Venue.RAYDIUM_CPMM)
POOL = str(Pubkey.from_bytes(CPMM.address))


def extended(kind: int, value: bytes) -> bytes:
    head = encode_mint(2, 77).ljust(ACCOUNT_TYPE_OFFSET, b"\0") + bytes([ACCOUNT_TYPE_MINT])
    return head + pack("<HH", kind, len(value)) + value


MINTS = {
    PLAIN: (TOKEN_PROGRAM, encode_mint(3, 5, mint_authority=SOMEBODY)),
    WARNED: (TOKEN_2022_PROGRAM, extended(12, bytes(SOMEBODY))),
    FROZEN: (TOKEN_2022_PROGRAM, extended(6, b"\2")),
}


@pytest.fixture
async def here():
    async with world() as made:
        chain: Any = made.deps.chain
        chain.bank.apply(
            {
                bytes(Pubkey.from_string(mint)): AccountState(1, data, bytes(program))
                for mint, (program, data) in MINTS.items()
            }
        )
        yield made


async def get(here: World, path: str, **query: str) -> Any:
    response = await here.client.get(path, params=query)
    assert 200 == response.status_code, response.text
    return response.json()


async def errors(here: World, path: str, **query: str) -> list[tuple[str, str]]:
    response = await here.client.get(path, params=query)
    assert 422 == response.status_code, response.text
    return [(one["field"], one["code"]) for one in response.json()["errors"]]


async def refused(here: World, **fields: Any) -> list[tuple[str, str]]:
    response = await here.post({**ORDER, **fields})
    assert 422 == response.status_code, response.text
    return [(one["field"], one["code"]) for one in response.json()["errors"]]


async def test_order_for_a_mint_that_is_not_listed_has_its_decimals_and_warnings(here):
    order_id = await here.accepted(tokenIn=PLAIN, tokenOut=WARNED, amountIn="1.234")
    shown = await get(here, f"/api/orders/{order_id}")
    assert (PLAIN, WARNED) == (shown["tokenIn"], shown["tokenOutMint"])
    assert ("1.234", "1234") == (shown["amountIn"], shown["amountInAtoms"])
    assert ["mint_authority"] == shown["tokenInWarnings"]
    assert ["permanent_delegate"] == shown["tokenOutWarnings"]


async def test_more_decimals_than_the_mint_has_are_refused(here):
    assert [("amountIn", "too_many_decimals")] == await refused(
        here, tokenIn=PLAIN, amountIn="1.2345"
    )


async def test_order_between_listed_tokens_asks_the_chain_for_no_mint(here):
    mints: Any = here.deps.mints
    order_id = await here.accepted()
    assert {} == mints._kept
    shown = await get(here, f"/api/orders/{order_id}")
    assert (None, None) == (shown["tokenInWarnings"], shown["tokenOutWarnings"])


@pytest.mark.parametrize(
    ("name", "code"),
    [
        (NOWHERE, "unknown_token"),
        # An account of the chain, but no mint.
        (POOL, "unknown_token"),
        ("NOPE", "unknown_token"),
        ("x" * 40, "malformed_address"),
        (FROZEN, "unsupported_token"),
    ],
)
async def test_what_cannot_be_traded_is_refused_by_its_field(here, name, code):
    assert [("tokenIn", code)] == await refused(here, tokenIn=name)
    assert [("tokenOut", code)] == await refused(here, tokenOut=name)


async def test_message_says_why_a_token_is_refused(here):
    response = await here.post({**ORDER, "tokenOut": FROZEN})
    assert "cannot be traded: default_frozen" in response.json()["errors"][0]["message"]


async def test_same_unlisted_mint_on_both_sides_is_refused(here):
    assert [("tokenOut", "same_token")] == await refused(here, tokenIn=PLAIN, tokenOut=PLAIN)


class DownMints:
    async def facts(self, mints):
        raise Unavailable("chain", "down")


async def test_without_the_chain_an_unlisted_mint_is_unavailable_and_a_listed_one_is_not():
    async with world(mints=DownMints()) as here:
        response = await here.post({**ORDER, "tokenOut": PLAIN})
        assert (503, "unavailable") == (response.status_code, response.json()["code"])
        await here.accepted()


async def test_repeated_key_of_an_unlisted_mint_is_answered_without_the_chain():
    async with world() as here:
        chain: Any = here.deps.chain
        program, data = MINTS[PLAIN]
        state = AccountState(1, data, bytes(program))
        chain.bank.apply({bytes(Pubkey.from_string(PLAIN)): state})
        first = await here.post({**ORDER, "tokenOut": PLAIN}, **{"Idempotency-Key": "k"})
        here.api._execute._mints = DownMints()
        again = await here.post({**ORDER, "tokenOut": PLAIN}, **{"Idempotency-Key": "k"})
        assert (202, 202) == (first.status_code, again.status_code)
        assert first.json()["orderId"] == again.json()["orderId"]


async def test_token_by_its_mint_says_what_the_chain_says(here):
    (found,) = (await get(here, "/api/tokens", mint=WARNED))["tokens"]
    expected = {
        "symbol": "",
        "name": "",
        "mint": WARNED,
        "decimals": 2,
        "tokenProgram": str(TOKEN_2022_PROGRAM),
        "supplyAtoms": "77",
        "warnings": ["permanent_delegate"],
        "tradable": True,
    }
    assert expected == found
    (frozen,) = (await get(here, "/api/tokens", mint=FROZEN))["tokens"]
    assert (False, "default_frozen") == (frozen["tradable"], frozen["refusal"])
    (listed,) = (await get(here, "/api/tokens", mint="usdc"))["tokens"]
    assert ("USDC", USDC.mint, []) == (listed["symbol"], listed["mint"], listed["warnings"])
    assert [("mint", "unknown_token")] == await errors(here, "/api/tokens", mint=NOWHERE)
    assert [("mint", "unknown_token")] == await errors(here, "/api/tokens", mint="NOPE")


async def test_list_of_tokens_says_no_more_than_it_knows(here):
    found = (await get(here, "/api/tokens"))["tokens"]
    assert {"symbol", "name", "mint", "decimals"} == {key for one in found for key in one}


async def test_quotes_tell_warnings_and_pools_that_were_left_out(here):
    chain: Any = here.deps.chain
    state = chain.bank.account(CPMM.vault_0)
    frozen = state.data[:108] + b"\2" + state.data[109:]
    chain.bank.apply({CPMM.vault_0: AccountState(state.lamports, frozen, state.owner)})
    tokens = {"tokenIn": CPMM.base.symbol, "tokenOut": CPMM.quote.symbol, "amountIn": "1"}
    found = await get(here, "/api/quotes", **tokens)
    (left_out,) = [one for one in found["leftOut"] if one["pool"] == POOL]
    assert left_out["reason"].startswith("frozen_vault")
    assert POOL not in [one["pool"] for one in found["quotes"]]
    nothing = await get(here, "/api/quotes", tokenIn=PLAIN, tokenOut=WARNED, amountIn="1")
    assert (None, []) == (nothing["best"], nothing["quotes"])
    assert ["mint_authority"] == nothing["tokenInWarnings"]
    assert ["permanent_delegate"] == nothing["tokenOutWarnings"]
    query = {"tokenIn": FROZEN, "tokenOut": "USDC", "amountIn": "1"}
    assert [("tokenIn", "unsupported_token")] == await errors(here, "/api/quotes", **query)


async def test_pools_of_a_pair_are_listed_with_what_they_hold_and_their_age(here):
    found = await get(here, "/api/pools", tokenIn="SOL", tokenOut="USDC")
    assert {"raydium", "meteora"} == {pool["dex"] for pool in found["pools"]}
    assert 0 == found["notShown"]
    for pool in found["pools"]:
        assert (True, None) == (pool["usable"], pool["reason"])
        assert {"SOL", "USDC"} == {one["symbol"] for one in pool["reserves"]}
        assert all(float(one["amount"]) > 0 for one in pool["reserves"])
        assert 0 <= pool["ageSlots"] <= found["slot"] - pool["slot"]
        assert 0 <= pool["ageMs"] < 60_000
    known = await get(here, "/api/pools")
    assert {one["address"] for one in found["pools"]} == {one["address"] for one in known["pools"]}


async def test_pool_by_its_address_is_told_used_or_not(here):
    (found,) = (await get(here, "/api/pools", address=POOL))["pools"]
    assert ("raydium_cpmm", True) == (found["venue"], found["usable"])
    (missing,) = (await get(here, "/api/pools", address=NOWHERE))["pools"]
    assert (None, False, "pool_missing") == (
        missing["venue"],
        missing["usable"],
        missing["reason"],
    )


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"tokenIn": "SOL"}, [("tokenOut", "required")]),
        ({"tokenIn": "SOL", "tokenOut": "NOPE"}, [("tokenOut", "unknown_token")]),
        ({"tokenIn": "SOL", "tokenOut": SOL.mint}, [("tokenOut", "same_token")]),
        ({"address": "abc"}, [("address", "malformed_address")]),
        ({"address": POOL, "tokenIn": "SOL"}, [("address", "conflicting")]),
        ({"pool": POOL}, [("pool", "unknown_field")]),
    ],
)
async def test_pools_are_asked_for_in_one_way_at_a_time(here, query, expected):
    assert expected == await errors(here, "/api/pools", **query)


async def test_pools_of_a_token_that_no_order_may_name_are_listed_too(here):
    assert [] == (await get(here, "/api/pools", tokenIn=FROZEN, tokenOut="USDC"))["pools"]
