"""A full disk is full for PostgreSQL and empties again, as a tmpfs and by a limit on file sizes."""

from collections.abc import Iterator

import asyncpg
import pytest

from tests import servers
from tests.servers import ServerUnavailableError
from tests.torture.disk import Disk, small_disk

FILLS = "INSERT INTO heap SELECT repeat('x', 1000) FROM generate_series(1, 20000)"


@pytest.fixture(params=["the best there is", "limit"])
def disk(request: pytest.FixtureRequest) -> Iterator[Disk]:
    if request.param == "limit":
        yield Disk(None)
    else:
        with small_disk(256) as made:
            yield made


def test_what_does_not_fit_is_refused_until_there_is_room(disk: Disk) -> None:
    server = disk.start_postgres()
    try:
        servers.run_sql(server.url, "CREATE TABLE heap (text text)", FILLS)
        disk.fill()
        # Some of it fails with an error, some of it ends the connection or the server.
        with pytest.raises((asyncpg.PostgresError, OSError)):
            servers.run_sql(server.url, *[FILLS] * 5)
        disk.free()
        _until_it_serves(server)
        servers.run_sql(server.url, FILLS)
    finally:
        server.stop()


def _until_it_serves(server: servers.Server) -> None:
    try:
        server.restart()
    except ServerUnavailableError:
        # What recovered without room ends first.
        server.restart()
