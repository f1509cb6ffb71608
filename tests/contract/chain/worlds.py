"""What the chain tests run on: a paper chain that ticks on command, and ways to reach it."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path

from solders.pubkey import Pubkey
from solders.signature import Signature

from fairlead.chain.paper import PaperChain, open_paper_chain
from fairlead.chain.pools import ChainPools, paper_pool_list
from fairlead.chain.rpc import RpcChain
from fairlead.chain.wallet import PaperWallet
from fairlead.clock import SystemClock
from fairlead.ledger.blocks import LedgerParams
from fairlead.ledger.faults import FAST, PaperProfile
from fairlead.node.server import node_app, node_server
from fairlead.ports import Chain, Faucet
from fairlead.solana.latch import Latch, latch_address, latch_seed, wrap_address, wrap_seed
from fairlead.solana.transaction import (
    SwapPlan,
    TokenMint,
    Wrap,
    assemble,
    swap_message,
    user_account,
)
from fairlead.tokens import SOL, USDC
from fairlead.venues.venue import LoadedPool

SOL_MINT, USDC_MINT = Pubkey.from_string(SOL.mint), Pubkey.from_string(USDC.mint)
LATCH_RENT, TOKEN_RENT = 890_880, 2_039_280
PARAMS = LedgerParams(slot_ms=400, blockhash_window=20, confirmed_depth=1, finality_depth=4)
"""Small enough to reach every end of it in a test."""

PATIENCE_S = 20.0
"""What a test waits for something that must happen; never waited out when it does."""


class StepClock:
    """A clock that moves when told to; sleepers wake when it passes them."""

    def __init__(self) -> None:
        self._ms = 1_700_000_000_000
        self._sleepers: list[tuple[int, asyncio.Future[None]]] = []
        self._ids = 0

    def now_ms(self) -> int:
        return self._ms

    def monotonic(self) -> float:
        return self._ms / 1000

    async def sleep(self, seconds: float) -> None:
        future = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._ms + int(seconds * 1000), future))
        await future

    def advance(self, ms: int) -> None:
        self._ms += ms
        for due, future in self._sleepers:
            if due <= self._ms and not future.done():
                future.set_result(None)
        self._sleepers = [one for one in self._sleepers if not one[1].done()]

    def random_bytes(self, size: int) -> bytes:
        self._ids += 1
        return self._ids.to_bytes(size)

    def new_id(self) -> str:
        self._ids += 1
        return f"00000000-0000-7000-8000-{self._ids:012x}"


class World:
    """A paper chain, and a chain port that reaches it."""

    def __init__(self, paper: PaperChain, clock: StepClock) -> None:
        self.paper = paper
        self.clock = clock
        self.chain: Chain = paper
        self.faucet: Faucet = paper
        self.wallet = PaperWallet(b"tests")

    @property
    def payer(self) -> Pubkey:
        return Pubkey.from_string(self.wallet.default_address)

    def tick(self, slots: int = 1) -> None:
        for _ in range(slots):
            self.clock.advance(self.paper.bank.params.slot_ms)
            self.paper.tick()

    async def pools(self) -> tuple[LoadedPool, ...]:
        pools = ChainPools(self.paper, paper_pool_list(), self.clock)
        return (await pools.snapshot(SOL_MINT, USDC_MINT)).pools

    async def swap(self, number: int, *, minimum_out: int = 1, generation: int = 0) -> bytes:
        """A signed sale of 0.01 SOL by the order of this number, behind its latch."""
        return self.signed(await self.swap_message(number, minimum_out, generation))

    async def swap_message(self, number: int, minimum_out: int = 1, generation: int = 0) -> bytes:
        pool = (await self.pools())[number % 2]
        secret = number.to_bytes(32)
        temporary = wrap_seed(secret, generation)
        wrap = Wrap(wrap_address(self.payer, temporary), temporary, TOKEN_RENT + 10_000_000)
        swap = pool.swap_exact_in(
            self.payer,
            SOL_MINT,
            user_account(self.payer, TokenMint(SOL_MINT), wrap),
            user_account(self.payer, TokenMint(USDC_MINT), wrap),
            10_000_000,
            minimum_out,
        )
        blockhash = (await self.paper.latest_blockhash()).blockhash
        plan = SwapPlan(
            self.payer, blockhash, 200_000 + generation, 10, self.latch(number), (), wrap, (swap,)
        )
        return swap_message(plan)

    def latch(self, number: int) -> Latch:
        seed = latch_seed(number.to_bytes(32), 0)
        return Latch(latch_address(self.payer, seed), seed, LATCH_RENT)

    async def cancel(self, number: int) -> bytes:
        """A signed transaction that takes the latch and does nothing else."""
        blockhash = (await self.paper.latest_blockhash()).blockhash
        plan = SwapPlan(self.payer, blockhash, 10_000, 0, self.latch(number))
        return self.signed(swap_message(plan))

    def signed(self, message: bytes) -> bytes:
        return assemble(message, [self.wallet.sign(self.wallet.default_address, message)])


def signature_of(raw: bytes) -> str:
    return str(Signature.from_bytes(raw[1:65]))


@contextlib.asynccontextmanager
async def paper_world(
    profile: PaperProfile = FAST, params: LedgerParams = PARAMS, folder: Path | None = None
) -> AsyncIterator[World]:
    """The chain in this process."""
    clock = StepClock()
    paper = open_paper_chain(clock, params=params, profile=profile, folder=folder)
    world = World(paper, clock)
    try:
        yield world
    finally:
        await paper.stop()


@contextlib.asynccontextmanager
async def served(world: World) -> AsyncIterator[str]:
    """A node in front of the world's chain: its address."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = node_server(node_app(world.paper, SystemClock(), world.paper))
    serving = asyncio.ensure_future(server.serve(sockets=[listening]))
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


@contextlib.asynccontextmanager
async def rpc_world() -> AsyncIterator[World]:
    """The chain behind a node, reached over HTTP and WebSocket."""
    async with paper_world() as world, served(world) as url:
        # Blocks come when a test says so: nothing may be told again for a slot.
        rpc = RpcChain("local", url, SystemClock(), max_age_s=0)
        world.chain, world.faucet = rpc, rpc
        try:
            yield world
        finally:
            await rpc.stop()


WORLDS = {"paper": paper_world, "rpc": rpc_world}
