"""The processes that claim orders and carry them out."""
