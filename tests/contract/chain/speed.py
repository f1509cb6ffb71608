"""What the ports of the paper chain cost: `python -m tests.contract.chain.speed`."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from fairlead.chain.balances import ChainBalances
from fairlead.chain.pools import ChainPools, paper_pool_list
from fairlead.solana.accounts import associated_token_address
from fairlead.solana.latch import Latch, latch_address, latch_seed, wrap_address, wrap_seed
from fairlead.solana.transaction import SwapPlan, Wrap, assemble, swap_message
from tests.contract.chain.worlds import (
    LATCH_RENT,
    SOL_MINT,
    TOKEN_RENT,
    USDC_MINT,
    World,
    paper_world,
    signature_of,
)

ROUNDS = 5
CALLS = 1_000


def show(name: str, seconds: float) -> None:
    print(f"{name:42} {seconds * 1e6:8.2f} µs")


async def measure(name: str, call: Callable[[int], Awaitable[Any]]) -> None:
    best = float("inf")
    for turn in range(ROUNDS):
        started = time.perf_counter()
        for number in range(CALLS):
            await call(turn * CALLS + number)
        best = min(best, (time.perf_counter() - started) / CALLS)
    show(name, best)


def plans(world: World, pools: Any, blockhash: str) -> list[SwapPlan]:
    wallet, found = world.payer, []
    usdc = associated_token_address(wallet, USDC_MINT)
    for number in range(ROUNDS * CALLS):
        secret = number.to_bytes(32)
        seed, temporary = latch_seed(secret, 0), wrap_seed(secret, 0)
        latch = Latch(latch_address(wallet, seed), seed, LATCH_RENT)
        wrap = Wrap(wrap_address(wallet, temporary), temporary, TOKEN_RENT + 10_000)
        swap = pools[number % 2].swap_exact_in(wallet, SOL_MINT, wrap.address, usdc, 10_000, 1)
        found.append(SwapPlan(wallet, blockhash, 200_000, 10, latch, None, wrap, (swap,)))
    return found


async def main() -> None:
    async with paper_world() as world:
        await world.faucet.fund(world.payer)
        world.tick(2)
        chain, clock, own = world.paper, world.clock, world.wallet
        pools = ChainPools(chain, paper_pool_list(), clock)
        balances = ChainBalances(chain, clock, chain)
        snapshot = await pools.snapshot(SOL_MINT, USDC_MINT)
        made = plans(world, snapshot.pools, (await chain.latest_blockhash()).blockhash)
        messages: list[bytes] = []

        async def message(number: int) -> None:
            messages.append(swap_message(made[number]))

        await measure("swap_message (latch, wrap, swap, unwrap)", message)
        raws: list[bytes] = []

        async def sign(number: int) -> None:
            one = messages[number]
            raws.append(assemble(one, [own.sign(own.default_address, one)]))

        await measure("sign and assemble", sign)
        await measure("simulate", lambda number: chain.simulate(raws[number]))
        show("the ledger alone: verify and execute", bank_send(world, made))
        await measure("send", lambda number: chain.send(raws[number]))
        signature = signature_of(raws[0])
        for name, call in {
            "snapshot, two pools, unchanged": lambda _: pools.snapshot(SOL_MINT, USDC_MINT),
            "latest_blockhash": lambda _: chain.latest_blockhash(),
            "epoch_info": lambda _: chain.epoch_info(),
            "signature_statuses of one": lambda _: chain.signature_statuses([signature]),
            "transaction": lambda _: chain.transaction(signature, "processed"),
            "balances, fresh": lambda _: balances.of(str(world.payer), ["lamports"]),
        }.items():
            await measure(name, call)


def bank_send(world: World, made: list[SwapPlan]) -> float:
    """Seconds of one send on the ledger alone, of transactions like those sent through the port."""
    own, raws = world.wallet, []
    for number, plan in enumerate(made[:CALLS]):
        seed = latch_seed(number.to_bytes(32), 9)
        latch = Latch(latch_address(plan.wallet, seed), seed, LATCH_RENT)
        one = swap_message(
            SwapPlan(plan.wallet, plan.blockhash, 200_000, 9, latch, None, plan.wrap, plan.swaps)
        )
        raws.append(assemble(one, [own.sign(own.default_address, one)]))
    started = time.perf_counter()
    for raw in raws:
        assert world.paper.bank.send(raw).err is None
    return (time.perf_counter() - started) / CALLS


if __name__ == "__main__":
    asyncio.run(main())
