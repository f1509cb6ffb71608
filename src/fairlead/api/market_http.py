"""Tokens, wallets and quotes."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from fairlead.amounts import decimal_from_atoms
from fairlead.api.access import Access, headers_of
from fairlead.api.answers import json_answer
from fairlead.api.dependencies import ApiDependencies
from fairlead.api.queries import integer, number_form, query_of
from fairlead.api.quotes import quote, quote_terms
from fairlead.api.schemas import BalanceView, TokenListAnswer, TokenView, WalletList, WalletView
from fairlead.orders import intake
from fairlead.orders.events import in_form
from fairlead.orders.model import NumberForm
from fairlead.orders.risk import LAMPORTS
from fairlead.tokens import SOL

MAX_WALLETS = 50
"""Wallets shown: the default one first."""

_NONE: frozenset[str] = frozenset()
_NUMBERS = frozenset({"numbers"})
_QUOTES = frozenset({"tokenIn", "tokenOut", "amountIn", "slippageBps", "numbers"})


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
        query_of(request.scope, _NONE)
        return json_answer(
            TokenListAnswer([TokenView(t.symbol, t.name, t.mint, t.decimals) for t in self._tokens])
        )

    async def wallets(self, request: Request) -> Response:
        """GET /api/wallets."""
        self._access.principal(headers_of(request.scope))
        form = number_form(query_of(request.scope, _NUMBERS)) or NumberForm.STRING
        default = self._deps.wallet.default_address
        others = [a for a in self._deps.wallet.addresses() if a != default]
        shown = [await self._wallet(a, default) for a in (default, *others)[:MAX_WALLETS]]
        return json_answer(in_form(msgspec.to_builtins(WalletList(shown)), form))

    async def _wallet(self, address: str, default: str) -> WalletView:
        assets = [(t, LAMPORTS if t is SOL else t.mint) for t in self._tokens]
        held = await self._deps.balances.of(address, [asset for _, asset in assets])
        balances = [
            BalanceView(t.symbol, t.mint, decimal_from_atoms(atoms, t.decimals), str(atoms))
            for t, atoms in ((t, held.get(asset, 0)) for t, asset in assets)
        ]
        return WalletView(address, address == default, balances)

    async def quotes(self, request: Request) -> Response:
        """GET /api/quotes."""
        self._access.principal(headers_of(request.scope))
        query = query_of(request.scope, _QUOTES)
        form = number_form(query) or NumberForm.STRING
        default = self._rules.default_slippage_bps
        slippage_bps = integer(query, "slippageBps", default, 0, intake.MAX_SLIPPAGE_BPS)
        terms = quote_terms(dict(query), slippage_bps, self._rules.tokens)
        return json_answer(await quote(self._deps.pools, terms, form))
