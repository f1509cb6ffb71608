"""The engine's stages one after another, each measured, without its loops: for bench.profile.

They feed one another as in the engine, from the bytes of a POST to the frames of `finalized`. What
an order needs is imported where it is used, so that one part in pieces says so by name.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from time import thread_time
from typing import Any, TypeVar

import msgspec
from solders.pubkey import Pubkey
from solders.signature import Signature

In = TypeVar("In")
Out = TypeVar("Out")


class Stages:
    """CPU time by stage."""

    def __init__(self) -> None:
        self._batches: dict[str, list[float]] = {}

    def over(self, stage: str, inputs: Sequence[In], work: Callable[[In], Out]) -> list[Out]:
        """Do one stage for a batch of orders and return what it made of them."""
        began = thread_time()
        made = [work(one) for one in inputs]
        used = thread_time() - began
        self._batches.setdefault(stage, []).append(used * 1e6 / len(inputs))
        return made

    def figures(self) -> dict[str, float]:
        return {
            stage: round(sorted(batches)[len(batches) // 2], 2)
            for stage, batches in self._batches.items()
        }


# Never run: coroutines only ask it for futures.
_loop = asyncio.new_event_loop()


def at_once(coroutine: Coroutine[Any, Any, Out]) -> Out:
    """The result of a coroutine that waits for nothing, as all reads of the paper chain."""
    asyncio._set_running_loop(_loop)
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: Out = done.value
        return result
    finally:
        asyncio._set_running_loop(None)
    raise AssertionError("it waits for something")


class Planned(msgspec.Struct):
    order: Any
    route: Any
    minimum: int
    blockhash: Any
    plan: Any = None
    message: bytes = b""
    signature: bytes = b""
    attempt: Any = None
    landed: Any = None
    fill: Any = None


class Pipeline:
    """The engine's own parts, without its loops."""

    def __init__(self, stages: Stages) -> None:
        from fairlead.chain.paper import open_paper_chain
        from fairlead.chain.pools import ChainPools, paper_pool_list
        from fairlead.chain.wallet import PaperWallet
        from fairlead.clock import SystemClock
        from fairlead.orders.intake import IntakeRules

        self.stages = stages
        self.clock = SystemClock()
        self.chain = open_paper_chain(self.clock)
        self.pools = ChainPools(self.chain, paper_pool_list(), self.clock)
        self.wallet = PaperWallet(bytes(32))
        self.rules = IntakeRules()

    def run(self, bodies: Sequence[bytes]) -> None:
        """One batch through all stages."""
        accepted = self.accept(bodies)
        planned = self.plan(accepted)
        self.execute(planned)
        self.narrate(planned)
        self.chain.tick()

    def accept(self, bodies: Sequence[bytes]) -> list[Any]:
        from fairlead.api import dialects
        from fairlead.api.bodies import decode_object
        from fairlead.orders import intake, risk
        from fairlead.orders.acceptance import new_order
        from fairlead.orders.model import NewOrder, Order, OrderStatus, Reservation

        over, clock, wallet = self.stages.over, self.clock, self.wallet
        sent = over("decode", bodies, decode_object)
        hashes = over("request hash", sent, dialects.request_hash)
        requests = over("read the dialect", sent, dialects.read_order)
        now_ms = clock.now_ms()
        terms = over(
            "validate and agree",
            requests,
            lambda r: intake.agree(
                r, self.rules, wallet.default_address, wallet.held_address, now_ms
            ),
        )
        # `made` does it again.
        over("id and secret", terms, lambda _: (clock.new_id(), clock.random_bytes(32)))

        def made(one: tuple[Any, bytes]) -> NewOrder:
            agreed, hashed = one
            held = tuple(
                Reservation(agreed.wallet, asset, atoms, 10**18)
                for asset, atoms in risk.needs(agreed)
            )
            return new_order(
                clock.new_id(),
                "local",
                None,
                hashed,
                agreed,
                clock.random_bytes(32),
                now_ms,
                held,
            )

        orders = over("needs and order", list(zip(terms, hashes, strict=True)), made)
        for owner in {agreed.wallet for agreed in terms}:
            at_once(self.chain.fund(Pubkey.from_string(owner)))
        return [
            Order(
                new.order_id,
                "local",
                new.terms,
                new.secret,
                OrderStatus.ROUTING,
                2,
                now_ms,
                now_ms,
                owner="worker",
                round=1,
            )
            for new in orders
        ]

    def plan(self, orders: Sequence[Any]) -> list[Planned]:
        from fairlead.orders import changes
        from fairlead.orders.routes import Edge, RoutingPolicy, may_gain_around, request_of
        from fairlead.routing import NetworkCosts, Route, best_route
        from fairlead.solana.transaction import swap_message

        over, chain, policy, edge = self.stages.over, self.chain, RoutingPolicy(), Edge(0, -100)
        snapshots = over(
            "read the pools",
            orders,
            lambda o: at_once(
                self.pools.snapshot(
                    Pubkey.from_string(o.terms.token_in), Pubkey.from_string(o.terms.token_out)
                )
            ),
        )

        def routed(one: tuple[Any, Any]) -> Planned:
            order, snapshot = one
            route = best_route(request_of(order.terms, policy), snapshot, NetworkCosts(1_000))
            assert isinstance(route, Route), route
            # Of the pools around, the order before it has learnt that they offer less.
            assert not may_gain_around(route, policy, edge, 0)
            minimum = changes.minimum_for(order, route.amount_out_atoms)
            return Planned(order, route, minimum, None)

        pairs = list(zip(orders, snapshots, strict=True))
        planned = over(f"quote {len(snapshots[0].pools)} pools, choose", pairs, routed)
        hashes = over("blockhash", planned, lambda _: at_once(chain.latest_blockhash()))
        for one, blockhash in zip(planned, hashes, strict=True):
            one.blockhash = blockhash
        plans = over("latch, wrap, swap plan", planned, swap_plan)
        messages = over("message", plans, swap_message)
        for one, plan, message in zip(planned, plans, messages, strict=True):
            one.plan, one.message = plan, message
        return planned

    def execute(self, planned: Sequence[Planned]) -> None:
        from fairlead.solana.transaction import assemble

        over, chain, wallet = self.stages.over, self.chain, self.wallet
        unsigned = [assemble(one.message, (bytes(64),)) for one in planned]
        for simulation in over("simulate", unsigned, lambda raw: at_once(chain.simulate(raw))):
            assert simulation.error is None, simulation
        signatures = over(
            "sign", planned, lambda one: wallet.sign(one.order.terms.wallet, one.message)
        )
        for one, signature in zip(planned, signatures, strict=True):
            one.signature = signature
        attempts = over("attempt", planned, new_attempt)
        for one, attempt in zip(planned, attempts, strict=True):
            one.attempt = attempt
        # The send below does it again.
        over("verify", planned, verify)
        for sent in over("send", planned, lambda one: at_once(chain.send(one.attempt.raw))):
            assert sent.accepted, sent
        landed = over(
            "read the transaction",
            planned,
            lambda one: at_once(chain.transaction(one.attempt.signature, "confirmed")),
        )
        for one, transaction in zip(planned, landed, strict=True):
            one.landed = transaction

    def narrate(self, planned: Sequence[Planned]) -> None:
        from fairlead.api.frames import status_update
        from fairlead.bus.frames import status_frame
        from fairlead.orders import changes
        from fairlead.orders.model import StoredEvent
        from fairlead.solana.fill import fill_of
        from fairlead.solana.landing import Purpose

        over = self.stages.over
        fills = over(
            "read the fill",
            planned,
            lambda one: fill_of(
                one.landed,
                one.order.terms.wallet,
                one.attempt.legs,
                latch_address=one.attempt.latch_address,
            ),
        )
        now_ms = self.clock.now_ms()

        def told(one: tuple[Planned, Any]) -> list[Any]:
            """Every change that a worker writes, with its events."""
            planned, fill = one
            order, attempt, slot = planned.order, planned.attempt, planned.landed.slot
            atoms = (fill.amount_in_atoms, fill.amount_out_atoms)
            change = changes.submitted(order, planned.route, attempt, now_ms, Purpose.FIRST)
            order = changes.applied(order, change, order.sequence + 2)
            seen = changes.confirmed(order, attempt, *atoms, slot, now_ms)
            order = changes.applied(order, seen, order.sequence + 1)
            final = changes.finalized(order, attempt, *atoms, slot, now_ms)
            return [*change.events, *seen.events, *final.events]

        pairs = list(zip(planned, fills, strict=True))
        events = over("changes and event data", pairs, told)
        stored = [
            [
                StoredEvent(i, one.order.order_id, i, "local", now_ms, e.type, e.status, e.data)
                for i, e in enumerate(told, 3)
            ]
            for one, told in zip(planned, events, strict=True)
        ]
        over("frames of 4 events (sockets)", stored, lambda its: [status_update(e) for e in its])
        over("frames of 4 events (Redis)", stored, lambda its: [status_frame(e) for e in its])


