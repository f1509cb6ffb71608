"""An API in this process over the embedded store and the paper chain, without workers."""

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import httpx

from fairlead.api.dependencies import ApiDependencies, ApiSettings
from fairlead.api.http import Api, create_app
from fairlead.bus.local import LocalBus
from fairlead.chain.mints import ChainMints
from fairlead.chain.paper import open_paper_chain
from fairlead.chain.pool_finder import PoolFinder
from fairlead.chain.pools import ChainPools
from fairlead.chain.wallet import PaperWallet
from fairlead.clock import SystemClock
from fairlead.orders.model import Order
from fairlead.store.sqlite import SqliteStore
from fairlead.venues.pools import LAYOUTS

RICH = 10**18


class FixedBalances:
    """`ports.Balances`: every wallet holds as much of everything, but for what is set apart."""

    def __init__(self) -> None:
        self.atoms: dict[str, int] = {}

    async def of(self, wallet: str, assets: Sequence[str]) -> Mapping[str, int]:
        return {asset: self.atoms.get(asset, RICH) for asset in assets}


@dataclass
class World:
    api: Api
    deps: ApiDependencies
    store: SqliteStore
    bus: LocalBus
    balances: FixedBalances
    client: httpx.AsyncClient

    async def post(self, body: Any, **headers: str) -> httpx.Response:
        """POST an order; bytes go as they are."""
        sent = {"content-type": "application/json", **headers}
        if isinstance(body, bytes):
            return await self.client.post(EXECUTE, content=body, headers=sent)
        return await self.client.post(EXECUTE, json=body, headers=sent)

    async def accepted(self, **fields: Any) -> str:
        """The id of a new order."""
        response = await self.post({**ORDER, **fields})
        assert 202 == response.status_code, response.text
        order_id: str = response.json()["orderId"]
        return order_id

    async def claimed(self) -> Order:
        """The next waiting order, as a worker takes it."""
        (claimed,) = await self.store.claim("worker", 1, self.deps.clock.now_ms())
        return claimed.order

    async def order_count(self) -> int:
        return (await self.store.counts("local")).total


EXECUTE = "/api/orders/execute"
ORDER = {"tokenIn": "SOL", "tokenOut": "USDC", "amountIn": "1.5"}


def client_of(api: Any, **options: Any) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(api, raise_app_exceptions=False)
    base = options.pop("base_url", "http://localhost")
    return httpx.AsyncClient(transport=transport, base_url=base, **options)


@contextlib.asynccontextmanager
async def world(
    settings: ApiSettings | None = None, store: SqliteStore | None = None, **changes: Any
) -> AsyncIterator[World]:
    """A started API; `changes` replace ports."""
    clock = SystemClock()
    bus = LocalBus()
    store = store or SqliteStore(":memory:", clock, bus.publish, inline=True)
    await store.open()
    chain = open_paper_chain(clock)
    balances = FixedBalances()
    deps = ApiDependencies(
        store=store,
        bus=bus,
        clock=clock,
        wallet=PaperWallet(b"api tests"),
        balances=balances,
        pools=ChainPools(chain, PoolFinder(chain, clock, layouts=LAYOUTS, refresh_s=60), clock),
        mints=ChainMints(chain, clock),
        chain=chain,
        settings=settings or ApiSettings(),
    )
    api = create_app(replace(deps, **changes))
    await api.start()
    try:
        async with client_of(api) as client:
            yield World(api, deps, store, bus, balances, client)
    finally:
        await api.stop()
        await store.close()
