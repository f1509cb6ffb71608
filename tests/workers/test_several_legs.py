"""Orders of several swaps in one transaction: splits over pools, and paths of two hops."""

import asyncio
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from solders.pubkey import Pubkey

from fairlead.ledger.account import SYSTEM_PROGRAM, AccountState, rent_minimum
from fairlead.ledger.programs.associated_token import associated_address
from fairlead.ledger.programs.token_data import amount_of
from fairlead.orders.model import EventType as E
from fairlead.orders.model import OrderStatus
from fairlead.orders.routes import RoutingPolicy
from fairlead.orders.view import order_view
from fairlead.routing import RouteRequest, best_route
from fairlead.solana.transaction import (
    MAX_TRANSACTION_BYTES,
    SwapPlan,
    TransactionTooLarge,
    swap_message,
)
from fairlead.tokens import JUP, SOL, USDC
from fairlead.workers import attempting, choosing
from fairlead.workers.worker import WorkerSettings
from tests.workers.scenario import in_world
from tests.workers.virtual_time import run
from tests.workers.world import SETTINGS, World, open_world

Shown = dict[str, Any]


def with_policy(policy: RoutingPolicy) -> WorkerSettings:
    execution = msgspec.structs.replace(SETTINGS.execution, routing=policy)
    return msgspec.structs.replace(SETTINGS, execution=execution)


async def filled(world: World, *what: str, **given: Any) -> Shown:
    """What the API shows of an order of these tokens, once it is final."""
    order_id = await world.submit(*what, **given)
    (order,) = await world.ends(order_id)
    assert OrderStatus.CONFIRMED is order.status, order.failure_reason
    events = await world.store.events(order.order_id, 0, 100)
    view = order_view(order, events, await world.attempts(order.order_id))
    found: Shown = msgspec.json.decode(msgspec.json.encode(view))
    return found


def total(legs: list[Shown], name: str, token: str) -> Decimal:
    side = "tokenIn" if name == "amountIn" else "tokenOut"
    return sum((Decimal(leg[name]) for leg in legs if leg[side] == token), Decimal(0))


def check_amounts(order: Shown) -> None:
    """The legs add up to the order's fill, which on a still market is what was quoted."""
    legs = order["legs"]
    assert Decimal(order["amountIn"]) == total(legs, "amountIn", order["tokenInMint"])
    assert Decimal(order["amountOut"]) == total(legs, "amountOut", order["tokenOutMint"])
    assert order["quote"]["legs"] == legs
    assert order["quote"]["amountOut"] == order["amountOut"]
    assert order["quote"].get("leftover") == order["leftover"]
    price = Decimal(order["amountOut"]) / Decimal(order["amountIn"])
    assert abs(price - Decimal(order["executedPrice"])) < Decimal("1e-6")


@in_world()
async def test_large_order_is_split_over_pools_and_pays_more_than_the_best_of_them(world: World):
    world.process()
    order = await filled(world, "SOL", "USDT", "2000")
    assert ("split", None) == (order["dex"], order["venue"])
    assert 2 == len(order["legs"])
    assert 1 == len({(leg["tokenIn"], leg["tokenOut"]) for leg in order["legs"]})
    check_amounts(order)
    alone = max(Decimal(quote["amountOut"]) for quote in order["quotes"])
    assert Decimal(order["amountOut"]) > alone
    assert [SOL.mint, order["tokenOutMint"]] == order["quote"]["route"]


@in_world()
async def test_legs_of_one_family_keep_its_name_and_name_no_single_venue(world: World):
    world.process()
    order = await filled(world, "USDC", "USDT", "300000")
    assert ("meteora", None) == (order["dex"], order["venue"])
    assert ["meteora_damm_v2", "meteora_dlmm"] == [leg["venue"] for leg in order["legs"]]
    check_amounts(order)


@pytest.mark.parametrize(
    ("token_in", "token_out", "amount", "middle"),
    [
        # No pool trades the pair: a middle token in an account of its own, and SOL in between.
        ("BONK", "JUP", "500000000", USDC.mint),
        ("WIF", "BONK", "100000", SOL.mint),
        # There are pools of the pair, and they pay less.
        ("WIF", "USDC", "100000", SOL.mint),
    ],
)
def test_two_hops_are_one_order_and_what_is_left_in_the_middle_is_told(
    token_in: str, token_out: str, amount: str, middle: str
):
    @in_world()
    async def body(world: World) -> None:
        world.process()
        order = await filled(world, token_in, token_out, amount)
        assert [order["tokenInMint"], middle, order["tokenOutMint"]] == order["quote"]["route"]
        check_amounts(order)
        legs, left = order["legs"], order["leftover"]
        brought, taken = total(legs, "amountOut", middle), total(legs, "amountIn", middle)
        assert (middle, brought - taken) == (left["token"], Decimal(left["amount"]))
        assert 0 < brought - taken <= brought / 100

    body()


