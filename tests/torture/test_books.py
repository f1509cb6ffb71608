"""The checks themselves: facts that are right pass, and each thing planted in them is found."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from solders.pubkey import Pubkey

from fairlead.ledger.tokens import USDC
from tests.torture import books, proofs
from tests.torture.facts import (
    AttemptRow,
    EventRow,
    Facts,
    LatchRow,
    LentRow,
    OrderRow,
    ReclaimRow,
)
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
    "wallet": "wallet", "tokenIn": "SOL", "tokenOut": "USDC", "amountIn": "0.1",
    "type": "limit", "limitPrice": "140",
}  # fmt: skip
PAID = {NATIVE: -100_000_000 - 5_000 - 890_880, DOLLARS: 14_500_000}
LATCH, RENT, FEE = str(Pubkey(bytes(range(32)))), 890_880, 5_001
WON = Landed("won", 7, None, True, "wallet", 5_000, RENT, PAID, {LATCH: RENT}, 7)
BACK = Landed(
    "back", 300, None, False, "wallet", FEE, 0, {NATIVE: RENT - FEE}, {LATCH: -RENT}, 300
)  # fmt: skip
LOST = replace(
    WON, signature="lost", error="slippage", rent_lamports=0, gained={NATIVE: -5_000}, moved={},
    failure_code="stale_price",
)  # fmt: skip


def good() -> Facts:
    """One order that was filled by its second attempt, and whose rent came back."""
    facts = Facts(
        orders={
            ORDER: OrderRow(ORDER, "confirmed", True, None, "won", 14_000_000, 14_500_000, TERMS)
        },
        events=[
            EventRow(n, ORDER, n, 1_000 + n, type, status)
            for n, (type, status) in enumerate(LIFE, 1)
        ],
        attempts=[
            AttemptRow("lost", ORDER, 1, 1, "errored", 14_000_000, LATCH, 3),
            AttemptRow("won", ORDER, 2, 2, "succeeded", 14_000_000, LATCH, 5),
        ],
        latches={LATCH: LatchRow(LATCH, ORDER, True, "reclaimed")},
        reclaims={"back": ReclaimRow("back", "wallet", (LATCH,), RENT, FEE, "succeeded")},
        lent=LentRow(len(LIFE), 0, 0, RENT),
        counts={"confirmed": 1},
        sent={ORDER: Sent("key", BODY, ORDER, promised_end="confirmed")},
    )
    facts.ledger.by_signature = {"won": WON, "lost": LOST, "back": BACK}
    return facts


def turned_round() -> Facts:
    """The same with an exact output, for which it took less than it might have."""
    facts = good()
    terms = {**TERMS, "amount_in_atoms": 110_000_000, "exact_out_atoms": 14_500_000}
    facts.orders[ORDER] = replace(facts.orders[ORDER], terms=terms)
    body = {
        "wallet": "wallet", "tokenIn": "SOL", "tokenOut": "USDC", "amountOut": "14.5",
        "maxAmountIn": "0.11",
    }  # fmt: skip
    facts.sent[ORDER].body = body
    facts.attempts = [replace(each, maximum_in_atoms=105_000_000) for each in facts.attempts]
    return facts


def test_facts_that_are_right_pass() -> None:
    assert [] == books.check(good())
    assert [] == books.check(turned_round())


@pytest.mark.parametrize(
    "paid",
    [{**PAID, DOLLARS: 14_499_999}, {**PAID, NATIVE: PAID[NATIVE] - 10_000_001}],
    ids=["less than was asked for", "at a higher price than was agreed"],
)
def test_an_exact_output_is_exact_and_costs_no_more_than_agreed(paid: dict[str, int]) -> None:
    facts = turned_round()
    facts.ledger.by_signature["won"] = replace(WON, gained=paid)
    assert "the amount is the order's" in {each.rule for each in books.check(facts)}


def test_an_exact_output_may_not_cost_more_in_a_later_attempt() -> None:
    facts = turned_round()
    facts.attempts[1] = replace(facts.attempts[1], maximum_in_atoms=105_000_001)
    assert ["no later attempt takes more (rule 6)"] == [each.rule for each in books.check(facts)]


def test_an_attempt_that_was_quoted_better_does_not_bind_the_next() -> None:
    facts = turned_round()
    first, won = facts.attempts
    better = replace(first, signature="better", number=2, round=2, state="dead")
    facts.attempts = [
        replace(first, maximum_in_atoms=106_000_000),
        replace(better, maximum_in_atoms=105_000_000),
        replace(won, number=3, round=3, maximum_in_atoms=105_500_000),
    ]
    assert [] == [each for each in books.check(facts) if "takes more" in each.rule]


@pytest.mark.parametrize("verdict", ["refused", "not proven", "nothing was ever signed, says it"])
def test_an_end_without_an_accepted_proof_is_found(verdict: str) -> None:
    facts = good()
    proven = {ORDER: proofs.Verdict("proven (agreed)", "")}
    assert [] == list(proofs.check(facts, proven))
    for found in ({ORDER: proofs.Verdict(verdict, "")}, {}):
        rules = [each.rule for each in proofs.check(facts, found)]
        assert ["the proof of an end is accepted"] == rules


def refused(facts: Facts, code: str, amount: str = "0.1") -> None:
    sent = Sent("refused", {**BODY, "amountIn": amount}, is_answered=True, refusal=code)
    sent.note(code)
    facts.refused.append(sent)


def test_a_lack_of_funds_is_believed_where_the_wallet_may_have_lacked_them() -> None:
    facts = good()
    refused(facts, "insufficient_funds", "4999.99")
    assert [] == books.check(facts)


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


def reclaim(**changed: Any) -> Callable[[Facts], None]:
    def plant(facts: Facts) -> None:
        facts.reclaims["back"] = replace(facts.reclaims["back"], **changed)

    return plant


def latch(**changed: Any) -> Callable[[Facts], None]:
    def plant(facts: Facts) -> None:
        facts.latches[LATCH] = replace(facts.latches[LATCH], **changed)

    return plant


def lose_reclaim(facts: Facts) -> None:
    del facts.reclaims["back"]


def lose_latch(facts: Facts) -> None:
    del facts.latches[LATCH]


def lose_rent(facts: Facts) -> None:
    del facts.ledger.by_signature["back"]


def missum(facts: Facts) -> None:
    facts.lent = replace(facts.lent, reclaimed_lamports=RENT - 1)


def fail_round(facts: Facts) -> None:
    facts.events[2] = replace(facts.events[2], failure_code="insufficient_funds")


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
    "rent that went elsewhere": (
        land("back", gained={NATIVE: RENT - FEE - 1}), "rent lent is held or came back (rule 12)",
    ),
    "rent that is gone": (lose_rent, "rent lent is held or came back (rule 12)"),
    "a part of the rent": (
        land("back", moved={LATCH: 1 - RENT}), "rent lent is held or came back (rule 12)",
    ),
    "rent taken back too early": (
        land("back", height=88), "rent comes back when nothing can land any more (rule 12)",
    ),
    "a reclaim nobody stored": (lose_reclaim, "what is sent was stored first (rule 3)"),
    "a reclaim that is called dead": (
        reclaim(state="dead"), "what is said of reclaims is so",
    ),
    "a reclaim of another sum": (reclaim(lamports=RENT - 1), "what is said of reclaims is so"),
    "a latch that is said to be empty": (
        latch(state="absent"), "what is said of reclaims is so",
    ),
    "a latch nobody noted": (lose_latch, "what is said of reclaims is so"),
    "a wrong sum of rents": (missum, "what is said of reclaims is so"),
    "a refusal of one who can pay": (
        lambda facts: refused(facts, "insufficient_funds"), "no order fails by a wrong number",
    ),
    "a refusal for nothing": (
        lambda facts: refused(facts, "invalid_request"), "no order is refused without a reason",
    ),
    "a failed order that could be filled": (
        row(status="failed", failure_code="no_route"), "no order fails by a wrong number",
    ),
    "a round that failed by a wrong number": (fail_round, "no order fails by a wrong number"),
    "a swap that the program never takes": (
        land("lost", failure_code="program_error"), "no order fails by a wrong number",
    ),
    "a final block replaced": (contradict, "what is final stays so"),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANTED)
def test_what_is_planted_is_found(name: str) -> None:
    plant, rule = PLANTED[name]
    facts = good()
    plant(facts)
    assert rule in {violation.rule for violation in books.check(facts)}
