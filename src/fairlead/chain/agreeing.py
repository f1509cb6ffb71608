"""The Chain port over several providers of one cluster, of which one may lie.

What ends an order is not asked here: whoever proves asks each of `witnesses`. Here is what an order
needs on its way: reads from the first provider that answers, sends to all, hints from any, and the
few answers that allow a signature, for which two must stand.
"""

import asyncio
from collections.abc import Sequence

from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from fairlead.chain.agreeing_providers import WITHIN_S, Endpoint, Provider
from fairlead.chain.agreeing_reads import LAG_BLOCKS, AgreeingReads
from fairlead.chain.agreeing_simulation import agreed_simulation, is_stale
from fairlead.chain.rpc_caches import MAX_KEPT, Recent
from fairlead.errors import FairleadError, Unavailable
from fairlead.ports import (
    Blockhash,
    Chain,
    Clock,
    SendOutcome,
    Simulation,
)
from fairlead.solana.agreement import (
    agreed_height,
    agreed_value,
)

MAX_AGE_S = 0.3
"""How long an answer about the newest block is told again: less than a slot. The providers must not
remember any themselves: a height counts from when it was asked for here."""

STALE_TRIES, STALE_PAUSE_S = 4, 0.4
"""How often, a slot apart, a blockhash is looked for that only one provider seems to know."""


