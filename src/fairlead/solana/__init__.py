"""Accounts, transactions, the latch, and how a transaction is landed."""
