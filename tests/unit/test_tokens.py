"""The token list."""

from solders.pubkey import Pubkey

from fairlead.ledger.tokens import TOKENS as PAPER_TOKENS
from fairlead.tokens import LISTED, SOL, TOKENS


def test_tokens_are_found_by_mint_and_by_symbol_in_any_case():
    for name in (SOL.mint, "SOL", "sol", "Sol"):
        assert SOL is TOKENS.find(name)
    assert TOKENS.find(SOL.mint.lower()) is None
    assert TOKENS.find("") is None


def test_the_paper_market_trades_what_is_listed():
    assert {(t.symbol, bytes(Pubkey.from_string(t.mint)), t.decimals) for t in LISTED} == {
        (t.symbol, t.mint, t.decimals) for t in PAPER_TOKENS
    }
