"""Reclaims of a simulated world, held to rule 12 and to the ledger: what is taken back is what was
lent, and never while an attempt of its order could still land."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from solders.pubkey import Pubkey

from fairlead.ledger.account import SYSTEM_PROGRAM, rent_minimum
from fairlead.ledger.message import parse_transaction
from fairlead.orders.lent import Reclaim, ReclaimSettled
from fairlead.orders.model import AttemptState
from fairlead.sim.memory import Memory
from fairlead.sim.truth import DECIDED, Truth
from fairlead.store.writes import BeginReclaim, SettleReclaim
from fairlead.workers.reclaiming import ReclaimerSettings

MARGINS = (4, 4, 15)
"""Blocks, drawn for each world: so few that reclaims happen while orders still come."""

PATIENCES = (0, 20)
"""Blocks that latches wait for each other."""

POLL_MS = 1_000

_TRANSFER_WITH_SEED = (11).to_bytes(4, "little")


def reclaimer_settings(draw: Any) -> ReclaimerSettings:
    """Of a world."""
    return ReclaimerSettings(poll_ms=POLL_MS, patience_blocks=draw.choice(PATIENCES))


def moved_back(raw: bytes) -> int:
    """Lamports that a transaction takes from accounts of a seed."""
    message = parse_transaction(raw).message
    return sum(
        int.from_bytes(each.data[4:12], "little")
        for each in message.instructions
        if message.keys[each.program_index] == SYSTEM_PROGRAM
        and each.data[:4] == _TRANSFER_WITH_SEED
    )


class Reclaims:
    """Told of each commit and send of one. What is wrong goes to the auditor's `fail`."""

    def __init__(self, truth: Truth, memory: Memory, fail: Callable[[str, str, str], None]) -> None:
        # By signature, whatever became of them.
        self.known: dict[str, Reclaim] = {}
        self._truth = truth
        self._memory = memory
        self._fail = fail

    def committed(self, value: Any, result: Any) -> None:
        if isinstance(value, BeginReclaim) and result:
            self._begun(value.reclaim)
        elif isinstance(value, SettleReclaim):
            self._settled(value.settled)

    def _begun(self, reclaim: Reclaim) -> None:
        self.known[reclaim.signature] = reclaim
        for address in reclaim.latches:
            order_id = self._memory.latches.get(address)
            if order_id is None:
                self._fail("only latches are taken back (rule 12)", address, "")
                continue
            known = self._memory.orders[order_id]
            if not known.is_over:
                self._fail("taken back once all is over (rule 12)", "it has not ended", order_id)
            for attempt in (*known.attempts.values(), *self._memory.lost_of(order_id)):
                where = self._truth.where(attempt)
                if where not in DECIDED:
                    text = f"while attempt {attempt.number} is {where}"
                    self._fail("taken back once all is over (rule 12)", text, order_id)

    def _settled(self, settled: ReclaimSettled) -> None:
        record = self._truth.final(settled.signature)
        is_so = {
            AttemptState.SUCCEEDED: record is not None and record.err is None,
            AttemptState.ERRORED: record is not None and record.err is not None,
            AttemptState.DEAD: record is None and self._is_impossible(settled.signature),
        }[settled.state]
        if not is_so:
            text = f"{settled.signature} is not {settled.state}"
            self._fail("a reclaim's end is proven (rule 12)", text, "")

    def _is_impossible(self, signature: str) -> bool:
        message = parse_transaction(self.known[signature].raw).message
        return self._truth.is_too_old(message.blockhash)

    def sent(self, signature: str, raw: bytes) -> bool:
        """Whether it is a reclaim that was stored."""
        reclaim = self.known.get(signature)
        if reclaim is not None and reclaim.raw != raw:
            self._fail("only stored bytes are sent (rule 7)", signature, "")
        return reclaim is not None

    def check(self) -> None:
        """Once nothing moves any more: what our own transactions put into latches is back."""
        back = self._taken_back()
        for order_id, known in self._memory.orders.items():
            for attempt in known.attempts.values():
                address = attempt.latch_address
                record = self._truth.final(attempt.signature)
                if address is None or record is None or record.err is not None:
                    continue
                # A stranger's may have been there besides, or come later: a fork puts it anywhere.
                if back[address] < rent_minimum(0):
                    text = f"{back[address]} lamports came back from {address}"
                    self._fail("rent comes back (rule 12)", text, order_id)

    def _taken_back(self) -> Counter[str]:
        """Lamports by latch."""
        back: Counter[str] = Counter()
        for signature, reclaim in self.known.items():
            record = self._truth.final(signature)
            if record is None or record.err is not None:
                continue
            message = parse_transaction(reclaim.raw).message
            for each in message.instructions:
                if each.data[:4] == _TRANSFER_WITH_SEED:
                    source = message.keys[each.account_indexes[0]]
                    lamports = int.from_bytes(each.data[4:12], "little")
                    back[str(Pubkey.from_bytes(source))] += lamports
        return back
