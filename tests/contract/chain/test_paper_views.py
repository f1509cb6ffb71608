"""What the paper chain gives again while nothing changed, held against a view that remembers
nothing."""

import random

import msgspec
import pytest

from fairlead.chain.paper_views import AccountViews
from fairlead.chain.rpc_answers import CLOCK_SYSVAR
from fairlead.ledger.account import AccountState
from fairlead.ledger.blocks import Commitment
from tests.contract.chain.worlds import PARAMS, World, paper_world

LEVELS: tuple[Commitment, ...] = ("processed", "confirmed", "finalized")


async def act(world: World, chosen: random.Random, number: int) -> None:
    """One of the things that change accounts, or none."""
    bank = world.paper.bank
    match chosen.randrange(7):
        case 0:
            world.tick(chosen.randrange(1, 3))
        case 1:
            await world.paper.send(await world.swap(number))
        case 2:
            bank.apply({bytes(world.payer): AccountState(10**12 + number, b"", bytes(32))})
        case 3:
            await world.faucet.fund(world.payer)
        case 4:
            bank.drop_unrooted(chosen.randrange(1, PARAMS.finality_depth))
        case 5:
            depth = chosen.randrange(2)
            bank.set_params(msgspec.structs.replace(PARAMS, confirmed_depth=depth))
        case _:
            pass


@pytest.mark.parametrize("seed", range(6))
async def test_an_answer_given_again_is_what_a_new_read_finds(seed):
    chosen = random.Random(seed)
    async with paper_world() as world:
        await world.faucet.fund(world.payer)
        world.tick(PARAMS.finality_depth + 1)
        pool = (await world.pools())[0]
        asked = (CLOCK_SYSVAR, world.payer, pool.address, *pool.pool.vaults)
        views = AccountViews(world.paper.bank)
        for number in range(60):
            await act(world, chosen, number)
            for level in LEVELS:
                fresh = AccountViews(world.paper.bank).read(asked, level)
                assert fresh == views.read(asked, level)


async def test_those_who_ask_with_the_same_tuple_get_the_same_answer_until_an_account_changes():
    async with paper_world() as world:
        await world.faucet.fund(world.payer)
        views, asked = AccountViews(world.paper.bank), (CLOCK_SYSVAR, world.payer)
        first = views.read(asked, "processed")
        assert views.read(asked, "processed") is first
        assert views.read(asked[1:], "processed").accounts.keys() == {world.payer}
        first = views.read(asked, "processed")
        world.paper.bank.apply({bytes(world.payer): AccountState(7, b"", bytes(32))})
        second = views.read(asked, "processed")
        assert (7, first.slot) == (second.accounts[world.payer].lamports, second.slot)
