"""What is not about orders: health, readiness, metrics, the API's description, and pages.

Pages are served from this machine only: their policy lets a browser load nothing from elsewhere.
"""

import asyncio
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route, Router

from fairlead import __version__
from fairlead.api.access import Access, headers_of
from fairlead.api.answers import json_answer
from fairlead.api.dependencies import ApiDependencies
from fairlead.api.problems import Refusal
from fairlead.api.queries import query_of
from fairlead.api.schemas import Alive, Ready
from fairlead.api.web_files import PAGE, WebFiles
from fairlead.telemetry.checks import is_ready

CHECK_TIMEOUT_S = 2.0
"""How long one part may take to answer /ready."""

_NONE: frozenset[str] = frozenset()
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'{styles}; img-src 'self' data:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PAGE_HEADERS = {
    # Our scripts make elements, never markup from text: the browser holds them to it.
    "content-security-policy": _POLICY.format(styles="") + "; require-trusted-types-for 'script'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
# Swagger UI writes style attributes of its own.
_DOCS_HEADERS = PAGE_HEADERS | {
    "content-security-policy": _POLICY.format(styles=" 'unsafe-inline'")
}
_DOCS_FILES = ("swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png")
_DOCS_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>fairlead: the API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
<link rel="icon" href="/docs/favicon-32x32.png">
</head>
<body>
<div id="api"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""


@cache
def _swagger_ui() -> Path:
    """Where Swagger UI's own files are. Its package is a carrier: importing it would load web
    frameworks' adapters for nothing."""
    spec = find_spec("swagger_ui")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "static"


class Pages:
    """Everything beside the orders."""

    def __init__(self, deps: ApiDependencies, access: Access) -> None:
        self._deps = deps
        self._access = access
        self._web = WebFiles(PAGE_HEADERS)
        self.static = Router([Route("/{name}", self.page_file)], redirect_slashes=False)

    @cached_property
    def _document(self) -> bytes:
        """The API's description, made when it is first asked for: no start needs to wait for it."""
        from fairlead.api.openapi import document

        return document()

    async def health(self, request: Request) -> Response:
        """GET /health: the process answers. Asks nothing of anybody."""
        self._access.check_source(headers_of(request.scope))
        return json_answer(Alive("ok", __version__))

    async def ready(self, request: Request) -> Response:
        """GET /ready: the store, the chain and the workers answer. The bus is told of too."""
        self._access.principal(headers_of(request.scope))
        query_of(request.scope, _NONE)
        deps = self._deps
        names = ("store", "bus", "chain", "workers")
        found = await asyncio.gather(
            _answers(deps.store.ping()),
            _answers(deps.bus.ping()),
            _answers(deps.chain.ping()),
            self._workers(),
        )
        checks = dict(zip(names, found, strict=True))
        for check in await deps.ready():
            checks[check.part] = "ok" if check.ok else check.detail
        if not is_ready(checks):
            raise Refusal("not_ready", headers={"retry-after": "1"}, checks=checks)
        return json_answer(Ready("ready", checks))

    async def _workers(self) -> str:
        deps = self._deps
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                queue = await deps.store.queue(deps.clock.now_ms())
        except Exception as error:  # whatever is wrong with a part is its state
            return _named(error)
        return "ok" if queue.workers > 0 else "no worker is alive"

    async def metrics(self, request: Request) -> Response:
        """GET /metrics, in Prometheus' text form."""
        self._access.principal(headers_of(request.scope))
        query_of(request.scope, _NONE)
        metrics = self._deps.metrics
        await metrics.refresh()
        return Response(metrics.render(), headers={"content-type": metrics.content_type})

    async def openapi(self, request: Request) -> Response:
        """GET /openapi.json."""
        self._access.principal(headers_of(request.scope))
        query_of(request.scope, _NONE)
        return json_answer(self._document)

    async def docs(self, request: Request) -> Response:
        """GET /docs."""
        self._access.check_source(headers_of(request.scope))
        return HTMLResponse(_DOCS_PAGE, headers=_DOCS_HEADERS)

    async def docs_file(self, request: Request) -> Response:
        """The page's own files. The description is inside its script, so that no token is asked."""
        self._access.check_source(headers_of(request.scope))
        name = request.path_params["name"]
        if name == "start.js":
            script = b"SwaggerUIBundle({dom_id: '#api', spec: %b});\n" % self._document
            return Response(script, media_type="text/javascript", headers=_DOCS_HEADERS)
        if name not in _DOCS_FILES:
            raise Refusal("not_found")
        return FileResponse(_swagger_ui() / name, headers=_DOCS_HEADERS)

    async def page(self, request: Request) -> Response:
        """GET /."""
        return self._web_file(PAGE, request)

    async def page_file(self, request: Request) -> Response:
        """GET /web/…: what the page loads. No token is asked: it is the page that asks for it."""
        return self._web_file(request.path_params["name"], request)

    def _web_file(self, name: str, request: Request) -> Response:
        headers = headers_of(request.scope)
        self._access.check_source(headers)
        return self._web.answer(name, headers)


async def _answers(ping: object) -> str:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            await ping  # type: ignore[misc]
    except Exception as error:  # whatever is wrong with a part is its state
        return _named(error)
    return "ok"


def _named(error: Exception) -> str:
    """The kind of error only: its text may hold an address with a password."""
    if isinstance(error, TimeoutError):
        return f"no answer within {CHECK_TIMEOUT_S:g} s"
    return f"does not answer ({type(error).__name__})"
