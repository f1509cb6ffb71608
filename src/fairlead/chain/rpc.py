"""The Chain and Faucet ports over one Solana JSON-RPC endpoint."""

from base64 import b64encode
from collections.abc import Sequence
from typing import Any

from solders.pubkey import Pubkey
from solders.signature import Signature

from fairlead.amounts import div_ceil
from fairlead.chain import rpc_answers as answers
from fairlead.chain.rpc_answers import decoded
from fairlead.chain.rpc_hints import SignatureHints
from fairlead.chain.rpc_http import TIMEOUT_S, RpcError, RpcHttp
from fairlead.chain.rpc_statuses import StatusBatcher
from fairlead.errors import FairleadError, Unavailable
from fairlead.ports import (
    AccountsAtSlot,
    AddressSignature,
    Blockhash,
    Clock,
    EpochInfo,
    LandedTransaction,
    SendOutcome,
    SignatureStatus,
    Simulation,
)
from fairlead.venues.venue import ChainTime

MAX_ACCOUNTS = 100
"""Addresses of one getMultipleAccounts."""


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
    ) -> None:
        self.name = name
        self._http = RpcHttp(url, timeout_s=timeout_s)
        self._statuses = StatusBatcher(self._http)
        self._hints = SignatureHints(ws_url or _ws_url(url), clock)
        self._rents: dict[int, int] = {}

    async def start(self) -> None:
        """Nothing to wait for: connections are made when first needed."""

    async def stop(self) -> None:
        await self._hints.close()
        await self._http.close()

    async def latest_blockhash(self, commitment: str = "confirmed") -> Blockhash:
        """The height is read after the blockhash, so it is never less than the blockhash's own."""
        config = {"commitment": commitment}
        hash_raw, epoch_raw = await self._http.batch(
            [("getLatestBlockhash", [config]), ("getEpochInfo", [config])]
        )
        latest = decoded(hash_raw, answers.InContext[answers.LatestBlockhash])
        epoch = decoded(epoch_raw, answers.Epoch)
        if epoch.absolute_slot < latest.context.slot:
            raise Unavailable("chain", "the endpoint answered from two banks, the later one older")
        return Blockhash(
            latest.value.blockhash,
            latest.context.slot,
            epoch.block_height,
            latest.value.last_valid_block_height,
        )

    async def epoch_info(self, commitment: str = "finalized") -> EpochInfo:
        raw = await self._http.call("getEpochInfo", {"commitment": commitment})
        epoch = decoded(raw, answers.Epoch)
        return EpochInfo(epoch.absolute_slot, epoch.block_height, epoch.epoch)

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
        raw = await self._http.call("getMultipleAccounts", [str(key) for key in addresses], config)
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
            raw = await self._http.call("sendTransaction", _base64(transaction), config)
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
        raw = await self._http.call("getTransaction", signature, config)
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
        raw = await self._http.call("getSignaturesForAddress", str(address), config)
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
        zero."""
        assert 0 < percentile <= 100
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
        await self._http.call("paperFundWallet", str(address))


def _config(commitment: str, min_context_slot: int, **more: Any) -> dict[str, Any]:
    config = {"commitment": commitment, **more}
    return config | {"minContextSlot": min_context_slot} if min_context_slot else config


def _base64(raw: bytes) -> str:
    return b64encode(raw).decode("ascii")


def _ws_url(url: str) -> str:
    """The endpoint's own address as a socket's: http becomes ws, https wss."""
    assert url.startswith("http")
    return "ws" + url[len("http") :]
