"""The token list: symbols, mints and decimals. One list for the API, the paper market and the page.

Mints and decimals are those of mainnet; the paper ledger makes its mints at the same addresses.
"""

from collections.abc import Iterable

import msgspec


class Token(msgspec.Struct, frozen=True, gc=False):
    """A token that may be named by its symbol, or by its mint alone."""

    # Empty for one that is not listed.
    symbol: str
    # Base58; native SOL goes by the mint of wrapped SOL.
    mint: str
    decimals: int
    name: str
    # What people should know of it; None where nobody looked, as for those listed here.
    warnings: tuple[str, ...] | None = None
    # Why no order for it can work.
    refusal: str = ""


SOL = Token("SOL", "So11111111111111111111111111111111111111112", 9, "Solana")
USDC = Token("USDC", "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v", 6, "USD Coin")
USDT = Token("USDT", "Es9vMFrzaCERmJfrF4H2FYD4KCoNkY11McCe8BenwNYB", 6, "Tether USD")
JUP = Token("JUP", "JUPyiwrYJFskUPiHa7hkeR8VUtAeFoSYbKedZNsDvCN", 6, "Jupiter")
RAY = Token("RAY", "4k3Dyjzvzp8eMZWUXbBCjEvwSkkk59S5iCNLY3QrkX6R", 6, "Raydium")
BONK = Token("BONK", "DezXAZ8z7PnrnRJjz3wXBoRgixCa6xjnB7YaB1pPB263", 5, "Bonk")
WIF = Token("WIF", "EKpQGSJtjMFqKZ9KQanSqYXRcF8fBopzLHYxdM65zcjm", 6, "dogwifhat")
JTO = Token("JTO", "jtojtomepa8beP8AuQc6eXt5FriJwfFMwQx2v2f9mCL", 9, "Jito")

MIDDLES = (SOL, USDC, USDT)
"""Tokens that a path of two hops goes through, and by which a lamport is priced."""

LISTED = (SOL, USDC, USDT, JUP, RAY, BONK, WIF, JTO)


class TokenList:
    """Tokens by symbol (any case) and by mint."""

    def __init__(self, tokens: Iterable[Token] = LISTED) -> None:
        self.tokens = tuple(tokens)
        self._by_name = {t.mint: t for t in self.tokens}
        for token in self.tokens:
            # Both spellings that clients send are found without folding first.
            self._by_name[token.symbol] = token
            self._by_name[token.symbol.casefold()] = token

    def with_more(self, tokens: Iterable[Token]) -> "TokenList":
        """This list, in which these are found too, by mint alone."""
        more = TokenList(self.tokens)
        for token in tokens:
            more._by_name.setdefault(token.mint, token)
        return more

    def find(self, name: str) -> Token | None:
        """The token of this mint (exact) or symbol (any case), None when it is not listed."""
        return self._by_name.get(name) or self._by_name.get(name.casefold())


TOKENS = TokenList()
