"""Orders that wait: for a price, for a time, for a pool to open."""
