"""What must hold when all is quiet. Pure: facts in, violations out."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from solders.pubkey import Pubkey

from fairlead.ledger.tokens import SOL, TOKENS, atoms_worth
from fairlead.ledger.wallets import FUND_DOLLARS, FUND_LAMPORTS
from fairlead.orders import lifecycle
from fairlead.orders.budget import CANCEL_ALLOWANCE_LAMPORTS
from fairlead.orders.lifecycle import IllegalTransition
from fairlead.orders.model import EventType, OrderStatus
from tests.torture import lent, numbers
from tests.torture.facts import AttemptRow, EventRow, Facts, OrderRow, Violation, statuses
from tests.torture.ledger import NATIVE, Landed

_Found = Iterator[Violation]


def check(facts: Facts) -> list[Violation]:
    """All that is wrong."""
    return [
        *_accepted(facts),
        *_positions(facts),
        *_orders(facts),
        *_strangers(facts),
        *_attempts(facts),
        *_kept_sums(facts),
        *_ledger(facts),
        *_wallets(facts),
        *lent.check(facts),
        *numbers.check(facts),
    ]


def _accepted(facts: Facts) -> _Found:
    for order_id in {*facts.sent, *facts.probes}:
        if order_id not in facts.orders:
            yield Violation("what was answered 202 is there", "no such row", order_id)
    for order_id, sent in facts.sent.items():
        row = facts.orders.get(order_id)
        if row is not None and sent.promised_end not in (None, row.status):
            text = f"{sent.promised_end} was told, it is {row.status}"
            yield Violation("an end that was told is the end", text, order_id)


def _positions(facts: Facts) -> _Found:
    for place, event in enumerate(facts.events, 1):
        if event.position != place:
            text = f"position {event.position} stands at {place}"
            yield Violation("the log has no gap (rule 25)", text, event.order_id)
            return


def _orders(facts: Facts) -> _Found:
    events, attempts = facts.events_by_order(), facts.attempts_by_order()
    won: dict[str, list[Landed]] = defaultdict(list)
    for attempt in facts.attempts:
        landed = facts.ledger.by_signature.get(attempt.signature)
        if landed is not None and landed.has_swap and landed.error is None:
            won[attempt.order_id].append(landed)
    for order_id, row in facts.orders.items():
        yield from _history(order_id, events.get(order_id, []), row)
        yield from _swaps(row, won.get(order_id, []))
        if len(won.get(order_id, [])) == 1 and row.status == OrderStatus.CONFIRMED:
            yield from _fill(facts, row, won[order_id][0])
        yield from _floors(facts, row, attempts.get(order_id, []))


def _history(order_id: str, events: Sequence[EventRow], row: OrderRow) -> _Found:
    if not row.ended or row.owner is not None:
        owner = f", of {row.owner}" if row.owner else ""
        yield Violation("every order ends", f"it is {row.status}{owner}", order_id)
    if [event.sequence for event in events] != list(range(1, len(events) + 1)):
        found = [event.sequence for event in events]
        yield Violation("an order's events have no gap (rule 25)", f"{found}", order_id)
    status: OrderStatus | None = None
    for event in events:
        try:
            status = lifecycle.status_after(status, EventType(event.type))
        except (IllegalTransition, ValueError) as error:
            yield Violation("history is legal", str(error), order_id)
            return
        if status != event.status:
            yield Violation("history is legal", f"{event.type} led to {event.status}", order_id)
    if status != row.status:
        yield Violation("the row is where its events lead", f"{row.status}, {status}", order_id)
    last = [lifecycle.is_last(EventType(event.type)) for event in events]
    if row.ended and (sum(last) != 1 or not last[-1]):
        text = " ".join(event.type for event in events)
        yield Violation("an order has one end, and nothing after it", text, order_id)


def _swaps(row: OrderRow, won: Sequence[Landed]) -> _Found:
    if len(won) > 1:
        text = f"{len(won)} swaps succeeded: {', '.join(each.signature for each in won)}"
        yield Violation("at most one swap for each order", text, row.order_id)
    elif row.status == OrderStatus.CONFIRMED and not won:
        yield Violation("a confirmed order has its swap", "none succeeded", row.order_id)
    elif row.status != OrderStatus.CONFIRMED and won:
        text = f"{row.status}, and {won[0].signature} succeeded"
        yield Violation("an order that was not filled has no swap", text, row.order_id)


def _fill(facts: Facts, row: OrderRow, landed: Landed) -> _Found:
    terms = row.terms
    given, out = -landed.exchanged(terms["token_in"]), landed.exchanged(terms["token_out"])
    yield from _amount(row, given, out)
    if out != row.amount_out_atoms:
        text = f"{row.amount_out_atoms} booked, {out} on the ledger"
        yield Violation("the fill is the ledger's (rule 20)", text, row.order_id)
    if landed.signature != row.signature:
        text = f"{row.signature} booked, {landed.signature} on the ledger"
        yield Violation("the fill is the ledger's (rule 20)", text, row.order_id)
    if landed.payer != terms["wallet"]:
        yield Violation("the order's wallet pays", f"{landed.payer} paid", row.order_id)
    sent = facts.sent.get(row.order_id)
    floors = [row.minimum_out_atoms, sent.floor_atoms if sent else None]
    for floor in floors:
        if floor is not None and out < floor:
            yield Violation("the floor holds (rule 6)", f"{out} is below {floor}", row.order_id)


def _amount(row: OrderRow, given: int, out: int) -> _Found:
    """One side is exact, and of the other it is no more than was agreed."""
    agreed, exact = row.terms["amount_in_atoms"], row.terms.get("exact_out_atoms")
    is_agreed = given == agreed if exact is None else 0 < given <= agreed
    if not is_agreed or (exact is not None and out < exact):
        text = f"{given} given, {agreed} agreed; {out} for {exact or 'any'}"
        yield Violation("the amount is the order's", text, row.order_id)


def _floors(facts: Facts, row: OrderRow, attempts: Sequence[AttemptRow]) -> _Found:
    sent = facts.sent.get(row.order_id)
    told = row.terms["amount_in_atoms"], row.terms.get("exact_out_atoms")
    if sent is not None and told != (sent.amount_in_atoms, sent.exact_out_atoms):
        yield Violation("the terms are those that were sent", f"{row.terms}", row.order_id)
    yield from _ceilings(row, attempts)
    floor = sent.floor_atoms if sent is not None else None
    if floor is None and attempts and row.terms.get("limit_out_atoms") is None:
        floor = attempts[0].minimum_out_atoms
    for attempt in attempts:
        # A cancel has none: it swaps nothing.
        if floor is not None and 0 < attempt.minimum_out_atoms < floor:
            text = f"attempt {attempt.number} asks for {attempt.minimum_out_atoms}, {floor} is due"
            yield Violation("no later attempt asks for less (rule 6)", text, row.order_id)


def _ceilings(row: OrderRow, attempts: Sequence[AttemptRow]) -> _Found:
    """Of an exact output: the mirror of the floor, which the first swap fixes. One that was quoted
    better in between binds nobody."""
    swaps = [attempt for attempt in attempts if attempt.maximum_in_atoms is not None]
    ceiling = row.terms["amount_in_atoms"]
    for attempt in swaps:
        most = attempt.maximum_in_atoms
        assert most is not None
        if most > ceiling:
            text = f"attempt {attempt.number} takes up to {most}, {ceiling} may be"
            yield Violation("no later attempt takes more (rule 6)", text, row.order_id)
        if attempt is swaps[0]:
            ceiling = min(ceiling, most)


def _strangers(facts: Facts) -> _Found:
    order_of = {attempt.signature: attempt.order_id for attempt in facts.attempts}
    wallets = {row.terms["wallet"] for row in facts.orders.values()}
    fees: Counter[str] = Counter()
    for signature, landed in facts.ledger.by_signature.items():
        order_id = order_of.get(signature)
        is_ours = landed.has_swap or landed.payer in wallets
        if order_id is None and is_ours and signature not in facts.reclaims:
            yield Violation("what is sent was stored first (rule 3)", landed.told())
        elif order_id is not None:
            fees[order_id] += landed.fee_lamports
    for order_id, lamports in fees.items():
        row = facts.orders.get(order_id)
        if row is None:
            continue
        # Cancels have an allowance of their own.
        allowed = row.terms["fee_cap_lamports"] + CANCEL_ALLOWANCE_LAMPORTS
        if lamports > allowed:
            yield Violation("the fee cap holds", f"{lamports} paid, {allowed} allowed", order_id)


def _attempts(facts: Facts) -> _Found:
    for attempt in facts.attempts:
        landed = facts.ledger.by_signature.get(attempt.signature)
        if attempt.state not in _STATES[None if landed is None else landed.error is None]:
            seen = "not on the ledger" if landed is None else landed.told()
            text = f"attempt {attempt.number} is {attempt.state}: {seen}"
            yield Violation("what is proven of an attempt is so", text, attempt.order_id)


# By whether it succeeded, None if it never landed. An absent latch proves that it did not win (14),
# not that it did not land; nor does a latch that another attempt holds at `finalized`.
_STATES: dict[bool | None, tuple[str, ...]] = {
    None: ("dead", "excluded"),
    True: ("succeeded",),
    False: ("errored", "dead", "excluded"),
}


def _kept_sums(facts: Facts) -> _Found:
    if facts.reserved:
        yield Violation("reservations are given back", f"{facts.reserved}")
    if dict(statuses(facts)) != facts.counts:
        yield Violation("counts are kept", f"{facts.counts}, there are {dict(statuses(facts))}")


# --- value


def _ledger(facts: Facts) -> _Found:
    for text in facts.ledger.contradictions:
        yield Violation("what is final stays so", text)
    supply: Counter[str] = Counter()
    for (_, mint), atoms in facts.ledger.held().items():
        supply[mint] += atoms
    for mint, atoms in facts.ledger.supplies().items() if facts.ledger.accounts else ():
        if supply[mint] != atoms:
            text = f"{mint}: a supply of {atoms}, {supply[mint]} held"
            yield Violation("value is conserved", text)


def _wallets(facts: Facts) -> _Found:
    """Each has what it was given, some whole number of times, and what its swaps made of it."""
    if not facts.ledger.accounts:
        return
    held = facts.ledger.held()
    gained: Counter[tuple[str, str]] = Counter()
    for landed in facts.ledger.by_signature.values():
        for mint, atoms in landed.gained.items():
            gained[landed.payer, mint] += atoms
    funds = {
        NATIVE if token is SOL else str(Pubkey.from_bytes(token.mint)): (
            FUND_LAMPORTS if token is SOL else atoms_worth(token, FUND_DOLLARS)
        )
        for token in TOKENS
    }
    for wallet in sorted({order.terms["wallet"] for order in facts.orders.values()}):
        begun = {mint: held[wallet, mint] - gained[wallet, mint] for mint in funds}
        times = begun[NATIVE] // FUND_LAMPORTS
        for mint, fund in funds.items():
            if times < 1 or begun[mint] != times * fund:
                text = f"{wallet} began with {begun[mint]} of {mint}, it was given {fund}"
                yield Violation("value is conserved", text)
