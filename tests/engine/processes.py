"""fairlead's own commands as processes, with a port and a folder of their own."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import httpx

# A machine of two cores may have ten processes to run beside it.
READY_WITHIN_S = 90.0
STOPPED_WITHIN_S = 60.0

# The paper chain quick enough for a test, and without made-up failures.
FAST = {
    "FAIRLEAD_PAPER_PROFILE": "fast",
    "FAIRLEAD_PAPER_SLOT_MS": "50",
    "FAIRLEAD_PAPER_FINALITY_DEPTH": "8",
    "FAIRLEAD_SETTLE_POLL_MS": "100",
    "FAIRLEAD_BACKOFF_BASE_MS": "50",
    # While prices wander, two hops win now and then: what is told of an order would vary.
    "FAIRLEAD_TWO_HOP": "off",
}

DOCUMENTED_FORMS: tuple[dict[str, Any], ...] = (
    {
        "walletAddress": "6xKS8hCXqh5VCBKhNJ6YJJqzqGwKCyp8CYVDJqmz3Lez",
        "tokenIn": "So11111111111111111111111111111111111111112",
        "tokenOut": "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v",
        "amountIn": 1.5,
        "orderType": "market",
        "slippage": 1.0,
    },
    {"type": "market", "tokenIn": "SOL", "tokenOut": "USDC", "amount": "1.5", "slippage": "0.01"},
)
"""Requests written for the usual engines, word for word."""


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Process:
    """One `fairlead …` process. Its output goes to a file in `folder`."""

    def __init__(self, command: str, folder: Path, variables: Mapping[str, str]) -> None:
        self.command = command
        self.folder = folder
        own = {"FAIRLEAD_LOG_FORMAT": "json", "FAIRLEAD_DATA_DIR": str(folder / "data")}
        self.variables = {**own, **variables}
        self.log_path = folder / f"{command.replace(' ', '-')}-{free_port()}.log"
        self.started_at = 0.0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start it (again); does not wait."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("FAIRLEAD_")}
        # Without bytecode every start compiles all modules anew, which takes longer than they live.
        inherited.pop("PYTHONDONTWRITEBYTECODE", None)
        with self.log_path.open("ab") as log:
            self.started_at = time.monotonic()
            self._process = subprocess.Popen(
                [sys.executable, "-m", "fairlead.cli", *self.command.split()],
                cwd=self.folder,
                env={**inherited, **self.variables},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        return self

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(STOPPED_WITHIN_S)

    def stop(self) -> int:
        """SIGTERM; its exit code."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(STOPPED_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(STOPPED_WITHIN_S)
            raise AssertionError(f"{self.command} did not stop:\n{self.log()}") from None

    def wait(self) -> int:
        """Until it ends by itself; its exit code."""
        assert self._process is not None
        try:
            return self._process.wait(READY_WITHIN_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.command} goes on:\n{self.log()}") from None

    def log(self) -> str:
        """What it printed, the end of it."""
        return self.log_path.read_text(errors="replace")[-4_000:]


class Api(Process):
    """`serve` or `api`, with a client for it."""

    def __init__(self, command: str, folder: Path, variables: Mapping[str, str]) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        super().__init__(command, folder, {**variables, "PORT": str(self.port)})

    def wait_ready(self, within_s: float = READY_WITHIN_S) -> Self:
        """Until /ready answers 200."""
        deadline = time.monotonic() + within_s
        last = ""
        while time.monotonic() < deadline:
            assert self.running(), f"{self.command} ended:\n{self.log()}"
            with contextlib.suppress(httpx.TransportError):
                answer = httpx.get(f"{self.url}/ready", timeout=5)
                last = answer.text
                if answer.status_code == 200:
                    return self
            time.sleep(0.02)
        raise AssertionError(f"{self.command} is not ready: {last}\n{self.log()}")

    def client(self) -> httpx.AsyncClient:
        """A client with room for many requests at once."""
        limits = httpx.Limits(max_connections=64, max_keepalive_connections=64)
        return httpx.AsyncClient(base_url=self.url, timeout=60, limits=limits)


@contextlib.contextmanager
def running(*processes: Process) -> Iterator[None]:
    """Start them, and end those that still run; only these, by their own handles."""
    try:
        for process in processes:
            process.start()
        yield
    finally:
        for process in reversed(processes):
            if process.running():
                process.stop()


def market_order(number: int = 0, **given: Any) -> dict[str, Any]:
    """A canonical market order; the number varies its amount."""
    return {
        "type": "market",
        "tokenIn": "SOL",
        "tokenOut": "USDC",
        "amountIn": f"0.{100_000 + number}",
        **given,
    }


def problem(answer: httpx.Response) -> Any:
    """The problem document of a refusal."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return json.loads(answer.content)
