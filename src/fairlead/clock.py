"""The real Clock port: this machine's time, sleep and randomness."""

import asyncio
import os
import time

_POOL_BYTES = 4_096
# Larger requests go to the kernel themselves, so that a pool is not emptied for one of them.
_LARGEST_POOLED = 64


class SystemClock:
    """`ports.Clock` over the machine. For the event loop's thread: its pools take no locks."""

    def __init__(self) -> None:
        self._bytes = b""
        self._bytes_at = 0
        self._hex = ""
        self._hex_at = 0
        self._last_ms = 0
        self._counter = 0
        self._head = ""
        # A forked child would otherwise give the same ids as its parent.
        os.register_at_fork(after_in_child=self._forget)

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def random_bytes(self, size: int) -> bytes:
        if size > _LARGEST_POOLED:
            return os.urandom(size)
        at = self._bytes_at
        if at + size > len(self._bytes):
            self._bytes = os.urandom(_POOL_BYTES)
            at = 0
        self._bytes_at = at + size
        return self._bytes[at : at + size]

    def new_id(self) -> str:
        """A UUIDv7 (RFC 9562, 5.7), strictly greater than this clock's last one.

        48 bits of ms, a 12-bit counter that starts anew each ms (6.2, method 1), 62 random bits.
        """
        now = time.time_ns() // 1_000_000
        if now > self._last_ms:
            self._begin_ms(now)
        elif self._counter == 0xFFF:
            # 4,096 ids in one ms, or a clock that went back: borrow from the next ms.
            self._begin_ms(self._last_ms + 1)
        else:
            self._counter += 1
        at = self._hex_at
        if at + 16 > len(self._hex):
            self._hex = os.urandom(_POOL_BYTES // 2).hex()
            at = 0
        self._hex_at = at + 16
        r = self._hex
        return (
            f"{self._head}{self._counter:03x}-{_VARIANT[r[at]]}{r[at + 1 : at + 4]}"
            f"-{r[at + 4 : at + 16]}"
        )

    def _begin_ms(self, ms: int) -> None:
        self._last_ms = ms
        self._counter = 0
        digits = f"{ms:012x}"
        self._head = f"{digits[:8]}-{digits[8:]}-7"

    def _forget(self) -> None:
        self._bytes, self._hex = b"", ""
        self._bytes_at = self._hex_at = 0


# The two high bits of this digit are 10; its two low bits are random.
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
