"""Parameters of a call: positional, typed, and refused with -32602 when they are not what they
should be."""

from base64 import b64decode
from collections.abc import Sequence
from typing import Literal, TypeVar

import msgspec
from solders.pubkey import Pubkey
from solders.signature import Signature

from fairlead.node.failures import invalid_params, min_context_slot_not_reached
from fairlead.solana import base58

Commitment = Literal["processed", "confirmed", "finalized"]

MAX_TRANSACTION_BYTES = 1_232

T = TypeVar("T")

_NULL = msgspec.Raw(b"null")
_decode_values = msgspec.json.Decoder(list[msgspec.Raw]).decode


class DataSlice(msgspec.Struct):
    offset: int
    length: int


class Config(msgspec.Struct, rename="camel"):
    """The options of all methods; each reads those it knows and ignores others, as the cluster
    does."""

    commitment: Commitment = "finalized"
    min_context_slot: int = 0
    encoding: str | None = None
    data_slice: DataSlice | None = None
    search_transaction_history: bool = False
    max_supported_transaction_version: int | None = None
    limit: int = 1_000
    before: str | None = None
    until: str | None = None
    skip_preflight: bool = False
    preflight_commitment: Commitment = "finalized"
    sig_verify: bool = False
    replace_recent_blockhash: bool = False
    enable_received_notification: bool = False

    def require(self, slot: int) -> None:
        """-32016 unless the bank that answers has reached the slot asked for."""
        if slot < self.min_context_slot:
            raise min_context_slot_not_reached(slot)


class Params:
    """What came in `params`."""

    def __init__(self, raw: msgspec.Raw) -> None:
        self._values: Sequence[msgspec.Raw] = ()
        if raw == _NULL:
            return
        try:
            self._values = _decode_values(raw)
        except msgspec.MsgspecError:
            raise invalid_params("expected an array") from None

    def required(self, index: int, kind: type[T]) -> T:
        if index >= len(self._values):
            raise invalid_params(f"parameter {index + 1} is missing")
        return self._decoded(index, kind)

    def optional(self, index: int, kind: type[T], default: T) -> T:
        if index >= len(self._values) or self._values[index] == _NULL:
            return default
        return self._decoded(index, kind)

    def config(self, index: int) -> Config:
        return self.optional(index, Config, Config())

    def address(self, index: int) -> Pubkey:
        return address(self.required(index, str))

    def _decoded(self, index: int, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(self._values[index], type=kind)
        except msgspec.MsgspecError as error:
            raise invalid_params(str(error)) from None


def address(text: str) -> Pubkey:
    try:
        return Pubkey.from_string(text)
    except ValueError:
        raise invalid_params("WrongSize" if len(text) not in range(32, 45) else "Invalid") from None


def signature(text: str) -> str:
    """The same text if it is a signature."""
    try:
        Signature.from_string(text)
    except ValueError:
        raise invalid_params("WrongSize") from None
    return text


def transaction(text: str, encoding: str | None) -> bytes:
    """The wire bytes of a transaction; base58 is the default, as on the cluster."""
    if encoding == "base64":
        try:
            raw: bytes | None = b64decode(text, validate=True)
        except ValueError:
            raw = None
    elif encoding in (None, "base58"):
        raw = base58.decode(text)
    else:
        raise invalid_params(
            f"unsupported encoding: {encoding}. Supported encodings: base58, base64"
        )
    if raw is None:
        raise invalid_params(f"invalid {encoding or 'base58'} encoding")
    if len(raw) > MAX_TRANSACTION_BYTES:
        raise invalid_params(f"too large: {len(raw)} bytes (max: {MAX_TRANSACTION_BYTES})")
    return raw
