"""Every variable fairlead reads, once: name, the field it fills, kind, default, meaning.

`.env.example` and docs/configuration.md are written from this table (script/generate-docs), and a
test holds them against it. To add a setting: a field in `settings`, a row here, and run the script.
"""

from collections.abc import Mapping

import msgspec

from fairlead.config.values import (
    Kind,
    faults,
    flag,
    limit,
    one_of,
    path,
    paths,
    secret,
    text,
    tokens,
    url,
    urls,
    whole,
    words,
)

_HOUR_MS = 3_600_000


class Setting(msgspec.Struct, frozen=True):
    name: str
    # group.field of `Settings`.
    field: str
    kind: Kind
    # As it would be written in the environment; None is unset.
    default: str | None
    meaning: str
    # Defaults of some chains (paper, local, devnet, mainnet) or of a paper profile (fast).
    default_by: Mapping[str, str] = {}


_REAL_CHAINS = ("local", "devnet", "mainnet")


def _on_real(value: str, *chains: str) -> Mapping[str, str]:
    return dict.fromkeys(chains or _REAL_CHAINS, value)


GROUPS: Mapping[str, str] = {
    "chain": "Where orders execute",
    "store": "Where orders are kept",
    "api": "The API",
    "orders": "Orders",
    "workers": "Workers",
    "landing": "Landing transactions",
    "routing": "Routing",
    "pools": "Finding pools",
    "paper": "The paper chain",
    "node": "The local node",
    "watch": "Watching workers and nodes",
    "log": "Logs",
    "client": "The command line",
}
"""Headings of the documentation, in the order of `Settings`."""

