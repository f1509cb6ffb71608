"""JSON-RPC calls on their way to one endpoint: what waits while requests are under way goes out
together.

As with a group commit, nothing waits for a timer. A call goes out at the end of the loop's turn in
which it was made, with all others of that turn. Only while the lane's share of requests is under
way do calls gather, and the next request takes them along: an endpoint that is slow is asked in
larger batches, not more often.

Each call has its own answer. An error answer fails that call alone; a request without an answer
fails those that were in it. Nothing is sent twice.
"""

import asyncio
import itertools
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from fairlead.errors import Unavailable

MAX_WAITING = 10_000
"""Calls that wait for their request; further ones are told at once that the chain does not
answer."""

MAX_REQUEST_BYTES = 48 * 1024
"""Of one batch: nodes refuse more than 50 KiB."""

PATIENCE_S = 0.05
"""How long calls wait for a lane that is full. After it one more request is made, up to
MAX_UNDER_WAY: an endpoint that lets some requests hang must not stop the others."""

MAX_UNDER_WAY = 32
"""Requests of one lane at once, whatever waits."""

MAX_DETAIL = 300
"""Characters of an endpoint's own words that are passed on."""

_REFUSED = frozenset({-32600, -32601, -32700})
"""Codes of one answer to a whole batch, which say that it was not understood as one."""

_ids = itertools.count(1)

Call = tuple[str, Sequence[Any]]
"""A method and its parameters."""


class RpcError(Unavailable):
    """The endpoint answered with an error object. `code` is JSON-RPC's or Solana's."""

    def __init__(self, method: str, code: int, message: str, data: bytes) -> None:
        super().__init__("chain", f"{method} answered {code}: {message[:MAX_DETAIL]}")
        self.rpc_code = code
        # JSON of what came with it.
        self.data = data


class NoAnswer(Exception):
    """A request has no answer; the text says why, without the address."""


class BatchRefused(NoAnswer):
    """The endpoint takes no batches: an HTTP status that says so, not one that says "later"."""


class _Error(msgspec.Struct, gc=False):
    code: int
    message: str = ""
    data: msgspec.Raw = msgspec.Raw(b"null")


class _Answer(msgspec.Struct, gc=False):
    id: int | None = None
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: _Error | None = None


class _Request(msgspec.Struct, gc=False):
    jsonrpc: str
    id: int
    method: str
    params: Sequence[Any]


class _Asked(msgspec.Struct, gc=False):
    """Calls of one asker, which stay together."""

    numbers: list[int]
    methods: list[str]
    # JSON of the calls, with commas in between.
    body: bytes
    answer: asyncio.Future[list[msgspec.Raw]]


_decode_one = msgspec.json.Decoder(_Answer).decode
_decode_many = msgspec.json.Decoder(list[_Answer]).decode
_encode = msgspec.json.Encoder().encode

Post = Callable[[bytes], Awaitable[bytes]]
"""Makes one request: the body of its answer, or `NoAnswer`."""


