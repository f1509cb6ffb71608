"""What is printed while it runs, and the summary at its end."""

import json
import os
import statistics
import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import fairlead
from tests.torture import lent, numbers
from tests.torture.facts import Facts, Violation, statuses
from tests.torture.load import Load
from tests.torture.rig import Rig
from tests.torture.storm import Storm


def version() -> dict[str, object]:
    """What ran: the commit and whether anything was changed since, where that can be told."""
    source = Path(fairlead.__file__).parent

    def git(*words: str) -> str:
        command = ["git", "-C", str(source), *words]
        done = subprocess.run(command, capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else ""

    return {
        "commit": git("rev-parse", "--short", "HEAD") or os.environ.get("TORTURE_COMMIT", "?"),
        "changed": bool(git("status", "--porcelain", "--", str(source))),
    }


class Progress:
    """A line every few seconds."""

    def __init__(self, rig: Rig, storm: Storm, load: Load) -> None:
        self._rig, self._storm, self._load = rig, storm, load
        self._began = time.monotonic()
        self.loads: list[float] = []

    def line(self, phase: str, open_orders: int | None) -> str:
        """`open_orders` of the store, None where it did not answer."""
        self.loads.append(os.getloadavg()[0])
        storm, load = self._storm, self._load
        kills = " ".join(f"{name} {count}" for name, count in sorted(storm.kills.items()))
        worst = " ".join(
            f"{kind} {max(seconds):.2f}"
            for kind, seconds in sorted(storm.recoveries.alone_s.items())
        )
        open_now = "?" if open_orders is None else open_orders
        waiting = sum(not sent.is_answered for sent in load.sent.values())
        return (
            f"{time.monotonic() - self._began:5.0f} s {phase}: {storm.kills.total()} kills"
            f" ({kills}), {storm.others.total()} others | {load.accepted} accepted, {waiting} not"
            f" answered, {open_now} open | worst s: {worst or '-'}"
            f" | load {self.loads[-1]:.1f}"
        )


def summary(
    rig: Rig,
    storm: Storm,
    load: Load,
    facts: Facts,
    violations: Sequence[Violation],
    progress: Progress,
) -> dict[str, Any]:
    """Everything that is worth keeping, for JSON."""
    return {
        **version(),
        "kills": {
            "all": storm.kills.total(),
            "a_minute": round(60 * storm.kills.total() / max(1.0, storm.lasted_s), 1),
            **dict(sorted(storm.kills.items())),
        },
        "others": dict(sorted(storm.others.items())),
        "disk": rig.disk.kind,
        "ended_by_themselves": {n: p.gave_up for n, p in rig.parts.items() if p.gave_up},
        "orders": {
            "sent": len(load.sent),
            "accepted": load.accepted,
            "stored": len(facts.orders),
            **dict(sorted(statuses(facts).items())),
        },
        "answers": dict(sorted(load.answers.items())),
        "refused": _refused(load),
        **_in_books(facts),
        "recovery": storm.recoveries.figures(),
        "until_taken_over_ms": _takeovers(storm, facts),
        "machine": {
            "cores": os.cpu_count(),
            "load_mean": round(sum(progress.loads) / max(1, len(progress.loads)), 1),
            "load_worst": round(max(progress.loads, default=0.0), 1),
        },
        "violations": dict(Counter(violation.rule for violation in violations)),
    }


def _in_books(facts: Facts) -> dict[str, object]:
    landed = facts.ledger.by_signature.values()
    return {
        "events": len(facts.events),
        "attempts": len(facts.attempts),
        "final_swaps": sum(each.has_swap and each.error is None for each in landed),
        "final_failures": sum(each.error is not None for each in landed),
        "called_dead_though_failed": _failed_unseen(facts),
        "taken_over": sum(event.type == "taken_over" for event in facts.events),
        "dropped_by_forks": sum(event.type == "dropped" for event in facts.events),
        "exact_outputs_filled": _exact_filled(facts),
        "attempts_of_several_legs": sum(each.legs > 1 for each in facts.attempts),
        "failures": dict(sorted(numbers.failures(facts).items())),
        "rent": lent.figures(facts),
    }


def _exact_filled(facts: Facts) -> int:
    filled = [row for row in facts.orders.values() if row.status == "confirmed"]
    return sum(row.terms.get("exact_out_atoms") is not None for row in filled)


def _refused(load: Load) -> list[str]:
    """Some of the orders that were not taken, and why."""
    return [f"{sent.body}: {sent.told[-1][1]}" for sent in load.refused[:5]]


def _failed_unseen(facts: Facts) -> int:
    """Attempts proven not to have won, of which nobody learnt that they had landed and failed."""
    ledger = facts.ledger.by_signature
    return sum(each.state == "dead" and each.signature in ledger for each in facts.attempts)


def _takeovers(storm: Storm, facts: Facts) -> dict[str, int]:
    at_ms = [event.at_ms for event in facts.events if event.type == "taken_over"]
    found = storm.takeovers_ms(at_ms)
    if not found:
        return {"count": 0}
    return {"count": len(found), "median": int(statistics.median(found)), "worst": max(found)}


def told(violations: Sequence[Violation], limit: int = 40) -> str:
    """Each on a line."""
    lines = [f"VIOLATION  {v.rule}: {v.text}  {v.order_id}".rstrip() for v in violations[:limit]]
    if len(violations) > limit:
        lines.append(f"… and {len(violations) - limit} more")
    return "\n".join(lines)


def as_json(found: dict[str, Any]) -> str:
    return json.dumps(found, indent=1)