SETTINGS: tuple[Setting, ...] = (
    # ------------------------------------------------------------------------------------- chain
    Setting(
        "FAIRLEAD_CHAIN",
        "chain.name",
        one_of("paper", "local", "devnet", "mainnet"),
        "paper",
        "Where orders execute: our simulated ledger, a node of ours, or a cluster.",
    ),
    Setting(
        "FAIRLEAD_RPC_URL",
        "chain.rpc_urls",
        urls("http", "https"),
        None,
        "Solana JSON-RPC endpoints. Needed off the paper chain. With two or more, each of another"
        " provider, a fact that ends an order needs two that agree: three go on when one fails.",
    ),
    Setting(
        "FAIRLEAD_RPC_WS_URL",
        "chain.rpc_ws_urls",
        urls("ws", "wss"),
        None,
        "The WebSocket endpoints of the RPC addresses, in the same order. Unset: the RPC addresses"
        " with ws(s).",
    ),
    Setting(
        "FAIRLEAD_KEY_FILES",
        "chain.key_files",
        paths(),
        None,
        "Secret keys as solana-keygen writes them; the first is the default wallet. Needed off the"
        " paper chain, which makes its own.",
    ),
    # ------------------------------------------------------------------------------------- store
    Setting(
        "FAIRLEAD_DATA_DIR",
        "store.data_dir",
        path(),
        None,
        "The embedded database, the paper chain and its keys. Unset: fairlead in"
        " $XDG_DATA_HOME or ~/.local/share.",
    ),
    Setting(
        "DATABASE_URL",
        "store.database_url",
        url("postgresql", "postgres"),
        None,
        "PostgreSQL; through a transaction pooler such as PgBouncer with `?pgbouncer=true`. Unset:"
        " the embedded store, for one process.",
    ),
    Setting(
        "DATABASE_DIRECT_URL",
        "store.database_direct_url",
        url("postgresql", "postgres"),
        None,
        "The same database past a connection pooler, for what needs a session of its own: LISTEN,"
        " advisory locks, migrations. Unset: DATABASE_URL.",
    ),
    Setting(
        "REDIS_URL",
        "store.redis_url",
        url("redis", "rediss", "unix"),
        None,
        "Redis for wake-ups and fan-out between hosts. Unset: PostgreSQL's LISTEN/NOTIFY.",
    ),
    # --------------------------------------------------------------------------------------- api
    Setting(
        "HOST",
        "api.host",
        text("a host name or address", r"[A-Za-z0-9.:_-]+"),
        "127.0.0.1",
        "The address to listen on. Any other than loopback needs FAIRLEAD_API_TOKEN.",
    ),
    Setting("PORT", "api.port", whole(0, 65_535), "3000", "The port; 0 takes a free one."),
    Setting(
        "FAIRLEAD_API_TOKEN",
        "api.tokens",
        tokens("local"),
        None,
        "The bearer token that every call must carry; with several, each name sees its own orders"
        " only. Unset: no token is asked, on loopback only.",
    ),
    Setting(
        "FAIRLEAD_ALLOWED_HOSTS",
        "api.allowed_hosts",
        words("host names, comma-separated", r"[A-Za-z0-9.*:_\[\]-]+"),
        None,
        "Host headers that are served besides loopback's.",
    ),
    Setting(
        "FAIRLEAD_ALLOWED_ORIGINS",
        "api.allowed_origins",
        words("origins such as https://desk.example, comma-separated", r"https?://[^/\s]+"),
        None,
        "Origins of other pages that may call the API and open sockets.",
    ),
    Setting(
        "FAIRLEAD_MAX_WAITING_ORDERS",
        "api.max_waiting_orders",
        whole(1, 100_000_000),
        "100_000",
        "With this many orders waiting, new ones are answered 503. Resting orders do not count.",
    ),
    Setting(
        "FAIRLEAD_MAX_RESTING_ORDERS",
        "api.max_resting_orders",
        whole(1, 100_000_000),
        "1_000_000",
        "With this many orders at rest until a price is reached, new ones of that kind are answered"
        " 503.",
    ),
    Setting(
        "FAIRLEAD_MAX_SOCKETS",
        "api.max_sockets",
        whole(1, 1_000_000),
        "20_000",
        "Sockets and event streams open at the same time, per process.",
    ),
    Setting(
        "FAIRLEAD_MAX_SOCKET_FRAMES",
        "api.max_socket_frames",
        whole(16, 1_000_000),
        "4_096",
        "Frames that may wait for one slow reader before its socket is closed (1013).",
    ),
    Setting(
        "FAIRLEAD_SOCKET_PING_MS",
        "api.socket_ping_ms",
        whole(1_000, _HOUR_MS),
        "15_000",
        "How often an idle socket or event stream is pinged.",
    ),
    Setting(
        "FAIRLEAD_SHUTDOWN_MS",
        "api.shutdown_ms",
        whole(0, 600_000),
        "10_000",
        "How long a stopping process finishes what it has in hand.",
    ),
    # ------------------------------------------------------------------------------------ orders
    Setting(
        "FAIRLEAD_DEFAULT_SLIPPAGE_BPS",
        "orders.default_slippage_bps",
        whole(0, 5_000),
        "100",
        "Slippage of orders that name none, in hundredths of a percent.",
    ),
    Setting(
        "FAIRLEAD_FEE_CAP_LAMPORTS",
        "orders.fee_cap_lamports",
        whole(0, 1_000_000_000),
        "1_000_000",
        "The most an order that names no cap may spend on priority fees and tips, over all its"
        " attempts.",
    ),
    Setting(
        "FAIRLEAD_MAX_ROUNDS",
        "orders.max_rounds",
        whole(1, 20),
        "3",
        "Rounds (quote, build, land) before an order fails.",
    ),
    Setting(
        "FAIRLEAD_MAX_ATTEMPTS_PER_ROUND",
        "orders.max_attempts_per_round",
        whole(1, 20),
        "3",
        "Signed transactions in one round: fee bumps and new blockhashes.",
    ),
    Setting(
        "FAIRLEAD_BACKOFF_BASE_MS",
        "orders.backoff_base_ms",
        whole(0, 600_000),
        "1_000",
        "The wait before the second round; it doubles with each further one.",
    ),
    Setting(
        "FAIRLEAD_BACKOFF_CAP_MS",
        "orders.backoff_cap_ms",
        whole(0, _HOUR_MS),
        "60_000",
        "The longest wait between two rounds.",
    ),
    Setting(
        "FAIRLEAD_OUTAGE_RETRY_MS",
        "orders.outage_retry_ms",
        whole(10, 600_000),
        "1_000",
        "The wait before a chain that does not answer is asked again. Uses up no round.",
    ),
    # ----------------------------------------------------------------------------------- workers
    Setting(
        "FAIRLEAD_CONCURRENCY",
        "workers.concurrency",
        whole(0, 10_000),
        "64",
        "Orders that one worker process has in hand at the same time; 0: it takes no new ones.",
        _on_real("10", "devnet", "mainnet"),
    ),
    Setting(
        "FAIRLEAD_ORDERS_PER_MINUTE",
        "workers.orders_per_minute",
        limit(10_000_000),
        "none",
        "New orders begun in any minute, over all workers.",
        _on_real("100", "devnet", "mainnet"),
    ),
    Setting(
        "FAIRLEAD_LEASE_MS",
        "workers.lease_ms",
        whole(1_000, _HOUR_MS),
        "10_000",
        "A worker silent for this long is dead: others take its orders over.",
    ),
    Setting(
        "FAIRLEAD_HEARTBEAT_MS",
        "workers.heartbeat_ms",
        whole(100, _HOUR_MS),
        "2_000",
        "How often a worker renews its lease; at most half of it.",
    ),
    Setting(
        "FAIRLEAD_STORE_POLL_MS",
        "workers.store_poll_ms",
        whole(10, 600_000),
        "1_000",
        "How often the store is looked at when no wake-up comes.",
    ),
    Setting(
        "FAIRLEAD_WATCH_MS",
        "workers.watch_ms",
        whole(10, 600_000),
        "250",
        "How often dead workers, orders they left and asked cancels are looked for.",
    ),
    Setting(
        "FAIRLEAD_SETTLE_POLL_MS",
        "workers.settle_poll_ms",
        whole(1, 600_000),
        "400",
        "How often the chain is asked whether confirmed orders are finalized.",
    ),
    Setting(
        "FAIRLEAD_TRIGGER_POLL_MS",
        "workers.trigger_poll_ms",
        whole(10, 600_000),
        "200",
        "How often the pools of pairs with resting orders are read and compared with their limits,"
        " and how late an expiry may be noticed. One worker does it for all.",
    ),
    # ----------------------------------------------------------------------------------- landing
    Setting(
        "FAIRLEAD_LATCH",
        "landing.latch",
        flag(),
        "on",
        "Make all attempts of an order exclude each other on chain. Off: the next attempt waits for"
        " proof that the last one is dead.",
    ),
    Setting(
        "FAIRLEAD_FEE_BUMPS",
        "landing.fee_bumps",
        flag(),
        "on",
        "Offer a higher fee under the same latch when an attempt is not seen in time. Needs"
        " FAIRLEAD_LATCH.",
        {"fast": "off"},
    ),
    Setting(
        "FAIRLEAD_BUMP_AFTER_MS",
        "landing.bump_after_ms",
        whole(100, 600_000),
        "4_000",
        "How long the newest attempt may stay unseen before the fee is raised.",
    ),
    Setting(
        "FAIRLEAD_BUMP_PERCENT",
        "landing.bump_percent",
        whole(100, 1_000),
        "150",
        "The raised price of a compute unit in percent of the last, and at least 10,000 millionths"
        " of a lamport more; never above FAIRLEAD_MAX_COMPUTE_UNIT_PRICE or the order's fee cap.",
    ),
    Setting(
        "FAIRLEAD_RESEND_MS",
        "landing.resend_ms",
        whole(50, 60_000),
        "1_500",
        "How often the same bytes are sent again until they land or are proven dead.",
    ),
    Setting(
        "FAIRLEAD_STATUS_POLL_MS",
        "landing.status_poll_ms",
        whole(1, 60_000),
        "400",
        "How often the chain is asked about a sent attempt when no notice comes.",
    ),
    Setting(
        "FAIRLEAD_MAX_BLOCKHASH_WINDOW",
        "landing.max_blockhash_window",
        whole(1, 10_000),
        "150",
        "Blocks after which an unseen attempt can no longer land: at least any window the chain may"
        " switch to while attempts live.",
        _on_real("300"),
    ),
    Setting(
        "FAIRLEAD_PROVE_MS",
        "landing.prove_ms",
        whole(10, 600_000),
        "2_000",
        "How often proof is looked for once an attempt can be assumed dead.",
    ),
    Setting(
        "FAIRLEAD_PRIORITY_FEE_PERCENTILE",
        "landing.priority_fee_percentile",
        whole(0, 100),
        "50",
        "Which of the fees lately paid for the same accounts the first attempt offers.",
    ),
    Setting(
        "FAIRLEAD_MAX_COMPUTE_UNIT_PRICE",
        "landing.max_compute_unit_price_micro_lamports",
        whole(0, 1_000_000_000),
        "1_000_000",
        "The highest price an attempt offers for a compute unit, in millionths of a lamport.",
    ),
    Setting(
        "FAIRLEAD_PROVING_ALARM_MS",
        "landing.proving_alarm_ms",
        whole(1_000, 24 * _HOUR_MS),
        "120_000",
        "An attempt without proof for this long is reported; proving goes on.",
    ),
    Setting(
        "FAIRLEAD_RECLAIM",
        "landing.reclaim",
        flag(),
        "on",
        "Take back what ended orders lent to their latches (890,880 lamports each), eight in one"
        " transaction. One worker does it for all.",
    ),
    Setting(
        "FAIRLEAD_RECLAIM_MARGIN_BLOCKS",
        "landing.reclaim_margin_blocks",
        whole(32, 1_000_000),
        "300",
        "Blocks between the moment when no attempt of an order can land any more and the reclaim."
        " As long, a latch that is absent proves that nothing won; a store restored later needs the"
        " providers' history instead.",
    ),
    # ----------------------------------------------------------------------------------- routing
    Setting(
        "FAIRLEAD_ACCEPT_HISTORY_GAP",
        "landing.accept_history_gap",
        flag(),
        "off",
        "What to do at a start where RPC providers have forgotten what the wallets did since this"
        " store was last in use. Off: their orders wait, for a store restored from a backup would"
        " execute again what it does not know. On: they go on; only for a store that was stopped"
        " and not restored.",
    ),
    Setting(
        "FAIRLEAD_MAX_LEGS",
        "routing.max_legs",
        whole(1, 8),
        "3",
        "Swaps that one transaction of an order may have: a split over pools, or two hops."
        " 1: always one pool.",
    ),
    Setting(
        "FAIRLEAD_TWO_HOP",
        "routing.two_hop",
        flag(),
        "on",
        "Routes may go through SOL, USDC or USDT, where that pays more or no pool trades the pair.",
    ),
    Setting(
        "FAIRLEAD_SPLIT_MIN_GAIN_BPS",
        "routing.split_min_gain_bps",
        whole(0, 1_000),
        "1",
        "What a route of several swaps must pay more than one of fewer, in hundredths of a"
        " percent.",
    ),
    # ------------------------------------------------------------------------------------- pools
    Setting(
        "FAIRLEAD_POOL_DISCOVERY",
        "pools.discovery",
        flag(),
        "on",
        "Look for the pools of a pair with getProgramAccounts, which some endpoints refuse or count"
        " dearly. Off: only those of FAIRLEAD_POOLS_FILE.",
    ),
    Setting(
        "FAIRLEAD_POOLS_FILE",
        "pools.file",
        path(),
        None,
        "A .json or .toml list of pool addresses that are always looked at:"
        " docs/pools-and-tokens.md.",
    ),
    Setting(
        "FAIRLEAD_POOLS_REFRESH_MS",
        "pools.refresh_ms",
        whole(1_000, 24 * _HOUR_MS),
        "60_000",
        "How often the pools of a pair that is used are looked for again and ranked by depth. What"
        " is in them is read for every quote, whatever this says.",
    ),
    Setting(
        "FAIRLEAD_ALLOW_UNPROVEN_VENUE_MODES",
        "pools.allow_unproven_modes",
        flag(),
        None,
        "Quote pools in modes that follow the venue's sources alone, as no compiled program that"
        " knows them was at hand: docs/venues-proof.md. Unset: on for paper and local, off for"
        " devnet and mainnet, where such a pool is left out as `unproven_…`.",
    ),
    # ------------------------------------------------------------------------------------- paper
    Setting(
        "FAIRLEAD_PAPER_PROFILE",
        "paper.profile",
        one_of("realistic", "fast"),
        "realistic",
        "realistic: quotes take 200 ms, swaps land in 2 to 3 s, 5 % fail. fast: as quick as the"
        " machine, for measurements.",
    ),
    Setting(
        "FAIRLEAD_PAPER_SEED",
        "paper.seed",
        whole(0, 2**63 - 1),
        "1",
        "The seed of everything random on the paper chain.",
    ),
    Setting(
        "FAIRLEAD_PAPER_SLOT_MS",
        "paper.slot_ms",
        whole(1, 60_000),
        "400",
        "The length of a slot.",
    ),
    Setting(
        "FAIRLEAD_PAPER_FINALITY_DEPTH",
        "paper.finality_depth",
        whole(1, 1_000),
        "32",
        "Blocks on top of a block until it is finalized.",
    ),
    Setting(
        "FAIRLEAD_PAPER_BLOCKHASH_WINDOW",
        "paper.blockhash_window",
        whole(2, 10_000),
        "150",
        "Blocks for which a blockhash may be used.",
    ),
    Setting(
        "FAIRLEAD_PAPER_QUOTE_LATENCY_MS",
        "paper.quote_latency_ms",
        whole(0, 60_000),
        "200",
        "How long a read of the pools takes.",
        {"fast": "0"},
    ),
    Setting(
        "FAIRLEAD_PAPER_LAND_MIN_MS",
        "paper.land_min_ms",
        whole(0, 600_000),
        "2_000",
        "The shortest time from send to confirmed.",
        {"fast": "0"},
    ),
    Setting(
        "FAIRLEAD_PAPER_LAND_MAX_MS",
        "paper.land_max_ms",
        whole(0, 600_000),
        "3_000",
        "The longest time from send to confirmed.",
        {"fast": "0"},
    ),
    Setting(
        "FAIRLEAD_PAPER_RAYDIUM_FAULTS",
        "paper.raydium_faults",
        faults(),
        "5",
        "Percent of sends to Raydium that go wrong, in the usual mixture (of 5: 3 slippage_moved,"
        " 0.8 dropped, 0.8 rpc_error, 0.4 late), or each kind by itself:"
        " `slippage_moved:3,dropped:1`.",
        {"fast": "0"},
    ),
    Setting(
        "FAIRLEAD_PAPER_METEORA_FAULTS",
        "paper.meteora_faults",
        faults(),
        "5",
        "The same for Meteora.",
        {"fast": "0"},
    ),
    Setting(
        "FAIRLEAD_PAPER_OTHER_FAULTS",
        "paper.other_faults",
        faults(),
        "0",
        "The same for transactions without a swap: cancels and reclaims.",
    ),
    Setting(
        "FAIRLEAD_PAPER_MARKET_MOVES",
        "paper.market_moves",
        flag(),
        "on",
        "Whether prices move from slot to slot.",
    ),
    # -------------------------------------------------------------------------------------- node
    Setting(
        "FAIRLEAD_NODE_HOST",
        "node.host",
        text("a host name or address", r"[A-Za-z0-9.:_-]+"),
        "127.0.0.1",
        "The address that `fairlead node` listens on. It has no password: keep it on loopback.",
    ),
    Setting(
        "FAIRLEAD_NODE_PORT",
        "node.port",
        whole(0, 65_535),
        "8899",
        "Its port: JSON-RPC over HTTP and WebSocket at one address; 0 takes a free one.",
    ),
    Setting(
        "FAIRLEAD_PROGRAMS_DIR",
        "node.programs_dir",
        path(),
        None,
        "A folder with compiled on-chain programs (<program id>.so) for the node to run.",
    ),
    # ------------------------------------------------------------------------------------- watch
    Setting(
        "FAIRLEAD_METRICS_PORT",
        "watch.metrics_port",
        whole(0, 65_535),
        None,
        "Where `fairlead worker` and `fairlead node` answer /health, /ready and /metrics, on HOST"
        " and with the API's tokens; 0 takes a free port, which the log tells. Unset: nowhere."
        " `serve` and `api` answer them at PORT.",
    ),
    # --------------------------------------------------------------------------------------- log
    Setting(
        "LOG_LEVEL",
        "log.level",
        one_of("debug", "info", "warning", "error"),
        "info",
        "The least important lines that are written.",
    ),
    Setting(
        "FAIRLEAD_LOG_FORMAT",
        "log.format",
        one_of("console", "json"),
        "console",
        "Lines for people, or one JSON object per line.",
    ),
    # ------------------------------------------------------------------------------------ client
    Setting(
        "FAIRLEAD_URL",
        "client.url",
        text("http://… or https://…", r"https?://\S+"),
        None,
        "The API that commands such as `fairlead order` talk to. Unset: this machine at PORT.",
    ),
    Setting(
        "FAIRLEAD_TOKEN",
        "client.token",
        secret("a bearer token"),
        None,
        "The bearer token those commands send. Unset: the first of FAIRLEAD_API_TOKEN.",
    ),
)

BY_NAME: Mapping[str, Setting] = {setting.name: setting for setting in SETTINGS}
