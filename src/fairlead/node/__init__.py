"""A Solana JSON-RPC server over a ledger of ours."""
