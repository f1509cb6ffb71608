"""DLMM's bin arrays and bitmaps as bytes: which arrays hold liquidity, and what their bins offer.

Source: MeteoraAg/dlmm-sdk @ fb02e51, `idls/dlmm.json`, `commons/src/extensions/bin_array*.rs`.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from struct import Struct as Layout
from typing import overload

from solders.pubkey import Pubkey

from fairlead.amounts import BPS
from fairlead.venues.meteora.bins import BINS_PER_ARRAY, first_bin_of
from fairlead.venues.meteora.dlmm_accounts import PROGRAM_ID
from fairlead.venues.record import Record
from fairlead.venues.venue import Account, ErrorClass, VenueError

ARRAY_DISCRIMINATOR = bytes.fromhex("5c8e5cdc059446b5")
ARRAY_SIZE = 10_136
HIGHEST_ARRAY_VERSION = 3
"""0 to 3 have this layout; a version that is not known is refused by its name."""

EXTENSION_DISCRIMINATOR = bytes.fromhex("506f7c7137ed1205")
EXTENSION_SIZE = 1_576

BITMAP_REACH = 512
"""The pair's own bitmap covers the indices -512 … 511."""

EXTENSION_REACH = 13 * 512
"""The extension covers twelve times as much on either side."""

_HEADER = Layout("<8sqB7x32s")
_BINS_OFFSET = 56
# amount_x, amount_y, price; open_order_amount, processed_order_remaining_amount, ask side.
_BIN = Layout("<QQQQ80xQ8xQ4xB3x")
_PRICE_OFFSET = 16
_WORD = 2**64 - 1
_KEYS = Layout("<8s32s")
POSITIVE_OFFSET, NEGATIVE_OFFSET, _SIDE_SIZE = 40, 808, 768

ARRAYS_KEPT = 512
"""Decoded arrays remembered by their bytes and direction, up to 40 KB each with the bytes."""


class Bin(Record, frozen=True, gc=False):
    """What one bin offers in one direction, in the order in which it is filled."""

    bin_id: int
    # Y per X with 64 fraction bits.
    price: int
    # Atoms of the output that the market makers hold.
    mm_amount: int
    # All that can be taken out, limit orders included.
    amount: int
    # What takes all of it, without a fee, and what takes the market makers' part; each layer
    # rounds up by itself. May be beyond 2^64-1, where the program fails.
    max_amount_in: int
    mm_max_amount_in: int
    # The layers: market makers, limit orders in processing, open limit orders.
    layers: tuple[int, ...]


class Extension(Record, frozen=True, gc=False):
    """The bitmap beyond the pair's own."""

    # Bit n stands for the array of index 512 + n, and of index -513 - n.
    positive: int
    negative: int


def bitmap_with(indices: Mapping[int, object]) -> tuple[int, Extension]:
    """The pair's own bitmap and the extension that mark these arrays."""
    own = positive = negative = 0
    for index in indices:
        assert -EXTENSION_REACH <= index < EXTENSION_REACH
        if index >= BITMAP_REACH:
            positive |= 1 << index - BITMAP_REACH
        elif index < -BITMAP_REACH:
            negative |= 1 << -index - BITMAP_REACH - 1
        else:
            own |= 1 << index + BITMAP_REACH
    return own, Extension(positive, negative)


class LeavesBitmap(Exception):
    """The search would go on in the extension, which the pair does not have."""


def next_array(
    bitmap: int, extension: Extension | None, index: int, *, swap_for_y: bool
) -> int | None:
    """The nearest array with liquidity from this index on, itself included.

    None where there is none in the whole range; `LeavesBitmap` where only an extension could tell.
    """
    if swap_for_y:
        return _next_below(bitmap, extension, index)
    return _next_above(bitmap, extension, index)


