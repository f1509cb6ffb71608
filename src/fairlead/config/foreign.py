"""The variables of other engines: translated, refused with a hint, or pointed out.

Never dropped in silence where they would have changed what happens to money.
"""

from collections.abc import Mapping
from urllib.parse import quote

from fairlead.config.values import flag
from fairlead.errors import ConfigError

_POSTGRES = (
    "POSTGRES_HOST",
    "POSTGRES_PORT",
    "POSTGRES_DB",
    "POSTGRES_USER",
    "POSTGRES_PASSWORD",
)
_REDIS = ("REDIS_HOST", "REDIS_PORT", "REDIS_PASSWORD")

# Read by other engines, of no effect here: worth a line at the start.
_INSTEAD = {
    "SOLANA_RPC_URL": "FAIRLEAD_RPC_URL",
    "RPC_URL": "FAIRLEAD_RPC_URL",
    "SOLANA_PRIVATE_KEY": "FAIRLEAD_KEY_FILES",
    "WALLET_PRIVATE_KEY": "FAIRLEAD_KEY_FILES",
    "SOLANA_NETWORK": "FAIRLEAD_CHAIN",
    "MAX_CONCURRENT_ORDERS": "FAIRLEAD_CONCURRENCY",
    "QUEUE_CONCURRENCY": "FAIRLEAD_CONCURRENCY",
    "MAX_ORDERS_PER_MINUTE": "FAIRLEAD_ORDERS_PER_MINUTE",
    "ORDERS_PER_MINUTE": "FAIRLEAD_ORDERS_PER_MINUTE",
    "MAX_RETRIES": "FAIRLEAD_MAX_ROUNDS",
    "MAX_RETRY_ATTEMPTS": "FAIRLEAD_MAX_ROUNDS",
    "DEFAULT_SLIPPAGE": "FAIRLEAD_DEFAULT_SLIPPAGE_BPS",
}


def translate(environ: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """The variables in fairlead's own names, and what the operator should know.

    Empty values count as unset, as compose files write them.
    """
    ours = {name: value.strip() for name, value in environ.items() if value.strip()}
    notes: list[str] = []
    _database(ours, notes)
    _redis(ours, notes)
    _mock_mode(ours)
    notes.extend(
        f"{name} is not read here; {instead} says it"
        for name, instead in _INSTEAD.items()
        if name in ours and instead not in ours
    )
    return ours, tuple(notes)


def _database(ours: dict[str, str], notes: list[str]) -> None:
    found = [name for name in _POSTGRES if name in ours]
    if not found:
        return
    if "DATABASE_URL" in ours:
        notes.append(f"{', '.join(found)} without effect: DATABASE_URL is set")
        return
    for needed in ("POSTGRES_HOST", "POSTGRES_DB"):
        if needed not in ours:
            raise ConfigError(
                needed,
                f"is missing, but {found[0]} is set. Set both POSTGRES_HOST and POSTGRES_DB, or"
                " DATABASE_URL=postgresql://user:password@host:5432/name; unset all of them for"
                " the embedded store",
            )
    user = quote(ours.get("POSTGRES_USER", "postgres"), safe="")
    password = quote(ours.get("POSTGRES_PASSWORD", ""), safe="")
    login = f"{user}:{password}" if password else user
    place = _place(ours, "POSTGRES_HOST", "POSTGRES_PORT", "5432")
    ours["DATABASE_URL"] = f"postgresql://{login}@{place}/{quote(ours['POSTGRES_DB'], safe='')}"
    notes.append("POSTGRES_* read as DATABASE_URL")


def _redis(ours: dict[str, str], notes: list[str]) -> None:
    found = [name for name in _REDIS if name in ours]
    if not found:
        return
    if "REDIS_URL" in ours:
        notes.append(f"{', '.join(found)} without effect: REDIS_URL is set")
        return
    if "REDIS_HOST" not in ours:
        raise ConfigError(
            "REDIS_HOST",
            f"is missing, but {found[0]} is set. Set it, or REDIS_URL=redis://host:6379",
        )
    password = quote(ours.get("REDIS_PASSWORD", ""), safe="")
    login = f":{password}@" if password else ""
    ours["REDIS_URL"] = f"redis://{login}{_place(ours, 'REDIS_HOST', 'REDIS_PORT', '6379')}/0"
    notes.append("REDIS_* read as REDIS_URL")


def _place(ours: Mapping[str, str], host_name: str, port_name: str, port: str) -> str:
    host, port = ours[host_name], ours.get(port_name, port)
    if not port.isdecimal() or not 0 < int(port) < 65_536:
        raise ConfigError(port_name, f"must be a port, 1 … 65,535, not {port!r}")
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _mock_mode(ours: Mapping[str, str]) -> None:
    if "MOCK_MODE" not in ours:
        return
    try:
        mock = flag().read(ours["MOCK_MODE"])
    except ValueError as error:
        raise ConfigError(
            "MOCK_MODE", f"must be {error}, not {ours['MOCK_MODE']!r}; FAIRLEAD_CHAIN replaces it"
        ) from None
    chain = ours.get("FAIRLEAD_CHAIN", "paper").lower()
    if not mock and chain == "paper":
        raise ConfigError(
            "MOCK_MODE",
            "is off, which asks for a real chain, but FAIRLEAD_CHAIN is"
            f" {'paper' if 'FAIRLEAD_CHAIN' in ours else 'not set (paper)'}. Set FAIRLEAD_CHAIN to"
            " devnet or mainnet (with FAIRLEAD_RPC_URL and FAIRLEAD_KEY_FILES), or unset MOCK_MODE",
        )
    if mock and chain in ("devnet", "mainnet"):
        raise ConfigError(
            "MOCK_MODE",
            f"is on, which asks for a simulated chain, but FAIRLEAD_CHAIN is {chain}. Unset one",
        )
