"""Values of the Chain port as Solana JSON-RPC writes them."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from fairlead.node.failures import (
    INVALID_REQUEST,
    UNSUPPORTED_TRANSACTION_VERSION,
    RpcFailure,
    invalid_params,
)
from fairlead.node.params import Config
from fairlead.ports import LandedTransaction, TokenBalance
from fairlead.solana import base58
from fairlead.venues.venue import Account

MAX_BASE58_BYTES = 128
"""Account bytes the cluster writes in base58; longer ones are refused."""

RENT_EPOCH = 2**64 - 1
"""What every account says since rent is no longer collected."""

_LOADERS = {
    Pubkey.from_string(text)
    for text in (
        "NativeLoader1111111111111111111111111111111",
        "BPFLoader2111111111111111111111111111111111",
        "BPFLoaderUpgradeab1e11111111111111111111111",
    )
}


class MintFacts(msgspec.Struct, frozen=True):
    """What token balances name beside the account."""

    decimals: int
    program: str


def in_context(slot: int, value: Any) -> dict[str, Any]:
    """A value with the slot of the bank that gave it."""
    return {"context": {"slot": slot, "apiVersion": "2.0.0"}, "value": value}


def error_value(error: str | None) -> msgspec.Raw:
    """An error kept as JSON text, as JSON."""
    return msgspec.Raw(b"null" if error is None else error.encode())


def account(found: Account | None, config: Config) -> dict[str, Any] | None:
    if found is None:
        return None
    data = found.data
    if config.data_slice is not None:
        data = data[config.data_slice.offset :][: config.data_slice.length]
    return {
        "lamports": found.lamports,
        "owner": str(found.owner),
        "data": _encoded(data, config.encoding),
        "executable": found.owner in _LOADERS,
        "rentEpoch": RENT_EPOCH,
        "space": len(found.data),
    }


def _encoded(data: bytes, encoding: str | None) -> str | list[str]:
    # There is no parser here; where the cluster has none it answers base64 too.
    if encoding in ("base64", "jsonParsed"):
        return [b64encode(data).decode("ascii"), "base64"]
    if encoding not in (None, "base58"):
        raise invalid_params(f"unsupported encoding: {encoding}")
    if len(data) > MAX_BASE58_BYTES:
        raise RpcFailure(
            INVALID_REQUEST,
            "Encoded binary (base 58) data should be less than 128 bytes, please use Base64"
            " encoding.",
        )
    text = base58.encode(data)
    return text if encoding is None else [text, "base58"]


def token_amount(atoms: int, decimals: int) -> dict[str, Any]:
    """An amount in all the forms that clients read."""
    whole, fraction = divmod(atoms, 10**decimals)
    digits = f"{fraction:0{decimals}}".rstrip("0") if decimals else ""
    text = f"{whole}.{digits}" if digits else str(whole)
    return {
        "amount": str(atoms),
        "decimals": decimals,
        # The one float: the cluster's own form, for eyes only.
        "uiAmount": float(text),
        "uiAmountString": text,
    }


def transaction(
    found: LandedTransaction, config: Config, mints: Mapping[str, MintFacts]
) -> dict[str, Any]:
    """getTransaction's answer in json, base64 or base58."""
    parsed = VersionedTransaction.from_bytes(found.raw)
    is_v0 = isinstance(parsed.message, MessageV0)
    answer: dict[str, Any] = {
        "slot": found.slot,
        "blockTime": found.block_time_s,
        "transaction": _transaction_body(found.raw, parsed, config.encoding),
        "meta": _meta(found, mints),
    }
    if config.max_supported_transaction_version is not None:
        answer["version"] = 0 if is_v0 else "legacy"
    elif is_v0:
        raise RpcFailure(
            UNSUPPORTED_TRANSACTION_VERSION,
            "Transaction version (0) is not supported by the requesting client. Please try the"
            " request again with the following configuration parameter:"
            ' "maxSupportedTransactionVersion": 0',
        )
    return answer


def _transaction_body(raw: bytes, parsed: VersionedTransaction, encoding: str | None) -> Any:
    if encoding == "base64":
        return [b64encode(raw).decode("ascii"), "base64"]
    if encoding == "base58":
        return [base58.encode(raw), "base58"]
    if encoding not in (None, "json"):
        raise invalid_params(f"unsupported encoding: {encoding}")
    message = parsed.message
    header = message.header
    body: dict[str, Any] = {
        "header": {
            "numRequiredSignatures": header.num_required_signatures,
            "numReadonlySignedAccounts": header.num_readonly_signed_accounts,
            "numReadonlyUnsignedAccounts": header.num_readonly_unsigned_accounts,
        },
        "accountKeys": [str(key) for key in message.account_keys],
        "recentBlockhash": str(message.recent_blockhash),
        "instructions": [
            {
                "programIdIndex": one.program_id_index,
                "accounts": list(one.accounts),
                "data": base58.encode(one.data),
                "stackHeight": 1,
            }
            for one in message.instructions
        ],
    }
    if isinstance(message, MessageV0):
        body["addressTableLookups"] = []
    return {"signatures": [str(one) for one in parsed.signatures], "message": body}


def _meta(found: LandedTransaction, mints: Mapping[str, MintFacts]) -> dict[str, Any]:
    error = error_value(found.error)
    return {
        "err": error,
        "status": {"Ok": None} if found.error is None else {"Err": error},
        "fee": found.fee_lamports,
        "preBalances": found.pre_lamports,
        "postBalances": found.post_lamports,
        "innerInstructions": [],
        "logMessages": found.logs,
        "preTokenBalances": _token_balances(found.accounts, found.pre_tokens, mints),
        "postTokenBalances": _token_balances(found.accounts, found.post_tokens, mints),
        "rewards": [],
        "loadedAddresses": {"writable": [], "readonly": []},
        "computeUnitsConsumed": found.compute_units,
    }


def _token_balances(
    keys: Sequence[str], balances: Sequence[TokenBalance], mints: Mapping[str, MintFacts]
) -> list[dict[str, Any]]:
    return [
        {
            "accountIndex": keys.index(balance.account),
            "mint": balance.mint,
            "owner": balance.owner,
            "programId": mints[balance.mint].program,
            "uiTokenAmount": token_amount(balance.atoms, mints[balance.mint].decimals),
        }
        for balance in balances
    ]
