"""What must hold of the rent that orders lend to their latches (rule 12). Pure: facts in,
violations out.

Judged by the chain's own blocks: each lamport that came into a latch is still there or has come
back to its wallet, less the fee, and never while anything of its order could still land.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator

from fairlead.ledger.account import rent_minimum
from tests.torture.facts import AttemptRow, Facts, ReclaimRow, Violation
from tests.torture.ledger import NATIVE, Landed
from tests.torture.plan import RECLAIM_MARGIN_BLOCKS, WINDOW_BLOCKS

_Found = Iterator[Violation]

_BALANCES = "rent lent is held or came back (rule 12)"
_TOO_EARLY = "rent comes back when nothing can land any more (rule 12)"
_SAID = "what is said of reclaims is so"
_OPEN_STATES = {"waiting", "reclaiming"}
_ENDS = {"finalized", "cancelled", "expired", "failed"}

# By whether it landed without an error, None if it never landed. One may still be on its way.
_STATES: dict[bool | None, tuple[str, ...]] = {
    None: ("dead", "live"),
    True: ("succeeded", "live"),
    False: ("errored", "live"),
}


def check(facts: Facts) -> list[Violation]:
    """All that is wrong."""
    return [
        *_latches(facts),
        *_takings(facts),
        *_reclaims(facts),
        *_rows(facts),
        *_sums(facts),
    ]


def figures(facts: Facts) -> dict[str, int]:
    """For the summary: in lamports, and transactions by what became of them."""
    moves = [change for _, _, change in _moves(facts)]
    lent, back = sum(each for each in moves if each > 0), -sum(each for each in moves if each < 0)
    fees = [
        landed.fee_lamports
        for signature, landed in facts.ledger.by_signature.items()
        if signature in facts.reclaims
    ]
    states = Counter(reclaim.state for reclaim in facts.reclaims.values())
    return {
        "lent_lamports": lent,
        "held_lamports": sum(facts.ledger.lamports_of(each) for each in _order_of(facts)),
        "taken_back_lamports": back,
        "reclaim_fees_lamports": sum(fees),
        **{f"reclaims_{state}": count for state, count in sorted(states.items())},
    }


def _order_of(facts: Facts) -> dict[str, str]:
    """Order by latch, of all that were ever signed for."""
    return {each.latch: each.order_id for each in facts.attempts if each.latch is not None}


def _moves(facts: Facts) -> Iterator[tuple[str, Landed, int]]:
    """Address of a latch, the transaction that changed it, and by how many lamports; by slot."""
    latches = _order_of(facts)
    for landed in sorted(facts.ledger.by_signature.values(), key=lambda landed: landed.slot):
        for address, change in landed.moved.items():
            if address in latches:
                yield address, landed, change


def _latches(facts: Facts) -> _Found:
    """To the lamport: what its transactions left in each is what it holds."""
    left = dict.fromkeys(_order_of(facts), 0)
    orders = _order_of(facts)
    for address, _, change in _moves(facts):
        left[address] += change
    for address, lamports in left.items():
        held = facts.ledger.lamports_of(address)
        if held != lamports:
            text = f"latch {address} holds {held}, its transactions left {lamports}"
            yield Violation(_BALANCES, text, orders[address])
        if lamports not in (0, rent_minimum(0)):
            text = f"latch {address} was left with {lamports}"
            yield Violation(_BALANCES, text, orders[address])


def _takings(facts: Facts) -> _Found:
    """Each is a reclaim that was stored, past the last block that could hold an attempt."""
    orders, last = _order_of(facts), _last_blocks(facts)
    for address, landed, change in _moves(facts):
        if change > 0:
            continue
        order_id = orders[address]
        if landed.signature not in facts.reclaims:
            yield Violation("what is sent was stored first (rule 3)", landed.told(), order_id)
        if landed.height <= last[order_id]:
            text = f"{address} was emptied at height {landed.height}, an attempt may land to"
            yield Violation(_TOO_EARLY, f"{text} {last[order_id]} (margin included)", order_id)


def _last_blocks(facts: Facts) -> dict[str, int]:
    """By order: the last height at which a reclaim of its latches may not land yet."""
    newest: dict[str, int] = defaultdict(int)
    for attempt in facts.attempts:
        newest[attempt.order_id] = max(newest[attempt.order_id], attempt.blockhash_height)
    after = WINDOW_BLOCKS + 1 + RECLAIM_MARGIN_BLOCKS
    return {order_id: height + after for order_id, height in newest.items()}


def _reclaims(facts: Facts) -> _Found:
    """Its row says what the chain says, and the wallet got what left the latches, less the fee."""
    for signature, row in facts.reclaims.items():
        landed = facts.ledger.by_signature.get(signature)
        if row.state not in _STATES[None if landed is None else landed.error is None]:
            seen = "not on the ledger" if landed is None else landed.told()
            yield Violation(_SAID, f"reclaim {signature} is {row.state}: {seen}")
        if landed is not None:
            yield from _landed(row, landed)


def _landed(row: ReclaimRow, landed: Landed) -> _Found:
    taken = {address: -change for address, change in landed.moved.items()}
    expected = set(row.latches) if landed.error is None else set()
    if set(taken) != expected or sum(taken.values()) not in (0, row.lamports):
        yield Violation(_SAID, f"{row} took {taken}")
    gained = sum(taken.values()) - row.fee_lamports
    seen = {NATIVE: gained} if gained else {}
    if (landed.payer, landed.gained, landed.fee_lamports) != (row.wallet, seen, row.fee_lamports):
        yield Violation(_BALANCES, f"{row}: {landed.told()}")


def _rows(facts: Facts) -> _Found:
    """The latches that the engine keeps in mind are those that there are, and as they are."""
    won = {attempt.latch for attempt in facts.attempts if attempt.state == "succeeded"}
    for address, row in facts.latches.items():
        if row.taken != (address in won):
            text = f"latch {address} is said to be {'taken' if row.taken else 'not taken'}"
            yield Violation(_SAID, text, row.order_id)
        is_empty = row.state not in _OPEN_STATES
        if is_empty and (held := facts.ledger.lamports_of(address)):
            text = f"latch {address} is {row.state} and holds {held}"
            yield Violation(_BALANCES, text, row.order_id)
        if row.state == "absent" and row.taken:
            yield Violation(_SAID, f"latch {address} is absent, and was taken", row.order_id)
    yield from _missed(facts)


def _missed(facts: Facts) -> _Found:
    attempts: dict[str, list[AttemptRow]] = facts.attempts_by_order()
    for event in facts.events:
        if event.position > facts.lent.position or event.type not in _ENDS:
            continue
        for attempt in attempts.get(event.order_id, ()):
            if attempt.latch is not None and attempt.latch not in facts.latches:
                yield Violation(_SAID, f"latch {attempt.latch} is not noted", event.order_id)


def _sums(facts: Facts) -> _Found:
    open_now = [row for row in facts.latches.values() if row.state in _OPEN_STATES]
    done = [row.lamports for row in facts.reclaims.values() if row.state == "succeeded"]
    found = len(open_now), sum(row.taken for row in open_now), sum(done)
    said = facts.lent.latches, facts.lent.taken, facts.lent.reclaimed_lamports
    if found != said:
        yield Violation(_SAID, f"{said} are the sums, of the rows {found}")
