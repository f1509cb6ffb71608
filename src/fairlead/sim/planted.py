"""Known bugs, to be planted into this process: a checker that never failed is not yet a checker.

Each replaces a piece of the engine by one as somebody might have written it. `tests/sim` says with
how many seeds each is found.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from fairlead.sim import planted_orders, planted_proofs, planted_reclaims, planted_restarts

Apply = Callable[["Planting"], None]


class Planting:
    """Replaces attributes, and puts them back."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()

    def replace(self, owner: Any, name: str, new: Any) -> Any:
        """Put `new` in place of an attribute that must be there; what was there."""
        old = vars(owner)[name]
        self._stack.callback(setattr, owner, name, old)
        setattr(owner, name, new)
        return old

    def put(self, table: dict[Any, Any], key: Any, value: Any) -> None:
        """Put a value into a table for as long as the bug is planted."""
        assert key not in table
        table[key] = value
        self._stack.callback(table.pop, key)

    def undo(self) -> None:
        self._stack.close()


class Bug(msgspec.Struct, frozen=True):
    about: str
    apply: Apply


BUGS: dict[str, Bug] = {
    function.__name__: Bug((function.__doc__ or "").strip(), function)
    for module in (planted_proofs, planted_orders, planted_reclaims, planted_restarts)
    for function in module.BUGS
}
"""By name."""


@contextlib.contextmanager
def planted(name: str | None) -> Iterator[None]:
    """With this bug in the engine's code; with none where there is no name."""
    planting = Planting()
    try:
        if name is not None:
            BUGS[name].apply(planting)
        yield
    finally:
        planting.undo()
