"""Settings: what the variables become, and what stops the start."""

from pathlib import Path
from typing import Any, get_type_hints

import msgspec
import pytest

from fairlead.config import (
    FaultRates,
    Secret,
    Settings,
    load_settings,
    read_environment,
    without_password,
)
from fairlead.config.table import GROUPS, SETTINGS
from fairlead.errors import ConfigError

HOME = {"HOME": "/home-of-nobody"}


def load(**variables: str) -> Settings:
    return load_settings({**HOME, **variables})


def refusal(**variables: str) -> ConfigError:
    with pytest.raises(ConfigError) as raised:
        load(**variables)
    return raised.value


# --- The table -------------------------------------------------------------------------------


def test_every_field_has_one_variable_and_every_variable_a_field() -> None:
    fields = [
        f"{group}.{field}"
        for group, kind in get_type_hints(Settings).items()
        if group != "notes"
        for field in kind.__struct_fields__
    ]
    assert sorted(fields) == sorted(setting.field for setting in SETTINGS)
    assert list(GROUPS) == [name for name in Settings.__struct_fields__ if name != "notes"]


EVERYTHING = {
    "FAIRLEAD_CHAIN": "devnet",
    "FAIRLEAD_RPC_URL": "https://a.example/key, https://b.example",
    "FAIRLEAD_RPC_WS_URL": "wss://a.example",
    "FAIRLEAD_KEY_FILES": "one.json,two.json",
    "DATABASE_URL": "postgresql://u:p@db/orders",
    "DATABASE_DIRECT_URL": "postgresql://u:p@db:5433/orders",
    "REDIS_URL": "rediss://cache",
    "FAIRLEAD_API_TOKEN": "ann:0123456789abcdef,bob:fedcba9876543210",
    "FAIRLEAD_ALLOWED_HOSTS": "desk.example",
    "FAIRLEAD_ALLOWED_ORIGINS": "https://desk.example",
    "FAIRLEAD_PROGRAMS_DIR": "programs",
    "FAIRLEAD_URL": "http://desk.example/",
    "FAIRLEAD_TOKEN": "0123456789abcdef",
}


@pytest.mark.parametrize("variables", [{}, EVERYTHING])
def test_every_kind_reads_what_its_field_is_declared_to_hold(variables: dict[str, str]) -> None:
    settings = load(**variables)
    for group, kind in get_type_hints(Settings).items():
        if group == "notes":
            continue
        for field, type in get_type_hints(kind).items():
            value: Any = getattr(getattr(settings, group), field)
            # Secrets are strings; a wrong type raises.
            msgspec.convert(value, type, dec_hook=lambda type, value: type(value))


def test_defaults_are_a_paper_engine_on_loopback() -> None:
    settings = load()
    assert ("paper", True, "127.0.0.1", 3000, ()) == (
        settings.chain.name,
        settings.store.embedded,
        settings.api.host,
        settings.api.port,
        settings.api.tokens,
    )
    assert (64, None, 100, 3) == (
        settings.workers.concurrency,
        settings.workers.orders_per_minute,
        settings.orders.default_slippage_bps,
        settings.orders.max_rounds,
    )
    assert ("realistic", 200, 2000, 3000) == (
        settings.paper.profile,
        settings.paper.quote_latency_ms,
        settings.paper.land_min_ms,
        settings.paper.land_max_ms,
    )
    assert 500 == sum(msgspec.structs.astuple(settings.paper.raydium_faults))


def test_a_cluster_has_defaults_of_its_own() -> None:
    settings = load(**EVERYTHING)
    assert (10, 100, 300) == (
        settings.workers.concurrency,
        settings.workers.orders_per_minute,
        settings.landing.max_blockhash_window,
    )


def test_fast_takes_its_values_unless_they_are_set() -> None:
    settings = load(FAIRLEAD_PAPER_PROFILE="fast", FAIRLEAD_PAPER_QUOTE_LATENCY_MS="7")
    assert (7, 0, FaultRates()) == (
        settings.paper.quote_latency_ms,
        settings.paper.land_max_ms,
        settings.paper.raydium_faults,
    )


