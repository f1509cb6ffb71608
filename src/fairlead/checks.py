"""What `fairlead doctor` finds out about store, bus, chain, clock, history and the file of pools,
without starting anything.

A part that fails is a finding, never a raise. Findings name the address, without its password.
"""

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from fairlead.bootstrap import DATABASE_FILE, bus_for, chain_for, open_store, postgres_address
from fairlead.clock import SystemClock
from fairlead.config import Settings
from fairlead.config.pool_file import read_pool_file
from fairlead.config.settings import without_password
from fairlead.errors import ConfigError, FairleadError
from fairlead.ports import Bus, Chain
from fairlead.solana.agreement import needed_of
from fairlead.store.named_sql import load_migrations, load_queries
from fairlead.telemetry.checks import Check
from fairlead.workers.histories import forgotten

MAX_CLOCK_SKEW_S = 5.0
"""How far this machine's clock may be from the chain's before it is a finding."""

BUS_WITHIN_S = 3.0
"""How long the bus may take to connect and to answer."""

CHAIN_WITHIN_S = 5.0
ASK_AGAIN_S = 0.05


async def run_checks(settings: Settings) -> tuple[Check, ...]:
    """Store, bus, chain, clock, history, and the file of pools where there is one, as these
    settings lead to them from here."""
    clock = SystemClock()
    store, known_to = await _store(settings, clock)
    bus, (chain, firsts) = await asyncio.gather(
        _bus(settings, clock, store), _chain(settings, clock)
    )
    history = () if known_to is None or not firsts else (history_check(known_to, firsts),)
    return (store, bus, *chain, *history, *_pools_file(settings.pools.file))


# --- the store ---


async def _store(settings: Settings, clock: SystemClock) -> tuple[Check, int | None]:
    """The finding, and up to which slot the store knows all."""
    if settings.store.database_url is None:
        return _embedded(settings.store.data_dir)
    place = f"PostgreSQL at {without_password(settings.store.database_url)}"
    try:
        store = open_store(settings, clock, lambda committed: None)
        await store.open(migrate=False)
    except ConfigError as error:
        # It says itself what to do.
        return Check("store", False, f"{place}: {error}"), None
    except FairleadError as error:
        fix = "start it, or correct DATABASE_URL"
        return Check("store", False, f"{place}: {error}", fix), None
    try:
        version = await store.schema_version()
        queue = await store.queue(clock.now_ms())
        known_to = await store.known_to_slot()
    except FairleadError as error:
        return Check("store", False, f"{place}: {error}", "its own log says why"), None
    finally:
        await store.close()
    alive = f"{queue.workers} worker{'' if queue.workers == 1 else 's'} alive"
    return Check("store", True, f"{place}, schema {version}, {alive}"), known_to


def _embedded(folder: Path) -> tuple[Check, int | None]:
    """Looked at, not opened: another process may have it."""
    file = folder / DATABASE_FILE
    if not file.exists():
        there = next(path for path in (folder, *folder.parents) if path.exists())
        if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
            told = f"embedded, {file} will be made at the first start"
            return Check("store", True, told), None
        return _no_folder(f"{folder} cannot be made: {there} is no folder to write to"), None
    if not os.access(file, os.R_OK | os.W_OK):
        return _no_folder(f"{file} cannot be written by this user"), None
    known, known_to = len(load_migrations("sqlite_migrations")), None
    try:
        with contextlib.closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as reader:
            ((version,),) = reader.execute("PRAGMA user_version")
            if version == known:
                query = load_queries("sqlite_queries")["known_to_slot"]
                known_to = next((slot for (slot,) in reader.execute(query)), None)
    except sqlite3.Error as error:
        return _no_folder(f"{file} cannot be read: {error}"), None
    if version > known:
        told = f"{file} has schema {version}, made by a newer fairlead; this one knows {known}"
        fix = "start the newer one, or set another FAIRLEAD_DATA_DIR"
        return Check("store", False, told, fix), None
    return Check("store", True, f"embedded, {file}, schema {version}"), known_to


def _no_folder(told: str) -> Check:
    return Check("store", False, told, "mend it, or set FAIRLEAD_DATA_DIR to a folder of yours")


# --- the bus ---


async def _bus(settings: Settings, clock: SystemClock, store: Check) -> Check:
    redis_url = settings.store.redis_url
    if settings.store.embedded:
        return Check("bus", True, "in this process")
    if redis_url is None and not store.ok:
        return Check("bus", False, "goes over the same database", "see the store")
    if redis_url is None and postgres_address(settings).session_dsn is None:
        return Check("bus", True, "none: everybody polls. DATABASE_DIRECT_URL would bring NOTIFY")
    if redis_url is None:
        place, fix = "PostgreSQL NOTIFY", "correct DATABASE_DIRECT_URL or DATABASE_URL"
    else:
        place, fix = f"Redis at {without_password(redis_url)}", "start it, or correct REDIS_URL"
    try:
        bus = bus_for(settings, clock, open_store(settings, clock, lambda committed: None))
        await bus.start()
    except FairleadError as error:
        return Check("bus", False, f"{place}: {error}", fix)
    try:
        problem = await _problem_of(bus, clock)
    finally:
        await bus.stop()
    if problem is None:
        return Check("bus", True, place)
    return Check("bus", False, f"{place}: {problem}", f"{fix}. Orders go on without it, by polling")


