"""The proof of an order's end for outsiders: what was signed, what providers answered, what was
told. Pure.

`fairlead.proofcheck` decides from it alone, and shares no code with this module: the form is the
contract (docs/proof.md). No secret is in it: the seed of a latch stands in the signed bytes. No
time either, since no rule rests on one.
"""

import hashlib
import json
from base64 import b64encode
from collections.abc import Sequence
from typing import Any

import msgspec

from fairlead.orders import lifecycle
from fairlead.orders.exact_out import ceiling_of
from fairlead.orders.model import (
    Attempt,
    AttemptState,
    Order,
    OrderStatus,
    OrderType,
    StoredEvent,
)
from fairlead.orders.model import EventType as E
from fairlead.solana.evidence import Evidence, Proof

VERSION = 1

Digits = str
"""Atoms in decimals: JSON numbers lose digits in some languages."""


class Piece(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Every field is there, null where nothing is known."""


class ProofOrder(Piece, frozen=True):
    order_id: str
    type: OrderType
    status: OrderStatus
    wallet: str
    token_in: str
    token_out: str
    # Of an exact output what no swap of it may exceed: its first one's most, or else the client's.
    amount_in_atoms: Digits
    # Null where the input is exact.
    exact_out_atoms: Digits | None
    # What no swap of it may undercut; null before a first attempt.
    minimum_out_atoms: Digits | None
    # Of the swap that filled it.
    amount_out_atoms: Digits | None
    tx_signature: str | None


class ProofLeg(Piece, frozen=True):
    program: str
    pool: str
    token_in: str
    token_out: str
    vault_in: str
    vault_out: str


class ProofAnswer(Piece, frozen=True):
    """One answer of one provider."""

    provider: str
    question: str
    answer: str
    slot: int | None
    block_height: int | None


class ProofEvidence(Piece, frozen=True):
    """Why the attempt counts as settled, in the order asked of each provider."""

    # `agreed` or `single-source`.
    proof: str
    # What a finalized height must reach to prove a death; null where it landed.
    death_height: int | None
    answers: tuple[ProofAnswer, ...]


class ProofAttempt(Piece, frozen=True):
    number: int
    signature: str
    # The signed transaction, in base64.
    raw: str
    blockhash: str
    blockhash_slot: int
    blockhash_height: int
    last_valid_block_height: int
    compute_unit_limit: int
    compute_unit_price_micro_lamports: int
    tip_lamports: int
    fee_lamports: int
    latch: str | None
    latch_generation: int
    minimum_out_atoms: Digits
    # Empty for a cancel.
    legs: tuple[ProofLeg, ...]
    state: AttemptState
    slot: int | None
    error: str | None
    # Null for one that another excludes, and for one whose proof was not kept.
    evidence: ProofEvidence | None


class ProofEvent(Piece, frozen=True):
    sequence: int
    event: E
    status: OrderStatus
    # Of the attempt that it speaks of.
    tx_signature: str | None
    # Of the finalized swap.
    slot: int | None
    # By what the end is proven.
    proof: str | None


class ProofBundle(Piece, frozen=True):
    version: int
    order: ProofOrder
    attempts: tuple[ProofAttempt, ...]
    events: tuple[ProofEvent, ...]
    # SHA-256 (hex) of the other fields as JSON with sorted names and no spaces.
    digest: str = ""


def has_ended(order: Order) -> bool:
    """Whether there is an end to be proven."""
    return order.status in lifecycle.ENDED or order.finalized_at_ms is not None


def bundle(order: Order, attempts: Sequence[Attempt], events: Sequence[StoredEvent]) -> ProofBundle:
    """All that shows how an order that has ended came to its end."""
    assert has_ended(order)
    made = ProofBundle(
        version=VERSION,
        order=_order(order, attempts),
        attempts=tuple([_attempt(each) for each in attempts]),
        events=tuple([_event(each) for each in events]),
    )
    return msgspec.structs.replace(made, digest=_digest(msgspec.to_builtins(made)))


def _digest(pieces: dict[str, Any]) -> str:
    del pieces["digest"]
    return hashlib.sha256(
        json.dumps(pieces, sort_keys=True, separators=(",", ":")).encode()
    ).hexdigest()


def _order(order: Order, attempts: Sequence[Attempt]) -> ProofOrder:
    terms = order.terms
    amount, exact = terms.amount_in_atoms, terms.exact_out_atoms
    is_filled = order.status is OrderStatus.CONFIRMED
    least = order.minimum_out_atoms
    return ProofOrder(
        order_id=order.order_id,
        type=terms.type,
        status=order.status,
        wallet=terms.wallet,
        token_in=terms.token_in,
        token_out=terms.token_out,
        amount_in_atoms=str(amount if exact is None else ceiling_of(terms, attempts)),
        exact_out_atoms=None if exact is None else str(exact),
        minimum_out_atoms=None if least is None else str(least),
        amount_out_atoms=str(order.amount_out_atoms) if is_filled else None,
        # The row of any other names the last that was sent.
        tx_signature=order.signature if is_filled else None,
    )


def _attempt(attempt: Attempt) -> ProofAttempt:
    # What another row has of slot and error is a sighting, not what settled it.
    is_seen = attempt.state in (AttemptState.SUCCEEDED, AttemptState.ERRORED)
    kept = attempt.evidence
    return ProofAttempt(
        number=attempt.number,
        signature=attempt.signature,
        raw=b64encode(attempt.raw).decode(),
        blockhash=attempt.blockhash,
        blockhash_slot=attempt.blockhash_slot,
        blockhash_height=attempt.blockhash_height,
        last_valid_block_height=attempt.last_valid_block_height,
        compute_unit_limit=attempt.compute_unit_limit,
        compute_unit_price_micro_lamports=attempt.compute_unit_price_micro_lamports,
        tip_lamports=attempt.tip_lamports,
        fee_lamports=attempt.fee_lamports,
        latch=attempt.latch_address,
        latch_generation=attempt.latch_generation,
        minimum_out_atoms=str(attempt.minimum_out_atoms),
        legs=tuple(
            [
                ProofLeg(
                    program=leg.program,
                    pool=leg.pool,
                    token_in=leg.token_in,
                    token_out=leg.token_out,
                    vault_in=leg.vault_in,
                    vault_out=leg.vault_out,
                )
                for leg in attempt.legs
            ]
        ),
        state=attempt.state,
        slot=attempt.slot if is_seen else None,
        error=attempt.error if is_seen else None,
        evidence=None if kept is None else _evidence(attempt, _proof.decode(kept)),
    )


_proof = msgspec.json.Decoder(Proof)


def _evidence(attempt: Attempt, proof: Proof) -> ProofEvidence:
    assert (proof.state, proof.signature) == (attempt.state, attempt.signature)
    return ProofEvidence(
        proof=proof.proof,
        death_height=proof.death_height,
        answers=tuple([_answer(each) for each in proof.answers]),
    )


def _answer(told: Evidence) -> ProofAnswer:
    return ProofAnswer(
        provider=told.provider,
        question=told.question,
        answer=told.answer,
        slot=told.slot,
        block_height=told.block_height,
    )


class _OfAttempt(msgspec.Struct, rename="camel"):
    tx_signature: str | None = None


class _Told(_OfAttempt, rename="camel"):
    """The part of an event's data that is shown here. What was quoted on the way proves nothing."""

    attempt: _OfAttempt | None = None
    slot: int | None = None
    proof: str | None = None


_told = msgspec.json.Decoder(_Told)


def _event(event: StoredEvent) -> ProofEvent:
    told = _told.decode(event.data)
    named = told.tx_signature or (told.attempt.tx_signature if told.attempt is not None else None)
    return ProofEvent(
        sequence=event.sequence,
        event=event.type,
        status=event.status,
        tx_signature=named,
        slot=told.slot if event.type is E.FINALIZED else None,
        proof=told.proof,
    )
