"""The Chain and Faucet ports over one Solana JSON-RPC endpoint."""

from base64 import b64encode
from collections.abc import Sequence
from typing import Any

from solders.pubkey import Pubkey
from solders.signature import Signature

from fairlead.amounts import div_ceil
from fairlead.chain import rpc_answers as answers
from fairlead.chain.rpc_answers import decoded
from fairlead.chain.rpc_caches import Recent, SlotPace
from fairlead.chain.rpc_hints import SignatureHints
from fairlead.chain.rpc_http import MAX_BATCH, TIMEOUT_S, RpcError, RpcHttp, Way
from fairlead.chain.rpc_statuses import StatusBatcher
from fairlead.errors import FairleadError, Unavailable
from fairlead.ports import (
    AccountsAtSlot,
    AddressSignature,
    Blockhash,
    Chain,
    Clock,
    EpochInfo,
    LandedTransaction,
    SendOutcome,
    SignatureStatus,
    Simulation,
)
from fairlead.solana import base58
from fairlead.venues.pools import Search
from fairlead.venues.venue import ChainTime

MAX_ACCOUNTS = 100
"""Addresses of one getMultipleAccounts."""

MAX_AGE_S = 0.3
"""How long an answer about the newest block is told again: a slot, and never longer than this."""


class RpcChain:
    """One endpoint of a cluster or of our own node.

    Reads raise `Unavailable`; a send raises nothing. Nothing is sent or asked twice by itself.
    """

    def __init__(
        self,
        name: str,
        url: str,
        clock: Clock,
        *,
        ws_url: str | None = None,
        timeout_s: float = TIMEOUT_S,
        batch: int = MAX_BATCH,
        max_age_s: float = MAX_AGE_S,
    ) -> None:
        """`batch`: calls of one request. `max_age_s` 0 asks anew each time."""
        self.name = name
        self._http = RpcHttp(url, timeout_s=timeout_s, batch=batch)
        self._statuses = StatusBatcher(self._http)
        self._hints = SignatureHints(ws_url or _ws_url(url), clock)
        self._monotonic = clock.monotonic
        self._max_age_s = max_age_s
        self._pace = SlotPace()
        self._blockhashes: Recent[str, Blockhash] = Recent(clock.monotonic)
        self._epochs: Recent[str, EpochInfo] = Recent(clock.monotonic)
        self._fees: Recent[tuple[int, tuple[Pubkey, ...]], int] = Recent(clock.monotonic)
        self._rents: dict[int, int] = {}

    @property
    def witnesses(self) -> Sequence[Chain]:
        return (self,)

    async def start(self) -> None:
        """Nothing to wait for: connections are made when first needed."""

    async def stop(self) -> None:
        await self._hints.close()
        await self._http.close()

    async def latest_blockhash(self, commitment: str = "confirmed") -> Blockhash:
        """The height is read after the blockhash, so it is never less than the blockhash's own.

        Orders share an answer for a slot. An older blockhash only dies a block sooner: its death
        is counted from the height that came with it (rule 13), which stays right however old it is.
        """
        return await self._blockhashes.get(
            commitment, self._slot_s(), lambda: self._latest_blockhash(commitment)
        )

    async def _latest_blockhash(self, commitment: str) -> Blockhash:
        config = {"commitment": commitment}
        hash_raw, epoch_raw = await self._http.together(
            [("getLatestBlockhash", [config]), ("getEpochInfo", [config])], _way(commitment)
        )
        latest = decoded(hash_raw, answers.InContext[answers.LatestBlockhash])
        epoch = decoded(epoch_raw, answers.Epoch)
        if epoch.absolute_slot < latest.context.slot:
            raise Unavailable("chain", "the endpoint answered from two banks, the later one older")
        self._pace.learn(epoch.absolute_slot, self._monotonic())
        return Blockhash(
            latest.value.blockhash,
            latest.context.slot,
            epoch.block_height,
            latest.value.last_valid_block_height,
        )

    async def epoch_info(self, commitment: str = "finalized") -> EpochInfo:
        """At `finalized` asked anew each time: proofs rest on the order of answers (rules 14, 15).
        The others serve liveness only and are shared for a slot."""
        if commitment == "finalized":
            return await self._epoch_info(commitment)
        return await self._epochs.get(
            commitment, self._slot_s(), lambda: self._epoch_info(commitment)
        )

    async def _epoch_info(self, commitment: str) -> EpochInfo:
        config = {"commitment": commitment}
        raw = await self._http.call("getEpochInfo", config, way=_way(commitment))
        epoch = decoded(raw, answers.Epoch)
        return EpochInfo(epoch.absolute_slot, epoch.block_height, epoch.epoch)

    def _slot_s(self) -> float:
        """How long the newest block is the newest, about."""
        return min(self._pace.slot_s, self._max_age_s)

    async def time(self) -> ChainTime:
        """From the Clock sysvar: the very values that programs see."""
        read = await self.accounts([answers.CLOCK_SYSVAR], "processed")
        clock = read.accounts.get(answers.CLOCK_SYSVAR)
        if clock is None:
            raise Unavailable("chain", "the endpoint has no clock")
        return answers.clock_time(clock.data)

    async def accounts(
        self, addresses: Sequence[Pubkey], commitment: str = "confirmed", min_context_slot: int = 0
    ) -> AccountsAtSlot:
        assert len(addresses) <= MAX_ACCOUNTS
        config = _config(commitment, min_context_slot, encoding="base64")
        raw = await self._http.call(
            "getMultipleAccounts", [str(key) for key in addresses], config, way=_way(commitment)
        )
        found = decoded(raw, answers.InContext[list[answers.AccountJson | None]])
        if len(found.value) != len(addresses):
            raise Unavailable("chain", "the answer has another number of accounts")
        if found.context.slot < min_context_slot:
            raise Unavailable("chain", f"at slot {found.context.slot}, asked for later")
        return AccountsAtSlot(
            found.context.slot,
            {
                key: answers.account(one)
                for key, one in zip(addresses, found.value, strict=True)
                if one is not None
            },
        )

    async def search(self, search: Search, commitment: str = "confirmed") -> tuple[Pubkey, ...]:
        """getProgramAccounts, of which only the addresses are asked."""
        filters: list[dict[str, Any]] = [
            {"memcmp": {"offset": at, "bytes": base58.encode(piece)}}
            for at, piece in search.bytes_at
        ]
        if search.size is not None:
            filters.insert(0, {"dataSize": search.size})
        config = {
            "commitment": commitment,
            "encoding": "base64",
            "dataSlice": {"offset": 0, "length": 0},
            "filters": filters,
        }
        raw = await self._http.call(
            "getProgramAccounts", str(search.program_id), config, way=Way.SLOW_READ
        )
        return tuple(answers.address(one.pubkey) for one in decoded(raw, list[answers.KeyedJson]))

    async def simulate(self, transaction: bytes) -> Simulation:
        config = _config("confirmed", 0, encoding="base64", sigVerify=False)
        raw = await self._http.call("simulateTransaction", _base64(transaction), config)
        found = decoded(raw, answers.InContext[answers.SimulationJson])
        value = found.value
        return Simulation(
            found.context.slot,
            answers.error_json(value.err),
            tuple(value.logs or ()),
            value.units_consumed or 0,
        )

    async def send(self, transaction: bytes) -> SendOutcome:
        signature = str(Signature.from_bytes(transaction[1:65]))
        config = {"encoding": "base64", "skipPreflight": True, "maxRetries": 0}
        try:
            raw = await self._http.call(
                "sendTransaction", _base64(transaction), config, way=Way.SEND
            )
            named = decoded(raw, str)
        except RpcError as error:
            is_known = b"AlreadyProcessed" in error.data
            return SendOutcome(False, already_processed=is_known, detail=str(error))
        except FairleadError as error:
            return SendOutcome(False, detail=str(error))
        if named != signature:
            return SendOutcome(False, detail="the endpoint named another signature")
        return SendOutcome(True)

    async def signature_statuses(
        self, signatures: Sequence[str], *, search_history: bool = False
    ) -> tuple[SignatureStatus | None, ...]:
        return await self._statuses.of(signatures, search_history)

    async def transaction(self, signature: str, commitment: str) -> LandedTransaction | None:
        config = _config(commitment, 0, encoding="base64", maxSupportedTransactionVersion=0)
        raw = await self._http.call("getTransaction", signature, config, way=_way(commitment))
        if bytes(raw) == answers.NULL:
            return None
        return answers.landed(signature, decoded(raw, answers.TransactionJson))

    async def signatures_for_address(
        self,
        address: Pubkey,
        *,
        limit: int = 1_000,
        before: str | None = None,
        until: str | None = None,
        commitment: str = "finalized",
    ) -> tuple[AddressSignature, ...]:
        config = _config(commitment, 0, limit=limit)
        config |= {"before": before} if before else {}
        config |= {"until": until} if until else {}
        raw = await self._http.call(
            "getSignaturesForAddress", str(address), config, way=Way.SLOW_READ
        )
        return tuple(
            AddressSignature(one.signature, one.slot, answers.error_json(one.err))
            for one in decoded(raw, list[answers.AddressSignatureJson])
        )

    async def first_available_block(self) -> int:
        return decoded(await self._http.call("getFirstAvailableBlock"), int)

    async def rent_minimum(self, space: int) -> int:
        """Asked once per size: it changes with a feature of the cluster, not from block to
        block."""
        if space not in self._rents:
            raw = await self._http.call("getMinimumBalanceForRentExemption", space)
            self._rents[space] = decoded(raw, int)
        return self._rents[space]

    async def prioritization_fee(self, accounts: Sequence[Pubkey], percentile: int) -> int:
        """The endpoint tells the lowest fee of each recent slot; slots without one count as
        zero.

        Shared by orders for a moment: one slot of the 150 it tells about changes nothing.
        """
        assert 0 < percentile <= 100
        key = (percentile, tuple(accounts))
        return await self._fees.get(
            key, self._max_age_s, lambda: self._prioritization_fee(accounts, percentile)
        )

    async def _prioritization_fee(self, accounts: Sequence[Pubkey], percentile: int) -> int:
        raw = await self._http.call("getRecentPrioritizationFees", [str(key) for key in accounts])
        fees = sorted(
            one.prioritization_fee for one in decoded(raw, list[answers.PrioritizationFee])
        )
        return fees[div_ceil(len(fees) * percentile, 100) - 1] if fees else 0

    async def wait_for_signature(self, signature: str, timeout_s: float) -> None:
        await self._hints.wait(signature, timeout_s)

    async def ping(self) -> None:
        await self._http.call("getHealth")

    async def fund(self, address: Pubkey) -> None:
        """Faucet: a paper chain's own method."""
        await self._http.call("paperFundWallet", str(address), way=Way.SLOW_READ)


def _way(commitment: str) -> Way:
    """What is asked at `finalized` may wait for a disk or a replica; nothing else should wait for
    it."""
    return Way.SLOW_READ if commitment == "finalized" else Way.READ


def _config(commitment: str, min_context_slot: int, **more: Any) -> dict[str, Any]:
    config = {"commitment": commitment, **more}
    return config | {"minContextSlot": min_context_slot} if min_context_slot else config


def _base64(raw: bytes) -> str:
    return b64encode(raw).decode("ascii")


def _ws_url(url: str) -> str:
    """The endpoint's own address as a socket's: http becomes ws, https wss."""
    assert url.startswith("http")
    return "ws" + url[len("http") :]
