"""What the API needs: the ports, and its settings."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from fairlead.orders.intake import IntakeRules
from fairlead.orders.routes import RoutingPolicy
from fairlead.ports import Balances, Bus, Chain, Clock, Hands, Mints, Pools, Store, Wallet
from fairlead.telemetry import Check, Metrics


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """Bounds and rules of the API. Every bound says what happens at it."""

    # (principal, token) of those who may call; none means: anybody, as "local".
    tokens: tuple[tuple[str, str], ...] = ()
    # Host names besides loopback; "*" allows any (behind a proxy that checks).
    allowed_hosts: tuple[str, ...] = ()
    # Origins of foreign pages, as https://desk.example.
    allowed_origins: tuple[str, ...] = ()
    # Whether the server listens on loopback only: elsewhere a token must be set.
    on_loopback: bool = True
    rules: IntakeRules = field(default_factory=IntakeRules)
    # By which quotes without an order are made, as orders are routed.
    routing: RoutingPolicy = field(default_factory=RoutingPolicy)
    # Orders that wait for a worker; above it new ones get 503.
    max_waiting: int = 100_000
    # Orders that rest until a price is reached; above it new ones of that kind get 503.
    max_resting: int = 1_000_000
    # Live sockets and event streams; above it 503.
    max_sockets: int = 20_000
    # Bytes of a body; above it 413.
    max_body_bytes: int = 64 * 1024
    # Frames not yet taken by a live reader; above it the stream is closed with 1013.
    max_socket_frames: int = 4_096
    # Seconds between comments on an idle event stream.
    stream_ping_s: float = 15.0
    # How often the queue's length and missed events are looked up.
    poll_s: float = 1.0


async def _nothing_more() -> Sequence[Check]:
    return ()


@dataclass(frozen=True, slots=True)
class ApiDependencies:
    """The ports behind the API, and what else of its process it needs."""

    store: Store
    bus: Bus
    clock: Clock
    wallet: Wallet
    balances: Balances
    pools: Pools
    mints: Mints
    chain: Chain
    settings: ApiSettings = field(default_factory=ApiSettings)
    metrics: Metrics = field(default_factory=Metrics)
    # The worker of this process, if there is one: it begins what it has a place for at once.
    hands: Hands | None = None
    # Further checks of /ready.
    ready: Callable[[], Awaitable[Sequence[Check]]] = _nothing_more
