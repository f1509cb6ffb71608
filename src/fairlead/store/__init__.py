"""Where orders are kept: SQLite and PostgreSQL behind one port."""

from fairlead.store.postgres import PostgresStore
from fairlead.store.sqlite import SqliteStore
from fairlead.store.url import PostgresAddress, parse_url

__all__ = ["PostgresAddress", "PostgresStore", "SqliteStore", "parse_url"]
