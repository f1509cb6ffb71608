"""Fixtures for tests that need a real server. Unit tests use none of them.

`postgres_server`, `redis_server`: one server per test process, started when first asked for; other
tests share it, so a test that kills or restarts one takes `own_postgres` or `own_redis`.
`postgres_url`: a database of this test's own, with fairlead's tables, dropped afterwards.
`redis_url`: an emptied Redis.
"""

import itertools
import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from fairlead.clock import SystemClock
from fairlead.store.postgres import PostgresStore
from fairlead.store.url import parse_url
from tests import servers
from tests.servers import Server

TEMPLATE = "fairlead_template"

# No deadline: the machine is shared, and how long one example took says nothing.
settings.register_profile(
    "default", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.register_profile("thorough", settings.get_profile("default"), max_examples=2_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


async def fill_template(url: str) -> None:
    """Makes in the database at `url` what every test's database starts with: fairlead's tables.

    Runs once per test process.
    """
    store = PostgresStore(parse_url(url), SystemClock(), lambda committed: None)
    await store.open(migrate=True)
    await store.close()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """A PostgreSQL shared by the tests of this process."""
    server = servers.start_postgres()
    yield server
    if server.owned:
        server.stop()


@pytest.fixture(scope="session")
def postgres_template(postgres_server: Server, worker_id: str) -> Iterator[str]:
    """The name of the database that `postgres_url` copies. A server may be shared by processes."""
    name = f"{TEMPLATE}_{worker_id}_{os.getpid()}"
    servers.run_sql(postgres_server.url, f"CREATE DATABASE {name}")
    servers.run_apart(fill_template(servers.url_of_database(postgres_server.url, name)))
    yield name
    servers.run_sql(postgres_server.url, f"DROP DATABASE {name} WITH (FORCE)")


_database_numbers = itertools.count(1)


@pytest.fixture
def postgres_url(postgres_server: Server, postgres_template: str) -> Iterator[str]:
    """The URL of a fresh database, copied from the template; dropped after the test."""
    name = f"{postgres_template}_{next(_database_numbers)}"
    servers.run_sql(postgres_server.url, f"CREATE DATABASE {name} TEMPLATE {postgres_template}")
    yield servers.url_of_database(postgres_server.url, name)
    servers.run_sql(postgres_server.url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def own_postgres() -> Iterator[Server]:
    """A PostgreSQL for this test alone, which may kill and restart it. Its database is filled."""
    with servers.start_postgres(own=True) as server:
        servers.run_apart(fill_template(server.url))
        yield server


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Server]:
    """A Redis shared by the tests of this process."""
    server = servers.start_redis()
    yield server
    if server.owned:
        server.stop()


@pytest.fixture
def redis_url(redis_server: Server, worker_id: str) -> str:
    """The URL of an empty Redis database: on a shared server, one number for each test process.

    Channels have no database: give them a prefix of your own where the server may be shared.
    """
    number = (
        0 if redis_server.owned else 1 + int("0" + "".join(c for c in worker_id if c.isdigit()))
    )
    url = servers.url_of_database(redis_server.url, str(number))
    servers.empty_redis(url)
    return url


@pytest.fixture
def own_redis() -> Iterator[Server]:
    """A Redis for this test alone, which may kill and restart it."""
    with servers.start_redis(own=True) as server:
        yield server
