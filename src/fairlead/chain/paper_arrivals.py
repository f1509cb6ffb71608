"""What becomes of a send on the paper chain: at once, after the profile's delay, late, failed or
never."""

import asyncio
from collections.abc import Callable

from fairlead.ledger.bank import Bank
from fairlead.ledger.faults import NO_FAULTS, FaultKind, PaperProfile, fate_of
from fairlead.ledger.market import KINDS
from fairlead.ledger.market_flow import moved_against
from fairlead.ledger.message import MalformedTransaction, SignedTransaction, parse_transaction
from fairlead.ports import Clock, SendOutcome
from fairlead.venues.venue import Venue

MAX_ON_THE_WAY = 100_000
"""Sends that have not arrived yet; further ones are refused as an overloaded endpoint refuses
them."""

_VENUES = {kind.program_id: venue for venue, kind in KINDS.items()}
_ACCEPTED = SendOutcome(True)


class Arrivals:
    """Sends on their way into blocks. `arrived` is told each signature that landed."""

    def __init__(
        self,
        bank: Bank,
        clock: Clock,
        seed: int,
        profile: PaperProfile,
        arrived: Callable[[bytes], None],
    ) -> None:
        self._bank = bank
        self._clock = clock
        self._seed = seed
        self._profile = profile
        self._arrived = arrived
        rates = (profile.raydium, profile.meteora, profile.other)
        self._is_direct = profile.land_max_ms == 0 and all(one == NO_FAULTS for one in rates)
        self._on_the_way: dict[bytes, asyncio.Task[None] | None] = {}
        # LATE: sends by the last height that may hold them.
        self._late: dict[int, list[bytes]] = {}
        # Heights of the blockhashes that may be named, oldest first.
        self._heights: dict[bytes, int] = {}

    def send(self, raw: bytes) -> SendOutcome:
        """What the endpoint answers. Bytes that no block will hold are told so, as preflight
        would."""
        if self._is_direct:
            return self._land(raw, None)
        try:
            transaction = parse_transaction(raw)
        except MalformedTransaction as error:
            return SendOutcome(False, detail=str(error))
        signature = transaction.signatures[0]
        fate = fate_of(self._profile, self._seed, signature, _venue(transaction))
        is_error = fate.fault is FaultKind.RPC_ERROR
        answer = SendOutcome(False, detail="HTTP 503 (simulated)") if is_error else _ACCEPTED
        if signature in self._on_the_way or not fate.is_taken:
            return answer
        if self._bank.signature_status(signature, search_history=True) is not None:
            return answer if is_error else SendOutcome(False, already_processed=True)
        if len(self._on_the_way) >= MAX_ON_THE_WAY:
            return SendOutcome(False, detail="HTTP 429 (too many on the way)")
        if fate.fault is FaultKind.LATE:
            self._put_off(signature, transaction, raw)
        else:
            moving = self._arrive(signature, raw, fate.land_after_ms, fate.fault)
            self._on_the_way[signature] = asyncio.ensure_future(moving)
        return answer

    def slot_began(self) -> None:
        """Remember the newest blockhash's height; land what this block is the last for."""
        if self._is_direct:
            return
        latest = self._bank.latest_blockhash("processed")
        height = latest.last_valid_block_height - self._bank.params.blockhash_window
        self._heights[latest.blockhash] = height
        while len(self._heights) > self._bank.params.blockhash_window + 1:
            del self._heights[next(iter(self._heights))]
        open_height = self._bank.epoch_info("processed").block_height
        for due in [due for due in self._late if due <= open_height]:
            for raw in self._late.pop(due):
                self._on_the_way.pop(raw[1:65], None)
                self._land(raw, None)

    async def close(self) -> None:
        """What is on its way is lost, as it is when the process is killed."""
        tasks = [task for task in self._on_the_way.values() if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _put_off(self, signature: bytes, transaction: SignedTransaction, raw: bytes) -> None:
        # A blockhash from before a restart is not known here: then the next block is late enough.
        height = self._heights.get(transaction.message.blockhash, 0)
        due = height + self._bank.params.blockhash_window + 1 if height else 0
        self._late.setdefault(due, []).append(raw)
        self._on_the_way[signature] = None

    async def _arrive(
        self, signature: bytes, raw: bytes, after_ms: int, fault: FaultKind | None
    ) -> None:
        try:
            await self._clock.sleep(after_ms / 1000)
            self._land(raw, fault)
        finally:
            del self._on_the_way[signature]

    def _land(self, raw: bytes, fault: FaultKind | None) -> SendOutcome:
        moved = None
        if fault is FaultKind.SLIPPAGE_MOVED:
            moved = moved_against(self._bank.account, raw, self._profile.slippage_move_bps)
        outcome = self._bank.send(raw, moved=moved)
        if outcome.landed:
            self._arrived(outcome.signature)
            return _ACCEPTED
        is_known = outcome.err == "AlreadyProcessed"
        why = f"{outcome.err}: {outcome.detail}" if outcome.detail else str(outcome.err)
        return SendOutcome(False, already_processed=is_known, detail=why)


def _venue(transaction: SignedTransaction) -> Venue | None:
    """The venue of its first swap."""
    keys = transaction.message.keys
    for instruction in transaction.message.instructions:
        venue = _VENUES.get(keys[instruction.program_index])
        if venue is not None:
            return venue
    return None
