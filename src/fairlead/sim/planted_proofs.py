"""Bugs about what the chain's answers prove. Their first lines say what the engine then does."""

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from fairlead.orders import changes, execution, round_ends
from fairlead.orders.failures import Failure
from fairlead.orders.model import Attempt, AttemptState
from fairlead.ports import Chain, SignatureStatus
from fairlead.solana import evidence, program_errors, proof
from fairlead.solana import landing as landing_steps
from fairlead.solana.landing import Errored, Flight
from fairlead.solana.proof import DeathEvidence, Fill, Settled
from fairlead.workers import landing, proving, settler
from fairlead.workers.proving import Proven
from fairlead.workers.work import Work, Workbench


class Planting(Protocol):
    def replace(self, owner: Any, name: str, new: Any) -> Any: ...
    def put(self, table: dict[Any, Any], key: Any, value: Any) -> None: ...


def _evidence(attempt: Attempt, settled: Settled) -> bytes:
    """A document of nothing heard, as a bug would store it."""
    return evidence.document(attempt, settled, (), needed=1)


def _proven(attempt: Attempt, settled: Settled, logs: tuple[str, ...] | None = None) -> Proven:
    return Proven(settled, _evidence(attempt, settled), logs)


def send_before_store(planting: Planting) -> None:
    """Sends the new transaction, then stores it."""
    from fairlead.workers import attempting

    async def make(bench: Workbench, *rest: Any) -> Any:
        made = await real(bench, *rest)
        if isinstance(made, attempting.Made):
            await bench.parts.chain.send(made.attempt.raw)
        return made

    real = planting.replace(attempting, "_make", make)


def trust_timeout(planting: Planting) -> None:
    """Takes a send without an answer for a failure."""
    _judge_sends(planting, Settled(AttemptState.ERRORED, 0, '"AccountNotFound"'))


def resign_on_lost_answer(planting: Planting) -> None:
    """Signs again when the answer to a send is lost."""
    _judge_sends(planting, Settled(AttemptState.DEAD))


def _judge_sends(planting: Planting, verdict: Settled) -> None:
    async def send(bench: Workbench, work: Work, attempt: Attempt, now_ms: int) -> bool:
        outcome = await bench.parts.chain.send(attempt.raw)
        progress = work.flight.of(attempt)
        progress.first_sent_ms = progress.last_sent_ms = now_ms
        work.flight.last_asked_ms = None
        if outcome.accepted or outcome.already_processed:
            return False
        proven = _proven(attempt, verdict, ())
        stored: bool = await landing._settle(bench, work, [(attempt, proven)])
        return stored

    planting.replace(landing, "_send", send)


def status_before_height(planting: Planting) -> None:
    """Asks for the status first, then whether the height is passed."""

    async def about_death(
        witness: Chain, attempt: Attempt, window: int, margin: int
    ) -> DeathEvidence:
        (status,) = await witness.signature_statuses((attempt.signature,), search_history=True)
        before = await witness.epoch_info("finalized")
        first = await witness.first_available_block()
        return DeathEvidence(before, None, (), status, True, before, first)

    planting.replace(proving, "_about_death", about_death)
    _ask_no_more(planting)


def _ask_no_more(planting: Planting) -> None:
    """Without the last question, which would hide what an earlier one missed."""

    async def prove_all(bench: Workbench, work: Work, expired: Any, now_ms: int) -> Any:
        own = tuple([each.signature for each in work.attempts])
        policy = bench.settings.landing
        found = []
        for each in expired:
            progress = work.flight.of(each)
            proven = await proving.prove(bench.parts.chain, each, progress, own, now_ms, policy)
            if proven is not None:
                found.append((each, proven))
        return found

    planting.replace(landing, "_prove", prove_all)


def trust_blockhash(planting: Planting) -> None:
    """Takes a blockhash that is called invalid for a proof of death."""

    async def ask(chain: Any, flight: Flight, attempts: Any, now_ms: int, policy: Any) -> None:
        await real_ask(chain, flight, attempts, now_ms, policy)
        for each in attempts:
            progress = flight.of(each)
            if progress.status is None and not await chain.witnesses[0].is_blockhash_valid(
                each.blockhash
            ):
                progress.confirmed_height = max(
                    progress.confirmed_height, each.last_valid_block_height + 1
                )

    async def prove_all(bench: Any, work: Any, expired: Any, now_ms: int) -> Any:
        return [(each, _proven(each, Settled(AttemptState.DEAD))) for each in expired]

    real_ask = planting.replace(landing, "_ask", ask)
    planting.replace(landing, "_prove", prove_all)


class _EarlyWitness:
    """Says that final is what is only confirmed."""

    def __init__(self, witness: Chain) -> None:
        self._witness = witness

    def __getattr__(self, name: str) -> Any:
        return getattr(self._witness, name)

    async def epoch_info(self, commitment: str) -> Any:
        return await self._witness.epoch_info("confirmed")

    async def accounts(self, addresses: Any, commitment: str, min_context_slot: int) -> Any:
        return await self._witness.accounts(addresses, "confirmed", min_context_slot)

    async def transaction(self, signature: str, commitment: str) -> Any:
        return await self._witness.transaction(signature, "confirmed")

    async def signature_statuses(self, *values: Any, **named: Any) -> Any:
        found = await self._witness.signature_statuses(*values, **named)
        return tuple([_as_final(each) for each in found])


