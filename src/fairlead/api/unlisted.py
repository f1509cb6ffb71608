"""Tokens that are not in the list: named by their mint, known by what it says on chain."""

from collections.abc import Iterable

from fairlead.orders.intake import is_address
from fairlead.ports import Mints
from fairlead.tokens import Token, TokenList
from fairlead.venues.token_facts import TokenFacts


async def tokens_with(names: Iterable[str], listed: TokenList, mints: Mints) -> TokenList:
    """The list, and those of these names that are mints on the chain; `Unavailable`."""
    unlisted = [name for name in names if listed.find(name) is None and is_address(name)]
    if not unlisted:
        return listed
    found = await mints.facts(unlisted)
    return listed.with_more([token_of(facts) for facts in found.values()])


def token_of(facts: TokenFacts) -> Token:
    """A token without a symbol."""
    return Token("", str(facts.mint), facts.decimals, "", facts.warnings, facts.refusal)
