"""The methods of Solana JSON-RPC over any Chain: what a client of ours or of others asks a node.

Commitment and minContextSlot mean what they mean on the cluster. The default commitment is
finalized.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import msgspec
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from fairlead.errors import Unavailable
from fairlead.node import params, views
from fairlead.node.airdrop import Airdrops
from fairlead.node.failures import (
    METHOD_NOT_FOUND,
    NODE_UNHEALTHY,
    SIGNATURE_VERIFICATION_FAILED,
    RpcFailure,
    invalid_params,
    simulation_failed,
)
from fairlead.node.params import Params
from fairlead.node.program_accounts import get_program_accounts
from fairlead.ports import Chain, Faucet, SignatureStatus
from fairlead.venues.token2022 import decode_mint, decode_token_account
from fairlead.venues.venue import Account, VenueError

MAX_ACCOUNTS = 100
MAX_SIGNATURES = 256
SLOTS_IN_EPOCH = 432_000
MEDIAN = 50
VERSION = {"solana-core": "2.0.0", "feature-set": 0}
"""The interface spoken, not what is behind it."""

Method = Callable[[Params], Awaitable[Any]]


class Methods:
    """Answers calls. `call` is the way in; each method takes the call's parameters."""

    def __init__(self, chain: Chain, faucet: Faucet | None) -> None:
        self._chain = chain
        self._faucet = faucet
        self._airdrops = Airdrops(chain, faucet) if faucet is not None else None
        self._mints: dict[str, views.MintFacts] = {}
        self._table: dict[str, Method] = {
            "getHealth": self.get_health,
            "getVersion": self.get_version,
            "getSlot": self.get_slot,
            "getBlockHeight": self.get_block_height,
            "getEpochInfo": self.get_epoch_info,
            "getLatestBlockhash": self.get_latest_blockhash,
            "getAccountInfo": self.get_account_info,
            "getMultipleAccounts": self.get_multiple_accounts,
            "getProgramAccounts": partial(get_program_accounts, chain),
            "getBalance": self.get_balance,
            "getTokenAccountBalance": self.get_token_account_balance,
            "getMinimumBalanceForRentExemption": self.get_rent_minimum,
            "getSignatureStatuses": self.get_signature_statuses,
            "getSignaturesForAddress": self.get_signatures_for_address,
            "getTransaction": self.get_transaction,
            "getFirstAvailableBlock": self.get_first_available_block,
            "getRecentPrioritizationFees": self.get_recent_prioritization_fees,
            "simulateTransaction": self.simulate_transaction,
            "sendTransaction": self.send_transaction,
        }
        if faucet is not None:
            self._table["requestAirdrop"] = self.request_airdrop
            self._table["paperFundWallet"] = self.paper_fund_wallet

    async def call(self, method: str, raw_params: msgspec.Raw) -> Any:
        """The result of a call, or `RpcFailure`."""
        found = self._table.get(method)
        if found is None:
            raise RpcFailure(METHOD_NOT_FOUND, "Method not found")
        try:
            return await found(Params(raw_params))
        except Unavailable as error:
            raise RpcFailure(NODE_UNHEALTHY, f"Node is unhealthy: {error}") from None

    async def get_health(self, _: Params) -> str:
        await self._chain.ping()
        return "ok"

    async def get_version(self, _: Params) -> dict[str, Any]:
        return VERSION

    async def get_slot(self, given: Params) -> int:
        return int((await self._epoch(given))["absoluteSlot"])

    async def get_block_height(self, given: Params) -> int:
        return int((await self._epoch(given))["blockHeight"])

    async def get_epoch_info(self, given: Params) -> dict[str, Any]:
        return await self._epoch(given)

    async def _epoch(self, given: Params) -> dict[str, Any]:
        config = given.config(0)
        info = await self._chain.epoch_info(config.commitment)
        config.require(info.slot)
        return {
            "absoluteSlot": info.slot,
            "blockHeight": info.block_height,
            "epoch": info.epoch,
            "slotIndex": info.slot % SLOTS_IN_EPOCH,
            "slotsInEpoch": SLOTS_IN_EPOCH,
            "transactionCount": None,
        }

    async def get_latest_blockhash(self, given: Params) -> dict[str, Any]:
        config = given.config(0)
        latest = await self._chain.latest_blockhash(config.commitment)
        config.require(latest.slot)
        value = {
            "blockhash": latest.blockhash,
            "lastValidBlockHeight": latest.last_valid_block_height,
        }
        return views.in_context(latest.slot, value)

    async def get_account_info(self, given: Params) -> dict[str, Any]:
        config = given.config(1)
        slot, account = await self._account(given.address(0), config)
        return views.in_context(slot, views.account(account, config))

    async def get_multiple_accounts(self, given: Params) -> dict[str, Any]:
        config = given.config(1)
        addresses = [params.address(text) for text in given.required(0, list[str])]
        if len(addresses) > MAX_ACCOUNTS:
            raise RpcFailure(-32602, f"Too many inputs provided; max {MAX_ACCOUNTS}")
        read = await self._chain.accounts(addresses, config.commitment)
        config.require(read.slot)
        found = [views.account(read.accounts.get(key), config) for key in addresses]
        return views.in_context(read.slot, found)

    async def get_balance(self, given: Params) -> dict[str, Any]:
        slot, account = await self._account(given.address(0), given.config(1))
        return views.in_context(slot, 0 if account is None else account.lamports)

    async def get_token_account_balance(self, given: Params) -> dict[str, Any]:
        slot, account = await self._account(given.address(0), given.config(1))
        if account is None:
            raise RpcFailure(-32602, "Invalid param: could not find account")
        try:
            held = decode_token_account(account)
        except VenueError:
            raise RpcFailure(-32602, "Invalid param: not a Token account") from None
        mint = str(Pubkey.from_bytes(held.mint))
        facts = await self._mint_facts([mint])
        return views.in_context(slot, views.token_amount(held.amount_atoms, facts[mint].decimals))

    async def _account(self, address: Pubkey, config: params.Config) -> tuple[int, Account | None]:
        read = await self._chain.accounts([address], config.commitment)
        config.require(read.slot)
        return read.slot, read.accounts.get(address)

    async def get_rent_minimum(self, given: Params) -> int:
        space = given.required(0, int)
        if not 0 <= space <= 10 * 1024 * 1024:
            raise invalid_params("invalid data length")
        return await self._chain.rent_minimum(space)

    async def get_signature_statuses(self, given: Params) -> dict[str, Any]:
        signatures = [params.signature(text) for text in given.required(0, list[str])]
        if len(signatures) > MAX_SIGNATURES:
            raise RpcFailure(-32602, f"Too many inputs provided; max {MAX_SIGNATURES}")
        search = given.config(1).search_transaction_history
        slot = (await self._chain.epoch_info("processed")).slot
        found = await self._chain.signature_statuses(signatures, search_history=search)
        return views.in_context(slot, [_status(one, slot) for one in found])

    async def get_signatures_for_address(self, given: Params) -> list[dict[str, Any]]:
        config = given.config(1)
        _require_confirmed(config)
        if not 1 <= config.limit <= 1_000:
            raise RpcFailure(-32602, "Invalid limit; max 1000")
        for text in filter(None, (config.before, config.until)):
            params.signature(text)
        found = await self._chain.signatures_for_address(
            given.address(0),
            limit=config.limit,
            before=config.before,
            until=config.until,
            commitment=config.commitment,
        )
        return [
            {
                "signature": one.signature,
                "slot": one.slot,
                "err": views.error_value(one.error),
                "memo": None,
                "blockTime": None,
                "confirmationStatus": config.commitment,
            }
            for one in found
        ]

    async def get_transaction(self, given: Params) -> dict[str, Any] | None:
        config = given.config(1)
        _require_confirmed(config)
        signature = params.signature(given.required(0, str))
        found = await self._chain.transaction(signature, config.commitment)
        if found is None:
            return None
        mints = {balance.mint for balance in (*found.pre_tokens, *found.post_tokens)}
        return views.transaction(found, config, await self._mint_facts(sorted(mints)))

    async def _mint_facts(self, mints: list[str]) -> dict[str, views.MintFacts]:
        """Decimals and token program, which never change."""
        unknown = [Pubkey.from_string(mint) for mint in mints if mint not in self._mints]
        if unknown:
            read = await self._chain.accounts(unknown, "processed")
            for key in unknown:
                try:
                    decimals = decode_mint(read.accounts[key]).decimals
                except (KeyError, VenueError):
                    raise Unavailable("chain", f"mint {key} cannot be read") from None
                self._mints[str(key)] = views.MintFacts(decimals, str(read.accounts[key].owner))
        return self._mints

    async def get_first_available_block(self, _: Params) -> int:
        return await self._chain.first_available_block()

    async def get_recent_prioritization_fees(self, given: Params) -> list[dict[str, int]]:
        addresses = [params.address(text) for text in given.optional(0, list[str], [])]
        fee = await self._chain.prioritization_fee(addresses, MEDIAN)
        slot = (await self._chain.epoch_info("processed")).slot
        return [{"slot": slot, "prioritizationFee": fee}]

    async def simulate_transaction(self, given: Params) -> dict[str, Any]:
        config = given.config(1)
        raw = params.transaction(given.required(0, str), config.encoding)
        parsed = _parsed(raw)
        if config.replace_recent_blockhash:
            raise invalid_params("replaceRecentBlockhash is not offered")
        if config.sig_verify:
            _verify(parsed)
        found = await self._chain.simulate(raw)
        config.require(found.slot)
        value = {
            "err": views.error_value(found.error),
            "logs": found.logs,
            "accounts": None,
            "unitsConsumed": found.compute_units,
            "returnData": None,
            "innerInstructions": None,
        }
        return views.in_context(found.slot, value)

    async def send_transaction(self, given: Params) -> str:
        """The first signature. As on the cluster, without preflight it promises nothing else."""
        config = given.config(1)
        raw = params.transaction(given.required(0, str), config.encoding)
        parsed = _parsed(raw)
        if not config.skip_preflight:
            _verify(parsed)
            found = await self._chain.simulate(raw)
            config.require(found.slot)
            if found.error is not None:
                err = msgspec.json.decode(found.error)
                raise simulation_failed(err, found.logs, found.compute_units)
        await self._chain.send(raw)
        return str(parsed.signatures[0])

    async def request_airdrop(self, given: Params) -> str:
        assert self._airdrops is not None
        return await self._airdrops.send(given.address(0), given.required(1, int))

    async def paper_fund_wallet(self, given: Params) -> None:
        """Not a method of the cluster: the Faucet port, for a client on the other side of HTTP."""
        assert self._faucet is not None
        await self._faucet.fund(given.address(0))


def _require_confirmed(config: params.Config) -> None:
    if config.commitment == "processed":
        raise RpcFailure(-32602, "Method does not support commitment below `confirmed`")


def _status(found: SignatureStatus | None, slot: int) -> dict[str, Any] | None:
    if found is None:
        return None
    error = views.error_value(found.error)
    is_final = found.commitment == "finalized"
    return {
        "slot": found.slot,
        "confirmations": None if is_final else max(0, slot - found.slot),
        "err": error,
        "status": {"Ok": None} if found.error is None else {"Err": error},
        "confirmationStatus": found.commitment,
    }


def _parsed(raw: bytes) -> VersionedTransaction:
    try:
        return VersionedTransaction.from_bytes(raw)
    except ValueError as error:
        raise invalid_params(f"failed to deserialize VersionedTransaction: {error}") from None


def _verify(transaction: VersionedTransaction) -> None:
    if not all(transaction.verify_with_results()):
        raise RpcFailure(
            SIGNATURE_VERIFICATION_FAILED, "Transaction signature verification failure"
        )
