"""Addresses that every transaction of ours names: programs, the wSOL mint, associated token
accounts.

Token accounts and mints as bytes are decoded in `fairlead.venues.token2022`; rent comes from the
chain.
"""

from functools import lru_cache

from solders.pubkey import Pubkey

SYSTEM_PROGRAM = Pubkey.default()
TOKEN_PROGRAM = Pubkey.from_string("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA")
TOKEN_2022_PROGRAM = Pubkey.from_string("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb")
ATA_PROGRAM = Pubkey.from_string("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL")
COMPUTE_BUDGET_PROGRAM = Pubkey.from_string("ComputeBudget111111111111111111111111111111")
WSOL_MINT = Pubkey.from_string("So11111111111111111111111111111111111111112")

TOKEN_ACCOUNT_SIZE = 165
"""Bytes of an SPL Token account. One of Token-2022 with extensions is longer."""

LAMPORTS_ASSET = "lamports"
"""How reservations and balances name the native balance, beside mints."""

ATA_CACHE_SIZE = 65_536
"""Derived addresses kept. One costs 7 µs to derive: a hash per bump tried."""


@lru_cache(maxsize=ATA_CACHE_SIZE)
def associated_token_address(
    owner: Pubkey, mint: Pubkey, token_program: Pubkey = TOKEN_PROGRAM
) -> Pubkey:
    """The owner's account of this mint. The token program is a seed: the same mint has one under
    each."""
    seeds = [bytes(owner), bytes(token_program), bytes(mint)]
    return Pubkey.find_program_address(seeds, ATA_PROGRAM)[0]


def seeded_address(base: Pubkey, seed: str, owner: Pubkey) -> Pubkey:
    """Where `createAccountWithSeed` puts an account of this base, seed and owner."""
    return Pubkey.create_with_seed(base, seed, owner)