def test_middle_account_is_made_where_the_wallet_has_none():
    async def main() -> tuple[Shown, int, int]:
        async with open_world() as world:
            wallet = Pubkey.from_string(world.wallet.default_address)
            await world.paper.fund(wallet)
            account = associated_address(bytes(wallet), bytes(Pubkey.from_string(USDC.mint)))
            bank = world.paper.bank
            gone = AccountState(0, b"", SYSTEM_PROGRAM)
            bank.change_at_root({account: lambda _: gone})
            world.process()
            order = await filled(world, "BONK", "JUP", "500000000")
            state = bank.account(account)
            assert state is not None
            return order, state.lamports, amount_of(state.data)

    order, lamports, atoms = run(main(), 600)
    assert (USDC.mint, rent_minimum(165)) == (order["leftover"]["token"], lamports)
    assert Decimal(order["leftover"]["amount"]) == Decimal(atoms) / 10**6


@in_world()
async def test_operator_may_allow_one_swap_only(world: World):
    world.process(with_policy(RoutingPolicy(max_legs=1)))
    order = await filled(world, "SOL", "USDT", "2000")
    assert (1, None) == (len(order["legs"]), order["leftover"])
    assert order["venue"] is not None
    order_id = await world.submit("BONK", "JUP", "500000000")
    (failed,) = await world.ends(order_id)
    assert (OrderStatus.FAILED, "no_route") == (failed.status, failed.failure_code)


@in_world()
async def test_operator_may_switch_two_hops_off_and_keep_splits(world: World):
    world.process(with_policy(RoutingPolicy(two_hop=False)))
    order = await filled(world, "WIF", "USDC", "100000")
    assert 2 == len(order["quote"]["route"])
    assert 2 == len((await filled(world, "USDC", "USDT", "200000"))["legs"])


@in_world()
async def test_small_orders_of_a_pair_read_the_pools_around_it_once(world: World):
    process = world.process()
    pools, reads = process.worker.bench.parts.pools, []
    around = pools.around

    async def counted(*mints: Pubkey) -> Any:
        reads.append(mints)
        return await around(*mints)

    pools.around = counted  # type: ignore[method-assign,assignment]
    await world.reaches(await world.submit("SOL", "USDC", "1.5"), E.SUBMITTED)
    order_ids = [await world.submit("SOL", "USDC", "1.5") for _ in range(8)]
    await world.reaches(order_ids[-1], E.SUBMITTED)
    assert 1 == len(reads)


@in_world()
async def test_orders_that_wait_for_the_pools_around_a_pair_compare_them_once(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    process = world.process()
    pools, asked = process.worker.bench.parts.pools, []
    around = pools.around

    async def slow(*mints: Pubkey) -> Any:
        await asyncio.sleep(0.05)
        return await around(*mints)

    def counted(request: RouteRequest, *given: Any) -> Any:
        asked.append(bool(request.middles))
        return best_route(request, *given)

    pools.around = slow  # type: ignore[method-assign,assignment]
    monkeypatch.setattr(choosing, "best_route", counted)
    order_ids = [await world.submit("SOL", "USDC", "1.5") for _ in range(8)]
    for order_id in order_ids:
        await world.reaches(order_id, E.SUBMITTED)
    assert (8, 1) == (asked.count(False), asked.count(True))


@in_world()
async def test_order_with_an_allow_list_goes_through_its_venues_alone(world: World):
    world.process()
    order = await filled(world, "JUP", "BONK", "2000", venues=("raydium_cpmm",))
    assert {"raydium_cpmm"} == {leg["venue"] for leg in order["legs"]}
    assert ("raydium", "raydium_cpmm") == (order["dex"], order["venue"])
    assert JUP.mint == order["legs"][0]["tokenIn"]


def too_large_from(legs: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """No transaction takes so many swaps; the number of each that was tried."""
    tried: list[int] = []

    def message(plan: SwapPlan) -> bytes:
        tried.append(len(plan.swaps))
        if len(plan.swaps) >= legs:
            raise TransactionTooLarge(MAX_TRANSACTION_BYTES + 1)
        return swap_message(plan)

    monkeypatch.setattr(attempting, "swap_message", message)
    return tried


@in_world()
async def test_route_that_does_not_fit_is_made_with_fewer_swaps(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    tried = too_large_from(2, monkeypatch)
    world.process()
    order = await filled(world, "SOL", "USDT", "2000")
    assert [2, 1] == tried
    assert 1 == len(order["legs"] or [None])
    assert "split" != order["dex"]
    check = Decimal(order["amountOut"])
    assert check == max(Decimal(quote["amountOut"]) for quote in order["quotes"])


@in_world()
async def test_order_of_which_no_route_fits_fails_with_the_reason(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    tried = too_large_from(1, monkeypatch)
    world.process()
    (order,) = await world.ends(await world.submit("SOL", "USDT", "2000"))
    assert (OrderStatus.FAILED, "transaction_too_large") == (order.status, order.failure_code)
    assert [2, 1] == tried
    assert not await world.attempts(order.order_id)
    assert not world.sends


@in_world()
async def test_pair_that_only_a_narrower_route_cannot_serve_ends_the_round(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    """No pool trades it alone: without its two hops there is nothing left."""
    too_large_from(2, monkeypatch)
    world.process()
    (order,) = await world.ends(await world.submit("JUP", "USDT", "200"))
    assert (OrderStatus.FAILED, "no_route") == (order.status, order.failure_code)
    assert not world.sends
