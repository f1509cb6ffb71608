"""The deterministic simulator: the real workers on virtual time and a seeded ledger."""
