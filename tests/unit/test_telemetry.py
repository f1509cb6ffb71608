"""Logs keep secrets to themselves; metrics count what was committed."""

import io
import json
import logging
from collections.abc import Iterator

import msgspec
import pytest
import structlog

from fairlead.config import Secret
from fairlead.errors import Unavailable
from fairlead.orders.model import EventType as E
from fairlead.orders.model import OrderStatus as S
from fairlead.orders.model import StoredEvent
from fairlead.telemetry import Metrics, configure_logging, redact
from fairlead.telemetry import metrics as metrics_module


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure_logging("info", "json", stream)
    yield stream
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


# --- Logs ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["secret", "api_token", "token", "privateKey", "PASSWORD", "authorization", "cookie"]
)
def test_values_of_secret_names_are_hidden(name: str) -> None:
    assert {name: "***"} == redact(None, "info", {name: "hunter2"})
    assert {"deep": [{name: "***"}]} == redact(None, "info", {"deep": [{name: "hunter2"}]})


@pytest.mark.parametrize("name", ["token_in", "tokenOut", "token_in_mint", "feeToken", "pubkey"])
def test_the_words_of_an_order_are_not_secrets(name: str) -> None:
    assert {name: "SOL"} == redact(None, "info", {name: "SOL"})


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://u:p@ss@db/x", "postgresql://u:***@db/x"),
        ("redis://:pw@cache:6379", "redis://:***@cache:6379"),
        ("https://rpc.example/?api-key=abc&x=1", "https://rpc.example/?api-key=***&x=1"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
        ("a plain: sentence @ noon", "a plain: sentence @ noon"),
    ],
)
def test_secrets_inside_text_are_hidden(text: str, shown: str) -> None:
    assert {"event": shown} == redact(None, "info", {"event": text})


def test_a_secret_is_hidden_under_any_name_and_in_errors() -> None:
    told = redact(None, "info", {"a": Secret("x"), "b": ValueError("redis://:pw@h"), "n": 3})
    assert {"a": "***", "b": "ValueError('redis://:***@h')", "n": 3} == told


def test_our_lines_and_the_libraries_have_one_form(lines: io.StringIO) -> None:
    structlog.get_logger().info("accepted", order_id="o1", api_token="x")
    structlog.get_logger().debug("too small to tell")
    logging.getLogger("uvicorn.error").warning("lost %s", "redis://:pw@h")
    logging.getLogger("httpx").info("a request")
    ours, theirs = (json.loads(line) for line in lines.getvalue().splitlines())
    assert ("accepted", "info", "o1", "***") == (
        ours["event"],
        ours["level"],
        ours["order_id"],
        ours["api_token"],
    )
    assert ("lost redis://:***@h", "warning", "uvicorn.error") == (
        theirs["event"],
        theirs["level"],
        theirs["logger"],
    )
    assert ours["timestamp"].endswith("Z")


def test_tracebacks_lose_their_secrets(lines: io.StringIO) -> None:
    try:
        raise ValueError("postgresql://u:hunter2@db")
    except ValueError:
        structlog.get_logger().exception("failed")
    assert "hunter2" not in lines.getvalue()
    assert "ValueError" in json.loads(lines.getvalue())["exception"]


# --- Metrics ---------------------------------------------------------------------------------


def stored(order_id: str, sequence: int, at_ms: int, type: E, status: S) -> StoredEvent:
    return StoredEvent(sequence, order_id, sequence, "local", at_ms, type, status, b"{}")


LIFE = [
    stored("o", 1, 1_000, E.ACCEPTED, S.PENDING),
    stored("o", 2, 1_004, E.CLAIMED, S.ROUTING),
    stored("o", 3, 1_204, E.ROUTED, S.BUILDING),
    stored("o", 4, 1_205, E.SUBMITTED, S.SUBMITTED),
    stored("o", 5, 3_205, E.CONFIRMED, S.CONFIRMED),
    stored("o", 6, 16_005, E.FINALIZED, S.CONFIRMED),
]


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"fairlead_{name}", labels)


def test_committed_events_are_counted_and_stages_timed() -> None:
    metrics = Metrics()
    metrics.committed(LIFE)
    assert 1 == value(metrics, "order_events_total", event="routed", status="building")
    for stage, seconds in (
        ("accept_to_claimed", 0.004),
        ("claimed_to_routed", 0.2),
        ("routed_to_submitted", 0.001),
        ("submitted_to_confirmed", 2.0),
        ("confirmed_to_finalized", 12.8),
        ("accept_to_confirmed", 2.205),
    ):
        assert 1 == value(metrics, "stage_seconds_count", stage=stage)
        assert seconds == pytest.approx(value(metrics, "stage_seconds_sum", stage=stage))
    # Inclusive upper ends.
    assert 1 == value(metrics, "stage_seconds_bucket", stage="routed_to_submitted", le="0.001")


