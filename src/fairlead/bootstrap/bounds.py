"""The settings as the API and the workers take them: rules, policies and bounds."""

from fairlead.api.dependencies import ApiSettings
from fairlead.config import Settings
from fairlead.orders.intake import IntakeRules
from fairlead.orders.retry import RetryPolicy
from fairlead.orders.routes import RoutingPolicy
from fairlead.solana.landing import LandingPolicy
from fairlead.workers.reclaiming import ReclaimerSettings
from fairlead.workers.work import ExecutorSettings
from fairlead.workers.worker import WorkerSettings


def api_settings(settings: Settings) -> ApiSettings:
    """The API's rules and bounds."""
    api, orders = settings.api, settings.orders
    return ApiSettings(
        tokens=api.tokens,
        allowed_hosts=api.allowed_hosts,
        allowed_origins=api.allowed_origins,
        on_loopback=api.on_loopback,
        rules=IntakeRules(orders.default_slippage_bps, orders.fee_cap_lamports),
        routing=routing_policy(settings),
        max_waiting=api.max_waiting_orders,
        max_resting=api.max_resting_orders,
        max_sockets=api.max_sockets,
        max_socket_frames=api.max_socket_frames,
        poll_s=settings.workers.store_poll_ms / 1000,
    )


def worker_settings(settings: Settings) -> WorkerSettings:
    """A worker's policies and bounds."""
    workers, landing, orders = settings.workers, settings.landing, settings.orders
    paper = settings.chain.name == "paper"
    return WorkerSettings(
        execution=ExecutorSettings(
            retry=RetryPolicy(
                orders.max_rounds,
                orders.backoff_base_ms,
                orders.backoff_cap_ms,
                orders.max_attempts_per_round,
                orders.outage_retry_ms,
            ),
            landing=LandingPolicy(
                resend_ms=landing.resend_ms,
                poll_ms=landing.status_poll_ms,
                # The paper chain's own window cannot change while attempts live.
                max_blockhash_window=(
                    settings.paper.blockhash_window if paper else landing.max_blockhash_window
                ),
                prove_ms=landing.prove_ms,
                tell_unknown_after_ms=landing.proving_alarm_ms,
                bump_after_ms=landing.bump_after_ms if landing.fee_bumps else None,
                reclaim_margin=landing.reclaim_margin_blocks,
            ),
            routing=routing_policy(settings),
            latch=landing.latch,
            accepts_history_gap=landing.accept_history_gap,
            priority_fee_percentile=landing.priority_fee_percentile,
            max_compute_unit_price_micro_lamports=landing.max_compute_unit_price_micro_lamports,
            fee_raise_percent=landing.bump_percent,
        ),
        concurrency=workers.concurrency,
        lease_ms=workers.lease_ms,
        heartbeat_ms=workers.heartbeat_ms,
        watch_ms=workers.watch_ms,
        idle_poll_ms=workers.store_poll_ms,
        settle_poll_ms=workers.settle_poll_ms,
        trigger_poll_ms=workers.trigger_poll_ms,
        reclaims=ReclaimerSettings(landing.reclaim),
        stop_grace_s=settings.api.shutdown_ms / 1000,
    )


def routing_policy(settings: Settings) -> RoutingPolicy:
    """What routes orders may take."""
    routing = settings.routing
    return RoutingPolicy(routing.max_legs, routing.two_hop, routing.split_min_gain_bps)


def allows_unproven_modes(settings: Settings) -> bool:
    """Whether pools in modes that no program at hand knows are quoted."""
    asked = settings.pools.allow_unproven_modes
    return settings.chain.name in ("paper", "local") if asked is None else asked
