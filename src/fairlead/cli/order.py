"""`fairlead order …`: send, show, watch, list, cancel."""

import asyncio
import contextlib
from typing import Any

import msgspec
from rich.live import Live

from fairlead.cli import outcomes
from fairlead.cli.output import console, print_json, settings_with
from fairlead.client import Client, Update
from fairlead.errors import FairleadError

RETRY_FOR_S = 3


class Wanted(msgspec.Struct, frozen=True):
    """An order as the command line names it."""

    token_in: str
    token_out: str
    amount_in: str | None
    amount_out: str | None = None
    max_amount_in: str | None = None
    slippage_bps: int | None = None
    wallet: str | None = None
    priority: int | None = None
    client_order_id: str | None = None
    limit_price: str | None = None
    # ISO 8601.
    expires_at: str | None = None

    def fields(self) -> dict[str, Any]:
        return msgspec.structs.asdict(self)


def connect(url: str | None) -> Client:
    settings = settings_with({"FAIRLEAD_URL": url})
    # Somebody is waiting: what does not answer at once is told rather than tried for long.
    return Client(settings.api_url, settings.api_token, retry_for_s=RETRY_FOR_S, reconnect_for_s=30)


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
        # Before a bar is drawn for a server that is not there.
        await client.ready()
        burst = Burst(
            client, lambda key: client.submit(**wanted.fields(), idempotency_key=key), count, key
        )
        code = outcomes.DONE
        # Whatever stops it: what is known so far is worth more than nothing.
        try:
            async with contextlib.nullcontext() if as_json else bars(burst):
                await burst.run()
        except asyncio.CancelledError:
            code = outcomes.INTERRUPTED
        except BaseExceptionGroup as group:
            error = outcomes.first_of(group)
            if not isinstance(error, FairleadError) or not burst.accepted:
                raise error from None
            outcomes.tell(error, as_json)
            code = outcomes.exit_code_of(error)
    summary = burst.summary()
    if as_json:
        print_json(summary)
    else:
        console().print(summary_of(summary))
    if code != outcomes.DONE:
        return code
    return outcomes.DONE if summary.by_status.get("confirmed") == count else outcomes.FAILED


async def watch_order(order_id: str, after: int, url: str | None, as_json: bool) -> int:
    async with connect(url) as client:
        return await _watch(client, order_id, after, as_json)


async def _watch(client: Client, order_id: str, after: int, as_json: bool) -> int:
    """Follow it to its last event; done when that is a confirmed one."""
    from fairlead.cli.life import Life, line_of

    life = Life(await client.get(order_id))
    out = console()
    drawing = out.is_terminal and not out.is_dumb_terminal and not as_json
    live = Live(life, console=out, refresh_per_second=12) if drawing else None
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
        console().print(table_of_order(order))
    return outcomes.DONE


async def list_orders(
    status: str | None,
    type: str | None,
    wallet: str | None,
    limit: int,
    cursor: str | None,
    url: str | None,
    as_json: bool,
) -> int:
    from fairlead.cli.tables import table_of_orders

    async with connect(url) as client:
        page = await client.list(
            status=status, type=type, wallet=wallet, limit=limit, cursor=cursor
        )
    if as_json:
        print_json(page)
    else:
        out = console()
        out.print(table_of_orders(page, out.width))
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