def test_attempts_rounds_and_missing_proofs_are_counted_from_the_same_events() -> None:
    metrics = Metrics()
    failed = stored("o", 4, 1_300, E.ROUND_FAILED, S.ROUTING)
    why = msgspec.structs.replace(failed, data=b'{"failureCode":"stale_price","reason":"x"}')
    proving = stored("p", 5, 9_000, E.STILL_PROVING, S.SUBMITTED)
    metrics.committed([*LIFE, why, proving])
    assert 1 == value(metrics, "rounds_failed_total", reason="stale_price")
    assert 1 == value(metrics, "attempts_total", outcome="stored")
    assert 1 == value(metrics, "attempts_total", outcome="succeeded")
    assert 1 == value(metrics, "proving_unknown_orders")
    metrics.committed([stored("p", 6, 9_500, E.CONFIRMED, S.CONFIRMED)])
    assert 0 == value(metrics, "proving_unknown_orders")


def test_flushes_are_counted_with_their_size_and_time() -> None:
    metrics = Metrics()
    metrics.flushed(3, 0.002)
    assert (1, 3) == (value(metrics, "flush_writes_count"), value(metrics, "flush_writes_sum"))
    assert 0.002 == value(metrics, "flush_seconds_sum")


def test_a_stage_is_timed_only_when_the_round_went_straight_on() -> None:
    metrics = Metrics()
    metrics.committed(
        [
            *LIFE[:3],
            stored("o", 4, 1_300, E.ROUND_FAILED, S.ROUTING),
            stored("o", 5, 2_500, E.ROUTED, S.BUILDING),
            stored("o", 6, 2_501, E.SUBMITTED, S.SUBMITTED),
        ]
    )
    assert 1 == value(metrics, "stage_seconds_count", stage="claimed_to_routed")
    assert 1 == value(metrics, "stage_seconds_count", stage="routed_to_submitted")


def test_orders_of_other_processes_and_too_many_orders_are_not_timed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    metrics = Metrics()
    metrics.committed(LIFE[1:])
    assert 0 == value(metrics, "stage_seconds_count", stage="accept_to_confirmed")
    monkeypatch.setattr(metrics_module, "MAX_TIMED_ORDERS", 2)
    metrics.committed(stored(f"o{n}", 1, 0, E.ACCEPTED, S.PENDING) for n in range(3))
    metrics.committed([stored("o0", 2, 9, E.CLAIMED, S.ROUTING)])
    assert 1 == value(metrics, "stage_seconds_count", stage="claimed_to_routed")
    assert 0 == value(metrics, "stage_seconds_count", stage="accept_to_claimed")


def test_children_are_bound_once_and_bounded() -> None:
    metrics = Metrics()
    accepted = metrics.accepts.child("accepted")
    assert metrics.accepts.child("accepted") is accepted
    accepted.inc()
    for n in range(1_000):
        metrics.rounds.child(f"reason {n}").inc()
    assert 1 == value(metrics, "accepts_total", outcome="accepted")
    assert len(metrics.rounds.children) <= 257
    assert 744 == value(metrics, "rounds_failed_total", reason="other")


async def test_levels_that_cannot_be_read_keep_their_last_value() -> None:
    metrics = Metrics()
    answers: list[object] = [(5, 1.5, 2), Unavailable("store", "down")]

    async def read() -> None:
        answer = answers.pop(0)
        if isinstance(answer, Unavailable):
            raise answer
        assert isinstance(answer, tuple)
        metrics.set_queue(*answer)

    metrics.refresh_with(read)
    await metrics.refresh()
    await metrics.refresh()
    text = metrics.render().decode()
    assert "fairlead_queue_waiting_orders 5.0" in text
    assert "fairlead_queue_oldest_age_seconds 1.5" in text


def test_the_exposition_says_what_runs() -> None:
    metrics = Metrics()
    metrics.describe("paper", "sqlite")
    text = metrics.render().decode()
    assert 'fairlead_build{chain="paper",store="sqlite",version=' in text
    assert "process_cpu_seconds_total" in text
