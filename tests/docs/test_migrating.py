"""What docs/migrating.md tells who comes from another engine is so."""

import asyncio
import json
import re
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from redis import Redis

from fairlead.api.dialects import FIELDS
from fairlead.bus.active_orders import ACTIVE_ORDERS_KEY
from fairlead.bus.frames import status_channel
from fairlead.config import foreign
from fairlead.orders.model import OrderStatus
from tests.docs.examples import PROGRAMS, examples_of
from tests.docs.matching import check
from tests.docs.pages import ROOT, node, run_program, shell_examples, typed
from tests.engine.processes import DOCUMENTED_FORMS, FAST, Api, free_port, running

PAGE = ROOT / "docs" / "migrating.md"
TEXT = PAGE.read_text("utf-8")


def words(postgres_url: str, redis_url: str, port: int) -> dict[str, str]:
    """The page's addresses and the test's."""
    postgres, redis = urlsplit(postgres_url), urlsplit(redis_url)
    return {
        "3000": str(port),
        "POSTGRES_HOST=localhost": f"POSTGRES_HOST={postgres.hostname}",
        "POSTGRES_PORT=5432": f"POSTGRES_PORT={postgres.port}",
        "POSTGRES_DB=orders": f"POSTGRES_DB={postgres.path.lstrip('/')}",
        "POSTGRES_USER=orders": f"POSTGRES_USER={postgres.username}",
        "REDIS_HOST=localhost": f"REDIS_HOST={redis.hostname}",
        "REDIS_PORT=6379": f"REDIS_PORT={redis.port}",
    }


@pytest.mark.serial
def test_the_environment_and_both_forms_of_request_work_word_for_word(
    postgres_url: str, redis_url: str, tmp_path: Path
) -> None:
    examples = shell_examples(examples_of(PAGE))
    # REDIS_* names database 0 of the server, whatever the test's own is.
    listener = Redis.from_url(redis_url).pubsub()  # type: ignore[no-untyped-call]
    listener.psubscribe(status_channel("*"))
    printed = typed(examples, tmp_path, words(postgres_url, redis_url, free_port()), **FAST)
    for example, real in zip(examples, printed, strict=True):
        if example.printed is not None:
            check(*example.printed, real)
    asyncio.run(check_report(postgres_url))
    told = []
    while (message := listener.get_message(timeout=0.2)) is not None:
        if message["type"] == "pmessage":
            told.append(json.loads(message["data"]))
    assert {"pending", "routing", "building", "submitted"} <= {frame["status"] for frame in told}
    assert {"status_update"} == {frame["type"] for frame in told}
    assert not any("cursor" in frame for frame in told)


async def check_report(url: str) -> None:
    """The page's statement over the two orders that its requests made."""
    (statement,) = re.findall(r"^```sql\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(statement)
    finally:
        await connection.close()
    assert 2 == len(rows)
    for row in rows:
        assert ("market", "1.5", "1") == (
            row["type"],
            f"{row['amount_in'].normalize():f}",
            f"{row['slippage_percent'].normalize():f}",
        )
        assert row["created_at"] <= row["updated_at"]
        if row["tx_hash"] is not None:
            assert row["selected_dex"] in ("raydium", "meteora")


@pytest.mark.serial
@pytest.mark.skipif(node() is None, reason="no Node 20 or later on this machine")
def test_the_websocket_client_works_word_for_word(tmp_path: Path) -> None:
    (program,) = (e for e in examples_of(PAGE) if e.language in PROGRAMS)
    api = Api("serve", tmp_path, FAST)
    with running(api):
        api.wait_ready()
        printed = run_program(program, tmp_path, {"3000": str(api.port)})
    assert program.printed is not None
    check(*program.printed, printed)


def test_the_requests_are_those_that_the_usual_engines_take() -> None:
    bodies = re.findall(r"-d '(\{.*?\})'", TEXT, re.DOTALL)
    sent = [json.loads(body) for body in bodies]
    assert [] == [form for form in DOCUMENTED_FORMS if form not in sent]


def test_every_variable_that_is_known_is_told() -> None:
    known = [*foreign._POSTGRES, *foreign._REDIS, *foreign._INSTEAD, "MOCK_MODE", "NODE_ENV"]
    assert [] == [name for name in known if f"`{name}" not in TEXT]
    for name, instead in foreign._INSTEAD.items():
        (row,) = re.findall(rf"^\|.*`{name}`.*$", TEXT, re.MULTILINE)
        assert f"write `{instead}`" in row, name


def test_every_other_name_of_a_field_is_told() -> None:
    others = [name for name, (canonical, *_) in FIELDS.items() if name != canonical]
    assert [] == [name for name in others if f"`{name}`" not in TEXT]


def test_statuses_and_redis_names_are_those_of_the_code() -> None:
    assert [] == [status for status in OrderStatus if f"`{status}`" not in TEXT]
    assert f"`{status_channel('{orderId}')}`" in TEXT
    assert f"`{ACTIVE_ORDERS_KEY}`" in TEXT
