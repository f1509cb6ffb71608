"""The settler: confirmed orders until they are final, many per question; a fork sends them back
to landing."""

import asyncio
from collections.abc import Callable, Iterator, Sequence

import msgspec
import structlog

from fairlead.errors import Fenced, Overloaded, Unavailable, WriteOutcomeUnknown
from fairlead.orders import changes, execution
from fairlead.orders.model import (
    Attempt,
    AttemptSettled,
    AttemptState,
    Change,
    OrderStatus,
    live_of,
)
from fairlead.ports import Chain, EpochInfo, SignatureStatus
from fairlead.solana import evidence
from fairlead.solana.agreement import agreed, needed_of
from fairlead.solana.evidence import Testimony
from fairlead.solana.proof import Fill, LandedEvidence, judge_landed
from fairlead.workers.landing import fill_amounts
from fairlead.workers.proving import ask_each
from fairlead.workers.work import Work, Workbench

log = structlog.get_logger("fairlead.settler")

STATUSES_PER_QUESTION = 256
"""The most that getSignatureStatuses takes."""

READS_AT_A_TIME = 32
"""Transactions that one witness is asked for at the same time."""

FORK_CHECK_EVERY = 5
"""Every so many rounds the orders whose slot is not final yet are asked about too."""

MISSING_BEFORE_DROPPED = 2
"""Times in a row that a confirmed transaction must be unknown before its bytes are sent again."""


class Waiting(msgspec.Struct, frozen=True, gc=False):
    """An order that is confirmed in this slot."""

    work: Work
    slot: int


class Sighting(msgspec.Struct, frozen=True, gc=False):
    """What one witness says of a confirmed transaction."""

    testimony: Testimony
    # Never heard of, or failed: not what was confirmed.
    is_gone: bool


_NOT_YET = Sighting(Testimony((), None), is_gone=False)

Seen = dict[str, Sighting]
"""By order id; orders that need not be looked at yet are left out."""

_Found = tuple[Work, Attempt, SignatureStatus | None]
"""What may be final or gone, by its status."""