def _next_below(bitmap: int, extension: Extension | None, index: int) -> int | None:
    if index >= BITMAP_REACH:
        if extension is None:
            raise LeavesBitmap
        found = (extension.positive & (2 << index - BITMAP_REACH) - 1).bit_length()
        if found:
            return BITMAP_REACH + found - 1
        index = BITMAP_REACH - 1
    if index >= -BITMAP_REACH:
        found = (bitmap & (2 << index + BITMAP_REACH) - 1).bit_length()
        if found:
            return found - 1 - BITMAP_REACH
        index = -BITMAP_REACH - 1
    if extension is None:
        raise LeavesBitmap
    skipped = -index - BITMAP_REACH - 1
    rest = extension.negative >> skipped
    return index - _lowest(rest) if rest else None


def _next_above(bitmap: int, extension: Extension | None, index: int) -> int | None:
    if index < -BITMAP_REACH:
        if extension is None:
            raise LeavesBitmap
        found = (extension.negative & (2 << -index - BITMAP_REACH - 1) - 1).bit_length()
        if found:
            return -BITMAP_REACH - found
        index = -BITMAP_REACH
    if index < BITMAP_REACH:
        rest = bitmap >> index + BITMAP_REACH
        if rest:
            return index + _lowest(rest)
        index = BITMAP_REACH
    if extension is None:
        raise LeavesBitmap
    rest = extension.positive >> index - BITMAP_REACH
    return index + _lowest(rest) if rest else None


def _lowest(bits: int) -> int:
    return (bits & -bits).bit_length() - 1


def decode_extension(lb_pair: Pubkey, account: Account) -> Extension:
    """The bitmap extension in this account; `VenueError` not_a_bitmap_extension."""
    data = account.data
    if (
        account.owner != PROGRAM_ID
        or len(data) != EXTENSION_SIZE
        or _KEYS.unpack_from(data) != (EXTENSION_DISCRIMINATOR, bytes(lb_pair))
    ):
        raise VenueError(ErrorClass.TERMINAL, "not_a_bitmap_extension", detail=str(lb_pair))
    return extension_from_bytes(data)


def extension_from_bytes(data: bytes) -> Extension:
    """The bitmaps in the bytes of an extension."""
    sides = (data[at : at + _SIDE_SIZE] for at in (POSITIVE_OFFSET, NEGATIVE_OFFSET))
    positive, negative = (int.from_bytes(side, "little") for side in sides)
    return Extension(positive, negative)


def check_array(lb_pair: Pubkey, index: int, account: Account) -> bytes:
    """The bytes of this pair's bin array; `VenueError` not_a_bin_array, or its unknown version."""
    data = account.data
    if account.owner != PROGRAM_ID or len(data) != ARRAY_SIZE:
        raise VenueError(ErrorClass.TERMINAL, "not_a_bin_array", detail=f"index {index}")
    discriminator, stored, version, pair = _HEADER.unpack_from(data)
    if (discriminator, stored, pair) != (ARRAY_DISCRIMINATOR, index, bytes(lb_pair)):
        raise VenueError(ErrorClass.TERMINAL, "not_a_bin_array", detail=f"index {index}")
    if version > HIGHEST_ARRAY_VERSION:
        raise VenueError(ErrorClass.TERMINAL, "unknown_bin_array_version", detail=str(version))
    return data


