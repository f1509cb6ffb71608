"""getProgramAccounts of the node: filters, slices, contexts, and what is refused."""

import json
from base64 import b64encode

import pytest
from solders.pubkey import Pubkey
from solders.rpc import responses

from fairlead.ledger.market import all_pools
from fairlead.ledger.programs.token_data import TOKEN_PROGRAM
from fairlead.node import program_accounts
from fairlead.solana import base58
from fairlead.venues.meteora import damm_v2_accounts as damm
from fairlead.venues.pools import LAYOUTS, Search
from fairlead.venues.venue import Venue
from tests.contract.chain.test_node import Client, client
from tests.contract.chain.worlds import SOL_MINT, USDC_MINT, WORLDS

__all__ = ["client"]

DAMM = str(damm.PROGRAM_ID)
TOKENS = str(Pubkey.from_bytes(TOKEN_PROGRAM))
CONFIRMED = {"commitment": "confirmed", "encoding": "base64"}
POOLS = {
    str(Pubkey.from_bytes(pool.address)): pool
    for pool in all_pools()
    if pool.venue is Venue.METEORA_DAMM_V2
}


async def keys(client: Client, program: str, **config: object) -> list[str]:
    found = await client.result("getProgramAccounts", program, {**CONFIRMED, **config})
    return [one["pubkey"] for one in found]


async def test_without_filters_all_accounts_of_the_program_are_told(client):
    assert set(POOLS) <= set(await keys(client, DAMM))


async def test_filters_must_all_hold_in_whatever_encoding(client):
    mint = bytes(SOL_MINT)
    expected = [key for key, pool in POOLS.items() if mint == pool.base.mint]
    assert expected
    for piece, encoding in [
        (base58.encode(mint), {}),
        (base58.encode(mint), {"encoding": "base58"}),
        (b64encode(mint).decode(), {"encoding": "base64"}),
        (list(mint), {}),
    ]:
        compared = {"memcmp": {"offset": damm.MINT_OFFSETS[0], "bytes": piece, **encoding}}
        filters = [{"dataSize": damm.POOL_SIZE}, compared]
        assert sorted(expected) == sorted(await keys(client, DAMM, filters=filters))
        filters[0] = {"dataSize": damm.POOL_SIZE - 1}
        assert [] == await keys(client, DAMM, filters=filters)


async def test_two_sizes_and_bytes_beyond_the_end_fit_no_account(client):
    assert [] == await keys(client, DAMM, filters=[{"dataSize": 1}, {"dataSize": 2}])
    beyond = {"memcmp": {"offset": damm.POOL_SIZE, "bytes": "2"}}
    assert [] == await keys(client, DAMM, filters=[beyond])


async def test_answer_is_one_that_solders_parses_with_and_without_context(client):
    config = {**CONFIRMED, "filters": [{"dataSize": damm.POOL_SIZE}]}
    text = await client.text("getProgramAccounts", DAMM, config)
    parsed = responses.GetProgramAccountsResp.from_json(text)
    assert isinstance(parsed, responses.GetProgramAccountsResp)
    assert set(POOLS) == {str(one.pubkey) for one in parsed.value}
    read = await client.world.chain.accounts([one.pubkey for one in parsed.value])
    assert {key: account.data for key, account in read.accounts.items()} == {
        one.pubkey: one.account.data for one in parsed.value
    }
    found = await client.result("getProgramAccounts", DAMM, {**config, "withContext": True})
    assert (read.slot, len(POOLS)) == (found["context"]["slot"], len(found["value"]))


async def test_slice_cuts_the_data_and_the_size_stays(client):
    config = {
        **CONFIRMED,
        "dataSlice": {"offset": damm.MINT_OFFSETS[0], "length": 32},
        "filters": [{"dataSize": damm.POOL_SIZE}],
    }
    for one in await client.result("getProgramAccounts", DAMM, config):
        mint = POOLS[one["pubkey"]].base.mint
        assert [b64encode(mint).decode(), "base64"] == one["account"]["data"]
        assert damm.POOL_SIZE == one["account"]["space"]


@pytest.mark.parametrize(
    "filters",
    [
        [{"dataSize": 1}] * 5,
        [{}],
        [{"tokenAccountState": True}],
        [{"dataSize": 1, "memcmp": {"offset": 0, "bytes": "2"}}],
        [{"memcmp": {"offset": 0, "bytes": "0OIl"}}],
        [{"memcmp": {"offset": 0, "bytes": "2", "encoding": "hex"}}],
        [{"memcmp": {"offset": -1, "bytes": "2"}}],
        [{"memcmp": {"offset": 0, "bytes": [256]}}],
        [{"memcmp": {"offset": 0, "bytes": "1" * 129}}],
    ],
)
async def test_filters_that_no_node_takes_are_refused(client, filters):
    assert -32602 == await client.code("getProgramAccounts", DAMM, {"filters": filters})


async def test_too_much_is_refused_whole(client, monkeypatch):
    monkeypatch.setattr(program_accounts, "MAX_FOUND", len(POOLS) - 1)
    text = await client.text("getProgramAccounts", DAMM, CONFIRMED)
    error = json.loads(text)["error"]
    assert (-32012, True) == (error["code"], error["message"].startswith("scan aborted"))
    monkeypatch.setattr(program_accounts, "MAX_FOUND", len(POOLS))
    monkeypatch.setattr(program_accounts, "MAX_FOUND_BYTES", len(POOLS) * damm.POOL_SIZE - 1)
    assert -32012 == await client.code("getProgramAccounts", DAMM, CONFIRMED)


async def test_slot_that_is_not_reached_is_refused(client):
    config = {**CONFIRMED, "minContextSlot": 10**9}
    assert -32016 == await client.code("getProgramAccounts", DAMM, config)


async def test_many_accounts_are_all_told_in_the_order_of_their_addresses(client, monkeypatch):
    """More than the node reads at a time."""
    monkeypatch.setattr(program_accounts, "ACCOUNTS_PER_READ", 7)
    found = await keys(client, TOKENS)
    assert len(found) > 7
    assert sorted(found, key=lambda key: bytes(Pubkey.from_string(key))) == found


@pytest.fixture(params=sorted(WORLDS))
async def world(request):
    async with WORLDS[request.param]() as made:
        made.tick(8)
        yield made


async def test_search_of_the_port_finds_the_same_on_both_sides_of_http(world):
    layout = next(one for one in LAYOUTS if one.venue is Venue.METEORA_DAMM_V2)
    searches = layout.searches(USDC_MINT, SOL_MINT)
    assert 2 == len(searches)
    found = [key for search in searches for key in await world.chain.search(search)]
    pair = {bytes(SOL_MINT), bytes(USDC_MINT)}
    expected = [key for key, one in POOLS.items() if {one.base.mint, one.quote.mint} == pair]
    assert set(expected) == {str(key) for key in found}
    assert () == await world.chain.search(Search(damm.PROGRAM_ID, 1, ()))
