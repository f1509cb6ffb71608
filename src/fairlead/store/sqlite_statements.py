"""The statements of the SQLite writer that outlive a flush, and the one that is put together: an
UPDATE of only the columns that a change knows, since binding and merging all of them costs
twice as much.
"""

from typing import Any

from fairlead.orders.model import Change
from fairlead.store.principals import Principals
from fairlead.store.rows import u64_text


class Statements:
    """The statements of a store, and what is worth keeping from one flush to the next."""

    def __init__(self, queries: dict[str, str]) -> None:
        self.queries = queries
        self.principals = Principals()
        self._changes: dict[str, str] = {}

    def change_order(self, columns: str) -> str:
        """The statement `change_order` for these columns, the same object each time."""
        statement = self._changes.get(columns)
        if statement is None:
            statement = self.queries["change_order"].replace("{columns}", columns)
            self._changes[columns] = statement
        return statement


def known_columns(change: Change) -> tuple[str, list[Any]]:
    """What a change sets: an assignment list, and its values."""
    columns = "status = ?, sequence = ?, updated_at_ms = ?"
    values: list[Any] = [change.status, change.sequence + len(change.events), change.at_ms]
    if change.round is not None:
        columns += ", round = ?"
        values.append(change.round)
    if change.due_at_ms is not None:
        columns += ", due_at_ms = ?"
        values.append(change.due_at_ms)
    if change.minimum_out_atoms is not None:
        columns += ", minimum_out_atoms = ?"
        values.append(u64_text(change.minimum_out_atoms))
    if change.latch_generation is not None:
        columns += ", latch_generation = ?"
        values.append(change.latch_generation)
    if change.cancel_requested:
        columns += ", cancel_requested = 1"
    if change.signature is not None:
        columns += ", signature = ?"
        values.append(change.signature)
    if change.dex is not None:
        columns += ", dex = ?"
        values.append(change.dex)
    if change.amount_out_atoms is not None or change.clear_fill:
        columns += ", amount_out_atoms = ?"
        values.append(u64_text(change.amount_out_atoms))
    if change.failure_code is not None:
        columns += ", failure_code = ?"
        values.append(change.failure_code)
    if change.failure_reason is not None:
        columns += ", failure_reason = ?"
        values.append(change.failure_reason)
    if change.finalized_at_ms is not None:
        columns += ", finalized_at_ms = ?"
        values.append(change.finalized_at_ms)
    if change.earlier_rounds is not None:
        columns += ", earlier_rounds = ?"
        values.append(change.earlier_rounds)
    if change.release or change.end:
        columns += ", owner = NULL"
    if change.end:
        columns += ", ended = 1"
    return columns, values
