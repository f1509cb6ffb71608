"""Who waits for news of which transaction."""

import asyncio


class SignatureWaiters:
    """Waits by signature; every wait ends at the first news or at its time-out."""

    def __init__(self) -> None:
        self._waiting: dict[bytes, set[asyncio.Future[None]]] = {}

    @property
    def is_any(self) -> bool:
        return bool(self._waiting)

    async def wait(self, signature: bytes, timeout_s: float) -> None:
        """Return at the next `wake` of this signature, or after the time-out."""
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        waiting = self._waiting.setdefault(signature, set())
        waiting.add(future)
        timer = loop.call_later(timeout_s, _finish, future)
        try:
            await future
        finally:
            timer.cancel()
            waiting.discard(future)
            if not waiting and self._waiting.get(signature) is waiting:
                del self._waiting[signature]

    def wake(self, signature: bytes) -> None:
        """There may be news of this transaction."""
        for future in self._waiting.pop(signature, ()):
            _finish(future)


def _finish(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
