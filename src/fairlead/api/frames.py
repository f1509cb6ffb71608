"""Live frames: JSON objects joined from stored bytes, at most once per event and wire.

Nothing is encoded again: an event's data is stored as the JSON that its frame carries.
"""

import base64
import binascii
import struct
from collections.abc import Sequence
from enum import StrEnum

import msgspec

from fairlead.errors import FieldError, InvalidOrder
from fairlead.orders.events import iso, rewrite_numbers
from fairlead.orders.model import NumberForm, StoredEvent

_encode = msgspec.json.Encoder().encode
_UPDATE = '{"type":"status_update",'
# Of a frame of 126 to 65,535 bytes: final text, that a length of 16 bits follows, the length.
_medium_head = struct.Struct(">BBH").pack


class Wire(StrEnum):
    """How a frame is wrapped."""

    TEXT = "text"  # bare JSON
    WEBSOCKET = "websocket"  # a whole text frame, unmasked as servers send it
    SSE = "sse"  # one server-sent event; its id is the order's sequence


def cursor_at(position: int) -> str:
    """The opaque place in the feed of all orders."""
    # Digits never come to one of the two characters that are others in addresses.
    return binascii.b2a_base64(b"p%d" % position, newline=False).rstrip(b"=").decode()


def position_of(cursor: str) -> int:
    """The place a cursor stands for, or `InvalidOrder`."""
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError):
        text = b""
    digits = text[1:]
    if text[:1] != b"p" or not digits.isdigit() or len(digits) > 18:
        error = FieldError("cursor", "invalid_cursor", "was not made by this engine")
        raise InvalidOrder((error,))
    return int(digits)


def event_object(event: StoredEvent, form: NumberForm | None = None, opening: str = "{") -> bytes:
    """An event as a JSON object, in the order's own number form or `form`."""
    data = event.data if form is None else rewrite_numbers(event.data, form)
    head = (
        f'{opening}"orderId":"{event.order_id}","sequence":{event.sequence},'
        f'"cursor":"{cursor_at(event.position)}","status":"{event.status}",'
        f'"event":"{event.type}","timestamp":"{iso(event.at_ms)}"'
    ).encode()
    # The rest is the rest of the data's own object.
    return head + b"," + data[1:] if len(data) > len(b"{}") else head + b"}"


def status_update(event: StoredEvent, form: NumberForm | None = None) -> bytes:
    """The frame of one event."""
    return event_object(event, form, _UPDATE)


def connected(at_ms: int, position: int) -> bytes:
    """The first frame of every stream, with the place from which a stream of all goes on."""
    head = f'"timestamp":"{iso(at_ms)}","cursor":"{cursor_at(position)}"'
    return b'{"type":"connected",%b}' % head.encode()


def backfill(
    order_id: str,
    status: str,
    sequence: int,
    events: Sequence[StoredEvent],
    form: NumberForm | None,
) -> bytes:
    """What an order has been through, in one frame."""
    logs = b",".join([event_object(event, form) for event in events])
    head = f'"orderId":"{order_id}","status":"{status}","sequence":{sequence}'.encode()
    return b'{"type":"backfill",%b,"logs":[%b]}' % (head, logs)


def error(code: str, message: str) -> bytes:
    """The last frame of a stream that cannot be."""
    return _encode({"type": "error", "code": code, "message": message})


def websocket_frame(payload: bytes) -> bytes:
    """A text frame as a server sends it (RFC 6455 5.2): final, unmasked."""
    size = len(payload)
    if size < 126:
        return b"\x81%c%b" % (size, payload)
    if size < 65_536:
        return _medium_head(0x81, 126, size) + payload
    return b"\x81\x7f%b%b" % (size.to_bytes(8, "big"), payload)


class Batch:
    """Events that go out together. Whatever form and wire is asked for is made once and shared."""

    __slots__ = ("_made", "_shared", "events")

    def __init__(
        self,
        events: Sequence[StoredEvent],
        shared: dict[NumberForm | None, dict[int, bytes]] | None = None,
    ) -> None:
        self.events = events
        # Frames of the whole flush by form and position, shared by its batches.
        self._shared = {} if shared is None else shared
        self._made: dict[tuple[Wire, NumberForm | None], bytes] = {}

    def texts(self, form: NumberForm | None) -> list[bytes]:
        """Each event's frame as bare JSON."""
        made = self._shared.setdefault(form, {})
        texts = []
        for event in self.events:
            text = made.get(event.position)
            if text is None:
                text = made[event.position] = status_update(event, form)
            texts.append(text)
        return texts

    def joined(self, wire: Wire, form: NumberForm | None) -> bytes:
        """All frames ready to be written at once."""
        made = self._made.get((wire, form))
        if made is None:
            texts = self.texts(form)
            if wire is Wire.WEBSOCKET:
                made = b"".join([websocket_frame(text) for text in texts])
            else:
                assert wire is Wire.SSE
                pairs = zip(self.events, texts, strict=True)
                made = b"".join([sse_event(event.sequence, text) for event, text in pairs])
            self._made[wire, form] = made
        return made


def sse_event(sequence: int, text: bytes) -> bytes:
    """One server-sent event; the text is one line of JSON."""
    return b"id: %d\ndata: %b\n\n" % (sequence, text)
