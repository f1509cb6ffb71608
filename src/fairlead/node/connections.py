"""The node's HTTP connections: uvicorn's, with answers written at once."""

from collections.abc import Callable
from functools import partial

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

ANSWER_EXTENSION = "fairlead.answer"
"""In the scope of a request: takes a JSON answer whole."""

Answer = Callable[[bytes], bool]


class NodeConnection(HttpToolsProtocol):
    """Offers `Answer` in the scope. uvicorn itself writes head and body apart, which are two system
    calls: more than a call of JSON-RPC costs otherwise."""

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        extensions = {ANSWER_EXTENSION: partial(self._answer, self.cycle)}
        self.scope["extensions"] = extensions  # type: ignore[typeddict-item]

    def _answer(self, cycle: RequestResponseCycle, body: bytes) -> bool:
        """Write 200 and a JSON body; False when ASGI's `send` must do it."""
        if self.flow.write_paused or cycle.disconnected or not cycle.keep_alive:
            return False
        cycle.response_started = cycle.response_complete = True
        head = (
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
            % len(body)
        )
        self.transport.write(head + body)
        cycle.message_event.set()
        cycle.on_response()
        return True
