"""`fairlead doctor`, and servers that cannot start, in the situations people get into."""

import json
import re
from pathlib import Path

import pytest

from tests import servers
from tests.engine.processes import FAST, Api, Process, free_port, running
from tests.servers import Server, url_of_database

NOBODY_LISTENS = "postgresql://someone:hunter2@127.0.0.1:1/orders"
MISCONFIGURED = 6
UNAVAILABLE = 4
# Of about a second each, while servers start.
MAX_LOOKS = 30

Checks = dict[str, tuple[bool, str]]


def examined(folder: Path, **variables: str) -> Checks:
    """What `fairlead doctor --json` found: whether it is well, and what is said, by part."""
    doctor = Process("doctor --json", folder, variables)
    with running(doctor):
        code = doctor.wait()
    # Standard output and standard error together: nothing but the answer is printed.
    told = json.loads(doctor.log_path.read_text())
    assert (0 if told["ok"] else 1) == code
    return {c["part"]: (c["ok"], f"{c['detail']} → {c['fix']}") for c in told["checks"]}


def refused(command: str, folder: Path, **variables: str) -> tuple[int, str]:
    """The exit code of a command that ends at once, and all that it said."""
    process = Process(command, folder, {"FAIRLEAD_LOG_FORMAT": "console", **variables})
    with running(process):
        code = process.wait()
    return code, process.log_path.read_text()


def wrong(checks: Checks) -> dict[str, str]:
    return {part: told for part, (ok, told) in checks.items() if not ok}


def wrong_once(api: str, folder: Path, **variables: str) -> dict[str, str]:
    """What is wrong as soon as this is said of the API; in the end as it is."""
    for _ in range(MAX_LOOKS):
        found = wrong(examined(folder, **variables))
        if api in found["api"]:
            break
    return found


def apart() -> dict[str, str]:
    """Ports that nobody has."""
    return {**FAST, "PORT": str(free_port()), "FAIRLEAD_NODE_PORT": str(free_port())}


def test_with_nothing_running_only_the_api_is_missing(tmp_path: Path) -> None:
    checks = examined(tmp_path, **apart())
    assert ["api"] == list(wrong(checks))
    assert "start it with `fairlead serve`" in checks["api"][1]
    assert "will be made at the first start" in checks["store"][1]
    assert not (tmp_path / "data").exists()


def test_the_file_of_pools_is_read_where_there_is_one(tmp_path: Path) -> None:
    file = tmp_path / "pools.json"
    file.write_text('["So11111111111111111111111111111111111111112"]')
    variables = {**apart(), "FAIRLEAD_POOLS_FILE": str(file)}
    checks = examined(tmp_path, **variables)
    assert (True, f"{file} names 1 pool → ") == checks["pools"]
    file.write_text('[\n"nowhere"]')
    told = wrong(examined(tmp_path, **variables))["pools"]
    assert f"{file}, line 2, entry 1: 'nowhere' is no address" in told
    assert "docs/pools-and-tokens.md" in told
    assert "pools" not in examined(tmp_path, **apart())


def test_beside_an_embedded_server_all_is_well(tmp_path: Path) -> None:
    serve = Api("serve", tmp_path, FAST)
    with running(serve):
        serve.wait_ready()
        checks = examined(tmp_path, PORT=str(serve.port))
    assert {} == wrong(checks)
    assert re.search(r"schema \d+", checks["store"][1])