class AgreeingChain(AgreeingReads):
    """Several endpoints of one cluster as one. `name` is that of the first, with the number of the
    others."""

    def __init__(
        self, endpoints: Sequence[Endpoint], clock: Clock, *, max_age_s: float = MAX_AGE_S
    ) -> None:
        assert len(endpoints) >= 2
        self.name = f"{endpoints[0].name} and {len(endpoints) - 1} more"
        super().__init__(endpoints, clock, max_age_s)
        self._sleep = clock.sleep
        self._witnesses = tuple(endpoints)
        self._blockhashes: Recent[str, Blockhash] = Recent(clock.monotonic)
        self._rents: dict[int, int] = {}
        # Who gave the blockhashes of late.
        self._sources: dict[str, Provider] = {}
        self._sending: set[asyncio.Future[SendOutcome]] = set()

    @property
    def witnesses(self) -> Sequence[Chain]:
        return self._witnesses

    async def start(self) -> None:
        for endpoint in self._witnesses:
            await endpoint.start()

    async def stop(self) -> None:
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)
        for endpoint in self._witnesses:
            await endpoint.stop()

    # -- what allows a signature -----------------------------------------------------------------

    async def latest_blockhash(self, commitment: str = "confirmed") -> Blockhash:
        """A provider's blockhash, each time another's, with heights that do not rest on its word.

        From the height follows when an attempt is dead (rule 13). One that is too low would make it
        dead while it may still land, so it is the greatest that any provider reports at `processed`
        after the blockhash was read, as long as another comes near: one liar can raise it and so
        delay a proof, by `MAX_APART_BLOCKS` at most, and never lower it. Where no two come near
        each other nothing is signed (`Unavailable`).
        """
        return await self._blockhashes.get(
            commitment, self._max_age_s, lambda: self._latest_blockhash(commitment)
        )

    async def _latest_blockhash(self, commitment: str) -> Blockhash:
        source, latest = await self._providers.first(
            lambda c: c.latest_blockhash(commitment), self._providers.in_turn()
        )
        # Asked of all anew, and only now.
        heard = await self._providers.together(lambda c: c.latest_blockhash("processed"))
        told = {source: latest, **dict(heard)}
        heights = {each: told[each].block_height for each in told}
        heights[source] = max(heights[source], latest.block_height)
        height = agreed_height(tuple(heights.values()), self._needed)
        if height is None:
            raise Unavailable("chain", "the providers' heights are too far apart")
        for provider, said in heights.items():
            if not height - LAG_BLOCKS <= said <= height:
                self._providers.failed(provider)
        self._remember_source(latest.blockhash, source)
        return Blockhash(
            latest.blockhash,
            _slot_before_signing([each.slot for each in told.values()]),
            height,
            _not_by_one([latest, *told.values()]),
        )

    def _remember_source(self, blockhash: str, source: Provider) -> None:
        self._sources[blockhash] = source
        if len(self._sources) > MAX_KEPT:
            del self._sources[next(iter(self._sources))]

    async def simulate(self, transaction: bytes) -> Simulation:
        """Asked first of those who did not give the blockhash: that they know it vouches for it.

        One success is enough, the chain has the last word anyway. A failure ends a round, so two
        must tell of the same; else `Unavailable`.
        """
        source = self._source_of(transaction)
        others = [each for each in self._providers.in_order() if each is not source]
        for _ in range(STALE_TRIES):
            heard = await self._simulated(transaction, others)
            found = agreed_simulation(heard, self._needed)
            nobody_knows = bool(heard) and all(is_stale(each) for each in heard)
            if found is None and source is not None and not nobody_knows:
                heard += await self._simulated(transaction, [source])
                found = agreed_simulation(heard, self._needed)
            if found is not None:
                return found
            if not nobody_knows:
                raise Unavailable("chain", "no two providers say the same of the simulation")
            # They may be a slot behind.
            await self._sleep(STALE_PAUSE_S)
        if source is not None:
            # Old, or never there. The next blockhash comes from another.
            self._providers.failed(source)
        self._blockhashes = Recent(self._monotonic)
        raise Unavailable("chain", "only who gave the blockhash knows it")

    async def _simulated(
        self, transaction: bytes, providers: Sequence[Provider]
    ) -> list[Simulation]:
        """What these say, one after the other until it is enough."""
        heard: list[Simulation] = []
        for provider in providers:
            try:
                async with asyncio.timeout(WITHIN_S):
                    heard.append(await provider.chain.simulate(transaction))
            except (Unavailable, TimeoutError) as error:
                self._providers.failed(provider, error)
                continue
            if agreed_simulation(heard, self._needed) is not None:
                break
        return heard

    def _source_of(self, transaction: bytes) -> Provider | None:
        blockhash = VersionedTransaction.from_bytes(transaction).message.recent_blockhash
        return self._sources.get(str(blockhash))

    async def rent_minimum(self, space: int) -> int:
        """Asked once per size, for good: two must say the same."""
        if space not in self._rents:
            heard = await self._providers.together(
                lambda c: c.rent_minimum(space),
                lambda all: agreed_value(all, self._needed) is not None,
            )
            rent = agreed_value([value for _, value in heard], self._needed)
            if rent is None:
                raise Unavailable("chain", f"no two providers agree on the rent of {space} bytes")
            self._rents[space] = rent
        return self._rents[space]

    # -- to all, from any ------------------------------------------------------------------------

    async def send(self, transaction: bytes) -> SendOutcome:
        """To all at once; accepted as soon as one accepts. The others go on being told."""
        tasks = [
            asyncio.ensure_future(_sent(each.chain, transaction)) for each in self._providers.all
        ]
        for task in tasks:
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)
        pending = set(tasks)
        while pending:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            accepted = next((task.result() for task in done if task.result().accepted), None)
            if accepted is not None:
                return accepted
        outcomes = [task.result() for task in tasks]
        return SendOutcome(
            False,
            already_processed=any(each.already_processed for each in outcomes),
            detail="; ".join(
                f"{each.chain.name}: {outcome.detail}"
                for each, outcome in zip(self._providers.all, outcomes, strict=True)
            ),
        )

    async def wait_for_signature(self, signature: str, timeout_s: float) -> None:
        """The first hint of any."""
        tasks = [
            asyncio.ensure_future(each.chain.wait_for_signature(signature, timeout_s))
            for each in self._providers.present()
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def ping(self) -> None:
        """Enough providers answer that an order could be proven."""
        heard = await self._providers.together(
            lambda c: _pinged(c), lambda all: len(all) >= self._needed
        )
        if len(heard) < self._needed:
            raise Unavailable("chain", f"only {heard[0][0].chain.name} answers, two are needed")

    async def fund(self, address: Pubkey) -> None:
        """Faucet: a paper chain's own method."""
        for provider in self._providers.in_order():
            try:
                return await provider.chain.fund(address)
            except Unavailable as error:
                self._providers.failed(provider, error)
        raise Unavailable("chain", "no provider gives paper money")


async def _sent(chain: Chain, transaction: bytes) -> SendOutcome:
    """A send raises nothing."""
    try:
        return await chain.send(transaction)
    except FairleadError as error:
        return SendOutcome(False, detail=str(error))


async def _pinged(chain: Chain) -> bool:
    await chain.ping()
    return True


def _slot_before_signing(slots: Sequence[int]) -> int:
    """A slot from which on an attempt can land that is signed now: a history must reach back to it
    (rule 15). Not beyond an honest answer, and of three not the lowest, which may be a lie."""
    return sorted(slots)[max(min(len(slots) - 2, 1), 0)]


def _not_by_one(blockhashes: Sequence[Blockhash]) -> int:
    """The last valid height of the first of these, as long as not only its giver puts it so high.
    For pace: from then on proof is looked for."""
    first, *told = [each.last_valid_block_height for each in blockhashes]
    return min(first, sorted(told)[-2])
