"""`fairlead demo`, run as a person would, on a quicker paper chain."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.engine.ledger import landed_swaps
from tests.engine.processes import FAST, Api, running

# The shape of a realistic day, at a quarter of its time: quotes and blocks take their while.
QUICK = {
    "FAIRLEAD_PAPER_SLOT_MS": "100",
    "FAIRLEAD_PAPER_FINALITY_DEPTH": "16",
    "FAIRLEAD_PAPER_QUOTE_LATENCY_MS": "50",
    "FAIRLEAD_PAPER_LAND_MIN_MS": "500",
    "FAIRLEAD_PAPER_LAND_MAX_MS": "750",
}
WITHIN_S = 75.0


def started(folder: Path, *arguments: str, **variables: str) -> "subprocess.Popen[str]":
    """`fairlead demo` in this folder, which is also where it makes its temporary ones."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("FAIRLEAD_")}
    inherited.pop("PYTHONDONTWRITEBYTECODE", None)
    return subprocess.Popen(
        [sys.executable, "-m", "fairlead.cli", "demo", *arguments],
        cwd=folder,
        env={**inherited, **QUICK, "TMPDIR": str(folder), **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(demo: "subprocess.Popen[str]") -> tuple[int, str, str]:
    out, err = demo.communicate(timeout=WITHIN_S)
    return demo.returncode, out, err


def demo_folders(folder: Path) -> list[Path]:
    return list(folder.glob("fairlead-demo-*"))


def check_orders(orders: list[dict[str, Any]]) -> None:
    """All bought, each at the better venue, the limit order at its limit or better."""
    assert 5 == len(orders)
    for order in orders:
        assert "confirmed" == order["status"], order
        assert order["txSignature"]
        assert order["venue"] != order["otherVenue"]
        assert order["betterByBps"] > 0
        assert 0 < order["confirmedSeconds"] < 30
    assert 5 == len({order["txSignature"] for order in orders})
    (limit,) = [order for order in orders if order["type"] == "limit"]
    assert float(limit["executedPrice"]) >= float(limit["limitPrice"])
    assert limit["restedSeconds"] > 0


def test_five_orders_are_made_exactly_once_by_an_engine_of_its_own(tmp_path: Path) -> None:
    began = time.monotonic()
    code, out, err = ended(started(tmp_path, "--json"))
    assert 0 == code, (out, err)
    told = json.loads(out)
    check_orders(told["orders"])
    # Counted in the blocks of its own chain, on which nobody else trades.
    assert (5, 5, 0, "chain") == (
        told["confirmed"],
        told["successfulSwaps"],
        told["doubleExecutions"],
        told["countedBy"],
    )
    assert told["seconds"] <= time.monotonic() - began < 60
    assert [] == demo_folders(tmp_path)


def test_without_a_terminal_it_tells_each_step_in_a_line(tmp_path: Path) -> None:
    """On the engine that runs already, whose own chain says the same."""
    quick = {**FAST, "FAIRLEAD_PAPER_SEED": "42425", "FAIRLEAD_PAPER_SLOT_MS": "100"}
    api = Api("serve", tmp_path, quick)
    with running(api):
        api.wait_ready()
        code, out, err = ended(started(tmp_path, "--url", api.url))
    assert 0 == code, (out, err)
    lines = out.splitlines()
    assert api.url in lines[0]
    for status in ("pending", "open", "routing", "building", "submitted", "confirmed"):
        assert any(f"  {status}" in line for line in lines), status
    assert any(" bps" in line and "building" in line for line in lines)
    assert "5 of 5 confirmed, 5 swaps succeeded (counted by the engine)" in out
    assert "double executions: 0" in out
    assert 5 == sum(error is None for _, error in landed_swaps(tmp_path))


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_when_it_is_told_to_end_its_engine_ends_with_it(
    tmp_path: Path, how: signal.Signals
) -> None:
    demo = started(tmp_path, FAIRLEAD_PAPER_LAND_MIN_MS="60000", FAIRLEAD_PAPER_LAND_MAX_MS="60000")
    assert demo.stdout is not None
    url = demo.stdout.readline().split()[-1]
    assert 200 == httpx.get(f"{url}/health").status_code
    demo.send_signal(how)
    code, _, err = ended(demo)
    assert 130 == code, err
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/health")
    assert [] == demo_folders(tmp_path)


def test_an_engine_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    code, out, err = ended(started(tmp_path, "--url", "http://127.0.0.1:9"))
    assert (4, "") == (code, out)
    assert "http://127.0.0.1:9" in err
