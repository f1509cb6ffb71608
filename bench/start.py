"""How long `fairlead serve` takes from its process's start to /ready and to the first 202.

On the embedded store. `cold` is the first start: no data folder and no compiled modules; `warm` is
each one after it. `cpu_s` is what it used until then: the rest of the time it waited for others.
"""

import argparse
import contextlib
import json
import shutil
import socket
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.engine import HOST, Process, fairlead, free_port, get, machine, print_figures

TIMEOUT_S = 60.0
POLL_S = 0.005
ORDER = {"tokenIn": "SOL", "tokenOut": "USDC", "amountIn": "1.5"}


def start(folder: Path) -> dict[str, float]:
    """Start it once on this folder, send it an order, stop it."""
    port = free_port()
    variables = {
        "FAIRLEAD_DATA_DIR": str(folder / "data"),
        "PYTHONPYCACHEPREFIX": str(folder / "compiled"),
        # Empty: modules are compiled once, as after any installation.
        "PYTHONDONTWRITEBYTECODE": "",
        "PORT": str(port),
    }
    began = time.perf_counter()
    with Process(fairlead("serve"), variables, folder) as process:
        until(process, lambda: get(port, "/ready"), b"HTTP/1.1 200")
        ready_s = time.perf_counter() - began
        until(process, lambda: post_order(port), b"HTTP/1.1 202")
        accepted_s = time.perf_counter() - began
        cpu_s = process.cpu_s()
    figures = {"ready_s": ready_s, "first_202_s": accepted_s}
    if cpu_s is not None:
        figures["cpu_s"] = cpu_s
    return {name: round(value, 3) for name, value in figures.items()}


def until(process: Process, ask: Callable[[], bytes], wanted: bytes) -> None:
    """Ask until the answer begins so."""
    deadline = time.monotonic() + TIMEOUT_S
    answer = b""
    while not answer.startswith(wanted):
        if process.has_ended or time.monotonic() > deadline:
            raise RuntimeError(f"{answer[-2_000:]!r}\n{process.log()}")
        time.sleep(POLL_S)
        with contextlib.suppress(OSError):
            answer = ask()


def post_order(port: int) -> bytes:
    """The beginning of the answer to an order."""
    body = json.dumps(ORDER)
    head = (
        f"POST /api/orders/execute HTTP/1.1\r\nHost: {HOST}:{port}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((HOST, port), timeout=10) as connection:
        connection.sendall((head + body).encode())
        return connection.recv(65_536)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--starts", type=int, default=5, help="warm ones; the median is told")
    asked = arguments.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="fairlead-bench-"))
    try:
        cold = start(folder)
        warm = [start(folder) for _ in range(asked.starts)]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    median = {name: round(statistics.median(one[name] for one in warm), 3) for name in warm[0]}
    print_figures(
        {
            "what": "fairlead serve, from process start to ready and to the first order accepted",
            "cold": cold,
            "warm": median,
            "warm_first_202_s": [one["first_202_s"] for one in warm],
            "machine": machine(),
        }
    )


if __name__ == "__main__":
    main()
