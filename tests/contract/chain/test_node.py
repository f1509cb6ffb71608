"""The node as any Solana client sees it: what solders parses, and the cluster's error codes."""

import asyncio
import itertools
import json
from base64 import b64encode
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from solders.pubkey import Pubkey
from solders.rpc import responses
from solders.signature import Signature
from websockets.asyncio.client import connect

from fairlead.solana import base58
from fairlead.solana.accounts import associated_token_address
from tests.contract.chain.worlds import (
    PARAMS,
    PATIENCE_S,
    USDC_MINT,
    World,
    paper_world,
    served,
    signature_of,
)

CLOCK = "SysvarC1ock11111111111111111111111111111111"


class Client:
    """A plain JSON-RPC client."""

    def __init__(self, http: httpx.AsyncClient, url: str, world: World) -> None:
        self.http, self.url, self.world = http, url, world
        self._ids = itertools.count(1)

    def request(self, method: str, *params: Any) -> dict[str, Any]:
        return {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": list(params)}

    async def text(self, method: str, *params: Any) -> str:
        return (await self.http.post(self.url, json=self.request(method, *params))).text

    async def result(self, method: str, *params: Any) -> Any:
        return json.loads(await self.text(method, *params))["result"]

    async def code(self, method: str, *params: Any) -> int:
        return int(json.loads(await self.text(method, *params))["error"]["code"])


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with paper_world() as world:
        world.tick(PARAMS.finality_depth + 1)
        await world.faucet.fund(world.payer)
        async with served(world) as url, httpx.AsyncClient(trust_env=False) as http:
            yield Client(http, url, world)


def b64(raw: bytes) -> str:
    return b64encode(raw).decode()


async def test_every_answer_is_one_that_solders_parses(client):
    world = client.world
    raw = await world.swap(1)
    payer, signature = str(world.payer), signature_of(raw)
    sending = {"encoding": "base64", "skipPreflight": True}
    simulating = {"encoding": "base64", "sigVerify": False, "commitment": "confirmed"}
    simulated = await client.text("simulateTransaction", b64(raw), simulating)
    sent = await client.text("sendTransaction", b64(raw), sending)
    world.tick(PARAMS.finality_depth)
    token = str(associated_token_address(world.payer, USDC_MINT))
    landed = {"encoding": "json", "maxSupportedTransactionVersion": 0}
    parsers: list[tuple[Any, str]] = [
        (responses.SimulateTransactionResp, simulated),
        (responses.SendTransactionResp, sent),
        (responses.GetHealthResp, await client.text("getHealth")),
        (responses.GetVersionResp, await client.text("getVersion")),
        (responses.GetSlotResp, await client.text("getSlot")),
        (responses.GetBlockHeightResp, await client.text("getBlockHeight")),
        (responses.GetEpochInfoResp, await client.text("getEpochInfo")),
        (responses.GetLatestBlockhashResp, await client.text("getLatestBlockhash")),
        (
            responses.GetAccountInfoResp,
            await client.text("getAccountInfo", token, {"encoding": "base64"}),
        ),
        (
            responses.GetMultipleAccountsResp,
            await client.text("getMultipleAccounts", [payer, CLOCK], {"encoding": "base64"}),
        ),
        (responses.GetBalanceResp, await client.text("getBalance", payer)),
        (responses.GetTokenAccountBalanceResp, await client.text("getTokenAccountBalance", token)),
        (
            responses.GetMinimumBalanceForRentExemptionResp,
            await client.text("getMinimumBalanceForRentExemption", 165),
        ),
        (
            responses.GetSignatureStatusesResp,
            await client.text("getSignatureStatuses", [signature, str(Signature.default())]),
        ),
        (
            responses.GetSignaturesForAddressResp,
            await client.text("getSignaturesForAddress", payer, {"limit": 5}),
        ),
        (responses.GetTransactionResp, await client.text("getTransaction", signature, landed)),
        (responses.GetFirstAvailableBlockResp, await client.text("getFirstAvailableBlock")),
        (
            responses.GetRecentPrioritizationFeesResp,
            await client.text("getRecentPrioritizationFees", [payer]),
        ),
        (responses.RequestAirdropResp, await client.text("requestAirdrop", payer, 1_000_000_000)),
    ]
    for parser, text in parsers:
        assert isinstance(parser.from_json(text), parser), text


async def test_transaction_in_all_encodings_is_the_one_that_was_sent(client):
    raw = await client.world.swap(1)
    await client.world.chain.send(raw)
    client.world.tick(PARAMS.finality_depth)
    asked = [
        (await client.result("getTransaction", signature_of(raw), config))["transaction"]
        for config in (
            {"encoding": "base64", "maxSupportedTransactionVersion": 0},
            {"encoding": "base58", "maxSupportedTransactionVersion": 0},
        )
    ]
    assert [[b64(raw), "base64"], [base58.encode(raw), "base58"]] == asked
    assert -32015 == await client.code("getTransaction", signature_of(raw))


async def test_token_balances_name_mint_owner_and_decimals(client):
    raw = await client.world.swap(1)
    await client.world.chain.send(raw)
    client.world.tick(PARAMS.finality_depth)
    config = {"maxSupportedTransactionVersion": 0}
    meta = (await client.result("getTransaction", signature_of(raw), config))["meta"]
    (own,) = [b for b in meta["postTokenBalances"] if b["owner"] == str(client.world.payer)]
    assert (str(USDC_MINT), 6) == (own["mint"], own["uiTokenAmount"]["decimals"])
    assert own["uiTokenAmount"]["uiAmountString"].startswith("500001.")


async def test_errors_carry_the_clusters_codes(client):
    payer = str(client.world.payer)
    slot = await client.result("getSlot")
    raw = await client.world.swap(1)
    forged = b64(raw[:1] + bytes([raw[1] ^ 1]) + raw[2:])
    greedy = b64(await client.world.swap(3, minimum_out=2**60))
    preflight = {"encoding": "base64"}
    codes = {
        "method": await client.code("getNothing"),
        "parameter": await client.code("getBalance", "not an address"),
        "missing": await client.code("getBalance"),
        "commitment": await client.code("getSlot", {"commitment": "soon"}),
        "too many": await client.code("getMultipleAccounts", [payer] * 101),
        "later slot": await client.code("getBalance", payer, {"minContextSlot": slot + 1}),
        "later slot height": await client.code("getBlockHeight", {"minContextSlot": slot + 1}),
        "bytes": await client.code("sendTransaction", b64(raw[:100]), preflight),
        "base64": await client.code("sendTransaction", "?", preflight),
        "signature": await client.code("sendTransaction", forged, preflight),
        "simulation": await client.code("sendTransaction", greedy, preflight),
    }
    expected = {
        "method": -32601,
        "parameter": -32602,
        "missing": -32602,
        "commitment": -32602,
        "too many": -32602,
        "later slot": -32016,
        "later slot height": -32016,
        "bytes": -32602,
        "base64": -32602,
        "signature": -32003,
        "simulation": -32002,
    }
    assert expected == codes


async def test_failed_preflight_says_why_and_lands_nothing(client):
    raw = await client.world.cancel(1)
    client.world.tick(PARAMS.blockhash_window + 2)
    answer = json.loads(await client.text("sendTransaction", b64(raw), {"encoding": "base64"}))
    assert "Transaction simulation failed: Blockhash not found" == answer["error"]["message"]
    assert "BlockhashNotFound" == answer["error"]["data"]["err"]
    # Without preflight the cluster promises nothing, and neither does it fail.
    skipping = {"encoding": "base64", "skipPreflight": True}
    assert signature_of(raw) == await client.result("sendTransaction", b64(raw), skipping)


async def test_transport_errors(client):
    post = client.http.post
    json_type = {"content-type": "application/json"}
    broken = (await post(client.url, content=b"{", headers=json_type)).json()
    invalid = (await post(client.url, content=b'{"id": 1}', headers=json_type)).json()
    empty = (await post(client.url, content=b"[]", headers=json_type)).json()
    codes = [answer["error"]["code"] for answer in (broken, invalid, empty)]
    assert [-32700, -32600, -32600] == codes
    assert 415 == (await post(client.url, content=b"{}")).status_code
    large = await post(client.url, content=b"[" + b" " * 60_000 + b"]", headers=json_type)
    assert 413 == large.status_code
    assert "ok" == (await client.http.get(client.url + "/health")).text


async def test_batch_answers_each_call(client):
    batch = [client.request("getSlot"), client.request("nothing"), client.request("getHealth")]
    answers = (await client.http.post(client.url, json=batch)).json()
    assert [one["id"] for one in batch] == [one["id"] for one in answers]
    assert ["result", "error", "result"] == [
        "error" if "error" in one else "result" for one in answers
    ]


async def test_base58_is_for_small_accounts_and_slices_work_in_any_encoding(client):
    mint = str(USDC_MINT)
    data = (await client.result("getAccountInfo", mint, {"encoding": "base64"}))["value"]["data"]
    cut = {"encoding": "base58", "dataSlice": {"offset": 44, "length": 1}}
    (text, name) = (await client.result("getAccountInfo", mint, cut))["value"]["data"]
    assert ("base64", "base58", b"\x06") == (data[1], name, base58.decode(text))
    token = str(associated_token_address(client.world.payer, USDC_MINT))
    assert -32600 == await client.code("getAccountInfo", token)


async def test_airdrop_is_a_transfer_that_lands(client):
    address = Pubkey.from_bytes(bytes(31) + b"\x05")
    first = await client.result("requestAirdrop", str(address), 10**9)
    second = await client.result("requestAirdrop", str(address), 10**9)
    client.world.tick(PARAMS.finality_depth)
    statuses = (await client.result("getSignatureStatuses", [first, second]))["value"]
    assert [None, None] == [one["err"] for one in statuses]
    assert 2 * 10**9 == (await client.result("getBalance", str(address)))["value"]


async def test_signature_subscription_speaks_once_at_its_commitment(client):
    raw = await client.world.cancel(1)
    async with connect("ws" + client.url[4:]) as socket, asyncio.timeout(PATIENCE_S):
        config = {"commitment": "finalized"}
        await socket.send(
            json.dumps(client.request("signatureSubscribe", signature_of(raw), config))
        )
        number = json.loads(await socket.recv())["result"]
        await client.world.chain.send(raw)
        client.world.tick(PARAMS.finality_depth)
        told = json.loads(await socket.recv())
        assert "signatureNotification" == told["method"]
        assert (number, {"err": None}) == (
            told["params"]["subscription"],
            told["params"]["result"]["value"],
        )
        # It is over: there is nothing to unsubscribe from.
        await socket.send(json.dumps(client.request("signatureUnsubscribe", number)))
        assert -32602 == json.loads(await socket.recv())["error"]["code"]


async def test_slot_subscription_and_calls_share_a_socket(client):
    async with connect("ws" + client.url[4:]) as socket, asyncio.timeout(PATIENCE_S):
        await socket.send(json.dumps(client.request("slotSubscribe")))
        number = json.loads(await socket.recv())["result"]
        first = json.loads(await socket.recv())["params"]["result"]["slot"]
        client.world.tick()
        assert first + 1 == json.loads(await socket.recv())["params"]["result"]["slot"]
        await socket.send(json.dumps(client.request("slotUnsubscribe", number)))
        assert json.loads(await socket.recv())["result"] is True
        await socket.send(json.dumps(client.request("getHealth")))
        assert "ok" == json.loads(await socket.recv())["result"]
