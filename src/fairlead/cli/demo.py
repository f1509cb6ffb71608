"""`fairlead demo`: five orders at once on the paper chain, and what came of them."""

import asyncio
import contextlib
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path

import msgspec
from rich.live import Live

from fairlead.cli import outcomes
from fairlead.cli.demo_engine import own_engine
from fairlead.cli.demo_proof import Proof, count, swaps_on
from fairlead.cli.demo_scene import (
    ABOVE_MARKET_BPS,
    BELOW_MARKET_BPS,
    SCRIPT,
    Act,
    Result,
    limit_above,
)
from fairlead.cli.demo_view import Stage, line_of, summary_of
from fairlead.cli.output import console, print_json, settings_with
from fairlead.client import Client, Update
from fairlead.clock import SystemClock
from fairlead.config import read_environment
from fairlead.errors import CannotCancel, ConfigError, Rejected, Transient

FOLLOW_S = 45.0
"""How long the orders are followed; with the start and the end of an engine it is a minute."""
REST_S = 30.0
"""How long an order may rest; then it is cancelled, and the summary says so."""
LOOK_AGAIN_S = 0.5
"""Between two looks at the market while an order rests."""

monotonic = SystemClock().monotonic
Tell = Callable[[Act, Update], None]


class Summary(msgspec.Struct, frozen=True, rename="camel"):
    """The answer of `--json`."""

    orders: tuple[Result, ...]
    confirmed: int
    successful_swaps: int
    double_executions: int
    counted_by: str
    seconds: float


async def demonstrate(url: str | None, as_json: bool) -> int:
    """0 when every order ended as it should, and no swap was made twice."""
    began_at = monotonic()
    acts = [Act(number, ask) for number, ask in enumerate(SCRIPT, 1)]
    with _ended_by_sigterm():
        if url is None:
            proof = await _on_own_engine(acts, as_json)
        else:
            proof = await _on_engine(acts, url, as_json)
    results = tuple(act.result() for act in acts)
    seconds = monotonic() - began_at
    confirmed = sum(result.status == "confirmed" for result in results)
    if as_json:
        swaps, doubles = proof.successful_swaps, proof.double_executions
        told = Summary(results, confirmed, swaps, doubles, proof.counted_by, round(seconds, 1))
        print_json(told)
    else:
        console().print(summary_of(results, proof, seconds))
    done = all(act.went_well for act in acts) and proof.double_executions == 0
    return outcomes.DONE if done else outcomes.FAILED


async def _on_own_engine(acts: Sequence[Act], as_json: bool) -> Proof:
    """An engine and a chain that nobody else uses: the chain's own blocks are the proof."""
    with tempfile.TemporaryDirectory(prefix="fairlead-demo-") as name:
        folder = Path(name)
        async with own_engine(folder, read_environment()) as engine:
            where = f"on an engine and a paper chain of their own, {engine.url}"
            async with Client(engine.url) as client:
                await _play(client, acts, ABOVE_MARKET_BPS, where, as_json)
        swapped = await asyncio.to_thread(swaps_on, folder)
    return count(_signatures(acts), swapped, "chain")


async def _on_engine(acts: Sequence[Act], url: str, as_json: bool) -> Proof:
    settings = settings_with({"FAIRLEAD_URL": url})
    async with Client(settings.api_url, settings.api_token, retry_for_s=3) as client:
        chain = await client.chain()
        if chain != "paper":
            told = f"{url} executes on {chain or 'a chain it does not name'}; the demonstration"
            raise ConfigError("--url", f"{told} trades, and does so on paper only")
        where = f"on the paper chain of {url}"
        await _play(client, acts, -BELOW_MARKET_BPS, where, as_json)
    attempts = [a for act in acts if act.order is not None for a in act.order.attempts]
    swapped = {a.tx_signature for a in attempts if a.state == "succeeded"}
    return count(_signatures(acts), swapped, "engine")


def _signatures(acts: Sequence[Act]) -> dict[str, tuple[str, ...]]:
    """Of every attempt, by order."""
    orders = [act.order for act in acts if act.order is not None]
    return {o.order_id: tuple(a.tx_signature for a in o.attempts) for o in orders}


async def _play(
    client: Client, acts: Sequence[Act], above_bps: int, where: str, as_json: bool
) -> None:
    for act in acts:
        await _set_limit(client, act, above_bps)
    async with _shown(acts, where, as_json) as tell:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FOLLOW_S), asyncio.TaskGroup() as group:
                for act in acts:
                    group.create_task(_perform(client, act, tell))
    for act in acts:
        if act.order_id is not None:
            act.order = await client.get(act.order_id)


async def _set_limit(client: Client, act: Act, above_bps: int) -> None:
    """So far above what can be had now."""
    ask = act.ask
    if not ask.has_limit:
        return
    quotes = await client.quotes(ask.token_in, ask.token_out, ask.amount_in)
    if quotes.best is not None:
        act.limit_price = limit_above(quotes.best, ask.amount_in, above_bps)


async def _perform(client: Client, act: Act, tell: Tell) -> None:
    """Send one order and follow it to its last event."""
    ask = act.ask
    try:
        sent = await client.submit(
            ask.token_in, ask.token_out, ask.amount_in, limit_price=act.limit_price
        )
    except (Rejected, Transient) as error:
        act.refusal = outcomes.sentence_of(error)
        return
    act.order_id = sent.order_id
    async with (
        _rests_no_longer_than(REST_S, client, act),
        contextlib.aclosing(client.watch(sent.order_id)) as updates,
    ):
        async for update in updates:
            act.add(update, monotonic())
            tell(act, update)


@contextlib.asynccontextmanager
async def _rests_no_longer_than(rest_s: float, client: Client, act: Act) -> AsyncIterator[None]:
    """Show what the market gives meanwhile; then cancel it."""
    order_id, ask = act.order_id, act.ask
    assert order_id is not None

    async def rest() -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(rest_s):
                while act.status in ("sending", "pending", "open"):
                    quotes = await client.quotes(ask.token_in, ask.token_out, ask.amount_in)
                    act.market = quotes.quotes
                    await asyncio.sleep(LOOK_AGAIN_S)
        if act.status == "open":
            # It may fire in this moment: then it is not cancelled but in flight.
            with contextlib.suppress(CannotCancel):
                act.gave_up = True
                await client.cancel(order_id)

    async def rest_unharmed() -> None:
        # Neither a quote nor a cancel that fails is a reason to look away from the order.
        with contextlib.suppress(Rejected, Transient):
            await rest()

    resting = asyncio.create_task(rest_unharmed()) if act.limit_price is not None else None
    try:
        yield
    finally:
        if resting is not None:
            resting.cancel()


@contextlib.asynccontextmanager
async def _shown(acts: Sequence[Act], where: str, as_json: bool) -> AsyncIterator[Tell]:
    """Drawn on a terminal, told line by line elsewhere, silent for programs."""
    out = console()
    if as_json:
        yield lambda act, update: None
    elif out.is_terminal and not out.is_dumb_terminal:
        with Live(Stage(acts, where, monotonic), console=out, refresh_per_second=10):
            yield lambda act, update: None
    else:
        print(f"{len(acts)} orders at once {where}", flush=True)
        yield lambda act, update: print(line_of(act, update), flush=True)


@contextlib.contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """End like on Ctrl-C when told to: the engine must not outlive its demonstration."""
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()
    # Some systems, and threads other than the main one, have no such handlers.
    with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
        loop.add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        yield
    finally:
        with contextlib.suppress(NotImplementedError):
            loop.remove_signal_handler(signal.SIGTERM)
