"""What the ports of the paper chain cost: `python -m bench.chain`.

Each figure is the best of many short runs, since other work on the machine only ever adds. Every
call is of another transaction.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from solders.pubkey import Pubkey
from solders.signature import Signature

from fairlead.chain.balances import ChainBalances
from fairlead.chain.pools import ChainPools, paper_pool_list
from fairlead.orders.model import Leg
from fairlead.solana.accounts import associated_token_address
from fairlead.solana.fill import fill_of
from fairlead.solana.landed import LandedTransaction
from fairlead.solana.latch import Latch, latch_address, latch_seed, wrap_address, wrap_seed
from fairlead.solana.transaction import SwapPlan, Wrap, assemble, swap_message
from fairlead.venues.venue import LoadedPool
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
RUN = 50
"""Calls that are timed together."""


def show(name: str, seconds: float) -> None:
    print(f"{name:42} {seconds * 1e6:8.2f} µs")


async def measure(name: str, call: Callable[[int], Awaitable[Any]]) -> None:
    best = float("inf")
    for first in range(0, ROUNDS * CALLS, RUN):
        started = time.perf_counter()
        for number in range(first, first + RUN):
            await call(number)
        best = min(best, (time.perf_counter() - started) / RUN)
    show(name, best)


async def measure_together(calls: dict[str, Callable[[int], Awaitable[Any]]]) -> None:
    """Each call's best where all are made on the same transactions, `RUN` of them at a time."""
    best = dict.fromkeys(calls, float("inf"))
    for first in range(0, ROUNDS * CALLS, RUN):
        for name, call in calls.items():
            started = time.perf_counter()
            for number in range(first, first + RUN):
                await call(number)
            best[name] = min(best[name], (time.perf_counter() - started) / RUN)
    for name, seconds in best.items():
        show(f"  {name}", seconds)
    show("the chain's part of an order", sum(best.values()))


def plans(world: World, pools: Any, blockhash: str) -> list[SwapPlan]:
    wallet, found = world.payer, []
    usdc = associated_token_address(wallet, USDC_MINT)
    for number in range(ROUNDS * CALLS):
        secret = number.to_bytes(32)
        seed, temporary = latch_seed(secret, 0), wrap_seed(secret, 0)
        latch = Latch(latch_address(wallet, seed), seed, LATCH_RENT)
        wrap = Wrap(wrap_address(wallet, temporary), temporary, TOKEN_RENT + 10_000)
        swap = pools[number % 2].swap_exact_in(wallet, SOL_MINT, wrap.address, usdc, 10_000, 1)
        found.append(SwapPlan(wallet, blockhash, 200_000, 10, latch, (), wrap, (swap,)))
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
        show("the ledger alone: verify and execute", bank_send(world, made))
        show("the signature check alone", verify(raws))
        signatures = [signature_of(raw) for raw in raws]
        landed: list[LandedTransaction] = []
        legs = [leg_of(pool) for pool in snapshot.pools]

        async def transaction(number: int) -> None:
            found = await chain.transaction(signatures[number], "processed")
            assert found is not None
            landed.append(found)

        async def fill(number: int) -> None:
            latch = made[number].latch
            assert latch is not None
            wallet, address = str(world.payer), str(latch.address)
            fill_of(landed[number], wallet, (legs[number % 2],), latch_address=address)

        await measure_together(
            {
                "simulate": lambda number: chain.simulate(raws[number]),
                "send": lambda number: chain.send(raws[number]),
                "signature_statuses": lambda n: chain.signature_statuses([signatures[n]]),
                "transaction": transaction,
                "fill_of": fill,
            }
        )
        for name, call in {
            "snapshot, two pools, unchanged": lambda _: pools.snapshot(SOL_MINT, USDC_MINT),
            "latest_blockhash": lambda _: chain.latest_blockhash(),
            "epoch_info": lambda _: chain.epoch_info(),
            "balances, fresh": lambda _: balances.of(str(world.payer), ["lamports"]),
        }.items():
            await measure(name, call)


def leg_of(pool: LoadedPool) -> Leg:
    first_is_in = pool.mints[0] == SOL_MINT
    vault_in, vault_out = pool.pool.vaults if first_is_in else pool.pool.vaults[::-1]
    return Leg(
        pool.venue.value,
        str(pool.pool.program_id),
        str(pool.address),
        str(SOL_MINT),
        str(USDC_MINT),
        str(vault_in),
        str(vault_out),
    )


def verify(raws: list[bytes]) -> float:
    best = float("inf")
    for first in range(0, CALLS, RUN):
        started = time.perf_counter()
        for raw in raws[first : first + RUN]:
            key = Pubkey.from_bytes(raw[70:102])
            assert Signature.from_bytes(raw[1:65]).verify(key, raw[65:])
        best = min(best, (time.perf_counter() - started) / RUN)
    return best


def bank_send(world: World, made: list[SwapPlan]) -> float:
    """Seconds of one send on the ledger alone, of transactions like those sent through the port."""
    own, raws = world.wallet, []
    for number, plan in enumerate(made[:CALLS]):
        seed = latch_seed(number.to_bytes(32), 9)
        latch = Latch(latch_address(plan.wallet, seed), seed, LATCH_RENT)
        one = swap_message(
            SwapPlan(plan.wallet, plan.blockhash, 200_000, 9, latch, (), plan.wrap, plan.swaps)
        )
        raws.append(assemble(one, [own.sign(own.default_address, one)]))
    best = float("inf")
    for first in range(0, CALLS, RUN):
        started = time.perf_counter()
        for raw in raws[first : first + RUN]:
            assert world.paper.bank.send(raw).err is None
        best = min(best, (time.perf_counter() - started) / RUN)
    return best


if __name__ == "__main__":
    asyncio.run(main())
