"""Who may call: Host against DNS rebinding, Origin against other pages, token against strangers."""

import hmac
from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address

from starlette.types import Scope

from fairlead.api.dependencies import ApiSettings
from fairlead.api.problems import Refusal
from fairlead.errors import ConfigError

LOCAL = "local"
"""The principal where no token is set."""
COOKIE = "fairlead_token"
"""The page sets it; only sockets and event streams take it."""
MAX_REMEMBERED = 4096
"""Callers whose headers were let through and need no second look; then all are forgotten."""

# Headers that must not come twice: which of them would count?
_SINGLE = frozenset(
    {b"host", b"origin", b"authorization", b"content-type", b"content-length", b"idempotency-key"}
)

Headers = dict[bytes, bytes]


def headers_of(scope: Scope) -> Headers:
    """The request's headers by lower-case name; `Refusal` when one that must be single is not."""
    sent = scope["headers"]
    headers = dict(sent)
    if len(headers) != len(sent):
        names = [name for name, _ in sent if name in _SINGLE]
        if len(names) != len(set(names)):
            raise Refusal("malformed_request", "a header that must be single came twice")
    return headers


class Access:
    """Lets callers in and says who they are."""

    def __init__(self, settings: ApiSettings) -> None:
        if not settings.on_loopback and not settings.tokens:
            raise ConfigError(
                "FAIRLEAD_API_TOKEN", "must be set when the API listens beyond loopback"
            )
        self._tokens = [(name, token.encode()) for name, token in settings.tokens]
        self._hosts = frozenset(host.lower() for host in settings.allowed_hosts)
        self._origins = frozenset(origin.encode() for origin in settings.allowed_origins)
        self._let_in: dict[tuple[bytes | None, bytes | None, bytes | None], str] = {}

    def principal(self, headers: Headers) -> str:
        """Who calls, from `Authorization` alone. Remembers whom it has let in."""
        key = (headers.get(b"host"), headers.get(b"origin"), headers.get(b"authorization"))
        known = self._let_in.get(key)
        if known is not None:
            return known
        self.check_source(headers)
        principal = self._of_token(_bearer(headers))
        if len(self._let_in) >= MAX_REMEMBERED:
            self._let_in.clear()
        self._let_in[key] = principal
        return principal

    def stream_principal(self, headers: Headers) -> str:
        """Who calls a socket or an event stream: the page's cookie counts too."""
        if b"authorization" in headers:
            return self.principal(headers)
        self.check_source(headers)
        return self._of_token(_cookie(headers))

    def check_source(self, headers: Headers) -> None:
        """`Refusal` for a foreign Host or a foreign page."""
        host = headers.get(b"host", b"").lower()
        if not self._host_allowed(host):
            raise Refusal("host_not_allowed")
        origin = headers.get(b"origin")
        if origin is None or origin in self._origins:
            return
        if origin.lower().partition(b"://")[2] != host:
            raise Refusal("origin_not_allowed")

    def allowed_origin(self, headers: Headers) -> bytes | None:
        """The foreign origin that may read the answer, None when there is none."""
        origin = headers.get(b"origin")
        return origin if origin in self._origins else None

    def _host_allowed(self, host: bytes) -> bool:
        text = host.decode("latin-1")
        if text in self._hosts or "*" in self._hosts:
            return True
        name = _without_port(text)
        return name in self._hosts or _is_loopback(name)

    def _of_token(self, token: bytes | None) -> str:
        if not self._tokens:
            return LOCAL
        found = None
        for name, known in self._tokens:
            # All are compared, in constant time each: the answer's timing tells nothing.
            if token is not None and hmac.compare_digest(token, known):
                found = name
        if found is None:
            raise Refusal("unauthorized", headers={"www-authenticate": "Bearer"})
        return found


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _is_loopback(name: str) -> bool:
    if name == "localhost":
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def _bearer(headers: Headers) -> bytes | None:
    scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
    return token.strip() if scheme.lower() == b"bearer" else None


def _cookie(headers: Headers) -> bytes | None:
    try:
        morsel = SimpleCookie(headers.get(b"cookie", b"").decode("latin-1")).get(COOKIE)
    except CookieError:
        return None
    return morsel.value.encode("latin-1") if morsel is not None else None
