"""Whether what was printed is what a page shows, made of other ids, times, amounts and pools.

In a page `…` stands for anything: inside a text; as a member `"…": "…"` of an object for more
members; as the last item of a list for more items; as a line of its own for more lines.
"""

import json
import re
from typing import Any

MORE = "…"

# What differs from run to run, and how it looks on the page and in print; the longest kinds first.
_KINDS = (
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z",
    r"(?:[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT)",
    r"(?=[1-9A-HJ-NP-Za-km-z]*\d)[1-9A-HJ-NP-Za-km-z]{32,88}",
    r"https?://127\.0\.0\.1:\d+",
    r"\b(?:raydium|meteora)(?:_cpmm|_damm_v2)?\b",
    # A number that stands alone: not the 2 of a name.
    r"(?<![\w.])[+-]?\d[\d,_]*(?:\.\d+)?(?![\w])",
)
# A signature or an address cut short.
_CUT = re.compile(r"[1-9A-HJ-NP-Za-km-z]{12,}…")
_VARYING = re.compile("|".join(f"({kind})" for kind in _KINDS))

# Members whose numbers are the example's own.
_EXACT = frozenset(
    {
        *("status", "code", "amountInAtoms", "slippageBps", "slippage", "sequence", "retryCount"),
        *("number", "round", "priority", "decimals", "next", "message", "limitPrice"),
    }
)


def pattern_of(text: str) -> str:
    """A regular expression for everything that this text may stand for."""
    parts = []
    for piece in _CUT.sub(MORE, text).split(MORE):
        made, at = "", 0
        for found in _VARYING.finditer(piece):
            made += _plain(piece[at : found.start()])
            made += _KINDS[(found.lastindex or 1) - 1]
            at = found.end()
        parts.append(made + _plain(piece[at:]))
    return ".*".join(parts)


def _plain(text: str) -> str:
    return re.sub(r"(?:\\ |\\\n|\s)+", r"\\s+", re.escape(text))


def check_text(shown: str, printed: str) -> None:
    """Every line that is shown was printed, in this order and, without `…` lines, no other."""
    lines = [line for line in printed.splitlines() if line.strip()]
    at, may_skip = 0, False
    for line in shown.splitlines():
        if not line.strip():
            continue
        if line.strip() == MORE:
            may_skip = True
            continue
        pattern = re.compile(pattern_of(line.strip()))
        while at < len(lines) and not pattern.fullmatch(lines[at].strip()):
            assert may_skip, f"shown:   {line}\nprinted: {lines[at]}"
            at += 1
        assert at < len(lines), f"not printed: {line}\n{printed}"
        at, may_skip = at + 1, False
    assert may_skip or at == len(lines), f"printed too: {lines[at]}"


def check_json(shown: str, printed: str) -> None:
    """The document that is shown was printed."""
    _check_value(json.loads(shown), json.loads(printed), "")


def _check_value(shown: Any, real: Any, name: str) -> None:
    at = name or "the document"
    if isinstance(shown, dict):
        assert isinstance(real, dict), at
        named = shown.keys() - {MORE}
        assert set() == named - real.keys(), at
        assert MORE in shown or named == real.keys(), (at, real.keys() - named)
        for key in named:
            _check_value(shown[key], real[key], key)
    elif isinstance(shown, list):
        assert isinstance(real, list), at
        items = [item for item in shown if item != MORE]
        assert len(items) <= len(real) if MORE in shown else len(items) == len(real), at
        for item, found in zip(items, real, strict=False):
            _check_value(item, found, name)
    elif isinstance(shown, str):
        assert isinstance(real, str), at
        matches = shown == real or (
            name not in _EXACT and re.fullmatch(pattern_of(shown), real, re.DOTALL) is not None
        )
        assert matches, f"{at}: shown {shown!r}, printed {real!r}"
    elif isinstance(shown, bool) or shown is None:
        assert shown is real, at
    else:
        assert isinstance(real, int | float), at
        assert not isinstance(real, bool), at
        assert name not in _EXACT or shown == real, (at, shown, real)


def check_http(shown: str, printed: str) -> None:
    """Status and shown headers are those that came; the body is compared as JSON."""
    printed = printed.replace("\r\n", "\n")
    shown_head, _, shown_body = shown.partition("\n\n")
    head, _, body = printed.partition("\n\n")
    lines = head.splitlines()
    first, *headers = shown_head.splitlines()
    assert first == lines[0], f"shown {first}, printed {lines[0]}"
    for header in headers:
        pattern = re.compile(pattern_of(header), re.IGNORECASE)
        assert any(pattern.fullmatch(line) for line in lines[1:]), f"no {header} in\n{head}"
    if shown_body.strip():
        check_json(shown_body, body)
    else:
        assert not body.strip(), body


def check(language: str, shown: str, printed: str) -> None:
    {"json": check_json, "http": check_http, "text": check_text}[language](shown, printed)
