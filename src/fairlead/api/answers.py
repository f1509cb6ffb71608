"""Answers of the cold routes: JSON encoded by msgspec, problems for every error."""

from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from fairlead.api.problems import Refusal, problem_answer

encode = msgspec.json.Encoder().encode

_CODES = {404: "not_found", 405: "method_not_allowed"}


def json_answer(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """`value` as JSON; bytes are taken as encoded already."""
    body = value if type(value) is bytes else encode(value)
    return Response(body, status, headers, media_type="application/json")


def problem_response(error: BaseException) -> Response:
    status, headers, body = problem_answer(error)
    response = Response(body, status)
    response.raw_headers = headers
    return response


async def on_http_exception(request: Request, error: Exception) -> Response:
    """Starlette's own refusals: no such address, no such method."""
    assert isinstance(error, HTTPException)
    code = _CODES.get(error.status_code, "malformed_request")
    return problem_response(Refusal(code, headers=error.headers))


async def on_error(request: Request, error: Exception) -> Response:
    return problem_response(error)