def test_faults_are_one_percentage_or_one_per_kind() -> None:
    settings = load(
        FAIRLEAD_PAPER_RAYDIUM_FAULTS="10",
        FAIRLEAD_PAPER_METEORA_FAULTS="slippage_moved:2.5, dropped:1",
    )
    assert 1_000 == sum(msgspec.structs.astuple(settings.paper.raydium_faults))
    assert FaultRates(slippage_moved_bps=250, dropped_bps=100) == settings.paper.meteora_faults
    for wrong in ("-1", "101", "1:2:3", "lost:1", "dropped:60,late:60", "dropped:1,dropped:1"):
        assert "FAIRLEAD_PAPER_OTHER_FAULTS" == refusal(FAIRLEAD_PAPER_OTHER_FAULTS=wrong).variable


def test_the_data_folder_does_not_depend_on_the_current_one() -> None:
    assert Path("/home-of-nobody/.local/share/fairlead") == load().store.data_dir
    assert Path("/data/fairlead") == load(XDG_DATA_HOME="/data").store.data_dir
    assert Path("/here") == load(FAIRLEAD_DATA_DIR="/here").store.data_dir
    with pytest.raises(ConfigError, match="FAIRLEAD_DATA_DIR"):
        load_settings({})


# --- Refusals --------------------------------------------------------------------------------


def test_an_unknown_name_is_refused_with_the_nearest_known_one() -> None:
    error = refusal(FAIRLEAD_MAX_ROUND="3")
    assert "FAIRLEAD_MAX_ROUND: is no setting; did you mean FAIRLEAD_MAX_ROUNDS?" == str(error)
    assert "did you mean DATABASE_URL?" in str(refusal(FAIRLEAD_DATABASE_URL="x"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "65536"),
        ("PORT", "-1"),
        ("PORT", "٣"),
        ("PORT", "1e3"),
        ("HOST", "two words"),
        ("FAIRLEAD_CHAIN", "papper"),
        ("FAIRLEAD_LATCH", "maybe"),
        ("FAIRLEAD_ORDERS_PER_MINUTE", "many"),
        ("FAIRLEAD_ALLOWED_ORIGINS", "desk.example"),
        ("LOG_LEVEL", "loud"),
        ("DATABASE_URL", "mysql://db"),
        ("FAIRLEAD_API_TOKEN", "short"),
        ("FAIRLEAD_API_TOKEN", "a:0123456789abcdef,a:fedcba9876543210"),
    ],
)
def test_a_bad_value_is_refused_by_name(name: str, value: str) -> None:
    assert name == refusal(**{name: value}).variable


def test_a_bad_secret_is_not_repeated() -> None:
    assert "hunter2" not in str(refusal(DATABASE_URL="mysql://u:hunter2@db"))
    assert "hunter2" not in str(refusal(FAIRLEAD_API_TOKEN="hunter2"))


@pytest.mark.parametrize(
    ("named", "variables"),
    [
        ("FAIRLEAD_API_TOKEN", {"HOST": "0.0.0.0"}),
        ("FAIRLEAD_RPC_URL", {"FAIRLEAD_CHAIN": "mainnet"}),
        ("FAIRLEAD_KEY_FILES", {"FAIRLEAD_CHAIN": "local", "FAIRLEAD_RPC_URL": "http://x"}),
        ("DATABASE_DIRECT_URL", {"DATABASE_DIRECT_URL": "postgresql://x/y"}),
        ("FAIRLEAD_HEARTBEAT_MS", {"FAIRLEAD_HEARTBEAT_MS": "9000"}),
        ("FAIRLEAD_BACKOFF_CAP_MS", {"FAIRLEAD_BACKOFF_CAP_MS": "10"}),
        ("FAIRLEAD_PAPER_LAND_MAX_MS", {"FAIRLEAD_PAPER_LAND_MAX_MS": "10"}),
        ("FAIRLEAD_MAX_BLOCKHASH_WINDOW", {"FAIRLEAD_PAPER_BLOCKHASH_WINDOW": "151"}),
    ],
)
def test_what_does_not_go_together_is_refused(named: str, variables: dict[str, str]) -> None:
    assert named == refusal(**variables).variable


# --- Other engines' variables ----------------------------------------------------------------


def test_postgres_and_redis_parts_become_urls() -> None:
    settings = load(
        POSTGRES_HOST="db",
        POSTGRES_DB="orders",
        POSTGRES_USER="ann",
        POSTGRES_PASSWORD="p@ss/word",
        REDIS_HOST="cache",
        REDIS_PORT="6380",
        NODE_ENV="production",
    )
    assert "postgresql://ann:p%40ss%2Fword@db:5432/orders" == settings.store.database_url
    assert "redis://cache:6380/0" == settings.store.redis_url
    assert ("POSTGRES_* read as DATABASE_URL", "REDIS_* read as REDIS_URL") == settings.notes


