"""The chain of the settings: the paper ledger in this process, or JSON-RPC; and its pools."""

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from fairlead.bootstrap.storing import data_folder
from fairlead.chain.paper import open_paper_chain
from fairlead.chain.pool_finder import PoolFinder
from fairlead.clock import SystemClock
from fairlead.config import Settings
from fairlead.config.pool_file import read_pool_file
from fairlead.config.settings import FaultRates as FaultSettings
from fairlead.config.settings import host_of
from fairlead.errors import ConfigError
from fairlead.ledger.blocks import LedgerParams
from fairlead.ledger.faults import FaultRates, PaperProfile
from fairlead.ports import Chain, Faucet
from fairlead.venues.pools import DEVNET_LAYOUTS, LAYOUTS

PAPER_FOLDER = "paper-chain"


class LiveChain(Chain, Faucet, Protocol):
    """A chain that is started and stopped with its process."""

    async def start(self) -> None: ...
    async def stop(self) -> None: ...


def chain_for(settings: Settings, clock: SystemClock, *, inside: bool) -> LiveChain:
    """The paper ledger in this process, or over JSON-RPC: one endpoint, or several that must
    agree."""
    if settings.chain.name != "paper":
        raise ConfigError("FAIRLEAD_CHAIN", f"{settings.chain.name} is not there yet; paper is")
    if inside and not settings.chain.rpc_urls:
        return paper_chain(settings, clock)
    from fairlead.chain.rpc import MAX_AGE_S, RpcChain

    node_url = f"http://{settings.node.host}:{settings.node.port}"
    urls: Sequence[str] = settings.chain.rpc_urls or (node_url,)
    ws_urls = (*settings.chain.rpc_ws_urls, *[None] * len(urls))
    # Of several only what is asked of all is told again: heights must be newer than the blockhash.
    max_age_s = MAX_AGE_S if len(urls) == 1 else 0.0
    endpoints = [
        RpcChain(host_of(url), url, clock, ws_url=ws_url, max_age_s=max_age_s)
        for url, ws_url in zip(urls, ws_urls, strict=False)
    ]
    if len(endpoints) == 1:
        return endpoints[0]
    from fairlead.chain.agreeing import AgreeingChain

    return AgreeingChain(endpoints, clock)


def paper_chain(settings: Settings, clock: SystemClock) -> LiveChain:
    """The paper ledger, kept in the data folder."""
    paper = settings.paper
    return open_paper_chain(
        clock,
        seed=paper.seed,
        params=LedgerParams(
            slot_ms=paper.slot_ms,
            blockhash_window=paper.blockhash_window,
            finality_depth=paper.finality_depth,
        ),
        profile=PaperProfile(
            quote_latency_ms=paper.quote_latency_ms,
            land_min_ms=paper.land_min_ms,
            land_max_ms=paper.land_max_ms,
            raydium=_faults(paper.raydium_faults),
            meteora=_faults(paper.meteora_faults),
            other=_faults(paper.other_faults),
            moves_market=paper.market_moves,
        ),
        folder=data_folder(settings) / PAPER_FOLDER,
    )


def _faults(rates: FaultSettings) -> FaultRates:
    return FaultRates(**msgspec.structs.asdict(rates))


def pool_finder(settings: Settings, clock: SystemClock) -> Callable[[Chain], PoolFinder]:
    """What finds pools on a chain; the file of named ones is read and checked now."""
    pools = settings.pools
    layouts = DEVNET_LAYOUTS if settings.chain.name == "devnet" else LAYOUTS
    named = read_pool_file(pools.file) if pools.file is not None else ()
    return lambda chain: PoolFinder(
        chain,
        clock,
        layouts=layouts if pools.discovery else (),
        named=named,
        refresh_s=pools.refresh_ms / 1000,
    )
