"""What people write into DATABASE_URL, and what can be done over it."""

from urllib.parse import parse_qsl, urlencode, urlsplit

import msgspec

from fairlead.errors import ConfigError

# Understood by asyncpg; it would send anything else to the server as a setting, which refuses it.
KNOWN_PARAMETERS = frozenset(
    {
        *("sslmode", "sslcert", "sslkey", "sslrootcert", "sslcrl", "sslpassword", "sslnegotiation"),
        *("ssl_min_protocol_version", "ssl_max_protocol_version"),
        *("host", "port", "user", "password", "passfile", "dbname", "database"),
        *("target_session_attrs", "krbsrvname", "gsslib", "service", "servicefile"),
    }
)
# Supabase's transaction pooler listens here; its session pooler and the database itself on 5432.
TRANSACTION_POOLER_PORT = 6543
LEASE_ONLY = (
    "DATABASE_URL goes through a transaction pooler, which carries no session locks and no LISTEN."
    " A worker that died is noticed when its lease runs out, and other processes' events are found"
    " by polling. Set DATABASE_DIRECT_URL to a direct connection to have both at once."
)


class PostgresAddress(msgspec.Struct, frozen=True):
    """Where the database is, and how far what is said there reaches."""

    # Reads and writes.
    write_dsn: str
    # Session locks and LISTEN; None when nothing leads to a session of one's own.
    session_dsn: str | None
    # `write_dsn` is a transaction pooler: no prepared statement outlives its transaction.
    pooled: bool = False
    # What to tell the operator, once.
    notes: tuple[str, ...] = ()


def parse_url(url: str, direct_url: str | None = None) -> PostgresAddress:
    """The address in DATABASE_URL and, behind a pooler, DATABASE_DIRECT_URL, or `ConfigError`."""
    dsn, pooled, notes = _parse("DATABASE_URL", url)
    session_dsn: str | None = None if pooled else dsn
    if direct_url:
        session_dsn, direct_pooled, more = _parse("DATABASE_DIRECT_URL", direct_url)
        if direct_pooled:
            raise ConfigError("DATABASE_DIRECT_URL", "names a transaction pooler too")
        notes += more
    if session_dsn is None:
        notes = (*notes, LEASE_ONLY)
    return PostgresAddress(dsn, session_dsn, pooled, notes)


def _parse(variable: str, url: str) -> tuple[str, bool, tuple[str, ...]]:
    try:
        parts = urlsplit(url.strip())
        port = parts.port
        if parts.fragment:
            raise ValueError(parts.fragment)
    except ValueError:
        raise ConfigError(
            variable,
            "is no URL: characters like @ : / # ? of a password are written as %40 %3A %2F %23 %3F",
        ) from None
    if parts.scheme.partition("+")[0] not in ("postgres", "postgresql"):
        raise ConfigError(variable, "must begin with postgresql://")
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    pooled = (
        given.get("pgbouncer", "").lower() == "true"
        or port == TRANSACTION_POOLER_PORT
        or given.get("port") == str(TRANSACTION_POOLER_PORT)
        # Neon marks its pooled hosts so.
        or "-pooler." in (parts.hostname or "")
    )
    kept = {name: value for name, value in given.items() if name in KNOWN_PARAMETERS}
    # Node's spellings.
    if kept.get("sslmode") == "no-verify" or given.get("ssl", "").lower() in ("true", "require"):
        kept["sslmode"] = "require"
    dropped = sorted(given.keys() - KNOWN_PARAMETERS - {"pgbouncer", "ssl"})
    notes = (f"{variable}: ignored {', '.join(dropped)}",) if dropped else ()
    query = f"?{urlencode(kept)}" if kept else ""
    dsn = f"postgresql://{parts.netloc}{parts.path}{query}"
    return dsn, pooled, notes
