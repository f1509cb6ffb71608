"""What a reader sees of an order with a limit, through its rest and back to it."""

from typing import Any

import msgspec

from fairlead.orders import lifecycle
from fairlead.orders.model import EventType as E
from fairlead.orders.model import NumberForm, OrderStatus, OrderType, StoredEvent
from fairlead.orders.view import order_view
from tests.unit.orders import facts

LIMIT = facts.terms(
    type=OrderType.LIMIT, limit_price="162.5", limit_out_atoms=243_750_000, slippage_bps=500
)
ROUTED = {
    "quote": {"dex": "raydium", "amountOut": "244"},
    "quotes": [{"dex": "raydium", "amountOut": "244"}],
    "selectedDex": "raydium",
    "dex": "raydium",
    "venue": "raydium_cpmm",
    "minimumOut": "243.8",
    "retryCount": 0,
}
SIGNED = {"txSignature": "5ig", "txHash": "5ig", "attempt": {"txSignature": "5ig", "number": 1}}


def seen(*happened: tuple[E, dict[str, Any]], form: NumberForm = NumberForm.STRING) -> Any:
    """The view of a limit order after these events."""
    status: OrderStatus | None = None
    events = []
    for n, (type, told) in enumerate(happened, 1):
        status = lifecycle.status_after(status, type)
        data = msgspec.json.encode(told)
        events.append(StoredEvent(n, "id", n, "local", facts.NOW_MS, type, status, data))
    assert status is not None
    order = facts.order(status, terms=LIMIT, minimum_out_atoms=None)
    return msgspec.json.decode(msgspec.json.encode(order_view(order, events, (), form)))


Happened = tuple[tuple[E, dict[str, Any]], ...]
RESTS: Happened = ((E.ACCEPTED, {}), (E.RESTED, {"minimumOut": "243.75"}))
SENT: Happened = (*RESTS, (E.CLAIMED, {}), (E.ROUTED, ROUTED), (E.SUBMITTED, SIGNED))
NOTHING = ("quote", "selectedDex", "dex", "venue", "txSignature", "txHash", "nextTryAt")


def test_at_rest_it_shows_its_limit_and_its_floor_and_nothing_executed() -> None:
    view = seen(*RESTS)
    assert ("open", "limit", "162.5", "243.75") == (
        view["status"],
        view["type"],
        view["limitPrice"],
        view["minimumOut"],
    )
    assert {None} == {view[name] for name in (*NOTHING, "executedPrice", "amountOut")}
    in_json = seen(*RESTS, form=NumberForm.JSON)
    assert (162.5, 243.75) == (in_json["limitPrice"], in_json["minimumOut"])


def test_its_minimum_is_its_limit_whatever_the_quote_promised() -> None:
    assert "243.75" == seen(*SENT)["minimumOut"]


def test_back_at_rest_it_has_no_route_and_no_signature_but_its_history() -> None:
    again = {"retryCount": 0, "reason": "the price moved", "quotes": []}
    view = seen(*SENT, (E.REOPENED, again))
    assert "open" == view["status"]
    assert {None} == {view[name] for name in NOTHING}
    assert ["5ig"] == [attempt["txSignature"] for attempt in view["attempts"]]
    assert view["failureReason"] is None


def test_the_next_try_is_told_only_while_it_is_to_come() -> None:
    later = {"nextTryAt": "2026-01-01T00:00:01.000Z", "retryCount": 1, "reason": "stale"}
    failed = (*SENT, (E.ROUND_FAILED, later))
    assert later["nextTryAt"] == seen(*failed)["nextTryAt"]
    assert seen(*failed, (E.ROUTED, ROUTED))["nextTryAt"] is None
    assert seen(*failed, (E.REOPENED, {"reason": "stale"}))["nextTryAt"] is None


def test_a_fill_that_a_fork_took_back_is_shown_no_more_though_a_cancel_had_been_asked() -> None:
    filled = {"executedPrice": "163", "amountOut": "244.5", "provisional": True}
    for after in (E.CANCEL_REQUESTED, E.EXPIRY_REACHED):
        view = seen(*SENT, (E.CONFIRMED, filled), (after, {}), (E.CANCELLED, {}))
        assert ("cancelled", None, None) == (
            view["status"],
            view["executedPrice"],
            view["amountOut"],
        )