@lru_cache(maxsize=ARRAYS_KEPT)
def bins_on_path(
    data: bytes, index: int, swap_for_y: bool, supports_limit_order: bool
) -> tuple[Bin, ...]:
    """The bins of this array that pay something out, in the order in which a swap meets them."""
    rows = memoryview(data)[_BINS_OFFSET : _BINS_OFFSET + BINS_PER_ARRAY * _BIN.size]
    found = []
    bin_id = first_bin_of(index) - 1
    for x, y, low, high, open_orders, processed, ask_side in _BIN.iter_unpack(rows):
        bin_id += 1
        amount = y if swap_for_y else x
        if supports_limit_order and (open_orders or processed) and (ask_side != 0) != swap_for_y:
            layers = tuple([layer for layer in (amount, processed, open_orders) if layer])
        elif amount:
            layers = (amount,)
        else:
            continue
        price = low | high << 64
        if not price:
            # The program stores it when it makes the array, and counts on it.
            raise VenueError(ErrorClass.TERMINAL, "bin_without_price", detail=str(bin_id))
        if len(layers) == 1:
            (total,) = layers
            need = -(-(total << 64) // price) if swap_for_y else -(-total * price >> 64)
            found.append(Bin(bin_id, price, amount, total, need, need if amount else 0, layers))
        else:
            found.append(_layered(bin_id, price, amount, layers, swap_for_y))
    return tuple(reversed(found)) if swap_for_y else tuple(found)


def _layered(
    bin_id: int, price: int, amount: int, layers: tuple[int, ...], swap_for_y: bool
) -> Bin:
    """A bin of several layers, each of which rounds by itself."""
    if swap_for_y:
        needs = [-(-(layer << 64) // price) for layer in layers]
    else:
        needs = [-(-layer * price >> 64) for layer in layers]
    return Bin(bin_id, price, amount, sum(layers), sum(needs), needs[0] if amount else 0, layers)


class ArrayBins(Sequence[Bin]):
    """The bins of one array in one direction, decoded when a walk comes to them."""

    __slots__ = ("_arguments",)

    def __init__(
        self, data: bytes, index: int, swap_for_y: bool, supports_limit_order: bool
    ) -> None:
        self._arguments = (data, index, swap_for_y, supports_limit_order)

    def __iter__(self) -> Iterator[Bin]:
        return iter(bins_on_path(*self._arguments))

    def __len__(self) -> int:
        return len(bins_on_path(*self._arguments))

    @overload
    def __getitem__(self, place: int) -> Bin: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Bin, ...]: ...
    def __getitem__(self, place: int | slice) -> Bin | tuple[Bin, ...]:
        return bins_on_path(*self._arguments)[place]


class BinContent(Record, frozen=True, gc=False):
    """What a bin of our own holds."""

    price: int
    amount_x: int = 0
    amount_y: int = 0
    open_order_amount: int = 0
    total_processing_order_amount: int = 0
    processed_order_remaining_amount: int = 0
    # Whether its limit orders sell X.
    ask_side: bool = False
    # With 64 fraction bits; 0 stands for one share per atom.
    liquidity_supply: int = 0


def encode_array(
    lb_pair: Pubkey, index: int, bins: Mapping[int, BinContent], *, version: int = 2
) -> bytes:
    """Bytes of a BinArray with these bins, by bin id."""
    data = bytearray(ARRAY_SIZE)
    _HEADER.pack_into(data, 0, ARRAY_DISCRIMINATOR, index, version, bytes(lb_pair))
    for bin_id, b in bins.items():
        at = bin_id - first_bin_of(index)
        assert 0 <= at < BINS_PER_ARRAY
        supply = b.liquidity_supply or (b.amount_x + b.amount_y) << 64
        offset = _BINS_OFFSET + at * _BIN.size
        data[offset : offset + 48] = Layout("<QQQQQQ").pack(
            *(b.amount_x, b.amount_y, b.price & _WORD, b.price >> 64),
            *(supply & _WORD, supply >> 64),
        )
        data[offset + 112 : offset + 141] = Layout("<QQQIB").pack(
            b.open_order_amount,
            b.total_processing_order_amount,
            b.processed_order_remaining_amount,
            1,
            b.ask_side,
        )
    return bytes(data)


def with_prices_shifted(data: bytes, factor_bps: int) -> bytes:
    """The bytes of an array whose bins all have so much of their price."""
    changed = bytearray(data)
    for at in range(_BINS_OFFSET + _PRICE_OFFSET, ARRAY_SIZE, _BIN.size):
        price = int.from_bytes(data[at : at + 16], "little") * factor_bps // BPS
        changed[at : at + 16] = price.to_bytes(16, "little")
    return bytes(changed)


def encode_extension(lb_pair: Pubkey, extension: Extension) -> bytes:
    """Bytes of a BinArrayBitmapExtension."""
    return (
        _KEYS.pack(EXTENSION_DISCRIMINATOR, bytes(lb_pair))
        + extension.positive.to_bytes(_SIDE_SIZE, "little")
        + extension.negative.to_bytes(_SIDE_SIZE, "little")
    )