class Settler:
    """Holds the work that awaits finality. `land_again` drives an order that a fork dropped."""

    def __init__(self, bench: Workbench, poll_ms: int, land_again: Callable[[Work], None]) -> None:
        self._bench = bench
        self._poll_s = poll_ms / 1000
        self._land_again = land_again
        self._waiting: dict[str, Waiting] = {}
        self._missing: dict[str, int] = {}
        self._arrived = asyncio.Event()

    def add(self, work: Work) -> None:
        """Take over an order that is confirmed."""
        self._waiting[work.order.order_id] = Waiting(work, _attempt(work).slot or 0)
        self._arrived.set()

    def drop(self, order_id: str) -> None:
        """Forget an order that is no longer ours."""
        self._waiting.pop(order_id, None)
        self._missing.pop(order_id, None)

    def _forget(self, work: Work) -> None:
        """Forget this work; not what was added for the same order since."""
        if self._is_here(work):
            self.drop(work.order.order_id)

    def _is_here(self, work: Work) -> bool:
        waiting = self._waiting.get(work.order.order_id)
        return waiting is not None and waiting.work is work

    def clear(self) -> None:
        """Forget everything: the worker was declared dead, or stops."""
        self._waiting.clear()
        self._missing.clear()

    async def run(self) -> None:
        """Poll until cancelled."""
        rounds = 0
        while True:
            if not self._waiting:
                self._arrived.clear()
                await self._arrived.wait()
            await self._bench.parts.clock.sleep(self._poll_s)
            rounds += 1
            try:
                await self._look(fork_check=rounds % FORK_CHECK_EVERY == 0)
            except Unavailable as error:
                log.warning("finality_unknown", waiting=len(self._waiting), error=str(error))
            except Exception:
                self._bench.bugs += 1
                log.exception("settler_error", waiting=len(self._waiting))

    async def _look(self, *, fork_check: bool) -> None:
        """Ask each witness about all that may be final by now, or gone, and settle what enough of
        them agree on. What is not due costs a comparison: in a burst it is most of what waits."""
        witnesses = self._bench.parts.chain.witnesses
        needed = needed_of(len(witnesses))
        waiting = dict(self._waiting)

        def is_enough(seen: Sequence[Seen]) -> bool:
            return len(seen) >= needed and all(_is_clear(_of(i, seen), needed) for i in _told(seen))

        seen = await ask_each(
            witnesses,
            lambda witness: self._seen_by(witness, tuple(waiting.values()), fork_check),
            is_enough,
        )
        told = _told(seen)
        for order_id in [each for each in self._missing if each not in told and _of(each, seen)]:
            del self._missing[order_id]
        # At the same time: they are stored together.
        settle = [self._settle(waiting[i].work, _of(i, seen), needed) for i in told]
        results = await asyncio.gather(*settle, return_exceptions=True)
        for order_id, result in zip(told, results, strict=True):
            if isinstance(result, Exception) and not isinstance(result, Unavailable):
                # One order's trouble must not keep the others from their end.
                self._trouble(waiting[order_id].work, result)

    async def _seen_by(self, witness: Chain, waiting: Sequence[Waiting], fork_check: bool) -> Seen:
        """What one witness says of those that may be final, or gone."""
        finalized = await witness.epoch_info("finalized")
        final_slot = finalized.slot
        due = [
            (each.work, _attempt(each.work))
            for each in waiting
            if fork_check or each.slot <= final_slot
        ]
        statuses = await _statuses(witness, [attempt.signature for _, attempt in due])
        old = [
            attempt.signature
            for _, attempt in due
            if statuses[attempt.signature] is None and (attempt.slot or 0) <= final_slot
        ]
        # A recent cache forgets; only the history can say that there is nothing.
        statuses |= await _statuses(witness, old, search_history=True)
        seen: Seen = {}
        found: list[_Found] = []
        for work, attempt in due:
            status = statuses[attempt.signature]
            if status is not None and status.error is None and status.commitment != "finalized":
                seen[work.order.order_id] = _NOT_YET
            else:
                found.append((work, attempt, status))
        # Whoever is done with one takes the next: where a read waits for nothing, the first does
        # them all.
        left = iter(found)
        readers = min(len(found), READS_AT_A_TIME)
        reads = [self._read(witness, finalized, left, seen) for _ in range(readers)]
        await asyncio.gather(*reads)
        return seen

    async def _read(
        self, witness: Chain, finalized: EpochInfo, left: Iterator[_Found], seen: Seen
    ) -> None:
        """Add what is seen of those that are left. Of one that cannot be read now the witness has
        said nothing."""
        for work, attempt, status in left:
            try:
                sighting = await self._sighting(witness, finalized, work, attempt, status)
            except Unavailable:
                continue
            except Exception as error:
                self._trouble(work, error)
                continue
            seen[work.order.order_id] = sighting

    async def _sighting(
        self,
        witness: Chain,
        finalized: EpochInfo,
        work: Work,
        attempt: Attempt,
        status: SignatureStatus | None,
    ) -> Sighting:
        """Gone, or at `finalized` with the fill, read again (rule 20)."""
        if status is None or status.error is not None:
            found = LandedEvidence(status)
        else:
            landed = await witness.transaction(attempt.signature, "finalized")
            fill = None
            if landed is not None and landed.error is None:
                fill = fill_amounts(landed, work.order, attempt)
            found = LandedEvidence(status, landed, fill)
        said = evidence.of_landing(witness.name, attempt, found, finalized)
        is_gone = status is None or status.error is not None
        return Sighting(Testimony(said, judge_landed(found)), is_gone)

    async def _settle(self, work: Work, seen: Sequence[Sighting], needed: int) -> None:
        if not self._is_here(work):
            return
        order_id, attempt = work.order.order_id, _attempt(work)
        settled = agreed([each.testimony.verdict for each in seen], needed)
        if settled is not None and settled.fill is not None:
            said = [each.testimony for each in seen]
            proof = evidence.document(attempt, settled, said, needed)
            await self._book(work, attempt, settled.slot or 0, settled.fill, proof)
            return
        gone = [each.is_gone for each in seen]
        if gone.count(True) < needed or gone.count(False) >= needed:
            if not all(gone):
                self._missing.pop(order_id, None)
            return
        missing = self._missing.get(order_id, 0) + 1
        self._missing[order_id] = missing
        if missing >= MISSING_BEFORE_DROPPED:
            await self._lost(work)

    async def _book(
        self, work: Work, attempt: Attempt, slot: int, fill: Fill, proof: bytes
    ) -> None:
        """The fill is the chain's word for good."""
        now_ms = self._bench.now_ms()
        lost: tuple[AttemptSettled, ...] = ()
        others = [each.signature for each in live_of(work.attempts) if each is not attempt]
        if others:
            statuses = await _statuses(self._bench.parts.chain, others)
            lost = changes.lost_to(attempt, work.attempts, statuses)
        change = changes.finalized(
            work.order,
            attempt,
            fill.in_atoms,
            fill.out_atoms,
            slot,
            now_ms,
            proof,
            lost,
            fill.detail,
        )
        if await self._commit(work, change):
            self._forget(work)

    def _trouble(self, work: Work, error: BaseException) -> None:
        self._bench.bugs += 1
        log.error("settler_error", order_id=work.order.order_id, exc_info=error)

    async def _lost(self, work: Work) -> None:
        """A fork took it (rule 19): back to landing with the same bytes."""
        change = changes.dropped(work.order, self._bench.now_ms(), work.attempts)
        if await self._commit(work, change):
            self._forget(work)
            self._land_again(work)

    async def _commit(self, work: Work, change: Change) -> bool:
        try:
            await self._bench.commit(work, change)
        except (Fenced, WriteOutcomeUnknown):
            if not await self._bench.reload(work):
                self._forget(work)
            elif work.order.status is not OrderStatus.CONFIRMED:
                # What was said to be unknown was written: a fork had dropped it.
                self._forget(work)
                self._land_again(work)
            return False
        except Overloaded:
            return False
        return True


