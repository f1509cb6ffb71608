"""How a venue's program ends a swap that it refuses: what it prints, and how that is told."""

from fairlead.ledger.program import InstructionError, InvokeContext, custom
from fairlead.venues.anchor import anchor_log
from fairlead.venues.venue import VenueError


def panicked(context: InvokeContext, error: VenueError) -> InstructionError:
    """The failure of a program that panics, its line in the logs written."""
    context.log(f"Program log: panicked: {error}")
    return InstructionError("ProgramFailedToComplete", log="SBF program panicked")


def anchor_refused(
    context: InvokeContext, error: VenueError, own_errors: dict[int, tuple[str, str]]
) -> InstructionError:
    """The failure of an Anchor program, its line in the logs written; a panic without a number."""
    if error.code is None:
        return panicked(context, error)
    context.log(anchor_log(error, own_errors))
    return custom(error.code)
