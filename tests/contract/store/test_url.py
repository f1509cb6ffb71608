import pytest

from fairlead.errors import ConfigError
from fairlead.store.url import LEASE_ONLY, parse_url


@pytest.mark.parametrize(
    ("url", "dsn"),
    [
        ("postgres://u:p@h/d", "postgresql://u:p@h/d"),
        ("postgresql://u:p%40ss@h:5433/d", "postgresql://u:p%40ss@h:5433/d"),
        ("postgresql+asyncpg://u@h/d", "postgresql://u@h/d"),
        (" postgres://u@h/d?sslmode=require \n", "postgresql://u@h/d?sslmode=require"),
        ("postgres://u@h/d?sslmode=no-verify", "postgresql://u@h/d?sslmode=require"),
        ("postgres://u@h/d?ssl=true", "postgresql://u@h/d?sslmode=require"),
        ("postgresql:///d?host=/run/pg", "postgresql:///d?host=%2Frun%2Fpg"),
    ],
)
def test_the_forms_people_have(url: str, dsn: str) -> None:
    address = parse_url(url)
    assert (dsn, dsn, False, ()) == (
        address.write_dsn,
        address.session_dsn,
        address.pooled,
        address.notes,
    )


def test_unknown_parameters_are_dropped_and_said() -> None:
    address = parse_url("postgres://u@h/d?connection_limit=5&schema=public&sslmode=disable")
    assert "postgresql://u@h/d?sslmode=disable" == address.write_dsn
    assert ("DATABASE_URL: ignored connection_limit, schema",) == address.notes


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u@db.example:5432/d?pgbouncer=true",
        "postgresql://u@aws-0-eu.pooler.supabase.com:6543/postgres",
        "postgresql://u@ep-x-pooler.eu.neon.tech/d",
    ],
)
def test_a_transaction_pooler_has_no_session_unless_there_is_a_direct_way(url: str) -> None:
    address = parse_url(url)
    assert (True, None, (LEASE_ONLY,)) == (address.pooled, address.session_dsn, address.notes)
    assert "pgbouncer" not in address.write_dsn
    both = parse_url(url, "postgresql://u@db.example/d")
    assert (True, "postgresql://u@db.example/d", ()) == (
        both.pooled,
        both.session_dsn,
        both.notes,
    )


@pytest.mark.parametrize("url", ["", "mysql://u@h/d", "postgresql://u:p@ss#w@h:x/d", "/a/file.db"])
def test_what_is_no_address_names_the_variable(url: str) -> None:
    with pytest.raises(ConfigError) as wrong:
        parse_url(url)
    assert "DATABASE_URL" == wrong.value.variable


def test_a_direct_address_that_is_a_pooler_is_refused() -> None:
    with pytest.raises(ConfigError) as wrong:
        parse_url("postgres://u@h:6543/d", "postgres://u@h:6543/d")
    assert "DATABASE_DIRECT_URL" == wrong.value.variable
