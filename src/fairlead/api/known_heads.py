"""Heads of requests for orders that were read before: the same bytes mean the same again.

Only what is certain is remembered: HTTP/1.1, one line for each header, a Content-Length, nothing
that asks for other framing, and a caller who was let in. The line of an Idempotency-Key, which
differs from order to order, is taken out before heads are compared.
"""

import re
from collections.abc import Sequence

import msgspec

from fairlead.api.access import headers_of
from fairlead.api.execute import IDEMPOTENCY_KEY, Execute, Header
from fairlead.errors import FairleadError

MARK = b"POST /api/orders/execute HTTP/1.1\r\n"
"""What such a request begins with; one with a query is left to the parser."""
MAX_HEADS = 4_096
"""Heads remembered; then all are forgotten."""
MAX_BYTES = 2_048
"""Of a head that is remembered."""

_END = b"\r\n\r\n"
_KEY_LINE = re.compile(rb"\r\nidempotency-key:[ \t]*([!-~]+)(?=\r\n)", re.IGNORECASE)
# Whoever sends one of these wants to be read with more care.
_SPECIAL = frozenset(
    {b"transfer-encoding", b"expect", b"upgrade", b"origin", b"te", b"trailer", IDEMPOTENCY_KEY}
)


class Head(msgspec.Struct, frozen=True, gc=False):
    """What the bytes of a head mean."""

    principal: str
    content_length: int


class Found(msgspec.Struct, frozen=True, gc=False):
    """A request whose head is known and whose body is there."""

    principal: str
    key: bytes | None
    body: bytes


class KnownHeads:
    """The heads that this process has seen."""

    def __init__(self, execute: Execute, max_body: int) -> None:
        self.execute = execute
        self._max_body = max_body
        self._heads: dict[bytes, Head] = {}

    def find(self, data: bytes) -> Found | None:
        """The one whole request that these bytes are, if its head is known."""
        end = data.find(_END)
        # None is remembered with the line of a key, so one that is found as it is has none.
        head, key = data[: end + 2], None
        known = self._heads.get(head)
        if known is None:
            head, key = _without_key(head)
            known = self._heads.get(head)
        if known is None or end + len(_END) + known.content_length != len(data):
            return None
        return Found(known.principal, key, data[end + len(_END) :])

    def learn(self, data: bytes, http_version: str, headers: Sequence[Header]) -> None:
        """Remember the head that `data` begins with, as the parser read it."""
        end = data.find(_END)
        head, key = _without_key(data[: end + 2])
        if not 0 < end <= MAX_BYTES or http_version != "1.1" or not _is_plain(head):
            return
        read = [header for header in headers if key is None or header[0] != IDEMPOTENCY_KEY]
        if len(read) + 1 != head.count(b"\r\n") or any(name in _SPECIAL for name, _ in read):
            return
        try:
            found = headers_of({"headers": read})
            principal = self.execute.caller(found)
        except FairleadError:
            return
        length = found.get(b"content-length", b"")
        if not length.isdigit() or int(length[:12]) > self._max_body:
            return
        if len(self._heads) >= MAX_HEADS:
            self._heads.clear()
        self._heads[head] = Head(principal, int(length))


def _without_key(head: bytes) -> tuple[bytes, bytes | None]:
    """The head, each line with its end, without that of its Idempotency-Key; and the key."""
    line = _KEY_LINE.search(head)
    if line is None:
        return head, None
    return head[: line.start()] + head[line.end() :], line[1]


def _is_plain(head: bytes) -> bool:
    """Whether each line ends in CR and LF and none is the continuation of another (RFC 9112, 5.2:
    a recipient may refuse those, or join them).
    """
    lines = head.count(b"\r\n")
    return head.count(b"\n") == head.count(b"\r") == lines and not (
        b"\r\n " in head or b"\r\n\t" in head
    )
