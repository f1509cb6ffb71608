"""getSignatureStatuses for many who ask at once: what one turn of the loop asks goes in one
request."""

import asyncio
from collections.abc import Sequence

from fairlead.chain.rpc_answers import InContext, StatusJson, decoded, status
from fairlead.chain.rpc_http import RpcHttp, Way
from fairlead.errors import FairleadError
from fairlead.ports import SignatureStatus

MAX_SIGNATURES = 256
"""Signatures of one request."""

_Statuses = dict[str, SignatureStatus | None]


class StatusBatcher:
    """Joins the questions; every asker gets the answer to its own, or the error of its request."""

    def __init__(self, http: RpcHttp) -> None:
        self._http = http
        # By search_history: the signatures of the coming request and its answer.
        self._coming: dict[bool, tuple[dict[str, None], asyncio.Future[_Statuses]]] = {}
        self._running: set[asyncio.Task[None]] = set()

    async def of(
        self, signatures: Sequence[str], search_history: bool
    ) -> tuple[SignatureStatus | None, ...]:
        """Statuses in the order asked."""
        assert len(signatures) <= MAX_SIGNATURES
        if not signatures:
            return ()
        wanted, answer = self._coming.get(search_history) or self._begin(search_history)
        if len(wanted) + len(signatures) > MAX_SIGNATURES:
            self._flush(search_history)
            wanted, answer = self._begin(search_history)
        wanted.update(dict.fromkeys(signatures))
        # One who gives up must not stop the request for the others.
        found = await asyncio.shield(answer)
        return tuple([found[signature] for signature in signatures])

    def _begin(self, search_history: bool) -> tuple[dict[str, None], asyncio.Future[_Statuses]]:
        loop = asyncio.get_running_loop()
        coming: tuple[dict[str, None], asyncio.Future[_Statuses]] = ({}, loop.create_future())
        self._coming[search_history] = coming
        loop.call_soon(self._flush_if, search_history, coming[1])
        return coming

    def _flush_if(self, search_history: bool, answer: asyncio.Future[_Statuses]) -> None:
        """Unless it went out already because it was full."""
        coming = self._coming.get(search_history)
        if coming is not None and coming[1] is answer:
            self._flush(search_history)

    def _flush(self, search_history: bool) -> None:
        wanted, answer = self._coming.pop(search_history)
        task = asyncio.ensure_future(self._ask(tuple(wanted), search_history, answer))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _ask(
        self, signatures: Sequence[str], search_history: bool, answer: asyncio.Future[_Statuses]
    ) -> None:
        config = {"searchTransactionHistory": search_history}
        try:
            way = Way.SLOW_READ if search_history else Way.READ
            raw = await self._http.call("getSignatureStatuses", signatures, config, way=way)
            found = decoded(raw, InContext[list[StatusJson | None]]).value
            answer.set_result(dict(zip(signatures, map(status, found), strict=True)))
        except (FairleadError, ValueError) as error:
            answer.set_exception(error)
            answer.exception()  # all who asked may have given up