def swap_plan(one: Planned) -> Any:
    """What `workers/attempting` plans."""
    from fairlead.orders.plan import Surroundings, latch_of, swap_plan

    latch = latch_of(one.order, 890_880)
    around = Surroundings(1, one.blockhash.blockhash, 1_000, 2_039_280, latch)
    return swap_plan(one.order, one.route, one.minimum, around)


def new_attempt(one: Planned) -> Any:
    from fairlead.orders.model import Attempt
    from fairlead.orders.plan import legs_of
    from fairlead.solana.transaction import assemble

    blockhash = one.blockhash
    return Attempt(
        signature=str(Signature.from_bytes(one.signature)),
        order_id=one.order.order_id,
        round=1,
        number=1,
        raw=assemble(one.message, (one.signature,)),
        blockhash=blockhash.blockhash,
        blockhash_slot=blockhash.slot,
        blockhash_height=blockhash.block_height,
        last_valid_block_height=blockhash.last_valid_block_height,
        compute_unit_limit=one.plan.compute_unit_limit,
        compute_unit_price_micro_lamports=1_000,
        tip_lamports=0,
        fee_lamports=5_200,
        latch_address=str(one.plan.latch.address),
        latch_generation=0,
        minimum_out_atoms=one.minimum,
        legs=legs_of(one.route),
        created_at_ms=0,
    )


def verify(one: Planned) -> None:
    payer = Pubkey.from_string(one.order.terms.wallet)
    assert Signature.from_bytes(one.signature).verify(payer, one.message)