def _attempt(work: Work) -> Attempt:
    """The attempt that is confirmed."""
    attempt = execution.winner_of(work.order, work.attempts)
    assert attempt.state is AttemptState.LIVE
    return attempt


def _told(seen: Sequence[Seen]) -> dict[str, None]:
    """The orders of which any witness says more than that they are not final yet, each once."""
    return {i: None for each in seen for i, sighting in each.items() if sighting is not _NOT_YET}


def _of(order_id: str, seen: Sequence[Seen]) -> list[Sighting]:
    """What the witnesses say of one order, those that do."""
    return [each[order_id] for each in seen if order_id in each]


def _is_clear(seen: Sequence[Sighting], needed: int) -> bool:
    """Whether no further witness is needed to know what to do with the order now."""
    verdicts = [each.testimony.verdict for each in seen]
    if agreed(verdicts, needed) is not None:
        return True
    gone = [each.is_gone for each in seen].count(True)
    return not any(verdicts) and (gone == 0 or gone >= needed)


async def _statuses(
    witness: Chain, signatures: Sequence[str], *, search_history: bool = False
) -> dict[str, SignatureStatus | None]:
    found: dict[str, SignatureStatus | None] = {}
    for start in range(0, len(signatures), STATUSES_PER_QUESTION):
        chunk = signatures[start : start + STATUSES_PER_QUESTION]
        answers = await witness.signature_statuses(chunk, search_history=search_history)
        found |= zip(chunk, answers, strict=True)
    return found
