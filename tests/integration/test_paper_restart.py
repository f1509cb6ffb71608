"""A paper chain whose process is killed: what was reported final is there after the restart."""

import subprocess
import sys
from pathlib import Path

import pytest
from solders.pubkey import Pubkey

from fairlead.chain.paper import open_paper_chain
from fairlead.clock import SystemClock
from fairlead.errors import ConfigError
from tests.contract.chain.worlds import PARAMS, paper_world, signature_of

ROOT = Path(__file__).parents[2]
LINES_BEFORE_KILL = (3, 40, 11, 60)


def killed_host(folder: Path, life: int, lines: int) -> list[list[str]]:
    """What a host said until it was killed, whatever it did after so many lines."""
    command = [sys.executable, "-m", "tests.integration.paper_host", str(folder), str(life)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as host:
        assert host.stdout is not None
        said = [host.stdout.readline().split() for _ in range(lines)]
        host.kill()
        said += [line.split() for line in host.stdout if line.endswith("\n")]
    return [line for line in said if line]


async def test_what_was_final_before_kill_9_is_final_after_it(tmp_path):
    facts: list[list[str]] = []
    for life, lines in enumerate(LINES_BEFORE_KILL):
        facts += killed_host(tmp_path, life, lines)
        assert len(facts) >= lines
        chain = open_paper_chain(SystemClock(), folder=tmp_path)
        try:
            root = (await chain.epoch_info()).slot
            for kind, value in facts:
                if kind == "transaction":
                    found = (await chain.signature_statuses([value], search_history=True))[0]
                    assert found is not None, f"{value} was final and is gone"
                    assert (found.error, found.commitment) == (None, "finalized")
                elif kind == "slot":
                    assert int(value) <= root
                else:
                    read = await chain.accounts([Pubkey.from_string(value)], "finalized")
                    assert len(read.accounts) == 1
        finally:
            await chain.stop()


async def test_what_was_only_confirmed_may_be_lost_and_its_bytes_can_be_sent_again(tmp_path):
    async with paper_world(folder=tmp_path) as world:
        world.tick(PARAMS.finality_depth + 1)
        await world.faucet.fund(world.payer)
        raw = await world.cancel(1)
        world.tick(PARAMS.finality_depth + 1)
        await world.chain.send(raw)
        world.tick(PARAMS.confirmed_depth)
    async with paper_world(folder=tmp_path) as world:
        assert (None,) == await world.chain.signature_statuses([signature_of(raw)])
        assert (await world.chain.send(raw)).accepted
        world.tick(PARAMS.finality_depth)
        status = (await world.chain.signature_statuses([signature_of(raw)]))[0]
        assert status is not None
        assert status.commitment == "finalized"


async def test_second_process_is_told_that_the_folder_is_in_use(tmp_path):
    async with paper_world(folder=tmp_path):
        with pytest.raises(ConfigError, match="open in another process"):
            open_paper_chain(SystemClock(), folder=tmp_path)


async def test_journal_begins_anew_when_it_has_grown(tmp_path, monkeypatch):
    monkeypatch.setattr("fairlead.chain.paper_journal.MAX_FILE_BYTES", 100_000)
    async with paper_world(folder=tmp_path) as world:
        await world.faucet.fund(world.payer)
        for number in range(60):
            await world.chain.send(await world.cancel(number))
            world.tick()
        await world.chain.ping()
        root = await world.chain.epoch_info()
    (file,) = tmp_path.glob("paper-*")
    assert int(file.stem.rpartition("-")[2]) > 2
    async with paper_world(folder=tmp_path) as world:
        assert root == await world.chain.epoch_info()
        listed = await world.chain.signatures_for_address(world.payer)
        assert 60 - PARAMS.finality_depth <= len(listed)


async def test_nothing_is_final_that_cannot_be_written(tmp_path, monkeypatch):
    async with paper_world(folder=tmp_path) as world:
        world.tick(PARAMS.finality_depth + 1)
        await world.chain.ping()

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("os.fdatasync", full)
        world.tick()
        with pytest.raises(Exception, match="No space left on device"):
            await world.chain.epoch_info("finalized")
        await world.chain.epoch_info("confirmed")
