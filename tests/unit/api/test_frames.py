"""Frames as bytes."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from fairlead.api import frames
from fairlead.api.frames import Batch, Wire
from fairlead.errors import InvalidOrder
from fairlead.orders.model import EventType, NumberForm, OrderStatus, StoredEvent


def event(sequence: int, data: bytes = b"{}") -> StoredEvent:
    return StoredEvent(
        sequence + 40,
        "01a1f77f-f5f4-7000-bfde-390a38b82cb2",
        sequence,
        "local",
        1_795_153_739_247,
        EventType.CONFIRMED,
        OrderStatus.CONFIRMED,
        data,
    )


@given(st.integers(0, 10**18 - 1))
def test_a_cursor_leads_back_to_its_position(position: int):
    assert position == frames.position_of(frames.cursor_at(position))


@pytest.mark.parametrize(
    "cursor", ["", "p1", "cDE=x", "cC0x", "\xff", "cA", "cDEyMzQ1Njc4OTAxMjM0NTY3ODk"]
)
def test_other_cursors_are_refused(cursor: str):
    with pytest.raises(InvalidOrder):
        frames.position_of(cursor)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 200_000])
def test_ready_made_websocket_frames_are_those_of_the_library(size: int):
    payload = b"x" * size
    library = Frame(Opcode.TEXT, payload).serialize(mask=False)
    assert library == frames.websocket_frame(payload)


def test_stored_data_becomes_part_of_the_frame_untouched():
    data = b'{"amountOut":1.50,"reason":"\\"}{"}'
    update = frames.status_update(event(3, data))
    assert data[1:-1] in update
    decoded = msgspec.json.decode(update)
    assert ("status_update", 3, "confirmed", "confirmed", "2026-11-20T05:48:59.247Z") == (
        decoded["type"],
        decoded["sequence"],
        decoded["status"],
        decoded["event"],
        decoded["timestamp"],
    )


def test_numbers_change_form_with_all_their_digits():
    data = b'{"amountOut":12345678901234567890.123456789012345678}'
    update = frames.status_update(event(3, data), NumberForm.STRING)
    assert b'"amountOut":"12345678901234567890.123456789012345678"' in update


def test_a_flush_is_joined_once_for_all_who_share_it():
    batch = Batch([event(1), event(2)])
    whole = batch.joined(Wire.WEBSOCKET, None)
    assert whole is batch.joined(Wire.WEBSOCKET, None)
    assert whole == b"".join(frames.websocket_frame(text) for text in batch.texts(None))


def test_server_sent_events_have_the_sequence_as_id():
    text = Batch([event(7)]).joined(Wire.SSE, None)
    assert text.startswith(b"id: 7\ndata: {")
    assert text.endswith(b"}\n\n")