def test_beside_a_server_on_postgres_all_is_well_though_its_chain_is_inside(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    variables = {**apart(), "DATABASE_URL": postgres_url}
    serve = Api("serve", tmp_path, variables)
    variables["PORT"] = str(serve.port)
    with running(serve):
        serve.wait_ready()
        checks = examined(tmp_path, **variables)
        assert {} == wrong(checks)
        assert "1 worker alive" in checks["store"][1]
        assert "NOTIFY" in checks["bus"][1]
        assert "Redis at redis://" in examined(tmp_path, **variables, REDIS_URL=redis_url)["bus"][1]


def test_what_keeps_an_api_from_being_ready_is_named(tmp_path: Path, postgres_url: str) -> None:
    variables = {**apart(), "DATABASE_URL": postgres_url}
    node, api = Process("node", tmp_path, variables), Api("api", tmp_path, variables)
    variables["PORT"] = str(api.port)
    with running(api):
        found = wrong_once("chain: ", tmp_path, **variables)
        assert ["chain", "api"] == list(found)
        assert "start it with `fairlead node`" in found["chain"]
        assert "chain: does not answer" in found["api"]
        with running(node):
            found = wrong_once("not ready; workers: ", tmp_path, **variables)
    assert ["api"] == list(found)
    assert "start one with `fairlead worker`" in found["api"]


def test_servers_that_are_down_are_named_without_their_passwords(
    tmp_path: Path, postgres_url: str
) -> None:
    variables = {**apart(), "REDIS_URL": "redis://:hunter2@127.0.0.1:1/0"}
    redis = wrong(examined(tmp_path, **variables, DATABASE_URL=postgres_url))
    assert {"bus", "chain", "api"} == set(redis)
    assert "redis://127.0.0.1:1/0" in redis["bus"]
    assert "start it, or correct REDIS_URL" in redis["bus"]
    del variables["REDIS_URL"]
    database = wrong(examined(tmp_path, **variables, DATABASE_URL=NOBODY_LISTENS))
    assert "postgresql://someone@127.0.0.1:1/orders" in database["store"]
    assert "start it, or correct DATABASE_URL" in database["store"]
    assert "see the store" in database["bus"]
    assert "hunter2" not in f"{redis} {database}"
    for command in ("serve", "migrate"):
        code, said = refused(command, tmp_path, **variables, DATABASE_URL=NOBODY_LISTENS)
        assert UNAVAILABLE == code
        assert said.startswith("fairlead: store does not answer: ")
        assert "DATABASE_URL right? `fairlead doctor` tells." in said


def test_a_database_that_refuses_us_is_told_from_one_that_is_down(
    tmp_path: Path, own_postgres: Server
) -> None:
    url = own_postgres.url
    rules = own_postgres.socket_folder / "data" / "pg_hba.conf"
    rules.write_text(f"host all someone 127.0.0.1/32 scram-sha-256\n{rules.read_text()}")
    servers.run_sql(url, "CREATE ROLE someone LOGIN PASSWORD 'right'", "SELECT pg_reload_conf()")
    as_someone = url.replace("postgres@", "someone:{}@")
    newer = url_of_database(url, "newer")
    servers.run_sql(url, "CREATE DATABASE newer TEMPLATE postgres")
    servers.run_sql(newer, "UPDATE fairlead.schema_version SET version = 99")
    variables = apart()
    for address, expected in {
        as_someone.format("hunter2"): "the server refuses the user or password",
        as_someone.format("right"): "permission denied for schema fairlead. Let it own",
        url_of_database(url, "nowhere"): 'database "nowhere" does not exist',
        newer: "has schema 99, made by a newer fairlead",
    }.items():
        assert expected in wrong(examined(tmp_path, **variables, DATABASE_URL=address))["store"]
        code, said = refused("serve", tmp_path, **variables, DATABASE_URL=address)
        assert MISCONFIGURED == code
        assert 1 == said.count("\n"), said
        assert said.startswith("fairlead: DATABASE_URL: ")
        assert expected in said
        assert "hunter2" not in said


def test_a_second_server_is_told_about_the_first_in_one_line(tmp_path: Path) -> None:
    serve = Api("serve", tmp_path, FAST)
    with running(serve):
        serve.wait_ready()
        same_folder = refused("serve", tmp_path, **FAST, PORT=str(free_port()))
        (elsewhere := tmp_path / "elsewhere").mkdir()
        same_port = refused("serve", elsewhere, **FAST, PORT=str(serve.port), LOG_LEVEL="warning")
    code, said = same_folder
    assert MISCONFIGURED == code
    assert f"is in use by process {serve.pid}" in said
    assert 1 == said.count("\n"), said
    assert (
        MISCONFIGURED,
        f"fairlead: PORT: 127.0.0.1:{serve.port} cannot be listened on (Address already in use);"
        " choose another port\n",
    ) == same_port


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        (
            {"FAIRLEAD_CHIAN": "paper"},
            "FAIRLEAD_CHIAN: is no setting; did you mean FAIRLEAD_CHAIN?",
        ),
        ({"MOCK_MODE": "false"}, "MOCK_MODE: is off, which asks for a real chain"),
        ({"DATABASE_URL": "mysql://db/orders"}, "DATABASE_URL: must be postgresql://"),
    ],
)
def test_a_wrong_setting_is_named(variables: dict[str, str], expected: str, tmp_path: Path) -> None:
    found = wrong(examined(tmp_path, **variables))
    assert ["settings"] == list(found)
    assert found["settings"].startswith(expected)
    code, said = refused("serve", tmp_path, **variables)
    assert MISCONFIGURED == code
    assert said.startswith(f"fairlead: {expected}")
    assert 1 == said.count("\n")


def test_a_data_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    variables = {**apart(), "FAIRLEAD_DATA_DIR": str(file / "data")}
    assert "FAIRLEAD_DATA_DIR" in wrong(examined(tmp_path, **variables))["store"]
    for command in ("serve", "node"):
        code, said = refused(command, tmp_path, **variables)
        assert (MISCONFIGURED, 1) == (code, said.count("\n"))
        assert said.startswith(f"fairlead: FAIRLEAD_DATA_DIR: {file / 'data'} cannot be made")
