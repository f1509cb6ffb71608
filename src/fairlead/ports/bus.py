"""Wake-ups between those who write and those who wait."""

from collections.abc import Callable
from typing import Protocol

import msgspec

from fairlead.ports.store import Committed


class Wake(msgspec.Struct, frozen=True, gc=False):
    """Another process committed something, or signals may have been lost: look at the store."""

    # Highest position known to be committed; None when unknown.
    position: int | None = None
    work: bool = True


Signal = Committed | Wake


class Bus(Protocol):
    """Wake-ups. Losing any of them loses nothing: every listener also looks at the store by
    itself."""

    async def start(self) -> None: ...
    async def stop(self) -> None: ...

    def publish(self, committed: Committed) -> None:
        """Tell this process's listeners and, by the bus's own means, other processes. Never
        blocks."""
        ...

    def subscribe(self, listener: Callable[[Signal], None]) -> Callable[[], None]:
        """Call `listener` on the event loop for each signal; returns the unsubscribe."""
        ...

    async def ping(self) -> None: ...
