"""The bus of one process: listeners are called at once. The other buses deliver through it."""

from collections.abc import Callable

import structlog

from fairlead.ports import Committed, Signal

_log = structlog.get_logger("fairlead.bus")


class LocalBus:
    """Every listener hears every signal, in the order of subscription."""

    def __init__(self) -> None:
        # Replaced, never changed: a listener may unsubscribe or subscribe while it is called.
        self._listeners: dict[object, Callable[[Signal], None]] = {}

    async def start(self) -> None:
        """Nothing to open."""

    async def stop(self) -> None:
        """Nothing to close."""

    async def ping(self) -> None:
        """It always answers."""

    def publish(self, committed: Committed) -> None:
        self.deliver(committed)

    def subscribe(self, listener: Callable[[Signal], None]) -> Callable[[], None]:
        token = object()
        self._listeners = {**self._listeners, token: listener}

        def unsubscribe() -> None:
            self._listeners = {t: kept for t, kept in self._listeners.items() if t is not token}

        return unsubscribe

    def deliver(self, signal: Signal) -> None:
        """Call every listener. One that raises is logged; the others and the sender go on."""
        for listener in self._listeners.values():
            try:
                listener(signal)
            except Exception:
                _log.exception("bus_listener_failed", signal=type(signal).__name__)
