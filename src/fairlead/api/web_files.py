"""The first page and its own files: what `fairlead.web` holds of the types below, nothing else.

Whatever is asked for is looked up by name in a list made at the start, so no path leads out of it.
"""

from hashlib import sha256
from importlib.resources import files
from pathlib import Path

from starlette.responses import Response

from fairlead.api.access import Headers
from fairlead.api.problems import Refusal

PAGE = "index.html"
CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


class WebFiles:
    """Answers with one of the files, or with 304 when the browser has it."""

    def __init__(self, answer_headers: dict[str, str]) -> None:
        folder = Path(str(files("fairlead.web")))
        self._paths = {p.name: p for p in folder.iterdir() if p.suffix in CONTENT_TYPES}
        self._headers = answer_headers

    def answer(self, name: str, asked: Headers) -> Response:
        """The file as it is now: the browser asks each time whether it has changed."""
        path = self._paths.get(name)
        if path is None:
            raise Refusal("not_found")
        content = path.read_bytes()
        etag = f'"{sha256(content).hexdigest()[:32]}"'
        headers = {**self._headers, "cache-control": "no-cache", "etag": etag}
        if _has(etag, asked):
            return Response(status_code=304, headers=headers)
        return Response(content, headers={**headers, "content-type": CONTENT_TYPES[path.suffix]})


def _has(etag: str, asked: Headers) -> bool:
    """Whether the browser named this version (RFC 9110 13.1.2); proxies mark tags as weak."""
    known = asked.get(b"if-none-match", b"").decode("latin-1").split(",")
    return etag in {tag.strip().removeprefix("W/") for tag in known}
