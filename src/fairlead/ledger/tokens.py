"""The tokens of the paper market: real mints and decimals, made-up prices."""

import msgspec
from solders.pubkey import Pubkey

from fairlead.ledger.programs.token_data import NATIVE_MINT


class Token(msgspec.Struct, frozen=True):
    """A token the paper market trades."""

    symbol: str
    mint: bytes
    decimals: int
    # Billionths of a dollar for one whole token at genesis.
    price_nanos: int
    # Whether its price stands still.
    is_stable: bool = False


def _token(symbol: str, mint: str, decimals: int, nanos: int, is_stable: bool = False) -> Token:
    return Token(symbol, bytes(Pubkey.from_string(mint)), decimals, nanos, is_stable)


SOL = Token("SOL", NATIVE_MINT, 9, 150_000_000_000)
USDC = _token("USDC", "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v", 6, 1_000_000_000, True)
USDT = _token("USDT", "Es9vMFrzaCERmJfrF4H2FYD4KCoNkY11McCe8BenwNYB", 6, 999_800_000, True)

TOKENS: tuple[Token, ...] = (
    SOL,
    USDC,
    USDT,
    _token("JUP", "JUPyiwrYJFskUPiHa7hkeR8VUtAeFoSYbKedZNsDvCN", 6, 500_000_000),
    _token("BONK", "DezXAZ8z7PnrnRJjz3wXBoRgixCa6xjnB7YaB1pPB263", 5, 20_000),
    _token("RAY", "4k3Dyjzvzp8eMZWUXbBCjEvwSkkk59S5iCNLY3QrkX6R", 6, 2_500_000_000),
    _token("WIF", "EKpQGSJtjMFqKZ9KQanSqYXRcF8fBopzLHYxdM65zcjm", 6, 900_000_000),
    _token("JTO", "jtojtomepa8beP8AuQc6eXt5FriJwfFMwQx2v2f9mCL", 9, 2_000_000_000),
)

PAIRS: tuple[tuple[Token, Token], ...] = (
    *((token, USDC) for token in TOKENS if token is not USDC),
    *((token, SOL) for token in TOKENS if token not in (SOL, USDC)),
)
"""Base and quote: every token against USDC and SOL. Each pair has a pool on both venues."""


def atoms_worth(token: Token, dollars: int) -> int:
    """Atoms that this many dollars buy at the genesis price, rounded down."""
    one_token: int = 10**token.decimals
    return dollars * 10**9 * one_token // token.price_nanos
