"""Where orders are kept: SQLite and PostgreSQL behind one port."""

from fairlead.store.sqlite import SqliteStore

__all__ = ["SqliteStore"]
