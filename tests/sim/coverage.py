"""Which lines and branches of the engine the simulator alone reaches, and why not the others.

    python -m tests.sim.coverage [--seeds 1..60] [--orders 120] [--faults all,restore=4,backup=10]

Prints, for each file looked at, the share of its lines and of its branches (both ways out of every
`if`, `while` and `for`) that were lived through; then each line never reached and each branch gone
one way only, with the reason that never_reached.toml gives. Exit status 1 if one has none, if the
list names what is not there, or if a seed fails.
"""

import argparse
import sys
from itertools import groupby
from pathlib import Path

from fairlead.sim.faults import parse_faults
from fairlead.sim.seeds import Plan, live
from tests.sim.missed import Kind, Missed, Reach, reach_of
from tests.sim.places import Source, read_source
from tests.sim.reasons import SOURCE, Held, LeftOut, Named, Reasons, hold, read_reasons
from tests.sim.tracing import Traced

LOOKED_AT = ("orders", "solana/landing.py", "store", "workers")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", default="1..60")
    parser.add_argument("--orders", type=int, default=120)
    parser.add_argument("--faults", default="all,restore=4,backup=10")
    asked = parser.parse_args()
    first, _, last = asked.seeds.partition("..")
    plan = Plan(asked.orders, parse_faults(asked.faults))
    # As they are now: what somebody changes meanwhile is not what is running.
    reasons = read_reasons()
    held, sources = hold(reasons), _sources(reasons)
    traced = Traced(sources)
    failed = 0
    for seed in range(int(first), int(last or first) + 1):
        with traced.tracing():
            lived = live(seed, plan)
        if lived.violations:
            failed += 1
            print(f"seed {seed}: {lived.violations[0]}")
    reached = {
        file: reach_of(source, traced.lines[str(file)], traced.steps[str(file)])
        for file, source in sources.items()
    }
    for file, reach in reached.items():
        print(f"{_shares(reach)}  {file.relative_to(SOURCE)}")
        _print_missed(_name(file), sources[file], reach, held)
    _print_parts(reached)
    for out in reasons.left_out:
        _print_left_out(out)
    return _verdict(reached, held) or int(bool(failed))


def _sources(reasons: Reasons) -> dict[Path, Source]:
    paths = [SOURCE / part for part in LOOKED_AT]
    files = sorted(f for p in paths for f in (p.rglob("*.py") if p.is_dir() else (p,)))
    out = {file for each in reasons.left_out for file in SOURCE.glob(each.files)}
    looked_at = [file for file in files if file not in out and file.name != "__init__.py"]
    return {file: read_source(file) for file in looked_at}


def _name(file: Path) -> str:
    return file.relative_to(SOURCE).as_posix()


def _shares(reach: Reach) -> str:
    lines = 100 * (1 - len(reach.never) / max(reach.lines, 1))
    ways = 100 * (1 - reach.ways_missed / max(reach.ways, 1))
    return f"{lines:5.1f} % {ways:5.1f} %"


def _print_missed(file: str, source: Source, reach: Reach, held: Held) -> None:
    whole: list[range] = []
    told: list[tuple[str, str, Missed]] = []
    for missed in reach.missed:
        function = source.function_of(missed.line)
        reason = _reason(file, missed, held)
        if missed.line in reach.never and source.own_lines(function) <= set(reach.never):
            if function.lines not in whole:
                whole.append(function.lines)
                told.append((f"{function.name} (all of it)", reason, Missed(0, Kind.NEVER)))
            continue
        told.append((function.name, reason, missed))
    for (name, reason), places in groupby(told, key=lambda each: each[:2]):
        print(f"      {name}")
        for _, _, missed in places:
            if missed.line:
                print(f"        {missed.kind.value:6}  {source.rows[missed.line - 1].strip()}")
        print(f"          – {reason}")


def _explaining(file: str, missed: Missed, held: Held) -> list[Named]:
    return [named for named in held.named if named.file == file and named.explains(missed)]


def _reason(file: str, missed: Missed, held: Held) -> str:
    found = _explaining(file, missed, held)
    if not found:
        return "UNEXPLAINED"
    reason = found[0].reason
    return f"{reason.why} ({', '.join(reason.tests) or 'NO TEST'})"


def _print_parts(reached: dict[Path, Reach]) -> None:
    print()
    for part in (*LOOKED_AT, ""):
        reaches = [reach for file, reach in reached.items() if _name(file).startswith(part)]
        lines, never = sum(r.lines for r in reaches), sum(len(r.never) for r in reaches)
        ways, missed = sum(r.ways for r in reaches), sum(r.ways_missed for r in reaches)
        print(
            f"{part or 'in all':18} lines {lines - never:,} of {lines:,}"
            f" ({100 * (1 - never / lines):.1f} %), branches {ways - missed:,} of {ways:,}"
            f" ({100 * (1 - missed / ways):.1f} %)"
        )


def _print_left_out(out: LeftOut) -> None:
    files = sorted(SOURCE.glob(out.files))
    lines = sum(len(read_source(file).lines) for file in files)
    print(f"left out: {out.files}, {len(files)} files of {lines:,} lines – {out.why}", end="")
    print(f" ({', '.join(out.tests)})")


def _verdict(reached: dict[Path, Reach], held: Held) -> int:
    """Prints what is wrong with the list. Returns the exit status."""
    missed = [(_name(file), each) for file, reach in reached.items() for each in reach.missed]
    explaining = [_explaining(file, each, held) for file, each in missed]
    used = {id(named) for found in explaining for named in found}
    for named in held.named:
        if id(named) not in used:
            print(f"reached this time: {named.file}: {named.entry}")
    for text in held.wrong:
        print(f"wrong in the list: {text}")
    unexplained = sum(not found for found in explaining)
    untested = sum(bool(found) and not found[0].reason.tests for found in explaining)
    print(f"never reached: {len(missed)}, held by no test: {untested}, unexplained: {unexplained}")
    return int(bool(unexplained or held.wrong))


if __name__ == "__main__":
    sys.exit(main())
