"""`fairlead serve` and the other servers, started without the library that reads command lines.

It would be a quarter of the start. What is not written exactly so (`--help`, `--port=1`, a mistake)
is left to it: `read` says None, and `app` goes on.
"""

from collections.abc import Mapping, Sequence

from fairlead.cli.servers import Process

# The options of `app` and the variables they fill; tests/unit/cli holds the two together.
OPTIONS: Mapping[Process, Mapping[str, str]] = {
    "serve": {
        "--host": "HOST",
        "--port": "PORT",
        "--chain": "FAIRLEAD_CHAIN",
        "--profile": "FAIRLEAD_PAPER_PROFILE",
        "--data-dir": "FAIRLEAD_DATA_DIR",
    },
    "api": {"--host": "HOST", "--port": "PORT"},
    "worker": {"--concurrency": "FAIRLEAD_CONCURRENCY"},
    "node": {"--host": "FAIRLEAD_NODE_HOST", "--port": "FAIRLEAD_NODE_PORT"},
}
_NUMBERS = ("--port", "--concurrency")
_MAX_NUMBER = 65_535


def read(words: Sequence[str]) -> tuple[Process, dict[str, object], bool] | None:
    """The server, its variables and whether `--json` is asked, or None: not as plain as that."""
    name = next((process for process in OPTIONS if words[:1] == [process]), None)
    if name is None:
        return None
    over: dict[str, object] = {}
    as_json = False
    left = list(words[1:])
    while left:
        option = left.pop(0)
        if option == "--json":
            as_json = True
            continue
        variable = OPTIONS[name].get(option)
        if variable is None or variable in over or not left or not _is_plain(option, left[0]):
            return None
        over[variable] = left.pop(0)
    return name, over, as_json


def _is_plain(option: str, value: str) -> bool:
    if option in _NUMBERS:
        return value.isascii() and value.isdecimal() and 1 <= int(value) <= _MAX_NUMBER
    return bool(value) and not value.startswith("-")