def test_a_url_of_ours_wins_and_says_so() -> None:
    settings = load(POSTGRES_HOST="db", DATABASE_URL="postgresql://x/y")
    assert "postgresql://x/y" == settings.store.database_url
    assert ("POSTGRES_HOST without effect: DATABASE_URL is set",) == settings.notes


def test_half_a_database_stops_the_start() -> None:
    assert "POSTGRES_DB" == refusal(POSTGRES_HOST="db").variable
    assert "POSTGRES_HOST" == refusal(POSTGRES_PASSWORD="x").variable
    assert "REDIS_HOST" == refusal(REDIS_PORT="6379").variable
    assert (
        "POSTGRES_PORT"
        == refusal(POSTGRES_HOST="db", POSTGRES_DB="x", POSTGRES_PORT="many").variable
    )


def test_empty_variables_are_unset() -> None:
    assert load() == load(POSTGRES_PASSWORD="", REDIS_PASSWORD=" ", DATABASE_URL="", PORT="")


def test_mock_mode_off_never_stays_on_the_paper_chain() -> None:
    for value in ("false", "0", "False"):
        assert "MOCK_MODE" == refusal(MOCK_MODE=value).variable
    assert "MOCK_MODE" == refusal(MOCK_MODE="false", FAIRLEAD_CHAIN="paper").variable
    assert "devnet" == load(MOCK_MODE="false", **EVERYTHING).chain.name


def test_mock_mode_on_is_the_paper_chain_only() -> None:
    assert "paper" == load(MOCK_MODE="true").chain.name
    assert "MOCK_MODE" == refusal(MOCK_MODE="true", **EVERYTHING).variable
    assert "MOCK_MODE" == refusal(MOCK_MODE="perhaps").variable


def test_variables_that_are_not_read_are_pointed_out() -> None:
    assert ("MAX_RETRIES is not read here; FAIRLEAD_MAX_ROUNDS says it",) == (
        load(MAX_RETRIES="5").notes
    )


# --- Secrets and addresses -------------------------------------------------------------------


def test_settings_print_without_their_secrets() -> None:
    shown = repr(load(**EVERYTHING))
    for secret in ("0123456789abcdef", "fedcba9876543210", "u:p@", "a.example/key"):
        assert secret not in shown


def test_an_address_is_shown_without_password_and_key() -> None:
    assert "postgresql://u@db:5432/orders" == without_password(
        "postgresql://u:p@db:5432/orders?sslpassword=x"
    )
    assert "https://rpc.example" == without_password("https://rpc.example/secret?api-key=x")


def test_commands_find_the_api_and_its_token() -> None:
    assert "http://127.0.0.1:3000" == load().api_url
    assert "http://[::1]:3000" == load(HOST="::1").api_url
    served = load(HOST="0.0.0.0", PORT="8080", FAIRLEAD_API_TOKEN="x" * 16)
    assert ("http://127.0.0.1:8080", Secret("x" * 16)) == (served.api_url, served.api_token)
    assert ("http://desk.example", "0123456789abcdef") == (
        load(**EVERYTHING).api_url,
        load(**EVERYTHING).api_token,
    )


def test_the_environment_wins_over_dotenv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text('PORT=1\nFAIRLEAD_API_TOKEN="a$b"\nBARE\n')
    monkeypatch.setenv("PORT", "2")
    monkeypatch.delenv("FAIRLEAD_API_TOKEN", raising=False)
    read = read_environment(tmp_path)
    assert ("2", "a$b") == (read["PORT"], read["FAIRLEAD_API_TOKEN"])


def test_a_provider_that_is_named_twice_would_agree_with_itself() -> None:
    with pytest.raises(ConfigError, match="names a host twice") as error:
        load(FAIRLEAD_RPC_URL="https://rpc.example/key-a,https://rpc.example/key-b")
    assert "key-" not in str(error.value)
    found = load(FAIRLEAD_RPC_URL="https://a.example/key,https://b.example,https://c.example")
    assert 3 == len(found.chain.rpc_urls)
    with pytest.raises(ConfigError, match="FAIRLEAD_RPC_WS_URL"):
        load(FAIRLEAD_RPC_URL="https://a.example", FAIRLEAD_RPC_WS_URL="wss://a,wss://b")
