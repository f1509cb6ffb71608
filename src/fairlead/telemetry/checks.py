"""The finding of one check, as `fairlead doctor` and `/ready` show it."""

from collections.abc import Mapping

import msgspec

DISPENSABLE = frozenset({"bus"})
"""Parts without which orders go on: wake-ups are late then, since everybody polls, but nothing is
lost. A load balancer must not take every API out because of them."""


def is_ready(states: Mapping[str, str]) -> bool:
    """Whether an order sent now would be executed, by the state ("ok", or what is wrong) of each
    part."""
    return all(state == "ok" for part, state in states.items() if part not in DISPENSABLE)


class Check(msgspec.Struct, frozen=True):
    # store, bus, chain, clock, api …
    part: str
    ok: bool
    # What was seen: a version, an address without its password, a delay.
    detail: str
    # What to do about it; empty when nothing is wrong.
    fix: str = ""
