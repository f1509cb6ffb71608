"""The commands and their options. What they do is imported when one is called."""

from pathlib import Path
from typing import Annotated

import typer

from fairlead.cli import outcomes

app = typer.Typer(
    help="A self-hosted order execution engine for Solana: every order lands exactly once.",
    epilog="Settings come from the environment and .env: docs/configuration.md.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
orders = typer.Typer(help="Send, watch and cancel orders.", no_args_is_help=True)
app.add_typer(orders, name="order")

Json = Annotated[bool, typer.Option("--json", help="Answer in JSON, for programs.")]
Host = Annotated[str | None, typer.Option(help="The address to listen on (HOST).")]
Port = Annotated[int | None, typer.Option(help="The port to listen on (PORT).", min=0, max=65_535)]
Url = Annotated[str | None, typer.Option(help="The API's address (FAIRLEAD_URL).")]
OrderId = Annotated[str, typer.Argument(help="The order's id.")]
TokenIn = Annotated[str, typer.Argument(help="What to give: a symbol or a mint.")]
TokenOut = Annotated[str, typer.Argument(help="What to get: a symbol or a mint.")]
Amount = Annotated[str | None, typer.Argument(help="How much to give, in units of the token: 1.5")]
AmountOut = Annotated[
    str | None, typer.Option(help="Get just this much, instead of giving an AMOUNT.")
]

# --- Servers ---------------------------------------------------------------------------------


@app.command()
def serve(
    host: Host = None,
    port: Port = None,
    chain: Annotated[
        str | None, typer.Option(help="paper, local, devnet or mainnet (FAIRLEAD_CHAIN).")
    ] = None,
    profile: Annotated[
        str | None, typer.Option(help="realistic or fast (FAIRLEAD_PAPER_PROFILE).")
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Where the data is kept (FAIRLEAD_DATA_DIR).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Run everything in one process: the API, the page and a worker."""
    from fairlead.cli.servers import start

    over = {
        "HOST": host,
        "PORT": port,
        "FAIRLEAD_CHAIN": chain,
        "FAIRLEAD_PAPER_PROFILE": profile,
        "FAIRLEAD_DATA_DIR": data_dir,
    }
    outcomes.perform(lambda: start("serve", over, as_json), as_json)


@app.command()
def api(host: Host = None, port: Port = None, as_json: Json = False) -> None:
    """Run the API alone, beside workers in other processes (needs DATABASE_URL)."""
    from fairlead.cli.servers import start

    over = {"HOST": host, "PORT": port}
    outcomes.perform(lambda: start("api", over, as_json), as_json)


@app.command()
def worker(
    concurrency: Annotated[
        int | None, typer.Option(help="Orders at a time (FAIRLEAD_CONCURRENCY).", min=1)
    ] = None,
    as_json: Json = False,
) -> None:
    """Run a worker alone, beside the API in another process (needs DATABASE_URL)."""
    from fairlead.cli.servers import start

    over = {"FAIRLEAD_CONCURRENCY": concurrency}
    outcomes.perform(lambda: start("worker", over, as_json), as_json)


@app.command()
def node(
    host: Annotated[str | None, typer.Option(help="FAIRLEAD_NODE_HOST.")] = None,
    port: Annotated[int | None, typer.Option(help="FAIRLEAD_NODE_PORT.")] = None,
    as_json: Json = False,
) -> None:
    """Run a Solana node of our own: JSON-RPC over a local ledger."""
    from fairlead.cli.servers import start

    over = {"FAIRLEAD_NODE_HOST": host, "FAIRLEAD_NODE_PORT": port}
    outcomes.perform(lambda: start("node", over, as_json), as_json)


@app.command()
def migrate(as_json: Json = False) -> None:
    """Bring the database's tables up to date. `serve`, `api` and `worker` do it themselves."""
    from fairlead.cli.servers import bring_up_to_date

    outcomes.perform(lambda: bring_up_to_date(as_json), as_json)


# --- Orders ----------------------------------------------------------------------------------


@orders.command()
def submit(
    token_in: TokenIn,
    token_out: TokenOut,
    amount: Amount = None,
    amount_out: AmountOut = None,
    max_in: Annotated[
        str | None, typer.Option(help="The most that --amount-out may cost: needed beside it.")
    ] = None,
    slippage_bps: Annotated[
        int | None, typer.Option(help="The price may get worse by this: 100 is 1 %.", min=0)
    ] = None,
    wallet: Annotated[str | None, typer.Option(help="Who pays; default: the engine's.")] = None,
    limit: Annotated[
        str | None,
        typer.Option(help="Rest until this price can be had, net TOKEN_OUT per TOKEN_IN."),
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option(
            help="Give up after 90s, 10m, 2h or 1d, or at an ISO 8601 time (which stays the same"
            " when you send it again with its idempotency key)."
        ),
    ] = None,
    priority: Annotated[int | None, typer.Option(help="Higher goes first.", min=0, max=9)] = None,
    client_order_id: Annotated[str | None, typer.Option(help="A label of yours.")] = None,
    idempotency_key: Annotated[
        str | None, typer.Option(help="Sent again with the same key, it stays one order.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Draw the order's life.")] = False,
    count: Annotated[
        int, typer.Option(help="Send this many at once and sum up.", min=1, max=1_000_000)
    ] = 1,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Send an order: `fairlead order submit SOL USDC 1.5 --watch`, or for an exact output
    `fairlead order submit SOL USDC --amount-out 100 --max-in 0.7`."""
    from fairlead.cli.expiry import expires_at
    from fairlead.cli.order import Wanted, submit_many, submit_one

    wanted = Wanted(
        token_in=token_in,
        token_out=token_out,
        amount_in=amount,
        amount_out=amount_out,
        max_amount_in=max_in,
        slippage_bps=slippage_bps,
        wallet=wallet,
        priority=priority,
        client_order_id=client_order_id,
        limit_price=limit,
        expires_at=expires_at(expires),
    )
    if count > 1:
        outcomes.perform_async(
            lambda: submit_many(wanted, count, idempotency_key, url, as_json), as_json
        )
    outcomes.perform_async(
        lambda: submit_one(wanted, idempotency_key, watch, url, as_json), as_json
    )


@orders.command()
def show(order_id: OrderId, url: Url = None, as_json: Json = False) -> None:
    """Everything known about an order."""
    from fairlead.cli.order import show_order

    outcomes.perform_async(lambda: show_order(order_id, url, as_json), as_json)


@orders.command()
def watch(
    order_id: OrderId,
    after: Annotated[int, typer.Option(help="Skip updates up to this sequence.", min=0)] = 0,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Draw an order's life as it happens, from its beginning. With --json: a line per update."""
    from fairlead.cli.order import watch_order

    outcomes.perform_async(lambda: watch_order(order_id, after, url, as_json), as_json)


@orders.command("list")
def list_(
    status: Annotated[str | None, typer.Option(help="pending, open, confirmed, …")] = None,
    type: Annotated[str | None, typer.Option(help="market or limit.")] = None,
    wallet: Annotated[str | None, typer.Option(help="Orders of this wallet.")] = None,
    limit: Annotated[int, typer.Option(help="How many.", min=1, max=200)] = 20,
    cursor: Annotated[str | None, typer.Option(help="Go on where the last page ended.")] = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """The newest orders, and how many there are of each kind."""
    from fairlead.cli.order import list_orders

    outcomes.perform_async(
        lambda: list_orders(status, type, wallet, limit, cursor, url, as_json), as_json
    )


@orders.command()
def cancel(order_id: OrderId, url: Url = None, as_json: Json = False) -> None:
    """Cancel an order. One in flight is `cancelling` until the chain says which won."""
    from fairlead.cli.order import cancel_order

    outcomes.perform_async(lambda: cancel_order(order_id, url, as_json), as_json)


# --- The rest --------------------------------------------------------------------------------


@app.command()
def quote(
    token_in: TokenIn,
    token_out: TokenOut,
    amount: Amount = None,
    amount_out: AmountOut = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """What every venue would give, or with --amount-out take, and the best. No order is made."""
    from fairlead.cli.quotes import show_quotes

    outcomes.perform_async(
        lambda: show_quotes(token_in, token_out, amount, amount_out, url, as_json), as_json
    )


@app.command()
def proof(
    order_id: OrderId,
    out: Annotated[
        Path | None, typer.Option(help="The file to write; default: proof-ORDER.json, here.")
    ] = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Write down what proves an order's end, and check it: `fairlead proof ORDER --out FILE`."""
    from fairlead.cli.proof import prove

    outcomes.perform_async(lambda: prove(order_id, out, url, as_json), as_json)


@app.command()
def pools(
    first: Annotated[
        str | None, typer.Argument(help="A token of the pair; or, alone, the address of a pool.")
    ] = None,
    second: Annotated[str | None, typer.Argument(help="The other token.")] = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """The pools of a pair, the pool at an address, or all that were read so far: what they hold,
    how old that is, and why one is left out."""
    from fairlead.cli.pools import show_pools

    outcomes.perform_async(lambda: show_pools(first, second, url, as_json), as_json)


@app.command()
def token(
    mint: Annotated[str, typer.Argument(help="A mint or a symbol.")],
    url: Url = None,
    as_json: Json = False,
) -> None:
    """What the chain says of a token, and what to beware of."""
    from fairlead.cli.pools import show_token

    outcomes.perform_async(lambda: show_token(mint, url, as_json), as_json)


@app.command()
def demo(
    url: Annotated[
        str | None,
        typer.Option(help="A running engine on the paper chain; default: one of its own."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Five orders at once on the paper chain: decisions, statuses, and what came of it. A minute at
    most."""
    from fairlead.cli.demo import demonstrate

    outcomes.perform_async(lambda: demonstrate(url, as_json), as_json)


@app.command()
def sim(
    seeds: Annotated[str, typer.Option(help="A seed, or a range of them: 1..100.")] = "1..20",
    count: Annotated[int, typer.Option("--orders", help="Orders of each seed.", min=1)] = 300,
    faults: Annotated[
        str, typer.Option(help="all, none, or names: `fork,send_lost=0.5`, `all,-halt`.")
    ] = "all",
    planted: Annotated[
        str | None, typer.Option(help="A known bug, to see whether it is found.")
    ] = None,
    cores: Annotated[
        int | None, typer.Option(help="Processes; default: one per core.", min=1)
    ] = None,
    list_faults: Annotated[
        bool, typer.Option("--list-faults", help="Name the faults and end.")
    ] = False,
    list_planted: Annotated[
        bool, typer.Option("--list-planted", help="Name the planted bugs and end.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Try to break exactly-once: real workers on virtual time, a chain and a store that fail."""
    from fairlead.cli import sim as command

    if list_faults or list_planted:
        listing = command.list_faults if list_faults else command.list_planted
        outcomes.perform(listing, as_json)
    outcomes.perform(
        lambda: command.simulate(seeds, count, faults, planted, cores, as_json), as_json
    )


@app.command()
def doctor(url: Url = None, as_json: Json = False) -> None:
    """Check settings, store, bus, chain, clock and API, and say how to mend what is wrong."""
    from fairlead.cli.doctor import examine

    outcomes.perform_async(lambda: examine(url, as_json), as_json)


@app.command()
def version(as_json: Json = False) -> None:
    """The version."""
    from fairlead import __version__
    from fairlead.cli.output import print_json

    if as_json:
        print_json({"version": __version__})
    else:
        print(f"fairlead {__version__}")
