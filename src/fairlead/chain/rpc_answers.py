"""Answers of Solana JSON-RPC as the ports' own values."""

from base64 import b64decode
from binascii import Error as Base64Error
from struct import Struct as Layout
from typing import Generic, TypeVar

import msgspec
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from fairlead.errors import Unavailable
from fairlead.ports import LandedTransaction, SignatureStatus, TokenBalance
from fairlead.venues.venue import Account, ChainTime

CLOCK_SYSVAR = Pubkey.from_string("SysvarC1ock11111111111111111111111111111111")
# slot, epoch start, epoch, leader schedule epoch, unix timestamp.
CLOCK_LAYOUT = Layout("<QqQQq")

NULL = b"null"

T = TypeVar("T")


class Camel(msgspec.Struct, rename="camel"):
    """Fields as the cluster spells them."""


class Context(Camel):
    slot: int


class InContext(msgspec.Struct, Generic[T]):
    """A value with the slot of the bank that gave it."""

    context: Context
    value: T


class LatestBlockhash(Camel):
    blockhash: str
    last_valid_block_height: int


class Epoch(Camel):
    absolute_slot: int
    block_height: int
    epoch: int


class AccountJson(Camel):
    owner: str
    lamports: int
    # Base64 and its name.
    data: tuple[str, str]


class KeyedJson(Camel):
    """An account's address; of the account itself nothing was asked."""

    pubkey: str


class StatusJson(Camel):
    slot: int
    err: msgspec.Raw
    # Absent from nodes of long ago.
    confirmation_status: str | None = None


class SimulationJson(Camel):
    err: msgspec.Raw
    logs: list[str] | None = None
    units_consumed: int | None = None


class AddressSignatureJson(Camel):
    signature: str
    slot: int
    err: msgspec.Raw


class PrioritizationFee(Camel):
    slot: int
    prioritization_fee: int


class UiAmount(Camel):
    amount: str


class TokenBalanceJson(Camel):
    account_index: int
    mint: str
    ui_token_amount: UiAmount
    owner: str = ""


class LoadedAddresses(Camel):
    writable: list[str] = []
    readonly: list[str] = []


class Meta(Camel):
    err: msgspec.Raw
    fee: int
    pre_balances: list[int]
    post_balances: list[int]
    pre_token_balances: list[TokenBalanceJson] | None = None
    post_token_balances: list[TokenBalanceJson] | None = None
    log_messages: list[str] | None = None
    compute_units_consumed: int | None = None
    loaded_addresses: LoadedAddresses | None = None


class TransactionJson(Camel):
    slot: int
    transaction: tuple[str, str]
    meta: Meta
    block_time: int | None = None


def decoded(raw: msgspec.Raw, kind: type[T]) -> T:
    """A result as this type; `Unavailable` where the endpoint's answer has another shape."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.MsgspecError as error:
        raise Unavailable("chain", f"an answer has another shape: {error}") from None


def error_json(err: msgspec.Raw) -> str | None:
    """An error as JSON text, None for success."""
    return None if bytes(err) == NULL else bytes(err).decode()


def base64_bytes(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except (Base64Error, ValueError):
        raise Unavailable("chain", "an answer's base64 is broken") from None


def address(text: str) -> Pubkey:
    try:
        return Pubkey.from_string(text)
    except ValueError:
        raise Unavailable("chain", "an answer names what is no address") from None


def account(found: AccountJson) -> Account:
    return Account(Pubkey.from_string(found.owner), found.lamports, base64_bytes(found.data[0]))


def clock_time(data: bytes) -> ChainTime:
    """The chain's time in the Clock sysvar's bytes."""
    slot, _, epoch, _, unix_timestamp = CLOCK_LAYOUT.unpack_from(data)
    return ChainTime(slot, unix_timestamp, epoch)


def clock_bytes(time: ChainTime) -> bytes:
    """The Clock sysvar's bytes at this time."""
    return CLOCK_LAYOUT.pack(time.slot, 0, time.epoch, time.epoch + 1, time.unix_timestamp)


def status(found: StatusJson | None) -> SignatureStatus | None:
    if found is None:
        return None
    # Without a name it is a node that knows only one level: the lowest.
    return SignatureStatus(
        found.slot, error_json(found.err), found.confirmation_status or "processed"
    )


def landed(signature: str, found: TransactionJson) -> LandedTransaction:
    """A transaction of `getTransaction` in base64."""
    meta = found.meta
    raw = base64_bytes(found.transaction[0])
    keys = [str(key) for key in VersionedTransaction.from_bytes(raw).message.account_keys]
    if meta.loaded_addresses is not None:
        keys += meta.loaded_addresses.writable + meta.loaded_addresses.readonly
    if not len(keys) == len(meta.pre_balances) == len(meta.post_balances):
        raise Unavailable("chain", f"{signature}: balances do not fit the accounts")

    def tokens(balances: list[TokenBalanceJson] | None) -> tuple[TokenBalance, ...]:
        return tuple(
            TokenBalance(keys[b.account_index], b.mint, b.owner, int(b.ui_token_amount.amount))
            for b in balances or ()
        )

    return LandedTransaction(
        signature=signature,
        slot=found.slot,
        block_time_s=found.block_time,
        error=error_json(meta.err),
        fee_lamports=meta.fee,
        accounts=tuple(keys),
        pre_lamports=tuple(meta.pre_balances),
        post_lamports=tuple(meta.post_balances),
        pre_tokens=tokens(meta.pre_token_balances),
        post_tokens=tokens(meta.post_token_balances),
        logs=tuple(meta.log_messages or ()),
        compute_units=meta.compute_units_consumed or 0,
        raw=raw,
    )
