"""What becomes of the bytes that a process sends: lost, late, twice, out of turn, refused."""

import asyncio

from fairlead.ledger.market_flow import moved_against
from fairlead.ledger.message import parse_transaction
from fairlead.ports import SendOutcome
from fairlead.sim.cluster import Cluster
from fairlead.sim.faults import Dice

SLOWEST_S = 3.0
"""The longest that bytes are on their way, unless they come in their last block."""

SEND_TIMEOUT_S = 4.0

_ACCEPTED = SendOutcome(True)
_UNHEARD = SendOutcome(False, detail="HTTP 503 (simulated)")
_TIMED_OUT = SendOutcome(False, detail="time-out (simulated)")


class Wire:
    """The way from the processes to the blocks."""

    def __init__(self, cluster: Cluster, dice: Dice) -> None:
        self._cluster = cluster
        self._dice = dice
        self._faults = dice.table(
            ("send_lost", "send_refused", "send_unheard", "send_timeout", "send_doubled",
             "send_slow")
        )  # fmt: skip
        # Per signature, drawn at its first send: no block takes it; it comes in its last block;
        # the price moves against it.
        self._known: set[bytes] = set()
        self._doomed: set[bytes] = set()
        self._last: set[bytes] = set()
        self._failing: set[bytes] = set()
        # By the height of the last block that may hold them.
        self._late: dict[int, list[bytes]] = {}
        # Arrived while there were no blocks.
        self._held: list[bytes] = []
        cluster.slot_began.append(self._slot_began)

    async def send(self, raw: bytes) -> tuple[SendOutcome, str | None]:
        """The endpoint's answer, and which fault it was."""
        self._meet(raw[1:65])
        fault = self._faults.draw()
        if fault == "send_refused":
            return _UNHEARD, fault
        if fault == "send_lost":
            return _ACCEPTED, fault
        if raw[1:65] in self._last and not self._dice.is_over:
            self._put_off(raw)
            return _ACCEPTED, fault
        if fault == "send_slow":
            self._arrive_later(raw)
            return _ACCEPTED, fault
        outcome = self._arrive(raw)
        if fault == "send_doubled":
            self._arrive_later(raw)
        elif fault == "send_timeout":
            await asyncio.sleep(SEND_TIMEOUT_S)
            return _TIMED_OUT, fault
        elif fault == "send_unheard":
            return _UNHEARD, fault
        return outcome, fault

    def heal(self) -> None:
        """What is on its way still arrives."""
        for raws in self._late.values():
            for raw in raws:
                self._arrive(raw)
        self._late.clear()

    def _meet(self, signature: bytes) -> None:
        if signature not in self._known:
            self._known.add(signature)
            if self._dice.hits("send_doomed"):
                self._doomed.add(signature)
            elif self._dice.hits("send_late"):
                self._last.add(signature)
            elif self._dice.hits("swap_failed"):
                self._failing.add(signature)

    def _put_off(self, raw: bytes) -> None:
        last_valid = self._cluster.bank.last_valid_block_height(
            parse_transaction(raw).message.blockhash
        )
        if last_valid is not None:
            # Age is counted at the parent: one block more may hold it.
            raws = self._late.setdefault(last_valid + 1, [])
            if raw not in raws:
                raws.append(raw)

    def _arrive_later(self, raw: bytes) -> None:
        delay_s = self._dice.random.uniform(0.05, SLOWEST_S)
        asyncio.get_running_loop().call_later(delay_s, self._arrive, raw)

    def _arrive(self, raw: bytes) -> SendOutcome:
        signature = raw[1:65]
        if signature in self._doomed:
            return _ACCEPTED
        if self._cluster.is_halted:
            self._held.append(raw)
            return _ACCEPTED
        bank = self._cluster.bank
        moved = moved_against(bank.account, raw) if signature in self._failing else None
        outcome = self._cluster.take(raw, moved)
        if outcome.landed:
            return _ACCEPTED
        is_known = outcome.err == "AlreadyProcessed"
        return SendOutcome(False, already_processed=is_known, detail=str(outcome.err))

    def _slot_began(self) -> None:
        height = self._cluster.bank.epoch_info("processed").block_height
        loop, slot_s = asyncio.get_running_loop(), self._cluster.bank.params.slot_ms / 1000
        for due in [due for due in self._late if due <= height]:
            for raw in self._late.pop(due):
                # Anywhere in that block: whoever asks in it may ask too early.
                loop.call_later(self._dice.random.uniform(0, 0.95 * slot_s), self._arrive, raw)
        if self._held:
            held, self._held = self._held, []
            self._dice.random.shuffle(held)
            for raw in held:
                self._arrive(raw)
