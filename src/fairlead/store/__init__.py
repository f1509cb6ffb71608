"""Where orders are kept: SQLite and PostgreSQL behind one port."""
