"""The description is true: whatever is sent by it or against it, no answer is a surprise."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import checks

from fairlead import errors
from fairlead.api import dialects, schemas
from fairlead.api.http import create_app
from fairlead.api.openapi import document
from fairlead.api.problems import FIELD_CODES, PROBLEMS, errors_page, problem_of
from fairlead.api.server import serve_http
from fairlead.errors import FieldError
from tests.api.world import world

EXAMPLES = 25
"""Of each operation and kind of data; `HYPOTHESIS_PROFILE` does not change it."""

api_schema = schemathesis.openapi.from_dict(msgspec.json.decode(document()))


class Served:
    """The API on a thread of its own: schemathesis calls it from outside any event loop."""

    def __init__(self) -> None:
        self.url, self.order_id = "", ""
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(20)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        async with world() as here:
            self.order_id = await here.accepted()
            await here.store.register_worker("w", here.deps.clock.now_ms() + 3_600_000)
            api = create_app(here.deps)
            await serve_http(
                api, "127.0.0.1", 0, stopping=self._stopping, listening=self._listening
            )

    def _listening(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._ready.set()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(20)


@pytest.fixture(scope="module")
def served_api() -> Iterator[Served]:
    served = Served()
    yield served
    served.stop()


@api_schema.parametrize()
@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), derandomize=True)
def test_no_answer_is_a_surprise(case: schemathesis.Case, served_api: Served):
    order_id = (case.path_parameters or {}).get("orderId")
    if isinstance(order_id, str) and order_id[-1:] in tuple("02468ace"):
        case.path_parameters["orderId"] = served_api.order_id
    # Valid by the description and yet refused: tokens, wallets and times must exist.
    excluded = [checks.positive_data_acceptance]
    headers: Any = case.headers or {}
    key = headers.get("Idempotency-Key")
    if isinstance(key, str) and key != key.strip():
        # HTTP takes white space around a value away: what is left may be a key.
        excluded.append(checks.negative_data_rejection)
    case.call_and_validate(
        base_url=served_api.url,
        excluded_checks=excluded,
        timeout=10,
    )


def test_the_description_knows_the_fields_of_an_order_and_no_other():
    _, components = msgspec.json.schema_components((schemas.OrderBody,))
    assert set(dialects.FIELDS) == set(components["OrderBody"]["properties"])


async def test_the_description_is_served():
    async with world() as here:
        assert document() == (await here.client.get("/openapi.json")).content


ERRORS: tuple[Exception, ...] = (
    errors.InvalidOrder((FieldError("a", "required", "must be given"),)),
    errors.IdempotencyConflict("id"),
    errors.OrderNotFound("id"),
    errors.InsufficientFunds("lamports", 3, 2, 1),
    *(errors.CannotCancel("id", s) for s in ("confirmed", "failed", "cancelled", "expired")),
    errors.NotEnded("id", "submitted"),
    errors.Overloaded(7, 1),
    errors.Unavailable("store", "secret"),
    errors.Fenced("id"),
    errors.UnknownOutcome(),
    errors.WriteOutcomeUnknown(),
    errors.ConfigError("HOST", "secret"),
    errors.Rejected("no"),
    errors.Transient("secret"),
    errors.FairleadError("secret"),
    AssertionError("secret"),
)


def test_every_error_of_the_project_is_among_the_samples():
    named = {e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, Exception)}
    assert named == {type(error) for error in ERRORS if isinstance(error, errors.FairleadError)}


@pytest.mark.parametrize("error", ERRORS, ids=lambda e: type(e).__name__)
def test_every_error_has_an_answer_from_the_list(error: Exception):
    problem, _ = problem_of(error)
    assert PROBLEMS[problem.code][0] == problem.status
    assert "secret" not in problem.detail
    assert {e.code for e in problem.errors} <= set(FIELD_CODES)


def test_the_page_of_errors_is_that_of_the_code():
    with open("docs/errors.md", encoding="utf-8") as page:
        assert errors_page() == page.read()


def test_codes_are_written_alike():
    assert all(code.replace("_", "").islower() for code in (*PROBLEMS, *FIELD_CODES))
