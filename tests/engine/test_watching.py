"""Workers and nodes tell how they are: /health, /ready and /metrics beside their work."""

import contextlib
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.engine.processes import FAST, Process, free_port, running
from tests.servers import Server

WITHIN_S = 30.0
WELL = {"store": "ok", "bus": "ok", "chain": "ok", "lease": "ok"}


class Watched(Process):
    """A process with a port of its own to be watched at."""

    def __init__(self, command: str, folder: Path, variables: dict[str, str]) -> None:
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        super().__init__(command, folder, {**variables, "FAIRLEAD_METRICS_PORT": str(port)})

    def get(self, path: str, **headers: str) -> httpx.Response:
        return httpx.get(f"{self.url}{path}", headers=headers, timeout=10)

    def until_ready_says(self, expected: dict[str, Any], status: int) -> dict[str, str]:
        """All checks, once /ready has this status and at least these checks."""
        deadline = time.monotonic() + WITHIN_S
        told: Any = None
        while time.monotonic() < deadline and self.running():
            with contextlib.suppress(httpx.TransportError):
                answer = self.get("/ready")
                told = answer.json()
                checks: dict[str, str] = told["checks"]
                if answer.status_code == status and expected.items() <= checks.items():
                    return checks
            time.sleep(0.05)
        raise AssertionError(f"{self.command} says {told}\n{self.log()}")

    def until_healthy(self) -> None:
        """Once /health answers: it asks for no token."""
        deadline = time.monotonic() + WITHIN_S
        while time.monotonic() < deadline and self.running():
            with contextlib.suppress(httpx.TransportError):
                if self.get("/health").status_code == 200:
                    return
            time.sleep(0.05)
        raise AssertionError(self.log())


def engine(folder: Path, database_url: str, **more: str) -> tuple[Watched, Watched]:
    variables = {
        **FAST,
        "DATABASE_URL": database_url,
        "FAIRLEAD_NODE_PORT": str(free_port()),
        "FAIRLEAD_LEASE_MS": "1000",
        "FAIRLEAD_HEARTBEAT_MS": "200",
        **more,
    }
    return Watched("node", folder, variables), Watched("worker", folder, variables)


def test_a_worker_is_ready_while_store_bus_chain_and_lease_are(
    tmp_path: Path, own_postgres: Server
) -> None:
    node, worker = engine(tmp_path, own_postgres.url)
    with running(node, worker):
        assert {"chain": "ok"} == node.until_ready_says({"chain": "ok"}, 200)
        assert WELL == worker.until_ready_says(WELL, 200)
        assert "ok" == worker.get("/health").json()["status"]
        metrics = worker.get("/metrics")
        assert metrics.headers["content-type"].startswith("text/plain; version=")
        assert "fairlead_workers_alive 1.0" in metrics.text
        assert 'chain="paper",store="postgresql"' in metrics.text
        assert "process_resident_memory_bytes" in node.get("/metrics").text
        assert 404 == worker.get("/api/orders").status_code
        assert 401 == worker.get("/ready", Host="evil.example").status_code

        node.kill()
        checks = worker.until_ready_says({"store": "ok", "bus": "ok", "lease": "ok"}, 503)
        assert checks["chain"].startswith("does not answer")
        node.start()
        worker.until_ready_says(WELL, 200)

        own_postgres.kill()
        deadline = time.monotonic() + WITHIN_S
        while not (told := worker.until_ready_says({"chain": "ok"}, 503))["lease"].startswith(
            "ran out"
        ):
            assert time.monotonic() < deadline, told
        assert "ok" != told["store"]
        assert "ok" != told["bus"]
        assert 200 == worker.get("/health").status_code
        assert 200 == worker.get("/metrics").status_code
        own_postgres.restart()
        worker.until_ready_says(WELL, 200)
        assert (0, 0) == (worker.stop(), node.stop())


def test_who_has_no_token_learns_nothing(tmp_path: Path) -> None:
    token = "only-for-this-test"
    node, _ = engine(tmp_path, "postgresql://localhost/none", FAIRLEAD_API_TOKEN=token)
    with running(node):
        node.until_healthy()
        for path in ("/ready", "/metrics"):
            assert 401 == node.get(path).status_code
            assert 401 == node.get(path, Authorization="Bearer guess").status_code
            assert 200 == node.get(path, Authorization=f"Bearer {token}").status_code


@pytest.mark.parametrize("variable", ["FAIRLEAD_METRICS_PORT", "FAIRLEAD_NODE_PORT"])
def test_a_taken_port_is_named(variable: str, tmp_path: Path) -> None:
    node, _ = engine(tmp_path, "postgresql://localhost/none")
    taken = node.variables[variable]
    (tmp_path / "other").mkdir()
    own = {"FAIRLEAD_NODE_PORT": "0", "FAIRLEAD_METRICS_PORT": "0", variable: taken}
    other = Process("node", tmp_path / "other", own)
    with running(node):
        node.until_healthy()
        with running(other):
            assert 6 == other.wait()
    expected = f"fairlead: {variable}: 127.0.0.1:{taken} cannot be listened on (Address already"
    assert other.log().splitlines()[-1].startswith(expected)
