"""An engine for a demonstration: a process of its own, in a folder that goes when it ends."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import msgspec

from fairlead.config.table import BY_NAME
from fairlead.errors import Unavailable

READY_WITHIN_S = 30.0
STOPPED_WITHIN_S = 3.0
"""Then it is killed: what it still has in hand goes with its chain."""
LOOK_AGAIN_S = 0.05

RISING_SEED = 42425
"""With this seed SOL rises against USDC by 11 bps in any 32 of the first 130 slots of a new chain:
an order that rests a little above the market fires within a quarter of a minute."""

_OWN = {
    "HOST": "127.0.0.1",
    # A free one; the log tells which.
    "PORT": "0",
    "FAIRLEAD_CHAIN": "paper",
    "FAIRLEAD_LOG_FORMAT": "json",
    "LOG_LEVEL": "info",
    "FAIRLEAD_PAPER_SEED": str(RISING_SEED),
    "FAIRLEAD_PAPER_MARKET_MOVES": "on",
}
# One swap in twenty goes wrong, as on a realistic day, but only in the way that is settled within
# the minute: one that never lands takes longer than that to prove dead.
_FAULTS = {
    "FAIRLEAD_PAPER_RAYDIUM_FAULTS": "slippage_moved:5",
    "FAIRLEAD_PAPER_METEORA_FAULTS": "slippage_moved:5",
}
_KEPT = "FAIRLEAD_PAPER_"
# Read by `config.foreign` as names for a database and a Redis.
_FOREIGN = ("POSTGRES_", "REDIS_", "MOCK_MODE")


class OwnEngine(msgspec.Struct, frozen=True):
    """`folder` holds its data: the store and the paper chain."""

    url: str
    folder: Path


@contextlib.asynccontextmanager
async def own_engine(folder: Path, environ: Mapping[str, str]) -> AsyncIterator[OwnEngine]:
    """`fairlead serve` in this folder until the end of the block, then stopped and waited for."""
    log = folder / "engine.log"
    with log.open("wb") as lines:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "fairlead.cli", "serve"),
            cwd=folder,
            env=environment(environ, folder),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=lines,
        )
    try:
        yield OwnEngine(await _listening(process, log), folder)
    finally:
        await _stop(process)


def environment(environ: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The variables of the engine: of fairlead's own only how the paper chain behaves is kept, so
    that a demonstration touches no database and no chain that somebody has set up."""
    kept = {
        name: value
        for name, value in environ.items()
        if name.startswith(_KEPT) or not (name in BY_NAME or name.startswith(_FOREIGN))
    }
    return {**_FAULTS, **kept, **_OWN, "FAIRLEAD_DATA_DIR": str(folder / "data")}


async def _listening(process: asyncio.subprocess.Process, log: Path) -> str:
    """Its address, once it serves."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(READY_WITHIN_S):
            while process.returncode is None:
                url = _url_in(log)
                if url is not None:
                    return url
                await asyncio.sleep(LOOK_AGAIN_S)
    raise Unavailable("engine", _end_of(log) or "it did not start")


def _end_of(log: Path) -> str:
    return " / ".join(log.read_text("utf-8", "replace").strip().splitlines()[-3:])


def _url_in(log: Path) -> str | None:
    for line in log.read_bytes().splitlines():
        with contextlib.suppress(msgspec.MsgspecError):
            told = msgspec.json.decode(line, type=_LogLine)
            if told.event == "listening":
                return told.url
    return None


class _LogLine(msgspec.Struct):
    event: str
    url: str = ""


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(STOPPED_WITHIN_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