def _as_final(status: SignatureStatus | None) -> SignatureStatus | None:
    if status is None or status.commitment == "processed":
        return status
    return msgspec.structs.replace(status, commitment="finalized")


def dead_at_confirmed_height(planting: Planting) -> None:
    """Proves a transaction dead at the confirmed height."""

    async def about_death(witness: Any, *rest: Any) -> Any:
        return await real(_EarlyWitness(witness), *rest)

    real = planting.replace(proving, "_about_death", about_death)


def book_at_confirmed(planting: Planting) -> None:
    """Books a fill as final once it is confirmed."""

    async def seen_by(self: Any, witness: Any, waiting: Any, fork_check: bool) -> Any:
        return await real(self, _EarlyWitness(witness), waiting, fork_check)

    real = planting.replace(settler.Settler, "_seen_by", seen_by)


def stored_height_alone(planting: Planting) -> None:
    """Forgets that the cluster's window may grow, and that one block more may hold it."""

    def death_height(attempt: Attempt, max_blockhash_window: int) -> int:
        return attempt.last_valid_block_height

    for module in (proof, landing_steps, proving):
        planting.replace(module, "death_height", death_height)


def null_is_dead(planting: Planting) -> None:
    """Takes "unknown signature" after the block height for a proof."""

    async def prove(bench: Any, work: Any, expired: Any, now_ms: int) -> Any:
        return [(each, _proven(each, Settled(AttemptState.DEAD))) for each in expired]

    planting.replace(landing, "_prove", prove)


def error_before_final(planting: Planting) -> None:
    """Takes a failure for good though a fork may still flip it."""

    def next_step(attempts: Any, known: Flight, *rest: Any) -> Any:
        for attempt in attempts:
            status = known.of(attempt).status
            if status is not None and status.error is not None:
                return Errored(attempt)
        return real_step(attempts, known, *rest)

    async def prove_failure(chain: Chain, attempt: Attempt) -> Proven | None:
        (status,) = await chain.signature_statuses((attempt.signature,))
        if status is None or status.error is None:
            return None
        return _proven(attempt, Settled(AttemptState.ERRORED, status.slot, status.error), ())

    real_step = planting.replace(landing, "next_step", next_step)
    planting.replace(landing, "prove_failure", prove_failure)


def latch_taken_is_failed(planting: Planting) -> None:
    """Takes "latch taken" for the order's failure."""

    def latch_taken(order: Any, now_ms: int, policy: Any, settled: Any = ()) -> Any:
        why = Failure("latch_taken", "somebody was faster", terminal=True)
        return round_ends.round_failed(order, why, now_ms, policy, settled)

    planting.replace(round_ends, "latch_taken", latch_taken)


def latch_taken_is_executed(planting: Planting) -> None:
    """Takes "latch taken" for an earlier success of the order's own."""

    async def settle(bench: Workbench, work: Work, proven: Any) -> Any:
        for attempt, each in proven:
            error = each.settled.error
            if error is not None and program_errors.failure_of(error, ()).latch_taken:
                in_atoms, least = work.order.terms.amount_in_atoms, attempt.minimum_out_atoms
                now_ms = bench.now_ms()
                change = changes.confirmed(work.order, attempt, in_atoms, least, 0, now_ms)
                await bench.commit(work, change)
                return True
        return await real(bench, work, proven)

    real = planting.replace(landing, "_settle", settle)


def ignore_fork(planting: Planting) -> None:
    """Books the fill though a fork dropped it."""

    async def lost(self: Any, work: Work) -> None:
        attempt, terms = execution.winner_of(work.order, work.attempts), work.order.terms
        in_atoms, out_atoms = terms.amount_in_atoms, work.order.amount_out_atoms or 0
        said = _evidence(attempt, Settled(AttemptState.SUCCEEDED, attempt.slot))
        change = changes.finalized(
            work.order, attempt, in_atoms, out_atoms, attempt.slot or 0, self._bench.now_ms(), said
        )
        if await self._commit(work, change):
            self._forget(work)

    planting.replace(settler.Settler, "_lost", lost)


def quote_is_fill(planting: Planting) -> None:
    """Books what was asked for and not what the transaction moved."""

    def fill_amounts(landed: Any, order: Any, attempt: Attempt) -> Fill:
        return Fill(order.terms.amount_in_atoms, attempt.minimum_out_atoms)

    for module in (landing, settler):
        planting.replace(module, "fill_amounts", fill_amounts)


def believe_one_provider(planting: Planting) -> None:
    """Ends an order on the word of one provider, though it has three."""
    for module in (proving, settler):
        planting.replace(module, "needed_of", lambda witnesses: 1)


BUGS: Sequence[Any] = (
    send_before_store,
    trust_timeout,
    resign_on_lost_answer,
    status_before_height,
    trust_blockhash,
    dead_at_confirmed_height,
    book_at_confirmed,
    stored_height_alone,
    null_is_dead,
    error_before_final,
    latch_taken_is_failed,
    latch_taken_is_executed,
    ignore_fork,
    quote_is_fill,
    believe_one_provider,
)
