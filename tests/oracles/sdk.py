"""Asks the official SDKs, in Node.js, what they quote for states given as bytes."""

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from solders.pubkey import Pubkey

from fairlead.venues.venue import Account, ChainTime

HERE = Path(__file__).parent
WITHIN_S = 60


class Case(msgspec.Struct):
    """One question."""

    venue: str
    pool: Pubkey
    accounts: dict[Pubkey, Account]
    time: ChainTime
    # exact_in, exact_out or partial.
    kind: str
    input_mint: Pubkey
    amount: int
    sqrt_price_limit_x64: int = 0
    # Of a CLMM walk, the nearest first.
    arrays: tuple[Pubkey, ...] = ()


class Answer(msgspec.Struct):
    """What the question did not name, atoms; or why there is no answer."""

    atoms: int | None
    error: str = ""


def node() -> list[str]:
    """How the SDKs are asked. Without them this is skipped, and says so; never in CI."""
    found = shutil.which("node")
    if found is not None and (HERE / "node_modules" / "@raydium-io").exists():
        return [found, str(HERE / "quotes.cjs")]
    told = "no official SDKs: script/test installs tests/oracles/package-lock.json where npm can"
    if os.environ.get("CI"):
        pytest.fail(told)
    pytest.skip(told)


def ask(cases: Sequence[Case]) -> list[Answer]:
    """Their answers, in order, from one process."""
    command = node()
    accounts: dict[Account, int] = {}
    states: dict[tuple[tuple[Pubkey, int], ...], int] = {}
    asked = []
    for case in cases:
        named = tuple(
            (address, accounts.setdefault(account, len(accounts)))
            for address, account in case.accounts.items()
        )
        asked.append(
            {
                "venue": case.venue,
                "pool": str(case.pool),
                "state": states.setdefault(named, len(states)),
                "slot": case.time.slot,
                "time": case.time.unix_timestamp,
                "epoch": case.time.epoch,
                "kind": case.kind,
                "input": str(case.input_mint),
                "amount": str(case.amount),
                "limit": str(case.sqrt_price_limit_x64),
                "arrays": [str(address) for address in case.arrays],
            }
        )
    question = {
        "accounts": [
            [str(a.owner), a.lamports, base64.b64encode(a.data).decode()] for a in accounts
        ],
        "states": [{str(address): place for address, place in state} for state in states],
        "cases": asked,
    }
    done = subprocess.run(
        command,
        input=json.dumps(question).encode(),
        capture_output=True,
        timeout=WITHIN_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return [_answer(found) for found in json.loads(done.stdout)]


def _answer(found: Any) -> Answer:
    if isinstance(found, dict):
        return Answer(None, found["error"])
    return Answer(int(found[-1]))
