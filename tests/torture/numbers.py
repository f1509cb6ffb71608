"""Refusals and failures that only a wrong number can explain. Pure: facts in, violations out.

Every wallet has far more than its orders ask for, every pair has deep pools, and no stranger pays
into a latch: what may fail an order here is the market, which moves, and the chain, which loses
transactions."""

from collections import Counter
from collections.abc import Iterator

from fairlead.ledger.tokens import SOL, TOKENS, atoms_worth
from fairlead.ledger.wallets import FUND_DOLLARS, FUND_LAMPORTS
from tests.torture.facts import Facts, Violation
from tests.torture.orders import IN_THE_PAST, Sent

MARKET_FAILURES = frozenset({"stale_price", "expired_blockhash", "fee_cap_spent", "cluster_busy"})
"""What may end an order or a round of it."""

LANDED_FAILURES = frozenset({"stale_price", "latch_taken"})
"""What may fail a transaction on the chain: the market has moved, or a sibling has won."""

DEARER_FAILURES = LANDED_FAILURES | {"insufficient_liquidity"}
"""Of an exact output: AMM v4 looks at the account before it looks at the maximum. Wrapped SOL is
the maximum, so that a price above it is a lack of funds to the program."""

LENT_AT_MOST_LAMPORTS = 20_000_000
"""What any order holds back of its wallet beside the amount: fees and rents, rounded up."""

_RULE = "no order fails by a wrong number"
_Found = Iterator[Violation]


def check(facts: Facts) -> list[Violation]:
    """All that is wrong."""
    return [*_refused(facts), *_failed(facts), *_landed(facts)]


def failures(facts: Facts) -> dict[str, int]:
    """Rounds and orders that failed, by code."""
    return dict(Counter(event.failure_code for event in facts.events if event.failure_code))


def _failed(facts: Facts) -> _Found:
    for event in facts.events:
        code = event.failure_code
        if code is not None and code not in MARKET_FAILURES:
            yield Violation(_RULE, f"event {event.sequence}, {event.type}: {code}", event.order_id)
    for order_id, row in facts.orders.items():
        if row.status == "failed" and row.failure_code not in MARKET_FAILURES:
            yield Violation(_RULE, f"it failed with {row.failure_code}", order_id)


def _landed(facts: Facts) -> _Found:
    for attempt in facts.attempts:
        landed = facts.ledger.by_signature.get(attempt.signature)
        if landed is None or landed.error is None:
            continue
        is_exact_out = attempt.maximum_in_atoms is not None
        if landed.failure_code not in (DEARER_FAILURES if is_exact_out else LANDED_FAILURES):
            text = f"{landed.failure_code}: {landed.told()}"
            yield Violation(_RULE, text, attempt.order_id)


def _refused(facts: Facts) -> _Found:
    """A refusal for lack of funds is right only once all orders of the wallet together could have
    used up what it was given."""
    asked: Counter[tuple[str, str]] = Counter()
    for sent in (*facts.sent.values(), *facts.refused):
        wallet = sent.body["wallet"]
        asked[wallet, sent.body["tokenIn"]] += sent.amount_in_atoms
        asked[wallet, "SOL"] += LENT_AT_MOST_LAMPORTS
    for sent in facts.refused:
        wallet = sent.body["wallet"]
        if sent.refusal == "insufficient_funds":
            if all(asked[wallet, each] <= _fund(each) for each in ("SOL", sent.body["tokenIn"])):
                yield Violation(_RULE, _told(sent))
        elif sent.refusal != IN_THE_PAST:
            yield Violation("no order is refused without a reason", _told(sent))


def _told(sent: Sent) -> str:
    return f"{sent.key} {sent.body}: {sent.told[-1][1]}"


def _fund(symbol: str) -> int:
    """Atoms that a wallet gets when it is first seen."""
    token = next(each for each in TOKENS if each.symbol == symbol)
    return FUND_LAMPORTS if token is SOL else atoms_worth(token, FUND_DOLLARS)
