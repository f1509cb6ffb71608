"""Taking the rent of latches back (EXACTLY-ONCE 12): the worker that watches does it for all.

Behind the orders, never in their way: which latches there are is read from the feed of events, what
they hold from the chain, and each transaction is stored before it is sent, like any attempt. What a
dead worker began is brought to its end before anything of the same latches is begun anew.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import msgspec
import structlog
from solders.pubkey import Pubkey
from solders.signature import Signature

from fairlead.errors import FairleadError
from fairlead.orders.lent import LentLatch, Reclaim, ReclaimSettled
from fairlead.orders.model import AttemptState
from fairlead.ports import Blockhash, Chain, SignatureStatus
from fairlead.solana.agreement import needed_of
from fairlead.solana.landing import Progress
from fairlead.solana.proof import Settled, death_height
from fairlead.solana.reclaiming import (
    Batch,
    Reading,
    agreed_balances,
    as_attempt,
    batches,
    bid,
    newest_due,
    put_off_to,
    ripe,
)
from fairlead.solana.transaction import assemble, reclaim_message
from fairlead.workers.cancelling import prove_cancel
from fairlead.workers.proving import Proven, ask_each, prove, prove_failure, reached
from fairlead.workers.work import Workbench

log = structlog.get_logger("fairlead.reclaiming")

EVENTS_AT_A_TIME = 256
"""Looked through for ended orders, in one statement: a millisecond of the store."""

MAX_EVENTS = 64 * EVENTS_AT_A_TIME
"""In one round; the rest has time."""

MAX_LIVE = 256
"""Reclaims on their way at a time; as many signatures as one question takes."""

READ_AT_A_TIME = 96
"""Latches read, and begun to be taken back, at a time: one read of the chain takes 100 accounts."""

PARALLEL = 16
"""Transactions sent, or ends proven, at a time."""


class ReclaimerSettings(msgspec.Struct, frozen=True):
    """What the operator may set about reclaims, and their pace. The margin is the landing's."""

    # Off: nothing new is taken back.
    is_on: bool = True
    poll_ms: int = 2_000
    # How long latches wait for more to go with them: five minutes of 400 ms slots.
    patience_blocks: int = 750


