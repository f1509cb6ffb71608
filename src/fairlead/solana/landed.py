"""A transaction as the chain executed it: what a fill is read from."""

import msgspec


class TokenBalance(msgspec.Struct, frozen=True, gc=False):
    """A token account's balance at one side of a transaction."""

    account: str
    mint: str
    owner: str
    atoms: int


class LandedTransaction(msgspec.Struct, frozen=True, gc=False):
    """A transaction as the chain executed it."""

    signature: str
    slot: int
    block_time_s: int | None
    error: str | None
    fee_lamports: int
    # Account keys in message order, with lamports before and after.
    accounts: tuple[str, ...]
    pre_lamports: tuple[int, ...]
    post_lamports: tuple[int, ...]
    pre_tokens: tuple[TokenBalance, ...]
    post_tokens: tuple[TokenBalance, ...]
    logs: tuple[str, ...]
    compute_units: int
    # Its wire bytes.
    raw: bytes = b""
