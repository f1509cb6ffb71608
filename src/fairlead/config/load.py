"""Variables in, settings out. What is unknown, malformed or contradictory stops the start."""

import difflib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from fairlead.config.foreign import translate
from fairlead.config.settings import (
    ApiSettings,
    ChainSettings,
    ClientSettings,
    LandingSettings,
    LogSettings,
    NodeSettings,
    OrderSettings,
    PaperSettings,
    PoolSettings,
    RoutingSettings,
    Settings,
    StoreSettings,
    WatchSettings,
    WorkerSettings,
    host_of,
)
from fairlead.config.table import BY_NAME, SETTINGS, Setting
from fairlead.errors import ConfigError

_PREFIX = "FAIRLEAD_"


def read_environment(folder: Path | None = None) -> dict[str, str]:
    """The process's variables over those of `.env` in `folder` (default: the current one)."""
    file = (folder or Path.cwd()) / ".env"
    if not file.exists():
        return dict(os.environ)
    from dotenv import dotenv_values

    from_file = dotenv_values(file, interpolate=False)
    return {**{k: v for k, v in from_file.items() if v is not None}, **os.environ}


def load_settings(environ: Mapping[str, str]) -> Settings:
    """The settings these variables mean; `ConfigError` names the first that is wrong."""
    ours, notes = translate(environ)
    _refuse_unknown(ours)
    by_group: dict[str, dict[str, object]] = {}
    flavours = _flavours(ours)
    for setting in SETTINGS:
        group, field = setting.field.split(".")
        by_group.setdefault(group, {})[field] = _value(setting, ours, flavours)
    by_group["store"]["data_dir"] = by_group["store"]["data_dir"] or _default_data_dir(ours)
    # The table's kinds give each field its type; tests/unit/test_config.py holds the two together.
    settings = Settings(
        chain=ChainSettings(**by_group["chain"]),  # type: ignore[arg-type]
        store=StoreSettings(**by_group["store"]),  # type: ignore[arg-type]
        api=ApiSettings(**by_group["api"]),  # type: ignore[arg-type]
        orders=OrderSettings(**by_group["orders"]),  # type: ignore[arg-type]
        workers=WorkerSettings(**by_group["workers"]),  # type: ignore[arg-type]
        landing=LandingSettings(**by_group["landing"]),  # type: ignore[arg-type]
        routing=RoutingSettings(**by_group["routing"]),  # type: ignore[arg-type]
        pools=PoolSettings(**by_group["pools"]),  # type: ignore[arg-type]
        paper=PaperSettings(**by_group["paper"]),  # type: ignore[arg-type]
        node=NodeSettings(**by_group["node"]),  # type: ignore[arg-type]
        watch=WatchSettings(**by_group["watch"]),  # type: ignore[arg-type]
        log=LogSettings(**by_group["log"]),  # type: ignore[arg-type]
        client=ClientSettings(**by_group["client"]),  # type: ignore[arg-type]
        notes=(*notes, *_notes(ours)),
    )
    _check_together(settings)
    return settings


def _refuse_unknown(ours: Mapping[str, str]) -> None:
    for name in ours:
        if name.startswith(_PREFIX) and name not in BY_NAME:
            raise ConfigError(name, f"is no setting{_nearest(name, BY_NAME)}")


def _nearest(word: str, known: Iterable[str]) -> str:
    """ "; did you mean …?" when something is near enough."""
    # FAIRLEAD_DATABASE_URL: some names are shared with other programs and carry no prefix.
    bare = word.removeprefix(_PREFIX)
    found = [bare] if bare in BY_NAME else difflib.get_close_matches(word, list(known), 1, 0.6)
    return f"; did you mean {found[0]}?" if found else "; docs/configuration.md lists them"


def _flavours(ours: Mapping[str, str]) -> tuple[str, ...]:
    """Which columns of `default_by` hold: the chain, and on paper its profile."""
    chain = str(_value(BY_NAME["FAIRLEAD_CHAIN"], ours, ()))
    if chain != "paper":
        return (chain,)
    return (chain, str(_value(BY_NAME["FAIRLEAD_PAPER_PROFILE"], ours, ())))


