"""The checks themselves: facts that are right pass, and each thing planted in them is found."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from solders.pubkey import Pubkey

from fairlead.ledger.tokens import USDC
from tests.torture import books
from tests.torture.facts import AttemptRow, EventRow, Facts, OrderRow
from tests.torture.ledger import NATIVE, Landed
from tests.torture.orders import Sent

DOLLARS = str(Pubkey.from_bytes(USDC.mint))
ORDER, OTHER = "order", "other"
LIFE = (
    ("accepted", "pending"), ("claimed", "routing"), ("routed", "building"),
    ("submitted", "submitted"), ("confirmed", "confirmed"), ("finalized", "confirmed"),
)  # fmt: skip
TERMS = {
    "wallet": "wallet", "token_in": NATIVE, "token_out": DOLLARS, "amount_in_atoms": 100_000_000,
    "fee_cap_lamports": 1_000_000,
}  # fmt: skip
BODY = {
    "tokenIn": "SOL", "tokenOut": "USDC", "amountIn": "0.1", "type": "limit", "limitPrice": "140",
}  # fmt: skip
PAID = {NATIVE: -100_000_000 - 5_000 - 890_880, DOLLARS: 14_500_000}
WON = Landed("won", 7, None, True, "wallet", 5_000, 890_880, PAID)
LOST = replace(WON, signature="lost", error="slippage", rent_lamports=0, gained={NATIVE: -5_000})


def good() -> Facts:
    """One order that was filled by its second attempt."""
    facts = Facts(
        orders={
            ORDER: OrderRow(ORDER, "confirmed", True, None, "won", 14_000_000, 14_500_000, TERMS)
        },
        events=[
            EventRow(n, ORDER, n, 1_000 + n, type, status)
            for n, (type, status) in enumerate(LIFE, 1)
        ],
        attempts=[
            AttemptRow("lost", ORDER, 1, 1, "errored", 14_000_000),
            AttemptRow("won", ORDER, 2, 2, "succeeded", 14_000_000),
        ],
        counts={"confirmed": 1},
        sent={ORDER: Sent("key", BODY, ORDER, promised_end="confirmed")},
    )
    facts.ledger.by_signature = {"won": WON, "lost": LOST}
    return facts


def test_facts_that_are_right_pass() -> None:
    assert [] == books.check(good())


def row(**changed: Any) -> Callable[[Facts], None]:
    def plant(facts: Facts) -> None:
        facts.orders[ORDER] = replace(facts.orders[ORDER], **changed)

    return plant


def land(signature: str, **changed: Any) -> Callable[[Facts], None]:
    def plant(facts: Facts) -> None:
        landed = facts.ledger.by_signature
        landed[signature] = replace(landed.get(signature, WON), signature=signature, **changed)

    return plant


def attempt(index: int, **changed: Any) -> Callable[[Facts], None]:
    def plant(facts: Facts) -> None:
        facts.attempts[index] = replace(facts.attempts[index], **changed)

    return plant


def event(index: int, **changed: Any) -> Callable[[Facts], None]:
    def plant(facts: Facts) -> None:
        facts.events[index] = replace(facts.events[index], **changed)

    return plant


def lose_row(facts: Facts) -> None:
    del facts.orders[ORDER]


def lose_event(facts: Facts) -> None:
    del facts.events[2]


def promise(facts: Facts) -> None:
    facts.sent[ORDER].promised_end = "cancelled"


def hold_back(facts: Facts) -> None:
    facts.reserved = {("wallet", NATIVE): 1}


def miscount(facts: Facts) -> None:
    facts.counts = {"confirmed": 2}


def drop_from_ledger(facts: Facts) -> None:
    del facts.ledger.by_signature["won"]


def contradict(facts: Facts) -> None:
    facts.ledger.contradictions.append("slot 7 was final as two different blocks")


PLANTED: dict[str, tuple[Callable[[Facts], None], str]] = {
    "a lost order": (lose_row, "what was answered 202 is there"),
    "an end that changed": (promise, "an end that was told is the end"),
    "an order left open": (row(ended=False, owner="worker"), "every order ends"),
    "a gap in the log": (lose_event, "the log has no gap (rule 25)"),
    "a sequence twice": (event(2, sequence=2), "an order's events have no gap (rule 25)"),
    "an illegal step": (event(3, type="rested"), "history is legal"),
    "a wrong status": (event(3, status="pending"), "history is legal"),
    "two swaps": (land("lost", error=None), "at most one swap for each order"),
    "a confirmed order without a swap": (drop_from_ledger, "a confirmed order has its swap"),
    "a swap of a failed order": (row(status="failed"), "an order that was not filled has no swap"),
    "another fill": (row(amount_out_atoms=14_500_001), "the fill is the ledger's (rule 20)"),
    "another signature": (row(signature="lost"), "the fill is the ledger's (rule 20)"),
    "less than the limit": (
        land("won", gained={**PAID, DOLLARS: 13_999_999}), "the floor holds (rule 6)",
    ),
    "more than was agreed": (
        land("won", gained={**PAID, NATIVE: -100_900_000}), "the amount is the order's",
    ),
    "another's money": (land("won", payer="stranger"), "the order's wallet pays"),
    "a lowered minimum": (
        attempt(1, minimum_out_atoms=13_999_999), "no later attempt asks for less (rule 6)",
    ),
    "a swap nobody stored": (
        land("unknown", error="slippage"), "what is sent was stored first (rule 3)",
    ),
    "fees without end": (land("lost", fee_lamports=2_000_000), "the fee cap holds"),
    "a proof that was none": (attempt(1, state="dead"), "what is proven of an attempt is so"),
    "an attempt without an end": (attempt(0, state="live"), "what is proven of an attempt is so"),
    "funds held back": (hold_back, "reservations are given back"),
    "a wrong count": (miscount, "counts are kept"),
    "a final block replaced": (contradict, "what is final stays so"),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANTED)
def test_what_is_planted_is_found(name: str) -> None:
    plant, rule = PLANTED[name]
    facts = good()
    plant(facts)
    assert rule in {violation.rule for violation in books.check(facts)}
