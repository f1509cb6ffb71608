"""`fairlead order …`: send, show, watch, list, cancel."""

import asyncio
import contextlib
from typing import Any

import msgspec
from rich.console import Console
from rich.live import Live

from fairlead.cli import outcomes
from fairlead.cli.output import print_json, settings_with
from fairlead.client import Client, Update


class Wanted(msgspec.Struct, frozen=True):
    """An order as the command line names it."""

    token_in: str
    token_out: str
    amount_in: str
    slippage_bps: int | None = None
    wallet: str | None = None
    priority: int | None = None
    client_order_id: str | None = None

    def fields(self) -> dict[str, Any]:
        return msgspec.structs.asdict(self)


def connect(url: str | None) -> Client:
    settings = settings_with({"FAIRLEAD_URL": url})
    return Client(settings.api_url, settings.api_token)


async def submit_one(
    wanted: Wanted, key: str | None, watch: bool, url: str | None, as_json: bool
) -> int:
    async with connect(url) as client:
        order = await client.submit(**wanted.fields(), idempotency_key=key)
        if watch:
            return await _watch(client, order.order_id, 0, as_json)
    if as_json:
        print_json(order)
        return outcomes.DONE
    known = " (this idempotency key had made it before)" if order.replayed else ""
    print(f"{order.order_id}  {order.status}{known}")
    print(f"Watch it: fairlead order watch {order.order_id}")
    return outcomes.DONE


async def submit_many(
    wanted: Wanted, count: int, key: str | None, url: str | None, as_json: bool
) -> int:
    """Send them all, wait until each is confirmed or has ended, and sum up."""
    from fairlead.cli.burst import Burst
    from fairlead.cli.tables import bars, summary_of

    async with connect(url) as client:
        burst = Burst(
            client, lambda key: client.submit(**wanted.fields(), idempotency_key=key), count, key
        )
        interrupted = False
        try:
            async with contextlib.nullcontext() if as_json else bars(burst):
                await burst.run()
        except asyncio.CancelledError:
            # Ctrl-C: what is known so far is worth more than nothing.
            interrupted = True
        except BaseExceptionGroup as group:
            raise _first_of(group) from None
    summary = burst.summary()
    if as_json:
        print_json(summary)
    else:
        Console().print(summary_of(summary))
    if interrupted:
        return outcomes.INTERRUPTED
    return outcomes.DONE if summary.by_status.get("confirmed") == count else outcomes.FAILED


def _first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """All senders met the same wall: one of them tells it."""
    found = group.exceptions[0]
    return _first_of(found) if isinstance(found, BaseExceptionGroup) else found


async def watch_order(order_id: str, after: int, url: str | None, as_json: bool) -> int:
    async with connect(url) as client:
        return await _watch(client, order_id, after, as_json)


async def _watch(client: Client, order_id: str, after: int, as_json: bool) -> int:
    """Follow it to its last event; done when that is a confirmed one."""
    from fairlead.cli.life import Life, line_of

    life = Life(await client.get(order_id))
    console = Console()
    drawing = console.is_terminal and not console.is_dumb_terminal and not as_json
    live = Live(life, console=console, refresh_per_second=12) if drawing else None
    with live or contextlib.nullcontext():
        async with contextlib.aclosing(client.watch(order_id, after)) as updates:
            async for update in updates:
                life.add(update)
                if as_json:
                    print_json(_told(update))
                elif live is None:
                    print(line_of(update), flush=True)
    return outcomes.DONE if life.status == "confirmed" else outcomes.FAILED


async def show_order(order_id: str, url: str | None, as_json: bool) -> int:
    from fairlead.cli.tables import table_of_order

    async with connect(url) as client:
        order = await client.get(order_id)
    if as_json:
        print_json(order)
    else:
        Console().print(table_of_order(order))
    return outcomes.DONE


async def list_orders(
    status: str | None,
    wallet: str | None,
    limit: int,
    cursor: str | None,
    url: str | None,
    as_json: bool,
) -> int:
    from fairlead.cli.tables import table_of_orders

    async with connect(url) as client:
        page = await client.list(status=status, wallet=wallet, limit=limit, cursor=cursor)
    if as_json:
        print_json(page)
    else:
        Console().print(table_of_orders(page))
    return outcomes.DONE


async def cancel_order(order_id: str, url: str | None, as_json: bool) -> int:
    async with connect(url) as client:
        cancellation = await client.cancel(order_id)
    if as_json:
        print_json(cancellation)
    elif cancellation.status == "cancelling":
        print(f"{order_id}  cancelling: it was in flight, and may still be confirmed.")
        print(f"Which won: fairlead order watch {order_id}")
    else:
        print(f"{order_id}  {cancellation.status}")
    return outcomes.DONE


def _told(update: Update) -> dict[str, Any]:
    """What the update knows, without the rest."""
    fields: dict[str, Any] = msgspec.to_builtins(update)
    return {name: value for name, value in fields.items() if value is not None}