def _value(setting: Setting, ours: Mapping[str, str], flavours: tuple[str, ...]) -> object:
    text = ours.get(setting.name)
    if text is None:
        of_flavour = [setting.default_by[f] for f in flavours if f in setting.default_by]
        text = of_flavour[0] if of_flavour else setting.default
    if text is None:
        # Lists are empty when unset; everything else is None.
        return () if setting.kind.label.endswith("comma-separated") else None
    try:
        return setting.kind.read(text)
    except ValueError as error:
        shown = "" if setting.kind.secret else f", not {text!r}"
        raise ConfigError(setting.name, f"must be {error}{shown}") from None


def _default_data_dir(ours: Mapping[str, str]) -> Path:
    """The same folder wherever fairlead is started from.

    Idempotency keys and the attempts that may still land are in it: a store that depended on the
    current folder would forget both on a start from another one.
    """
    if "XDG_DATA_HOME" in ours:
        return Path(ours["XDG_DATA_HOME"]) / "fairlead"
    if "HOME" in ours:
        return Path(ours["HOME"]) / ".local" / "share" / "fairlead"
    raise ConfigError("FAIRLEAD_DATA_DIR", "is not set, and there is no HOME to put the data in")


def _notes(ours: Mapping[str, str]) -> Iterable[str]:
    if "REDIS_URL" in ours and "DATABASE_URL" not in ours:
        yield "REDIS_URL without effect: the embedded store serves one process; set DATABASE_URL"


def _check_together(settings: Settings) -> None:
    """What no single variable can be wrong about."""
    api, chain, store = settings.api, settings.chain, settings.store
    if not api.on_loopback and not api.tokens:
        raise ConfigError(
            "FAIRLEAD_API_TOKEN",
            f"is needed because HOST={api.host} can be reached from outside this machine"
            " (openssl rand -hex 32 makes one); or set HOST=127.0.0.1",
        )
    hosts = [host_of(url) for url in chain.rpc_urls]
    if len(set(hosts)) < len(hosts):
        raise ConfigError(
            "FAIRLEAD_RPC_URL",
            "names a host twice: it would agree with itself; name each provider once",
        )
    if len(chain.rpc_ws_urls) > max(len(hosts), 1):
        raise ConfigError(
            "FAIRLEAD_RPC_WS_URL",
            f"has {len(chain.rpc_ws_urls)} addresses for {len(hosts)} of FAIRLEAD_RPC_URL: name one"
            " for each at most, in the same order",
        )
    if chain.name != "paper":
        if not chain.rpc_urls:
            raise ConfigError(
                "FAIRLEAD_RPC_URL", f"is needed on {chain.name}: the address of an RPC endpoint"
            )
        if not chain.key_files:
            raise ConfigError(
                "FAIRLEAD_KEY_FILES",
                f"is needed on {chain.name}: a key file as solana-keygen writes it",
            )
    if store.database_direct_url is not None and store.database_url is None:
        raise ConfigError("DATABASE_DIRECT_URL", "goes with DATABASE_URL, which is not set")
    if settings.workers.heartbeat_ms * 2 > settings.workers.lease_ms:
        raise ConfigError(
            "FAIRLEAD_HEARTBEAT_MS",
            f"must be at most half of FAIRLEAD_LEASE_MS ({settings.workers.lease_ms}), not"
            f" {settings.workers.heartbeat_ms}: one late renewal would lose the lease",
        )
    if settings.orders.backoff_cap_ms < settings.orders.backoff_base_ms:
        raise ConfigError("FAIRLEAD_BACKOFF_CAP_MS", "must not be below FAIRLEAD_BACKOFF_BASE_MS")
    if chain.name == "paper":
        _check_paper(settings)


def _check_paper(settings: Settings) -> None:
    paper = settings.paper
    if paper.land_max_ms < paper.land_min_ms:
        raise ConfigError(
            "FAIRLEAD_PAPER_LAND_MAX_MS",
            f"must not be below FAIRLEAD_PAPER_LAND_MIN_MS ({paper.land_min_ms})",
        )
    if settings.landing.max_blockhash_window < paper.blockhash_window:
        raise ConfigError(
            "FAIRLEAD_MAX_BLOCKHASH_WINDOW",
            f"must be at least FAIRLEAD_PAPER_BLOCKHASH_WINDOW ({paper.blockhash_window}):"
            " an attempt taken for dead could still land",
        )
