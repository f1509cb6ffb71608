"""What a started process says on the terminal and in the log."""

import sys

import structlog

from fairlead import __version__
from fairlead.config import Settings

log = structlog.get_logger("fairlead")


def say(facts: dict[str, object], text: str) -> None:
    """One line for people on a terminal; the log has the facts."""
    log.info("started", version=__version__, **facts)
    if sys.stdout.isatty():
        print(text)  # noqa: T201


def say_ready(settings: Settings, port: int) -> None:
    """Where the API listens, and what to ask of it first."""
    host = "127.0.0.1" if settings.api.host in ("0.0.0.0", "::") else settings.api.host  # noqa: S104
    url = f"http://{host}:{port}"
    log.info("listening", version=__version__, url=url, chain=settings.chain.name)
    print(  # noqa: T201
        f"""
fairlead {__version__} listens on {url} ({settings.chain.name} chain). Send it an order:

  curl -s {url}/api/orders/execute -H 'content-type: application/json' \\
    -d '{{"tokenIn": "SOL", "tokenOut": "USDC", "amountIn": "1.5"}}'

or watch one live: fairlead order submit SOL USDC 1.5 --watch
API reference: {url}/docs
""",
        flush=True,
    )
