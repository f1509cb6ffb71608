"""Tokens, pools, wallets and quotes."""

import msgspec
from solders.pubkey import Pubkey
from starlette.requests import Request
from starlette.responses import Response

from fairlead.amounts import decimal_from_atoms
from fairlead.api.access import Access, headers_of
from fairlead.api.answers import json_answer
from fairlead.api.dependencies import ApiDependencies
from fairlead.api.pools import pool_list
from fairlead.api.problems import invalid
from fairlead.api.queries import Query, integer, number_form, query_of
from fairlead.api.quotes import quote, quote_terms
from fairlead.api.schemas import BalanceView, TokenListAnswer, TokenView, WalletList, WalletView
from fairlead.api.unlisted import tokens_with
from fairlead.errors import FieldError, InvalidOrder
from fairlead.orders import intake
from fairlead.orders.events import in_form
from fairlead.orders.model import NumberForm
from fairlead.orders.risk import LAMPORTS, LATCH_RENT_LAMPORTS
from fairlead.ports import PoolListing
from fairlead.tokens import SOL, TokenList

MAX_WALLETS = 50
"""Wallets shown: the default one first."""

_TOKENS = frozenset({"mint"})
_POOLS = frozenset({"tokenIn", "tokenOut", "address"})
_NUMBERS = frozenset({"numbers"})
_QUOTES = frozenset({"tokenIn", "tokenOut", "amountIn", "amountOut", "slippageBps", "numbers"})


class MarketHttp:
    """What can be traded, by whom, and for how much."""

    def __init__(self, deps: ApiDependencies, access: Access) -> None:
        self._deps = deps
        self._rules = deps.settings.rules
        self._tokens = self._rules.tokens.tokens
        self._access = access

    async def tokens(self, request: Request) -> Response:
        """GET /api/tokens."""
        self._access.principal(headers_of(request.scope))
        name = query_of(request.scope, _TOKENS).get("mint")
        if name is not None:
            return json_answer(TokenListAnswer([await self._token(name)]))
        return json_answer(
            TokenListAnswer([TokenView(t.symbol, t.name, t.mint, t.decimals) for t in self._tokens])
        )

    async def _token(self, name: str) -> TokenView:
        """What the chain says of a token."""
        listed = self._rules.tokens.find(name)
        mint = name if listed is None else listed.mint
        facts = None
        if intake.is_address(mint):
            facts = (await self._deps.mints.facts([mint])).get(mint)
        if facts is None:
            raise invalid("mint", "unknown_token", "is no mint on the chain")
        return TokenView(
            "" if listed is None else listed.symbol,
            "" if listed is None else listed.name,
            mint,
            facts.decimals,
            str(facts.token_program),
            str(facts.supply_atoms),
            list(facts.warnings),
            not facts.refusal,
            facts.refusal or None,
        )

    async def wallets(self, request: Request) -> Response:
        """GET /api/wallets."""
        self._access.principal(headers_of(request.scope))
        form = number_form(query_of(request.scope, _NUMBERS)) or NumberForm.STRING
        default = self._deps.wallet.default_address
        others = [a for a in self._deps.wallet.addresses() if a != default]
        addresses = (default, *others)[:MAX_WALLETS]
        lent = await self._deps.store.lent_by(addresses)
        shown = [await self._wallet(a, default, lent.get(a, 0)) for a in addresses]
        return json_answer(in_form(msgspec.to_builtins(WalletList(shown)), form))

    async def _wallet(self, address: str, default: str, latches: int) -> WalletView:
        """`latches`: how many hold rent of this wallet."""
        assets = [(t, LAMPORTS if t is SOL else t.mint) for t in self._tokens]
        held = await self._deps.balances.of(address, [asset for _, asset in assets])
        balances = [
            BalanceView(t.symbol, t.mint, decimal_from_atoms(atoms, t.decimals), str(atoms))
            for t, atoms in ((t, held.get(asset, 0)) for t, asset in assets)
        ]
        return WalletView(address, address == default, balances, str(latches * LATCH_RENT_LAMPORTS))

    async def quotes(self, request: Request) -> Response:
        """GET /api/quotes."""
        self._access.principal(headers_of(request.scope))
        query = query_of(request.scope, _QUOTES)
        form = number_form(query) or NumberForm.STRING
        default = self._rules.default_slippage_bps
        slippage_bps = integer(query, "slippageBps", default, 0, intake.MAX_SLIPPAGE_BPS)
        tokens = await self._tokens_with(query, "tokenIn", "tokenOut")
        terms = quote_terms(dict(query), slippage_bps, tokens)
        deps = self._deps
        return json_answer(await quote(deps.pools, deps.mints, terms, form, deps.settings.routing))

    async def pools(self, request: Request) -> Response:
        """GET /api/pools: of a pair, at an address, or all that were read so far."""
        self._access.principal(headers_of(request.scope))
        query = query_of(request.scope, _POOLS)
        listing = await self._listing(query)
        return json_answer(await pool_list(listing, self._rules.tokens, self._deps.mints))

    async def _listing(self, query: Query) -> PoolListing:
        pools = self._deps.pools
        address = query.get("address")
        if not query:
            return await pools.known()
        if address is None:
            token_in, token_out = await self._pair(query)
            return await pools.listed(Pubkey.from_string(token_in), Pubkey.from_string(token_out))
        if len(query) > 1:
            raise invalid("address", "conflicting", "goes without tokenIn and tokenOut")
        if not intake.is_address(address):
            raise invalid("address", "malformed_address", "is no base58 address")
        return await pools.inspected(Pubkey.from_string(address))

    async def _pair(self, query: Query) -> tuple[str, str]:
        """The mints of both tokens, whether orders for them are taken or not."""
        errors = [
            FieldError(name, "required", "must be given, or neither of the two")
            for name in ("tokenIn", "tokenOut")
            if name not in query
        ]
        if not errors:
            tokens = await self._tokens_with(query, "tokenIn", "tokenOut")
            found = intake.pair(query["tokenIn"], query["tokenOut"], tokens, errors)
            errors = [error for error in errors if error.code != "unsupported_token"]
        if errors:
            raise InvalidOrder(tuple(errors))
        token_in, token_out = found
        assert token_in is not None
        assert token_out is not None
        return token_in.mint, token_out.mint

    async def _tokens_with(self, query: Query, *parameters: str) -> TokenList:
        names = [query[name] for name in parameters if name in query]
        return await tokens_with(names, self._rules.tokens, self._deps.mints)
