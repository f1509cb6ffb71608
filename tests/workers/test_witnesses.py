"""Several providers, one of which lies: no order ends wrongly, nothing is signed again wrongly, and
every order ends."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest
from solders.pubkey import Pubkey

from fairlead.chain.agreeing import AgreeingChain
from fairlead.chain.pools import ChainPools, paper_pool_list
from fairlead.orders.model import AttemptState, OrderStatus
from fairlead.orders.model import EventType as E
from fairlead.ports import (
    AccountsAtSlot,
    AddressSignature,
    Blockhash,
    EpochInfo,
    LandedTransaction,
    SignatureStatus,
)
from fairlead.solana.landing import LandingPolicy
from fairlead.solana.latch import latch_address, latch_seed
from fairlead.venues.venue import Account
from fairlead.workers.work import Parts
from fairlead.workers.worker import Worker, WorkerSettings
from tests.workers.scenario import in_world
from tests.workers.strangers import pay
from tests.workers.world import (
    EXECUTION,
    PARAMS,
    SETTINGS,
    GatedClock,
    Process,
    ScriptedChain,
    Sent,
    World,
    faults,
)

ALARM_S = EXECUTION.landing.tell_unknown_after_ms / 1000
MOVED = '{"InstructionError":[5,{"Custom":6005}]}'


class Witness(ScriptedChain):
    """One endpoint: an honest one until told otherwise."""

    def __init__(self, world: World, process: Process, name: str) -> None:
        super().__init__(world, process)
        self.name = name

    async def start(self) -> None: ...
    async def stop(self) -> None: ...


class Null(Witness):
    """It has never heard of anything that landed."""

    async def signature_statuses(
        self, signatures: Sequence[str], *, search_history: bool = False
    ) -> tuple[SignatureStatus | None, ...]:
        return (None,) * len(signatures)

    async def transaction(self, signature: str, commitment: str) -> LandedTransaction | None:
        return None

    async def signatures_for_address(
        self, address: Pubkey, **named: Any
    ) -> tuple[AddressSignature, ...]:
        return ()


class Changed(Witness):
    """What landed it tells with another error, or none."""

    error: str | None

    async def signature_statuses(
        self, signatures: Sequence[str], *, search_history: bool = False
    ) -> tuple[SignatureStatus | None, ...]:
        found = await super().signature_statuses(signatures, search_history=search_history)
        return tuple(s and msgspec.structs.replace(s, error=self.error) for s in found)

    async def transaction(self, signature: str, commitment: str) -> LandedTransaction | None:
        await self._ask("transaction")
        found = await self._world.paper.transaction(signature, commitment)
        return found and msgspec.structs.replace(found, error=self.error)


class ErrorForSuccess(Changed):
    error = MOVED


class SuccessForError(Changed):
    error = None


class SuccessForNothing(Witness):
    """All that was ever sent is final and succeeded, it says, and shows none of it."""

    async def signature_statuses(
        self, signatures: Sequence[str], *, search_history: bool = False
    ) -> tuple[SignatureStatus | None, ...]:
        return tuple(SignatureStatus(1_001, None, "finalized") for _ in signatures)


class Invented(SuccessForNothing):
    """It shows them, too: the bytes of another transaction under another name."""

    async def transaction(self, signature: str, commitment: str) -> LandedTransaction | None:
        return LandedTransaction(signature, 1_001, None, None, 5_000, (), (), (), (), (), (), 0)


class FinalError(Witness):
    """Whatever is asked of failed for good."""

    async def signature_statuses(
        self, signatures: Sequence[str], *, search_history: bool = False
    ) -> tuple[SignatureStatus | None, ...]:
        return tuple(SignatureStatus(1_001, MOVED, "finalized") for _ in signatures)


class OtherHeight(Witness):
    """Its slots and heights are not those of the chain."""

    blocks: int

    def _moved(self, number: int) -> int:
        return max(number + self.blocks, 0)

    async def epoch_info(self, commitment: str = "finalized") -> EpochInfo:
        info = await super().epoch_info(commitment)
        return EpochInfo(self._moved(info.slot), self._moved(info.block_height), info.epoch)

    async def latest_blockhash(self, commitment: str = "confirmed") -> Blockhash:
        await self._ask("latest_blockhash")
        told = await self._world.paper.latest_blockhash(commitment)
        numbers = (told.slot, told.block_height, told.last_valid_block_height)
        return Blockhash(told.blockhash, *[self._moved(number) for number in numbers])

    async def accounts(
        self, addresses: Sequence[Pubkey], commitment: str = "confirmed", min_context_slot: int = 0
    ) -> AccountsAtSlot:
        await self._ask("accounts")
        read = await self._world.paper.accounts(addresses, commitment)
        return AccountsAtSlot(self._moved(read.slot), read.accounts)


class Stale(OtherHeight):
    blocks = -300


class ALittleStale(OtherHeight):
    blocks = -15


class TooHigh(OtherHeight):
    blocks = 100


class FarTooHigh(OtherHeight):
    blocks = 10**12


class LatchAbsent(Null):
    """No latch was ever made, it says, and nothing of the kind landed."""

    async def accounts(
        self, addresses: Sequence[Pubkey], commitment: str = "confirmed", min_context_slot: int = 0
    ) -> AccountsAtSlot:
        await self._ask("accounts")
        read = await self._world.paper.accounts(addresses, commitment, min_context_slot)
        latches = self._world.latches  # type: ignore[attr-defined]
        kept = {key: each for key, each in read.accounts.items() if key not in latches}
        return AccountsAtSlot(read.slot, kept)


class LatchPresent(Witness):
    """Each latch is there, it says."""

    async def accounts(
        self, addresses: Sequence[Pubkey], commitment: str = "confirmed", min_context_slot: int = 0
    ) -> AccountsAtSlot:
        await self._ask("accounts")
        read = await self._world.paper.accounts(addresses, commitment, min_context_slot)
        latches = self._world.latches  # type: ignore[attr-defined]
        there = {
            key: Account(Pubkey.default(), 890_880, b"") for key in addresses if key in latches
        }
        return AccountsAtSlot(read.slot, {**read.accounts, **there})


class OldBlockhash(Witness):
    """Always the first blockhash that it ever saw, as if it were new."""

    first: Blockhash | None = None

    async def latest_blockhash(self, commitment: str = "confirmed") -> Blockhash:
        await self._ask("latest_blockhash")
        told: Blockhash = await self._world.paper.latest_blockhash(commitment)
        self.first = self.first or told
        return msgspec.structs.replace(told, blockhash=self.first.blockhash)


LIARS: tuple[type[Witness], ...] = (
    Null,
    ErrorForSuccess,
    SuccessForError,
    SuccessForNothing,
    Invented,
    FinalError,
    Stale,
    ALittleStale,
    TooHigh,
    FarTooHigh,
    LatchAbsent,
    LatchPresent,
    OldBlockhash,
)


class Witnessed(Process):
    """A process that reaches the chain through several endpoints."""

    def __init__(
        self, world: World, kinds: Sequence[type[Witness]], settings: WorkerSettings = SETTINGS
    ) -> None:
        super().__init__(world, settings)
        # The worker of one endpoint that every process has makes way.
        self._task.cancel()
        names = ("one.example", "two.example", "three.example", "four.example")
        self.endpoints = [k(world, self, n) for k, n in zip(kinds, names, strict=False)]
        clock = GatedClock(world.clock, self)
        self.agreeing = AgreeingChain(self.endpoints, clock)
        pools = ChainPools(self.agreeing, paper_pool_list(), clock)
        parts = Parts(self.store, self.agreeing, pools, world.wallet, clock)
        self.worker = Worker(parts, world.bus, settings)
        self._task = asyncio.ensure_future(self.worker.run())
        world.processes.append(self)

    async def crash(self) -> None:
        await super().crash()
        await self.agreeing.stop()

    def each(self, do: Callable[[Witness], None]) -> None:
        for endpoint in self.endpoints:
            do(endpoint)


def places(liar: type[Witness]) -> list[list[type[Witness]]]:
    """The liar as each of three."""
    return [[liar if at == index else Witness for index in range(3)] for at in range(3)]


EVERY_LIAR = [
    pytest.param(kinds, id=f"{liar.__name__}-{at}")
    for liar in LIARS
    for at, kinds in enumerate(places(liar))
]


def know_latches(world: World) -> None:
    """Keep the latches of all orders where the liars find them."""
    world.latches = set()  # type: ignore[attr-defined]

    async def look(sent: Sent) -> None:
        for order_id in world.orders:
            order = await world.order(order_id)
            wallet = Pubkey.from_string(order.terms.wallet)
            seed = latch_seed(order.secret, order.latch_generation)
            world.latches.add(latch_address(wallet, seed))  # type: ignore[attr-defined]

    world.on_send.append(look)


def without_latch() -> WorkerSettings:
    execution = msgspec.structs.replace(EXECUTION, latch=False)
    return msgspec.structs.replace(SETTINGS, execution=execution)


@pytest.mark.parametrize("latch", [True, False], ids=["latch", "bare"])
@pytest.mark.parametrize("kinds", EVERY_LIAR)
@in_world()
async def test_liar_makes_no_order_end_wrongly(
    world: World, kinds: list[type[Witness]], latch: bool
):
    know_latches(world)
    Witnessed(world, kinds, SETTINGS if latch else without_latch())
    orders = await world.ends(*[await world.submit() for _ in range(4)])
    assert {OrderStatus.CONFIRMED} == {order.status for order in orders}
    told = [await world.data(order.order_id, E.FINALIZED) for order in orders]
    assert {"agreed"} == {each["proof"] for each in told}


@pytest.mark.parametrize("latch", [True, False], ids=["latch", "bare"])
@pytest.mark.parametrize("kinds", EVERY_LIAR)
@in_world()
async def test_liar_keeps_no_lost_attempt_from_being_proven_and_replaced(
    world: World, kinds: list[type[Witness]], latch: bool
):
    know_latches(world)
    process = Witnessed(world, kinds, SETTINGS if latch else without_latch())

    def lost(sent: Sent) -> str:
        return "lost" if sent.at_s < 20 else "pass"

    process.each(lambda endpoint: setattr(endpoint, "send_as", lost))
    order_id = await world.submit()
    (order,) = await world.ends(order_id, within_s=900)
    assert OrderStatus.CONFIRMED is order.status
    attempts = await world.attempts(order_id)
    assert 2 <= len(attempts)
    states = {attempt.state for attempt in attempts[:-1]}
    # Under a latch the next is signed before the proof, and may win before it.
    assert states <= ({AttemptState.DEAD, AttemptState.EXCLUDED} if latch else {AttemptState.DEAD})


@pytest.mark.parametrize("kinds", EVERY_LIAR)
@in_world(profile=faults("slippage_moved"))
async def test_liar_hides_no_failure(world: World, kinds: list[type[Witness]]):
    know_latches(world)
    Witnessed(world, kinds)
    order_id = await world.submit()
    (order,) = await world.ends(order_id, within_s=900)
    assert OrderStatus.FAILED is order.status
    assert {AttemptState.ERRORED} <= {a.state for a in await world.attempts(order_id)}
    assert "agreed" == (await world.data(order_id, E.FAILED))["proof"]


@pytest.mark.parametrize("kinds", EVERY_LIAR)
@in_world()
async def test_liar_makes_no_cancel_end_wrongly(world: World, kinds: list[type[Witness]]):
    know_latches(world)
    process = Witnessed(world, kinds)
    process.each(lambda endpoint: setattr(endpoint, "send_as", lambda sent: "lost"))
    order_id = await world.submit()
    await world.reaches(order_id, E.SUBMITTED)
    assert "cancelling" == await world.cancel(order_id)
    (order,) = await world.ends(order_id, within_s=900)
    assert OrderStatus.CANCELLED is order.status
    assert "agreed" == (await world.data(order_id, E.CANCELLED))["proof"]
    height = world.info("finalized").block_height
    swap, *cancels = await world.attempts(order_id)
    assert all(height > attempt.last_valid_block_height for attempt in (swap, *cancels))


@in_world()
async def test_liar_who_answers_null_makes_no_noise(world: World):
    Witnessed(world, [Null, Witness, Witness])
    order_id = await world.submit()
    await world.ends(order_id)
    assert ["accepted", "claimed", "routed", "submitted", "confirmed", "finalized"] == (
        await world.history(order_id)
    )


@in_world()
async def test_two_of_three_that_are_down_delay_the_end_and_are_told(world: World):
    process = Witnessed(world, [Witness] * 3)
    process.each(lambda endpoint: setattr(endpoint, "send_as", lambda sent: "lost"))
    order_id = await world.submit()
    await world.reaches(order_id, E.SUBMITTED)
    assert "cancelling" == await world.cancel(order_id)
    for endpoint in process.endpoints[:2]:
        endpoint.is_down = True
    await world.reaches(order_id, E.STILL_PROVING, within_s=ALARM_S + 30)
    await world.clock.sleep(300)
    assert OrderStatus.CANCELLING is (await world.order(order_id)).status
    process.endpoints[1].is_down = False
    (order,) = await world.ends(order_id)
    assert OrderStatus.CANCELLED is order.status


@in_world()
async def test_fill_is_booked_only_when_a_second_witness_is_back(world: World):
    process = Witnessed(world, [Witness] * 3)
    order_id = await world.submit()
    await world.reaches(order_id, E.CONFIRMED)
    for endpoint in process.endpoints[:2]:
        endpoint.is_down = True
    await world.clock.sleep(120)
    assert "finalized" not in await world.history(order_id)
    process.endpoints[0].is_down = False
    await world.ends(order_id)
    assert "dropped" not in await world.history(order_id)


@in_world()
async def test_one_provider_alone_signs_nothing_when_two_are_needed(world: World):
    process = Witnessed(world, [Witness] * 3)
    for endpoint in process.endpoints[1:]:
        endpoint.is_down = True
    order_id = await world.submit()
    await world.clock.sleep(30)
    assert not world.sends
    assert 1 == (await world.order(order_id)).round
    process.endpoints[2].is_down = False
    (order,) = await world.ends(order_id)
    assert (OrderStatus.CONFIRMED, 1) == (order.status, order.round)


@pytest.mark.parametrize("liar", [Null, ErrorForSuccess, LatchAbsent, FarTooHigh])
@in_world()
async def test_of_two_a_liar_only_delays(world: World, liar: type[Witness]):
    know_latches(world)
    process = Witnessed(world, [Witness, liar])
    order_id = await world.submit()
    await world.clock.sleep(200)
    assert "finalized" not in await world.history(order_id)
    assert (await world.order(order_id)).status not in (OrderStatus.FAILED, OrderStatus.EXPIRED)
    # The operator takes it out.
    await process.crash()
    world.process()
    (order,) = await world.ends(order_id)
    assert OrderStatus.CONFIRMED is order.status


@in_world()
async def test_fork_is_told_when_two_have_seen_it(world: World):
    Witnessed(world, [Witness, Witness, SuccessForNothing])
    await world.clock.sleep(3)
    order_id = await world.submit()
    await world.reaches(order_id, E.CONFIRMED)
    assert 1 == len(world.paper.bank.drop_unrooted(2))
    await world.reaches(order_id, E.DROPPED)
    await world.ends(order_id)
    assert 1 == len({sent.raw for sent in world.sends})


@in_world()
async def test_stranger_in_the_latch_is_found_by_two(world: World):
    process = Witnessed(world, [Witness, LatchAbsent, Witness])
    know_latches(world)
    process.each(lambda endpoint: setattr(endpoint, "send_as", lambda sent: "lost"))
    order_id = await world.submit()
    await world.reaches(order_id, E.SUBMITTED)
    order = await world.order(order_id)
    wallet = Pubkey.from_string(order.terms.wallet)
    await pay(world, latch_address(wallet, latch_seed(order.secret, 0)))
    await world.clock.sleep(20)
    process.each(lambda endpoint: setattr(endpoint, "send_as", lambda sent: "pass"))
    (order,) = await world.ends(order_id)
    assert (OrderStatus.CONFIRMED, 1) == (order.status, order.latch_generation)


@in_world()
async def test_single_provider_is_trusted_and_its_word_is_marked(world: World):
    process = world.process()
    order_id = await world.submit()
    await world.ends(order_id)
    assert "single-source" == (await world.data(order_id, E.FINALIZED))["proof"]
    process.chain.send_as = lambda sent: "lost"
    other = await world.submit()
    await world.reaches(other, E.SUBMITTED)
    await world.cancel(other)
    await world.ends(other)
    assert "single-source" == (await world.data(other, E.CANCELLED))["proof"]


@in_world()
async def test_answers_are_given_to_the_store_with_the_change_that_settles(world: World):
    # One attempt in each round: none that is signed before the last is proven dead.
    retry = msgspec.structs.replace(EXECUTION.retry, max_attempts_per_round=1)
    execution = msgspec.structs.replace(EXECUTION, retry=retry)
    settings = msgspec.structs.replace(SETTINGS, execution=execution)
    process = Witnessed(world, [Witness] * 3, settings)
    kept: list[Any] = []

    def keep(change: Any) -> str:
        kept.extend(each for each in change.settled if each.state is not AttemptState.LIVE)
        return ""

    process.store.write_as = keep
    lost = LandingPolicy(max_blockhash_window=PARAMS.blockhash_window)
    assert lost == EXECUTION.landing
    process.each(
        lambda endpoint: setattr(
            endpoint, "send_as", lambda sent: "lost" if sent.at_s < 12 else "pass"
        )
    )
    await world.ends(await world.submit())
    dead, won = [msgspec.json.decode(each.evidence) for each in kept]
    assert ("agreed", "dead") == (dead["proof"], dead["state"])
    assert ("agreed", "succeeded") == (won["proof"], won["state"])
    asked = [each["question"].split()[0] for each in dead["answers"]]
    unheard_of = ["getSignatureStatuses", "getEpochInfo", "getFirstAvailableBlock"]
    assert ["getEpochInfo", "getMultipleAccounts", *unheard_of] * 3 == asked
    names = [each["provider"] for each in won["answers"]][::3]
    assert ["one.example", "two.example", "three.example"] == names
    assert all(
        each["blockHeight"] >= dead["deathHeight"]
        for each in dead["answers"]
        if "blockHeight" in each
    )
