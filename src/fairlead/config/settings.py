"""The settings object: read once at the start, frozen, handed down. No one else reads variables.

Their names, defaults and meanings are in `table`; the fields here only say what they become.
"""

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import msgspec

ChainName = Literal["paper", "local", "devnet", "mainnet"]
PaperProfileName = Literal["realistic", "fast"]
LogFormat = Literal["console", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})


class Secret(str):
    """A string that its repr does not show, so that no trace or test failure prints it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<secret>"


class ChainSettings(msgspec.Struct, frozen=True, kw_only=True):
    name: ChainName
    # Endpoints of a cluster or of our own node; with two or more, facts that end an order need two.
    rpc_urls: tuple[Secret, ...]
    # Of the endpoints in the same order; where there is none, the endpoint's own with ws(s).
    rpc_ws_urls: tuple[Secret, ...]
    # Files of secret keys, as solana-keygen writes them; the first is the default wallet.
    key_files: tuple[Path, ...]


class StoreSettings(msgspec.Struct, frozen=True, kw_only=True):
    # The embedded database, the paper chain and its keys.
    data_dir: Path
    # None: the embedded store.
    database_url: Secret | None
    # Past a connection pooler: LISTEN, advisory locks and migrations need a session of their own.
    database_direct_url: Secret | None
    redis_url: Secret | None

    @property
    def embedded(self) -> bool:
        return self.database_url is None


class ApiSettings(msgspec.Struct, frozen=True, kw_only=True):
    host: str
    port: int
    # (principal, token); none: anybody, as "local".
    tokens: tuple[tuple[str, Secret], ...]
    allowed_hosts: tuple[str, ...]
    allowed_origins: tuple[str, ...]
    max_waiting_orders: int
    max_resting_orders: int
    max_sockets: int
    # Frames that may wait for one slow reader before it is closed.
    max_socket_frames: int
    socket_ping_ms: int
    shutdown_ms: int

    @property
    def on_loopback(self) -> bool:
        return self.host in LOOPBACK_HOSTS or self.host.startswith("127.")


class OrderSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for an order that does not say otherwise, and its retry policy."""

    default_slippage_bps: int
    # Over priority fees and tips.
    fee_cap_lamports: int
    max_rounds: int
    max_attempts_per_round: int
    backoff_base_ms: int
    backoff_cap_ms: int
    # The chain does not answer.
    outage_retry_ms: int


class WorkerSettings(msgspec.Struct, frozen=True, kw_only=True):
    # Orders one worker process has in hand at the same time.
    concurrency: int
    # Claims of new orders over all workers in any minute; None does not limit.
    orders_per_minute: int | None
    lease_ms: int
    heartbeat_ms: int
    # How often the store is looked at when no signal comes.
    store_poll_ms: int
    # How often dead workers, orphans and asked cancels are looked for.
    watch_ms: int
    # How often finality is asked for.
    settle_poll_ms: int
    # How often prices are compared with the limits of resting orders.
    trigger_poll_ms: int


class LandingSettings(msgspec.Struct, frozen=True, kw_only=True):
    latch: bool
    fee_bumps: bool
    bump_after_ms: int
    # Of the last price.
    bump_percent: int
    resend_ms: int
    status_poll_ms: int
    # Blocks; at least any window the cluster may switch to while attempts live (EXACTLY-ONCE 13).
    max_blockhash_window: int
    prove_ms: int
    priority_fee_percentile: int
    max_compute_unit_price_micro_lamports: int
    # After this long without proof the operator is told; proving goes on.
    proving_alarm_ms: int
    # Take the rent of latches back, so many blocks after the last death (EXACTLY-ONCE 12).
    reclaim: bool
    reclaim_margin_blocks: int
    # Go on at a start where providers have forgotten history since (EXACTLY-ONCE 23).
    accept_history_gap: bool


class RoutingSettings(msgspec.Struct, frozen=True, kw_only=True):
    # Swaps in one transaction.
    max_legs: int
    # Whether a path may go through a middle token.
    two_hop: bool
    # What each further swap must gain.
    split_min_gain_bps: int


class PoolSettings(msgspec.Struct, frozen=True, kw_only=True):
    # Whether pools are searched for among all accounts.
    discovery: bool
    # Of pool addresses.
    file: Path | None
    refresh_ms: int
    # Pools in modes that no program at hand knows; None: on chains without money.
    allow_unproven_modes: bool | None


class FaultRates(msgspec.Struct, frozen=True, kw_only=True):
    """Of all sends to a venue, in basis points: the fields of `ledger.faults.FaultRates`."""

    slippage_moved_bps: int = 0
    dropped_bps: int = 0
    rpc_error_bps: int = 0
    late_bps: int = 0


class PaperSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The paper chain: how fast it is and how often it fails."""

    profile: PaperProfileName
    seed: int
    slot_ms: int
    # Blocks from confirmed to finalized.
    finality_depth: int
    blockhash_window: int
    quote_latency_ms: int
    land_min_ms: int
    land_max_ms: int
    raydium_faults: FaultRates
    meteora_faults: FaultRates
    # Transactions without a swap.
    other_faults: FaultRates
    market_moves: bool


class NodeSettings(msgspec.Struct, frozen=True, kw_only=True):
    host: str
    port: int
    programs_dir: Path | None


class WatchSettings(msgspec.Struct, frozen=True, kw_only=True):
    # Where a worker or a node tells how it is; None: nowhere. `serve` and `api` have a port.
    metrics_port: int | None


class LogSettings(msgspec.Struct, frozen=True, kw_only=True):
    level: LogLevel
    format: LogFormat


class ClientSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the commands of the CLI find an API."""

    # None: this machine, at the API's own port.
    url: str | None
    # None: the API's own first token.
    token: Secret | None


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    chain: ChainSettings
    store: StoreSettings
    api: ApiSettings
    orders: OrderSettings
    workers: WorkerSettings
    landing: LandingSettings
    routing: RoutingSettings
    pools: PoolSettings
    paper: PaperSettings
    node: NodeSettings
    watch: WatchSettings
    log: LogSettings
    client: ClientSettings
    # What to tell the operator at the start: variables that were translated or have no effect.
    notes: tuple[str, ...] = ()

    @property
    def api_token(self) -> str | None:
        """The token with which this machine's commands call the API."""
        if self.client.token is not None:
            return self.client.token
        return self.api.tokens[0][1] if self.api.tokens else None

    @property
    def api_url(self) -> str:
        """The base URL at which this machine reaches the API."""
        if self.client.url is not None:
            return self.client.url.rstrip("/")
        host = "127.0.0.1" if self.api.host in ("0.0.0.0", "::") else self.api.host  # noqa: S104
        return (
            f"http://[{host}]:{self.api.port}" if ":" in host else f"http://{host}:{self.api.port}"
        )


def without_password(url: str) -> str:
    """The URL as it may be shown: no password and no query; of an endpoint not even the path.

    RPC providers carry their keys in either.
    """
    parts = urlsplit(url)
    try:
        port = f":{parts.port}" if parts.port is not None else ""
    except ValueError:
        port = ""
    user = f"{parts.username}@" if parts.username else ""
    path = "" if parts.scheme in ("http", "https", "ws", "wss") else parts.path
    return f"{parts.scheme}://{user}{parts.hostname or ''}{port}{path}"


def host_of(url: str) -> str:
    """Host and port: by what an endpoint is named, without keys."""
    return urlsplit(without_password(url)).netloc.rpartition("@")[2]
