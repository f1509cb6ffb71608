"""Holds every commit and every send, as it happens, to the truth of the ledger.

It never asks the code what it meant: it knows what was committed, what is in which block, and what
could still get into one.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from solders.pubkey import Pubkey
from solders.signature import Signature

from fairlead.ledger.message import parse_transaction
from fairlead.orders import lifecycle
from fairlead.orders.model import (
    Attempt,
    AttemptSettled,
    AttemptState,
    Change,
    Claimed,
    EventType,
    OrderStatus,
)
from fairlead.orders.round_ends import MAX_LATCH_GENERATIONS
from fairlead.ports import Accepted
from fairlead.sim.loop import VirtualLoop
from fairlead.sim.memory import Known, Memory
from fairlead.sim.reclaims import Reclaims
from fairlead.sim.swaps import holds_swap, swap_in
from fairlead.sim.truth import OVER, Truth
from fairlead.store.writes import Accept, Claim, Release

ENOUGH_VIOLATIONS = 1_000
"""Then a world is given up: a bug may go round in a circle in which no time passes."""


class Violation(msgspec.Struct, frozen=True):
    """What must never be, and was."""

    rule: str
    text: str
    order_id: str = ""
    at_s: float = 0.0


class Auditor:
    """Told of each commit and each send. `violations` has what it found."""

    def __init__(
        self,
        truth: Truth,
        max_rounds: int,
        now_s: Callable[[], float],
        tell_owner: Callable[[str, str, str], None],
        has_asked: Callable[[str, str, float], bool],
    ) -> None:
        self.violations: list[Violation] = []
        self.memory = Memory()
        self._truth = truth
        self.reclaims = Reclaims(truth, self.memory, self.fail)
        self._max_rounds = max_rounds
        self._now_s = now_s
        # Told of who takes or loses which order: owner, what, order.
        self._tell_owner = tell_owner
        # Whether this owner asked for the history of a wallet, if it began after that time.
        self._has_asked = has_asked

    @property
    def orders(self) -> dict[str, Known]:
        """Those that the store knows."""
        return self.memory.orders

    @property
    def open(self) -> dict[str, None]:
        """Accepted and not ended."""
        return self.memory.open

    def is_over(self) -> bool:
        """Whether all has ended, or something went wrong already."""
        return not self.open or bool(self.violations)

    def fail(self, rule: str, text: str, order_id: str = "") -> None:
        self.violations.append(Violation(rule, text, order_id, round(self._now_s(), 3)))
        if len(self.violations) == ENOUGH_VIOLATIONS:
            loop = asyncio.get_running_loop()
            assert isinstance(loop, VirtualLoop)
            loop.gives_up = True

    # -- commits

    def committed(self, value: Any, result: Any) -> None:
        """A write as the store has made it; leases and the watch are of no interest."""
        if isinstance(value, Change):
            self._changed(value)
        elif isinstance(value, Accept):
            self._accepted(value, result)
        elif isinstance(value, Claim):
            self._claimed(value.owner, result)
        elif isinstance(value, Release):
            self._released(result)
        else:
            self.reclaims.committed(value, result)

    def _accepted(self, accept: Accept, accepted: Accepted) -> None:
        order = accept.order
        if accepted.replayed:
            return
        limit = order.terms.limit_out_atoms
        known = Known(order, accept.owner, limit, order.status, self._now_s())
        known.round = 0 if accept.owner is None else 1
        self.memory.add(known)
        if order.idempotency_key is not None:
            other = self.memory.by_key.setdefault(order.idempotency_key, order.order_id)
            if other != order.order_id:
                self.fail("one order for each key", f"made {other} too", order.order_id)

    def _claimed(self, owner: str, claimed: tuple[Claimed, ...]) -> None:
        for each in claimed:
            known = self.orders[each.order.order_id]
            if known.owner is not None:
                text = f"{owner} took it while {known.owner} had it"
                self.fail("one owner at a time", text, each.order.order_id)
            self._tell_owner(owner, "takes it", each.order.order_id)
            known.owner = owner
            known.round = each.order.round

    def _released(self, owners: tuple[str, ...]) -> None:
        for order_id in self.open:
            known = self.orders[order_id]
            if known.owner is not None and known.owner in owners:
                self._tell_owner(known.owner, "loses it", order_id)
                known.owner = None

    def _changed(self, change: Change) -> None:
        known = self.orders[change.order_id]
        known.status = change.status
        if change.owner is not None and change.owner != known.owner:
            text = f"{change.owner} wrote what {known.owner} has"
            self.fail("writes are fenced (rule 4)", text, change.order_id)
        for settled in change.settled:
            self._settled(known, settled)
        if change.new_attempt is not None:
            self._attempted(known, change.new_attempt, change.owner)
        self._check_words(known, change)
        if change.release or change.end:
            known.owner = None
        if change.end:
            self._ended(known, change.status)

    def _check_words(self, known: Known, change: Change) -> None:
        """What is only said, and ends nothing, is true too."""
        order_id = known.order.order_id
        if change.latch_generation is not None:
            known.latch_generation = change.latch_generation
        if any(event.type is EventType.CONFIRMED for event in change.events):
            seen = str(change.signature)
            if not self._truth.was_seen(seen) or not known.attempts[seen].legs:
                self.fail("confirmed is what was seen (rule 19)", seen, order_id)
        known.round = change.round or known.round
        known.earlier_rounds = change.earlier_rounds or known.earlier_rounds
        is_last = (
            known.latch_generation + 1 >= MAX_LATCH_GENERATIONS
            or known.round - known.earlier_rounds >= self._max_rounds
        )
        if change.failure_code == "latch_taken" and not is_last:
            text = f"failed over latch {known.latch_generation} in round {known.round}"
            self.fail("a taken latch decides nothing (rule 10)", text, order_id)

    # -- attempts

    def _settled(self, known: Known, settled: AttemptSettled) -> None:
        order_id = known.order.order_id
        attempt = known.attempts.get(settled.signature)
        if attempt is None:
            self.fail("attempts are stored first (rule 3)", settled.signature, order_id)
            return
        known.attempts[settled.signature] = msgspec.structs.replace(attempt, state=settled.state)
        where = self._truth.where(attempt)
        if settled.state is AttemptState.SUCCEEDED and where != "final success":
            self.fail("final is what is final (rule 19)", f"booked while {where}", order_id)
        elif settled.state is AttemptState.ERRORED and where != "final error":
            self.fail("a failure counts once final (rule 16)", f"failed while {where}", order_id)
        elif (
            settled.state is AttemptState.EXCLUDED
            and self._truth.winner_beside(known.attempts.values(), attempt) is None
        ):
            self.fail("excluded by what is final (rule 9)", f"excluded while {where}", order_id)
        elif settled.state is AttemptState.DEAD and where not in OVER:
            self.fail("dead only with proof (rules 13-16)", f"dead while {where}", order_id)

    def _attempted(self, known: Known, attempt: Attempt, owner: str | None) -> None:
        order_id = known.order.order_id
        lost = self.memory.lost_of(order_id)
        for each in lost:
            if each.signature == attempt.signature and attempt.slot is not None:
                self._found(known, each, attempt)
                return
        # What was lost may be made again to the byte: then it is the same transaction.
        lost = [each for each in lost if each.raw != attempt.raw]
        others = [*known.attempts.values(), *lost]
        if order_id in self.memory.excused:
            others = list(known.attempts.values())
        for other in others:
            if other.latch_address is not None and other.latch_address == attempt.latch_address:
                continue
            where = self._truth.where(other)
            if where not in OVER:
                text = f"attempt {attempt.number} while {other.number} is {where}"
                self.fail("no new signature while one may land (rule 17)", text, order_id)
        wallet = known.order.terms.wallet
        is_swap = bool(attempt.legs) and owner is not None
        if is_swap and not self._has_asked(owner or "", wallet, known.accepted_s):
            text = f"{owner} signs for {wallet}, and never asked what it did"
            self.fail("first its wallet is known (rule 23)", text, order_id)
        self._check_latch(known, attempt)
        self._check_terms(known, attempt)
        self.memory.signs(known, attempt)

    def _found(self, known: Known, lost: Attempt, attempt: Attempt) -> None:
        """One that the store had lost belongs to it again (rule 23)."""
        order_id = known.order.order_id
        where = self._truth.where(lost)
        if lost.raw != attempt.raw:
            self.fail("what is found is what was lost (rule 23)", lost.signature, order_id)
        if where not in ("final error", "final success"):
            self.fail("found is what is final (rule 23)", f"found while {where}", order_id)
        if where == "final success" and lost.legs and known.floor_atoms is None:
            known.floor_atoms = attempt.minimum_out_atoms
        swap = swap_in(lost.raw, lost.legs, known.order.terms)
        # The first that is known says the most, though it failed: it is told by the attempt itself.
        if swap is not None and known.ceiling_atoms is None:
            known.ceiling_atoms = swap.amount_in_atoms
        self.memory.signs(known, attempt)

    def _check_latch(self, known: Known, attempt: Attempt) -> None:
        """All attempts of a generation exclude each other (rule 9)."""
        order_id = known.order.order_id
        for other in known.attempts.values():
            is_same = other.latch_generation == attempt.latch_generation
            if is_same and other.latch_address != attempt.latch_address:
                self.fail("one latch for all attempts (rule 9)", attempt.signature, order_id)
        if attempt.latch_address is None:
            return
        message = parse_transaction(attempt.raw).message
        first = message.instructions[0]
        named = [message.keys[index] for index in first.account_indexes]
        if bytes(Pubkey.from_string(attempt.latch_address)) not in named:
            self.fail("the latch comes first (rule 9)", attempt.signature, order_id)

    def _check_terms(self, known: Known, attempt: Attempt) -> None:
        """What the bytes ask for is what was agreed (rule 6)."""
        order = known.order
        if not attempt.legs:
            if holds_swap(attempt.raw) or attempt.latch_address is None:
                text = attempt.signature
                self.fail("a cancel takes the latch alone (rule 21)", text, order.order_id)
            return
        swap = swap_in(attempt.raw, attempt.legs, order.terms)
        if swap is None or not swap.is_of(order.terms):
            self.fail("the amount is the order's", f"{swap}", order.order_id)
            return
        if known.ceiling_atoms is None:
            known.ceiling_atoms = swap.amount_in_atoms
        if swap.amount_in_atoms > known.ceiling_atoms:
            text = f"may take {swap.amount_in_atoms}, above {known.ceiling_atoms}"
            self.fail("no round raises the maximum (rule 6)", text, order.order_id)
        if known.floor_atoms is None:
            known.floor_atoms = swap.minimum_out_atoms
        if swap.minimum_out_atoms < known.floor_atoms:
            text = f"asks for {swap.minimum_out_atoms}, below {known.floor_atoms}"
            self.fail("no round lowers the minimum (rule 6)", text, order.order_id)

    def _ended(self, known: Known, status: OrderStatus) -> None:
        order_id = known.order.order_id
        if known.is_over:
            self.fail("an order ends once", status.value, order_id)
        known.is_over = True
        self.open.pop(order_id, None)
        attempts = list(known.attempts.values())
        if order_id not in self.memory.excused:
            attempts += self.memory.lost_of(order_id)
        succeeded = [a for a in attempts if self._truth.where(a) == "final success"]
        if status in lifecycle.ENDED:
            if any(each.legs for each in succeeded):
                self.fail("the end is proven", f"{status} with a final swap", order_id)
            self._check_none_lands(attempts, status, order_id)
        elif len(succeeded) != 1:
            self.fail("the end is proven", f"{status} with {len(succeeded)} final swaps", order_id)

    def _check_none_lands(
        self, attempts: Sequence[Attempt], status: OrderStatus, order_id: str
    ) -> None:
        for attempt in attempts:
            where = self._truth.where(attempt)
            is_cancel = not attempt.legs and where == "final success"
            is_out = is_cancel or self._truth.winner_beside(attempts, attempt) is not None
            if where not in OVER and not is_out:
                text = f"{status} while attempt {attempt.number} is {where}"
                self.fail("the end is proven", text, order_id)

    # -- sends

    def sent(self, raw: bytes) -> str:
        """Bytes are about to leave; the order they are of."""
        signature = str(Signature.from_bytes(raw[1:65]))
        order_id = self.memory.order_of.get(signature)
        if order_id is None and self.reclaims.sent(signature, raw):
            return ""
        if order_id is None:
            self.fail("stored before it is sent (rule 3)", signature)
            return ""
        if self.orders[order_id].attempts[signature].raw != raw:
            self.fail("only stored bytes are sent (rule 7)", signature, order_id)
        return order_id
