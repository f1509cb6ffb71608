"""The tests. `servers` starts PostgreSQL and Redis for those that need them."""
