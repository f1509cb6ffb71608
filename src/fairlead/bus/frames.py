"""What other programs see of an event on Redis: the API's live frame, without a cursor."""

from fairlead.orders.events import iso
from fairlead.orders.model import StoredEvent


def status_channel(order_id: str) -> str:
    """Where the frames of one order are published."""
    return f"order:status:{order_id}"


def status_frame(event: StoredEvent) -> str:
    """The `status_update` frame, as JSON.

    Joined, not encoded: `data` is a JSON object already, ids and names need no escaping, and a busy
    process writes one frame per event. No field of `data` is named like one of the frame's own.
    """
    data = event.data.decode()
    rest = "}" if len(data) <= len("{}") else "," + data[1:]
    return (
        f'{{"type":"status_update","orderId":"{event.order_id}","sequence":{event.sequence},'
        f'"status":"{event.status}","timestamp":"{iso(event.at_ms)}",'
        f'"event":"{event.type}"{rest}'
    )