class Lane:
    """Calls of one kind. `requests` are under way at once before calls gather, `calls` go in one
    request."""

    def __init__(self, post: Post, *, requests: int, calls: int) -> None:
        self._post = post
        self._requests = requests
        self._calls = calls
        self._waiting: deque[_Asked] = deque()
        self._under_way: set[asyncio.Task[None]] = set()
        self._is_due = False
        self._late: asyncio.TimerHandle | None = None

    async def ask(self, calls: Sequence[Call]) -> list[msgspec.Raw]:
        """The results, as JSON; the first `RpcError` if there is one, `Unavailable` for none."""
        if len(self._waiting) >= MAX_WAITING:
            raise Unavailable("chain", f"{MAX_WAITING} calls wait for it")
        loop = asyncio.get_running_loop()
        numbers = [next(_ids) for _ in calls]
        body = b",".join(
            [
                _encode(_Request("2.0", number, method, params))
                for number, (method, params) in zip(numbers, calls, strict=True)
            ]
        )
        asked = _Asked(numbers, [method for method, _ in calls], body, loop.create_future())
        self._waiting.append(asked)
        if not self._is_due and len(self._under_way) < self._requests:
            self._is_due = True
            loop.call_soon(self._go)
        elif not self._is_due and self._late is None:
            self._late = loop.call_later(PATIENCE_S, self._go_late)
        return await asked.answer

    async def close(self) -> None:
        """Fail what waits or is under way."""
        if self._late is not None:
            self._late.cancel()
        _fail(self._waiting, "closed")
        self._waiting.clear()
        tasks = list(self._under_way)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _go(self) -> None:
        self._is_due = False
        while self._waiting and len(self._under_way) < self._requests:
            self._start()
        if self._waiting and self._late is None:
            self._late = asyncio.get_running_loop().call_later(PATIENCE_S, self._go_late)

    def _go_late(self) -> None:
        self._late = None
        if self._waiting and len(self._under_way) < MAX_UNDER_WAY:
            self._start()
        self._go()

    def _start(self) -> None:
        asked = self._taken()
        if asked:
            task = asyncio.ensure_future(self._exchange(asked))
            self._under_way.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._under_way.discard(task)
        if self._waiting and not self._is_due:
            self._is_due = True
            # At the end of the turn: those who were answered just now may ask again in it.
            asyncio.get_running_loop().call_soon(self._go)

    def _taken(self) -> list[_Asked]:
        """The calls of the next request. Those whose askers gave up stay behind."""
        taken: list[_Asked] = []
        calls = size = 0
        waiting = self._waiting
        while waiting:
            first = waiting[0]
            if not first.answer.done():
                calls += len(first.numbers)
                size += len(first.body) + 1
                if taken and (calls > self._calls or size > MAX_REQUEST_BYTES):
                    break
                taken.append(first)
            waiting.popleft()
        return taken

    async def _exchange(self, asked: list[_Asked]) -> None:
        body = b",".join([one.body for one in asked])
        is_batch = len(asked) > 1 or len(asked[0].numbers) > 1
        try:
            content = await self._post(b"[" + body + b"]" if is_batch else body)
            found = _answers(content)
        except NoAnswer as error:
            if isinstance(error, BatchRefused):
                # Never again: what gathers would fail for good.
                self._calls = 1
            _fail(asked, str(error))
        except msgspec.MsgspecError:
            _fail(asked, f"the answer to {asked[0].methods[0]} is not JSON-RPC")
        except asyncio.CancelledError:
            _fail(asked, "closed")
            raise
        except BaseException as error:
            _fail(asked, type(error).__name__)
            raise
        else:
            if is_batch and isinstance(found, _Answer):
                self._whole_batch(asked, found)
                return
            answers = [found] if isinstance(found, _Answer) else found
            by_number = {answer.id: answer for answer in answers}
            for one in asked:
                _deliver(one, by_number)

    def _whole_batch(self, asked: list[_Asked], found: _Answer) -> None:
        """One answer for all: what failed is the request."""
        code = found.error.code if found.error is not None else 0
        said = found.error.message if found.error is not None else "no list of answers"
        if code in _REFUSED:
            self._calls = 1
        _fail(asked, f"a batch was answered {code}: {said[:MAX_DETAIL]}")


def is_error(content: bytes) -> bool:
    """Whether an answer is an error object of JSON-RPC."""
    try:
        return _decode_one(content).error is not None
    except msgspec.MsgspecError:
        return False


def _answers(content: bytes) -> _Answer | list[_Answer]:
    return _decode_many(content) if content[:1] == b"[" else _decode_one(content)


def _deliver(asked: _Asked, by_number: dict[int | None, _Answer]) -> None:
    if asked.answer.done():
        return
    results = []
    for number, method in zip(asked.numbers, asked.methods, strict=True):
        answer = by_number.get(number)
        if answer is None:
            asked.answer.set_exception(Unavailable("chain", f"{method} was not answered"))
            return
        if answer.error is not None:
            error = answer.error
            failed = RpcError(method, error.code, error.message, bytes(error.data))
            asked.answer.set_exception(failed)
            return
        results.append(answer.result)
    asked.answer.set_result(results)


def _fail(asked: Sequence[_Asked] | deque[_Asked], detail: str) -> None:
    for one in asked:
        if not one.answer.done():
            # One each: an exception that is raised in many places collects all their traces.
            one.answer.set_exception(Unavailable("chain", detail))
