"""Tests as they are written: an async body in a world of its own, on virtual time."""

import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import Any

from tests.workers import checks
from tests.workers.virtual_time import run
from tests.workers.world import open_world

Body = Callable[..., Coroutine[Any, Any, None]]

LIMIT_S = 7_200.0
"""Virtual seconds after which a world is taken to hang."""


def live(body: Body, *values: Any, limit_s: float = LIMIT_S, **world: Any) -> None:
    """Run `body(world, *values)` to its end, then wait for every order's and check the books."""

    async def main() -> None:
        async with open_world(**world) as opened:
            checks.watch(opened)
            await body(opened, *values)
            await checks.check_books(opened)

    run(main(), limit_s)


def in_world(**world: Any) -> Callable[[Body], Callable[..., None]]:
    """Makes a test of an async body whose first parameter is the world; others are fixtures."""

    def decorate(body: Body) -> Callable[..., None]:
        def test(**fixtures: Any) -> None:
            live(functools.partial(body, **fixtures), **world)

        functools.update_wrapper(test, body)
        del test.__wrapped__  # type: ignore[attr-defined]
        signature = inspect.signature(body)
        parameters = list(signature.parameters.values())[1:]
        test.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        return test

    return decorate