async def _problem_of(bus: Bus, clock: SystemClock) -> str | None:
    """Why it does not answer; it connects by itself, which takes a moment."""
    problem = f"no answer in {BUS_WITHIN_S:g} s"
    try:
        async with asyncio.timeout(BUS_WITHIN_S):
            while True:
                try:
                    await bus.ping()
                except FairleadError as error:
                    problem = str(error)
                    await clock.sleep(ASK_AGAIN_S)
                else:
                    return None
    except TimeoutError:
        return problem


# --- the chain ---


async def _chain(
    settings: Settings, clock: SystemClock
) -> tuple[tuple[Check, ...], tuple[int, ...]]:
    """The findings, and the first slot that each endpoint shows."""
    on_paper = settings.chain.name == "paper"
    if on_paper and settings.store.embedded and not settings.chain.rpc_urls:
        return (
            Check("chain", True, "paper, inside `fairlead serve`"),
            Check("clock", True, "the paper chain goes by this machine's clock"),
        ), ()
    try:
        chain = chain_for(settings, clock, inside=False)
        await chain.start()
    except ConfigError as error:
        return (Check("chain", False, str(error)),), ()
    except FairleadError as error:
        place, fix = _place(settings, 0)
        return (Check("chain", False, f"{place}: {error}", fix),), ()
    try:
        found = await asyncio.gather(
            *[
                _endpoint(settings, clock, endpoint, index)
                for index, endpoint in enumerate(chain.witnesses)
            ]
        )
    finally:
        await chain.stop()
    clocks = [skew for _, skew, _ in found if skew is not None]
    firsts = tuple([first for *_, first in found if first is not None])
    # The closest: that of a provider that lags says nothing about this machine.
    clock_check = (_clock(min(clocks)),) if clocks else ()
    return (*[check for check, *_ in found], *clock_check), firsts


def _place(settings: Settings, index: int) -> tuple[str, str]:
    """The address of an endpoint, and what to do when it does not answer."""
    if settings.chain.rpc_urls:
        return without_password(settings.chain.rpc_urls[index]), "is FAIRLEAD_RPC_URL right?"
    fix = "start it with `fairlead node`, unless `fairlead serve` runs, which has it inside"
    return f"http://{settings.node.host}:{settings.node.port}", fix


async def _endpoint(
    settings: Settings, clock: SystemClock, endpoint: Chain, index: int
) -> tuple[Check, float | None, int | None]:
    """One endpoint, how far its time is from ours in seconds, and the first slot that it shows."""
    place, fix = _place(settings, index)
    try:
        async with asyncio.timeout(CHAIN_WITHIN_S):
            time, first = await endpoint.time(), await endpoint.first_available_block()
    except (FairleadError, TimeoutError) as error:
        told = str(error) or f"no answer in {CHAIN_WITHIN_S:g} s"
        return Check("chain", False, f"{place}: {told}", fix), None, None
    skew_s = abs(clock.now_ms() / 1000 - time.unix_timestamp)
    told = f"{settings.chain.name} at {place}, slot {time.slot}"
    return Check("chain", True, told), skew_s, first


def _clock(skew_s: float) -> Check:
    close = skew_s <= MAX_CLOCK_SKEW_S
    fix = "" if close else "set this machine's clock (NTP): expiry times go by it"
    return Check("clock", close, f"{skew_s:.0f} s from the chain's", fix)


def history_check(known_to: int, firsts: Sequence[int]) -> Check:
    """Whether workers that start now could compare their wallets (EXACTLY-ONCE 23)."""
    gaps = [forgotten(known_to, first) for first in firsts]
    if gaps.count(None) >= needed_of(len(gaps)):
        told = f"the store knows all up to slot {known_to}, and what came later can be asked for"
        return Check("history", True, told)
    told = next(gap for gap in gaps if gap is not None)
    fix = (
        "orders in hand wait at the next start: name a provider with an older history; or, if the"
        " store was not restored from a backup, set FAIRLEAD_ACCEPT_HISTORY_GAP=on for one start"
    )
    return Check("history", False, told, fix)


# --- the file of pools ---


def _pools_file(path: Path | None) -> tuple[Check, ...]:
    """What a process reads when it starts, and stops at when it is wrong."""
    if path is None:
        return ()
    try:
        named = read_pool_file(path)
    except ConfigError as error:
        return (Check("pools", False, str(error), "correct it: docs/pools-and-tokens.md"),)
    count = f"{len(named)} pool{'' if len(named) == 1 else 's'}"
    return (Check("pools", True, f"{path} names {count}"),)