class Reclaimer:
    """Takes back while this worker has the watch. `run` until cancelled."""

    def __init__(
        self, bench: Workbench, settings: ReclaimerSettings, owner: Callable[[], str]
    ) -> None:
        self._bench = bench
        self._parts = bench.parts
        self._policy = bench.settings.landing
        self._settings = settings
        self._owner = owner
        # The final height when this process first looked: a store that was restored before may know
        # nothing of transactions that were signed up to then, and are dead like all of that height.
        self._since_height: int | None = None

    async def run(self) -> None:
        while True:
            try:
                await self._once()
            except FairleadError as error:
                log.warning("reclaims_wait", error=str(error), code=error.code)
            except Exception:
                self._bench.bugs += 1
                log.exception("reclaiming_error")
            await self._parts.clock.sleep(self._settings.poll_ms / 1000)

    async def _once(self) -> None:
        store = self._parts.store
        if not await store.take_watch(self._owner()):
            return
        height = await reached(self._parts.chain, lambda epoch: epoch.block_height)
        if height is None:
            return
        if self._since_height is None:
            self._since_height = height
        live = await store.live_reclaims(MAX_LIVE)
        if live:
            await self._bring_to_their_ends(live, height)
        if not self._settings.is_on:
            return
        for _ in range(MAX_EVENTS // EVENTS_AT_A_TIME):
            if not await store.note_latches(EVENTS_AT_A_TIME):
                break
            await self._parts.clock.sleep(0)
        newest = newest_due(height, self._policy)
        if newest >= self._since_height:
            await self._take_all_back(newest, MAX_LIVE - len(live))

    # -- beginning

    async def _take_all_back(self, newest: int, room: int) -> None:
        """As many as there is room for on their way."""
        patience = self._settings.patience_blocks
        while room > 0:
            due = await self._parts.store.due_latches(newest, READ_AT_A_TIME)
            latches = ripe(due, newest, patience)
            if not latches:
                return
            begun = await self._take_back(latches)
            room -= begun
            if not begun or len(due) < READ_AT_A_TIME:
                return

    async def _take_back(self, latches: Sequence[LentLatch]) -> int:
        """How many transactions were stored for them."""
        balances = await self._balances(latches)
        empty = [address for address, lamports in balances.items() if lamports == 0]
        if empty:
            # None of its order's transactions can come to hold it any more: nothing won.
            await self._parts.store.absent_latches(empty)
        found = batches(latches, balances)
        if not found:
            return 0
        latest = await self._parts.chain.latest_blockhash()
        signed = [await self._signed(batch, latest) for batch in found]
        reclaims = [each for each in signed if each is not None]
        await _in_turns([partial(self._begin, each) for each in reclaims])
        return len(reclaims)

    async def _balances(self, latches: Sequence[LentLatch]) -> dict[str, int]:
        """What enough witnesses say that each holds, at a height that allows to take it."""
        keys = [Pubkey.from_string(each.address) for each in latches]
        witnesses = self._parts.chain.witnesses
        needed = needed_of(len(witnesses))

        async def ask(witness: Chain) -> Reading:
            before = await witness.epoch_info("finalized")
            read = await witness.accounts(keys, "finalized", min_context_slot=before.slot)
            held = {key: read.accounts[key].lamports for key in keys if key in read.accounts}
            return Reading(before.block_height, {str(key): held.get(key, 0) for key in keys})

        def agreed(heard: Sequence[Reading]) -> dict[str, int]:
            return agreed_balances(latches, heard, needed, self._policy)

        heard = await ask_each(witnesses, ask, lambda heard: len(agreed(heard)) == len(keys))
        return agreed(heard)

    async def _signed(self, batch: Batch, latest: Blockhash) -> Reclaim | None:
        parts, settings = self._parts, self._bench.settings
        wallet = Pubkey.from_string(batch.wallet)
        market = await parts.chain.prioritization_fee((wallet,), settings.priority_fee_percentile)
        offer = bid(batch, min(market, settings.max_compute_unit_price_micro_lamports))
        # A mapped paper wallet is found by the address that it stands for, in whichever process.
        if offer is None or parts.wallet.held_address(batch.wallet_address) != batch.wallet:
            log.warning("not_reclaimable", wallet=batch.wallet, lamports=batch.lamports)
            return None
        message = reclaim_message(
            wallet,
            latest.blockhash,
            offer.compute_unit_limit,
            offer.compute_unit_price_micro_lamports,
            batch.latches,
        )
        signature = parts.wallet.sign(batch.wallet, message)
        return Reclaim(
            signature=str(Signature.from_bytes(signature)),
            wallet=batch.wallet,
            raw=assemble(message, (signature,)),
            blockhash_slot=latest.slot,
            blockhash_height=latest.block_height,
            latches=tuple([str(each.address) for each in batch.latches]),
            lamports=batch.lamports,
            fee_lamports=offer.fee_lamports,
            created_at_ms=self._bench.now_ms(),
        )

    async def _begin(self, reclaim: Reclaim) -> None:
        # Write ahead (rule 3). Refused where another has one of its latches by now.
        if await self._parts.store.begin_reclaim(reclaim):
            await self._parts.chain.send(reclaim.raw)

    # -- ending

    async def _bring_to_their_ends(self, live: Sequence[Reclaim], height: int) -> None:
        """Send again what is not seen, and store what is proven of the others."""
        statuses = await self._parts.chain.signature_statuses(
            [each.signature for each in live], search_history=True
        )
        pairs = zip(live, statuses, strict=True)
        await _in_turns([partial(self._follow, each, status, height) for each, status in pairs])

    async def _follow(self, reclaim: Reclaim, status: SignatureStatus | None, height: int) -> None:
        proven = await self._proven(reclaim, status, height)
        if proven is not None:
            await self._settle(reclaim, proven.settled, height)
        elif status is None:
            await self._parts.chain.send(reclaim.raw)

    async def _proven(
        self, reclaim: Reclaim, status: SignatureStatus | None, height: int
    ) -> Proven | None:
        """Its end, as enough witnesses show it. The status is only a hint."""
        chain, attempt = self._parts.chain, as_attempt(reclaim)
        if status is not None and status.commitment == "finalized":
            # Success and failure of a transaction without a swap are told as of a cancel.
            end = prove_cancel if status.error is None else prove_failure
            proven = await end(chain, attempt)
            if proven is not None:
                return proven
        if height < death_height(attempt, self._policy.max_blockhash_window):
            return None
        now_ms = self._bench.elapsed_ms()
        return await prove(chain, attempt, Progress(), (), now_ms, self._policy)

    async def _settle(self, reclaim: Reclaim, settled: Settled, height: int) -> None:
        latches = len(reclaim.latches)
        put_off = 0
        if settled.state is AttemptState.ERRORED:
            put_off = put_off_to(height, reclaim, self._policy)
        end = ReclaimSettled(reclaim.signature, settled.state, settled.slot, settled.error, put_off)
        await self._parts.store.settle_reclaim(end)
        if settled.state is not AttemptState.SUCCEEDED:
            log.warning("reclaim_failed", latches=latches, why=settled.error or "not landed")
            return
        log.info(
            "reclaimed",
            latches=latches,
            lamports=reclaim.lamports,
            fee_lamports=reclaim.fee_lamports,
            wallet=reclaim.wallet,
            signature=reclaim.signature,
        )


async def _in_turns(calls: Sequence[Callable[[], Awaitable[None]]]) -> None:
    """Some at a time. One's trouble keeps none of the others; the first is raised in the end."""
    troubles: list[BaseException] = []
    for start in range(0, len(calls), PARALLEL):
        some = [call() for call in calls[start : start + PARALLEL]]
        results = await asyncio.gather(*some, return_exceptions=True)
        troubles += [each for each in results if isinstance(each, BaseException)]
    if troubles:
        raise troubles[0]
