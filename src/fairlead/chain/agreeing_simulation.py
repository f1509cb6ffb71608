"""What the simulations of several providers say together."""

from collections.abc import Sequence

from fairlead.ports import Simulation
from fairlead.solana.agreement import agreed_value
from fairlead.solana.program_errors import failure_of
from fairlead.solana.proof import compact

BLOCKHASH_NOT_FOUND = '"BlockhashNotFound"'


def is_stale(simulation: Simulation) -> bool:
    """It does not know the blockhash: it lags, or there is no such."""
    return simulation.error is not None and compact(simulation.error) == BLOCKHASH_NOT_FOUND


def agreed_simulation(heard: Sequence[Simulation], needed: int) -> Simulation | None:
    """The success of any; a failure that enough tell of in the same way; None while there is
    neither. Not to know the blockhash says nothing about the order."""
    success = next((each for each in heard if each.error is None), None)
    if success is not None:
        return success
    kinds = [_kind(each) for each in heard]
    kind = agreed_value(kinds, needed)
    return None if kind is None else heard[kinds.index(kind)]


def _kind(simulation: Simulation) -> tuple[str, str] | None:
    """By what two failures are the same: logs may differ in amounts from slot to slot."""
    if simulation.error is None or is_stale(simulation):
        return None
    return compact(simulation.error), failure_of(simulation.error, simulation.logs).code
