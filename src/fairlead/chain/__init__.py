"""Adapters of the Chain, Pools and Wallet ports."""
