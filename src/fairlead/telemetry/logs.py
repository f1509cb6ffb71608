"""Log lines: structlog for ours, the same form for those of libraries, secrets taken out of both.

Lines go to standard error: standard output belongs to what a command answers.
"""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, Literal, TextIO

import structlog

from fairlead.config import Secret

HIDDEN = "***"

_SECRET_NAME = re.compile(
    r"secret|key|token|password|passwd|passphrase|authorization|cookie|credential", re.IGNORECASE
)
# An order speaks of tokens all the time, and an address is a public key: these are no secrets.
_HARMLESS_NAME = re.compile(
    r"^(tokens|fee_?token|pubkey|key_?count"
    r"|token_?(in|out|a|b|x|y)(_?(name|decimals|mint|program))?)$",
    re.IGNORECASE,
)
_IN_TEXT = (
    # scheme://user:password@host. A password may hold an @: up to the last one before the path.
    (re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s:/@]*:)[^\s/]+(?=@)", re.IGNORECASE), rf"\1{HIDDEN}"),
    (
        re.compile(
            r"([?&][^=\s&]*(?:key|token|secret|password)[^=\s&]*=)[^&\s\"']+", re.IGNORECASE
        ),
        rf"\1{HIDDEN}",
    ),
    (re.compile(r"(\bbearer\s+)[^\s\"',]+", re.IGNORECASE), rf"\1{HIDDEN}"),
)
# Deeper values are shown as their type: a log line is no dump.
_DEEPEST = 6


def redact(
    logger: object, method: str, event_dict: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """A structlog processor: values of secret names, and secrets inside any text, become ***."""
    for name, value in event_dict.items():
        event_dict[name] = _clean(name, value, 0)
    return event_dict


def _clean(name: str, value: object, depth: int) -> object:
    if value is None or isinstance(value, bool | int | float):
        # A count of keys or a switch gives nothing away, and 0 says more than ***.
        return value
    if isinstance(value, Secret) or (
        _SECRET_NAME.search(name) and not _HARMLESS_NAME.match(name) and value != ""
    ):
        return HIDDEN
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    if isinstance(value, BaseException):
        return clean_text(repr(value))
    if depth >= _DEEPEST:
        return f"<{type(value).__name__}>"
    if isinstance(value, Mapping):
        return {key: _clean(str(key), item, depth + 1) for key, item in value.items()}
    if isinstance(value, Sequence | set | frozenset):
        return [_clean("", item, depth + 1) for item in value]
    return clean_text(str(value))


def clean_text(text: str) -> str:
    """The text without the passwords, access keys and bearer tokens in it."""
    for pattern, replacement in _IN_TEXT:
        text = pattern.sub(replacement, text)
    return text


def configure_logging(
    level: Literal["debug", "info", "warning", "error"] = "info",
    format: Literal["console", "json"] = "console",
    stream: TextIO | None = None,
) -> None:
    """Send every line of this process, ours and the libraries', to `stream` in one form."""
    out = stream if stream is not None else sys.stderr
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    ending: list[structlog.typing.Processor]
    if format == "json":
        ending = [
            structlog.processors.format_exc_info,
            redact,
            structlog.processors.JSONRenderer(default=str),
        ]
    else:
        ending = [
            structlog.processors.format_exc_info,
            redact,
            structlog.dev.ConsoleRenderer(colors=out.isatty()),
        ]
    structlog.configure(
        processors=[*shared, *ending],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=True,
    )
    _join_libraries(out, number, shared, ending)


def _join_libraries(
    out: TextIO,
    number: int,
    shared: list[structlog.typing.Processor],
    ending: list[structlog.typing.Processor],
) -> None:
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *ending],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)
    # They log each request, which at thousands a second is noise; their warnings come through.
    for name in ("httpx", "httpcore", "websockets", "uvicorn.access", "asyncio"):
        logging.getLogger(name).setLevel(max(number, logging.WARNING))
    for name in ("uvicorn", "uvicorn.error"):
        library = logging.getLogger(name)
        library.handlers[:] = []
        library.propagate = True
