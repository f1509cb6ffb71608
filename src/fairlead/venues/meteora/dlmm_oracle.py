"""DLMM's oracle: the sum of the active bin over time, kept in a ring of observations."""

from struct import Struct as Layout

from fairlead.venues.meteora.dlmm_accounts import OBSERVATION_SIZE, ORACLE_HEADER_SIZE

OBSERVATION_SECONDS = 120
"""After so many seconds the next observation is begun."""

# The latest observation, how many were begun (at most as many as there is room for), the room.
_HEADER = Layout("<8xQQQ")
_LATEST = Layout("<QQ")
_LATEST_OFFSET = 8
# When an observation was begun and last written, in seconds; before that the sum, of 128 bits.
_TIMES = Layout("<16xqq")
_OBSERVATION = Layout("<16sqq")


def is_whole(data: bytes) -> bool:
    """Whether an oracle's bytes are whole observations and the latest is among them."""
    rows, rest = divmod(len(data) - ORACLE_HEADER_SIZE, OBSERVATION_SIZE)
    if rows < 1:
        return False
    latest, _, length = _HEADER.unpack_from(data)
    return not rest and latest < length <= rows


def after_observation(data: bytes, active_id: int, now: int) -> bytes:
    """The oracle's bytes once the bin that was active until `now` is accounted for."""
    latest, begun_count, length = _HEADER.unpack_from(data)
    at = ORACLE_HEADER_SIZE + OBSERVATION_SIZE * latest
    begun, updated = _TIMES.unpack_from(data, at)
    if not begun_count:
        latest, begun_count, begun, total = 0, 1, now, active_id
    else:
        total = int.from_bytes(data[at : at + 16], "little", signed=True)
        total += active_id * (now - updated)
        if now - begun >= OBSERVATION_SECONDS:
            latest, begun_count, begun = (latest + 1) % length, min(begun_count + 1, length), now
    changed = bytearray(data)
    _LATEST.pack_into(changed, _LATEST_OFFSET, latest, begun_count)
    at = ORACLE_HEADER_SIZE + OBSERVATION_SIZE * latest
    _OBSERVATION.pack_into(changed, at, total.to_bytes(16, "little", signed=True), begun, now)
    return bytes(changed)
