"""How a round ends whose attempts failed on chain: the failed transaction's own words."""

from fairlead.errors import Unavailable
from fairlead.orders import resting, round_ends
from fairlead.orders.failures import refused
from fairlead.orders.model import Attempt, AttemptSettled
from fairlead.solana import program_errors
from fairlead.workers import latches
from fairlead.workers.proving import prove_failure
from fairlead.workers.work import Work, Workbench

MAX_LOG_ASKS = 50
"""Times a finalized, failed transaction is asked for before it is judged without its logs: they may
be gone for good from an endpoint of short history."""


async def explain(bench: Workbench, work: Work, attempt: Attempt) -> None:
    """End the round of an order of which nothing can land any more by its attempt that failed."""
    progress = work.flight.of(attempt)
    while work.order.order_id not in bench.changed:
        logs: tuple[str, ...] | None = None
        try:
            failed = await prove_failure(bench.parts.chain, attempt)
            logs = None if failed is None else failed.logs
            progress.log_asks += 1
            if logs is not None or progress.log_asks > MAX_LOG_ASKS:
                assert attempt.error is not None
                if not await end_round(bench, work, attempt, attempt.error, logs or ()):
                    await latches.wait(bench, work)
                return
        except Unavailable as error:
            if error.part != "chain":
                raise
        await bench.parts.clock.sleep(bench.settings.landing.poll_ms / 1000)


async def end_round(
    bench: Workbench,
    work: Work,
    attempt: Attempt,
    error: str,
    logs: tuple[str, ...],
    settled: tuple[AttemptSettled, ...] = (),
) -> bool:
    """Store what follows once this attempt has failed and none of the order can land any more;
    False while it is not known who took its latch."""
    order, retry = work.order, bench.settings.retry
    is_exact_out = attempt.maximum_in_atoms is not None
    failure = program_errors.failure_of(error, logs, is_exact_out=is_exact_out)
    if failure.latch_taken:
        if await latches.taken(bench, work, settled):
            return True
        await bench.parts.clock.sleep(bench.settings.landing.prove_ms / 1000)
        return False
    at_floor = attempt.minimum_out_atoms == resting.floor_of(order)
    why = refused(failure, at_floor=at_floor)
    await bench.commit(work, round_ends.round_failed(order, why, bench.now_ms(), retry, settled))
    return True
