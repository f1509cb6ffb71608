"""The examples of the README and of the first steps do what the pages say, typed as they stand
there."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.commands import shell_blocks
from tests.engine.processes import FAST, Api, free_port, running

ROOT = Path(__file__).parents[2]
PORT_OF_THE_PAGES = "3000"
EXAMPLE_WITHIN_S = 90.0
# Started by the test itself.
_STARTS = ("script/server", "script/test")

pytestmark = pytest.mark.serial


def examples(page: str) -> list[str]:
    """Shell blocks that talk to a running engine."""
    blocks = shell_blocks((ROOT / page).read_text("utf-8"))
    return [
        block
        for block in blocks
        if not block.startswith(_STARTS) and "DATABASE_URL=" not in block and "<id>" not in block
    ]


def typed(block: str, port: int, home: Path, **variables: str) -> str:
    """What a block prints when a person with this home types it."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("FAIRLEAD_")}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.replace(PORT_OF_THE_PAGES, str(port))],
        cwd=ROOT,
        env={
            **inherited,
            "HOME": str(home),
            "PORT": str(port),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            **variables,
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=EXAMPLE_WITHIN_S,
    )
    assert 0 == done.returncode, f"{block}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    api = Api("serve", tmp_path_factory.mktemp("serve"), FAST)
    with running(api):
        yield api.wait_ready()


@pytest.mark.parametrize("page", ["README.md", "docs/first-order.md"])
def test_every_shell_example_works_as_pasted(page: str, serve: Api, tmp_path: Path) -> None:
    blocks = examples(page)
    assert blocks
    for block in blocks:
        printed = typed(block, serve.port, tmp_path)
        for accepted in re.findall(r"\{\"success\".*?\}\}", printed):
            answer = json.loads(accepted)
            assert (True, "pending") == (answer["success"], answer["status"])
        assert block.count("/api/orders/execute") == printed.count('"success":true')


def test_the_python_example_prints_an_order_that_was_filled(serve: Api, tmp_path: Path) -> None:
    page = (ROOT / "docs/first-order.md").read_text("utf-8")
    (program,) = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    file = tmp_path / "first.py"
    file.write_text(program.replace(PORT_OF_THE_PAGES, str(serve.port)))
    printed = typed(f"python {file}", serve.port, tmp_path).splitlines()
    assert "1 pending" == printed[0].strip()
    assert re.fullmatch(r"[\d.]+ at [\d.]+", printed[-1])


def test_several_processes_are_started_as_the_readme_says(
    postgres_url: str, redis_url: str, tmp_path: Path
) -> None:
    (block,) = (
        block
        for block in shell_blocks((ROOT / "README.md").read_text("utf-8"))
        if "DATABASE_URL=" in block
    )
    block = re.sub(r"DATABASE_URL=\S+", f"DATABASE_URL={postgres_url}", block)
    block = re.sub(r"REDIS_URL=\S+", f"REDIS_URL={redis_url}", block)
    port = free_port()
    # The pages' shell stays open; this one ends what it started.
    script = f"""trap 'kill $(jobs -p); wait' EXIT
{block}
for _ in $(seq 150); do curl -sf http://127.0.0.1:3000/ready >/dev/null && break; sleep 0.2; done
fairlead order submit SOL USDC 1.5 --watch --json | tail -n 1
"""
    printed = typed(
        script,
        port,
        tmp_path,
        **FAST,
        FAIRLEAD_NODE_PORT=str(free_port()),
        FAIRLEAD_DATA_DIR=str(tmp_path / "data"),
    )
    last = json.loads(printed.strip().splitlines()[-1])
    assert ("finalized", "confirmed") == (last["event"], last["status"])
