"""What a variable may hold: each kind reads text into a value, or says what it wants."""

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from fairlead.config.settings import FaultRates, Secret


class Kind(msgspec.Struct, frozen=True):
    # As the documentation names it.
    label: str
    # Raises ValueError; the message completes "must be …".
    read: Callable[[str], object]
    # Never shown: logs, errors and `fairlead doctor` print that it is set, not what it is.
    secret: bool = False


def whole(minimum: int, maximum: int) -> Kind:
    """A whole number, both ends included. `10_000` is read as ten thousand."""
    label = f"{minimum:,} … {maximum:,}"

    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]+(_[0-9]+)*", text) or len(text) > 20:
            raise ValueError(f"a whole number, {label}")
        value = int(text)
        if not minimum <= value <= maximum:
            raise ValueError(f"a whole number, {label}")
        return value

    return Kind(label, read)


def faults() -> Kind:
    """How often sends go wrong: one percentage for the usual mixture, or kind:percent, …"""
    kinds = FaultRates.__struct_fields__
    names = [kind.removesuffix("_bps") for kind in kinds]
    wanted = f"a percentage, or {names[0]}:percent, … out of {', '.join(names)}; together 100"

    def read(text: str) -> FaultRates:
        pairs = [part.rpartition(":") for part in _split(text)]
        try:
            rates = {f"{name}_bps": _bps(percent) for name, _, percent in pairs}
        except ValueError:
            raise ValueError(wanted) from None
        if list(rates) == ["_bps"]:
            return _mixture(rates["_bps"])
        if len(rates) < len(pairs) or set(rates) - set(kinds) or sum(rates.values()) > 10_000:
            raise ValueError(wanted)
        return FaultRates(**rates)

    return Kind("percent, or kind:percent, …", read)


def _bps(percent: str) -> int:
    match = re.fullmatch(r"([0-9]{1,3})(?:\.([0-9]{1,2}))?", percent.strip())
    if match is None:
        raise ValueError
    bps = int(match[1]) * 100 + int((match[2] or "").ljust(2, "0"))
    if bps > 10_000:
        raise ValueError
    return bps


def _mixture(bps: int) -> FaultRates:
    """What goes wrong on a busy day: mostly prices that moved, now and then a lost send."""
    dropped, rpc_error, late = bps * 16 // 100, bps * 16 // 100, bps * 8 // 100
    return FaultRates(
        slippage_moved_bps=bps - dropped - rpc_error - late,
        dropped_bps=dropped,
        rpc_error_bps=rpc_error,
        late_bps=late,
    )


def one_of(*choices: str) -> Kind:
    listed = ", ".join(choices[:-1]) + " or " + choices[-1]

    def read(text: str) -> str:
        if text.lower() not in choices:
            raise ValueError(listed)
        return text.lower()

    return Kind(listed, read)


_ON = {"1", "true", "yes", "on"}
_OFF = {"0", "false", "no", "off"}


def flag() -> Kind:
    def read(text: str) -> bool:
        if text.lower() not in _ON | _OFF:
            raise ValueError("on or off")
        return text.lower() in _ON

    return Kind("on or off", read)


def limit(maximum: int) -> Kind:
    """A whole number from 1, or `none` (also `0`) for no limit."""
    number = whole(0, maximum)

    def read(text: str) -> int | None:
        if text.lower() == "none":
            return None
        try:
            value = number.read(text)
        except ValueError:
            raise ValueError(f"a whole number up to {maximum:,}, or none") from None
        return value if isinstance(value, int) and value > 0 else None

    return Kind(f"1 … {maximum:,}, or none", read)


def text(label: str, pattern: str = r"\S+") -> Kind:
    def read(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(label)
        return value

    return Kind(label, read)


def tokens(default_name: str) -> Kind:
    """Bearer tokens by whose they are: RFC 6750's characters, too many of them to be guessed."""

    def read(value: str) -> tuple[tuple[str, Secret], ...]:
        found = []
        for part in _split(value):
            name, colon, token = part.rpartition(":")
            if not re.fullmatch(r"[A-Za-z0-9._~+/-]+=*", token) or len(token) < 16:
                raise ValueError(
                    "at least 16 characters out of letters, digits and - . _ ~ + / ="
                    " (openssl rand -hex 32 makes one), or several as name:token,name:token"
                )
            if not re.fullmatch(r"[A-Za-z0-9._-]*", name) or (colon and not name):
                raise ValueError("a token or name:token, names of letters, digits and . _ -")
            found.append((name or default_name, Secret(token)))
        if len({name for name, _ in found}) < len(found):
            raise ValueError("name:token pairs with a name each, so that one can be told by it")
        return tuple(found)

    return Kind("16 or more characters; or name:token, comma-separated", read, secret=True)


def secret(label: str, pattern: str = r"\S+") -> Kind:
    def read(value: str) -> Secret:
        if not re.fullmatch(pattern, value):
            raise ValueError(label)
        return Secret(value)

    return Kind(label, read, secret=True)


def path() -> Kind:
    return Kind("a path", lambda value: Path(value).expanduser())


def paths() -> Kind:
    return Kind("paths, comma-separated", lambda v: tuple(Path(p).expanduser() for p in _split(v)))


def words(label: str, pattern: str) -> Kind:
    def read(value: str) -> tuple[str, ...]:
        found = _split(value)
        if any(not re.fullmatch(pattern, word) for word in found):
            raise ValueError(label)
        return found

    return Kind(label, read)


def _url(value: str, schemes: tuple[str, ...]) -> Secret:
    wanted = " or ".join(f"{scheme}://…" for scheme in schemes)
    try:
        parts = urlsplit(value)
        _ = parts.port
        if parts.fragment:
            raise ValueError(parts.fragment)
    except ValueError:
        encoded = "@ : / # ? of a password are written as %40 %3A %2F %23 %3F"
        raise ValueError(f"{wanted}, where {encoded}") from None
    if parts.scheme not in schemes or not (parts.hostname or parts.query or parts.path):
        raise ValueError(wanted)
    return Secret(value)


def url(*schemes: str) -> Kind:
    """An address that may carry a password or an access key."""
    label = " or ".join(f"{scheme}://…" for scheme in schemes)
    return Kind(label, lambda value: _url(value, schemes), secret=True)


def urls(*schemes: str) -> Kind:
    label = " or ".join(f"{scheme}://…" for scheme in schemes) + ", comma-separated"
    return Kind(label, lambda v: tuple(_url(one, schemes) for one in _split(v)), secret=True)


def _split(value: str) -> tuple[str, ...]:
    return tuple(part for part in (piece.strip() for piece in value.split(",")) if part)
