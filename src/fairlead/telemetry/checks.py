"""The finding of one check, as `fairlead doctor` and `/ready` show it."""

import msgspec


class Check(msgspec.Struct, frozen=True):
    # store, bus, chain, clock, api …
    part: str
    ok: bool
    # What was seen: a version, an address without its password, a delay.
    detail: str
    # What to do about it; empty when nothing is wrong.
    fix: str = ""
