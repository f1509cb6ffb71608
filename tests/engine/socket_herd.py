"""Many WebSocket readers in one cheap process, which check that every frame of every order comes
in order.

usage: python -m tests.engine.socket_herd PORT SOCKETS SECONDS
Prints `{"connected": n}` when all are connected. Once standard input is closed it ends when all
have come as far as each other and nothing more comes, or nothing for long, after SECONDS at most;
then it prints what every socket saw. A socket that the server closes comes back with `?cursor=` of
its last frame.
"""

import base64
import hashlib
import json
import os
import re
import selectors
import socket
import sys
import time

_FRAME = re.compile(rb'"orderId":"([0-9a-f-]{36})","sequence":(\d+),"cursor":"([^"]+)"')
_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10
_READ_BYTES = 1 << 18
# Nothing has come for so long: all is told if none is behind another, or else it never will be.
_QUIET_S, _LOST_S = 3.0, 60.0


class Reader:
    """One socket on /ws: raw frames, minimal parsing."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.frames = 0
        self.reconnects = 0
        self.out_of_order = 0
        # Order -> last sequence seen.
        self.last: dict[bytes, int] = {}
        self.cursor = b""
        self.socket = self._connect()

    def _connect(self) -> socket.socket:
        made = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        key = base64.b64encode(os.urandom(16)).decode()
        path = "/ws" + (f"?cursor={self.cursor.decode()}" if self.cursor else "")
        made.sendall(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        head = b""
        while b"\r\n\r\n" not in head:
            more = made.recv(4096)
            if not more:
                raise ConnectionError("closed in the handshake")
            head += more
        status, _, self.rest = head.partition(b"\r\n\r\n")
        if b" 101 " not in status.split(b"\r\n", 1)[0]:
            raise ConnectionError(status.decode(errors="replace")[:200])
        made.setblocking(False)
        return made

    def read(self) -> bool:
        """Take what has come; False when the server closed."""
        try:
            more = self.socket.recv(_READ_BYTES)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if not more:
            return False
        return self._take(self.rest + more)

    def _take(self, data: bytes) -> bool:
        at, size = 0, len(data)
        while size - at >= 2:
            opcode, length = data[at] & 0x0F, data[at + 1] & 0x7F
            begin = at + 2
            if length == 126:
                if size - at < 4:
                    break
                length, begin = int.from_bytes(data[at + 2 : at + 4]), at + 4
            elif length == 127:
                if size - at < 10:
                    break
                length, begin = int.from_bytes(data[at + 2 : at + 10]), at + 10
            if size - begin < length:
                break
            if opcode == _TEXT:
                self._frame(data, begin, begin + length)
            elif opcode == _PING:
                self._pong(data[begin : begin + length])
            elif opcode == _CLOSE:
                return False
            at = begin + length
        self.rest = data[at:]
        return True

    def _frame(self, data: bytes, begin: int, end: int) -> None:
        found = _FRAME.search(data, begin, end)
        if found is None:
            return
        order, sequence = found[1], int(found[2])
        if sequence != self.last.get(order, 0) + 1:
            self.out_of_order += 1
        self.last[order] = sequence
        self.cursor = found[3]
        self.frames += 1

    def _pong(self, payload: bytes) -> None:
        # A mask of zeros leaves the payload as it is.
        self.socket.sendall(bytes((0x80 | _PONG, 0x80 | len(payload))) + bytes(4) + payload)

    def come_back(self) -> bool:
        """Connect again after the last frame seen; False while the server is not there."""
        self.socket.close()
        try:
            self.socket = self._connect()
        except OSError:
            return False
        self.reconnects += 1
        return self._take(self.rest)

    def seen(self) -> str:
        """A digest of which orders came how far."""
        lines = b"\n".join(b"%b %d" % pair for pair in sorted(self.last.items()))
        return hashlib.sha256(lines).hexdigest()


def main(port: int, count: int, seconds: float) -> None:
    ends_at = time.monotonic() + seconds
    readers = [Reader(port) for _ in range(count)]
    selector = selectors.DefaultSelector()
    for reader in readers:
        selector.register(reader.socket, selectors.EVENT_READ, reader)
    selector.register(sys.stdin, selectors.EVENT_READ)
    print(json.dumps({"connected": count}), flush=True)
    away: list[Reader] = []
    is_ending, last_at = False, time.monotonic()
    while time.monotonic() < ends_at and not (is_ending and _is_told(readers, last_at)):
        for key, _ in selector.select(0.1):
            reader = key.data
            last_at = time.monotonic()
            if reader is None:
                # Whatever is on its way still comes.
                selector.unregister(sys.stdin)
                is_ending = True
            elif not reader.read():
                selector.unregister(reader.socket)
                away.append(reader)
        still: list[Reader] = []
        for reader in away:
            if reader.come_back():
                selector.register(reader.socket, selectors.EVENT_READ, reader)
            else:
                still.append(reader)
        away = still
    print(
        json.dumps(
            {
                "sockets": count,
                "frames": sorted({reader.frames for reader in readers}),
                "out_of_order": sum(reader.out_of_order for reader in readers),
                "reconnects": sum(reader.reconnects for reader in readers),
                "seen": sorted({reader.seen() for reader in readers}),
                "orders": {k.decode(): v for k, v in readers[0].last.items()},
            }
        ),
        flush=True,
    )


def _is_told(readers: list[Reader], last_at: float) -> bool:
    """Whether there is nothing more to wait for."""
    quiet_s = time.monotonic() - last_at
    is_level = len({reader.cursor for reader in readers}) == 1
    return quiet_s > (_QUIET_S if is_level else _LOST_S)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
