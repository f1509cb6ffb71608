"""`fairlead sim`: seeds lived through, progress while it goes on, and what came of it."""

import sys
import time
from collections.abc import Callable, Iterable, Sequence

from fairlead.cli.output import print_json
from fairlead.errors import FieldError, InvalidOrder
from fairlead.sim.faults import KINDS, BadFaults, parse_faults, spell_faults
from fairlead.sim.fleet import Failure, Sum, live_through
from fairlead.sim.planted import BUGS
from fairlead.sim.seeds import Plan

TELL_EVERY_S = 5.0
MOST_FAILURES_TOLD = 3
MOST_VIOLATIONS_TOLD = 5
COLUMNS = 3


def simulate(
    seeds: str, orders: int, faults: str, planted: str | None, cores: int | None, as_json: bool
) -> int:
    """Live through the seeds; 1 when something must never be and was."""
    plan = _plan(orders, faults, planted)
    chosen = _seeds(seeds)
    found = Sum()
    began_s = time.monotonic()
    told = _teller(found, len(chosen), began_s)
    for lived in live_through(chosen, plan, cores):
        known = len(found.failures)
        found.add(lived, plan)
        told(found.failures[known:])
    seconds = time.monotonic() - began_s
    found.failures.sort(key=lambda failure: failure.seed)
    if as_json:
        print_json(_as_json(found, plan, seconds))
    else:
        _print(found, plan, seconds)
    return int(found.is_wrong(plan))


def list_planted() -> int:
    """The names that `--planted` takes."""
    width = max(map(len, BUGS))
    for name, bug in BUGS.items():
        print(f"{name:<{width}}  {bug.about}")
    return 0


def list_faults() -> int:
    """The names that `--faults` takes."""
    width = max(map(len, KINDS))
    for name, kind in KINDS.items():
        rate = f"{kind.rate:g} per {kind.per}"
        needs = f" (not among all: needs {kind.lacks})" if kind.lacks else ""
        print(f"{name:<{width}}  {rate:<18}  {kind.about}{needs}")
    return 0


def _plan(orders: int, faults: str, planted: str | None) -> Plan:
    try:
        rates = parse_faults(faults)
    except BadFaults as error:
        raise InvalidOrder((FieldError("--faults", "invalid", str(error)),)) from None
    if planted is not None and planted not in BUGS:
        names = ", ".join(BUGS)
        raise InvalidOrder((FieldError("--planted", "invalid", f"must be one of: {names}"),))
    return Plan(orders, rates, planted)


def _seeds(text: str) -> range:
    """`7` or `1..100`, both ends included."""
    first, dots, last = text.partition("..")
    try:
        chosen = range(int(first), int(last if dots else first) + 1)
    except ValueError:
        chosen = range(0)
    if not chosen or chosen.start < 0:
        message = "must be a seed or a range of them: 7, 1..100"
        raise InvalidOrder((FieldError("--seeds", "invalid", message),))
    return chosen


# -- progress ----------------------------------------------------------------------------------


def _teller(found: Sum, seeds: int, began_s: float) -> Callable[[Sequence[Failure]], None]:
    """Tells on standard error what failed at once, and how far it is now and then."""
    to_terminal = sys.stderr.isatty()
    next_s = began_s + (0.0 if to_terminal else TELL_EVERY_S)

    def tell(failed: Sequence[Failure]) -> None:
        nonlocal next_s
        for failure in failed:
            print(f"FAILED  {failure.replay}", file=sys.stderr, flush=True)
        now_s = time.monotonic()
        if now_s < next_s and found.seeds < seeds:
            return
        next_s = now_s + (0.2 if to_terminal else TELL_EVERY_S)
        per_s = found.orders / max(now_s - began_s, 0.001)
        line = (
            f"{found.seeds}/{seeds} seeds  {found.orders:,} orders  {per_s:,.0f}/s"
            f"  {found.faults.total():,} faults  {len(found.failures)} failing"
        )
        end = "\r" if to_terminal and found.seeds < seeds else "\n"
        print(line, end=end, file=sys.stderr, flush=True)

    return tell


# -- the end -----------------------------------------------------------------------------------


def _print(found: Sum, plan: Plan, seconds: float) -> None:
    for failure in found.failures[:MOST_FAILURES_TOLD]:
        _print_failure(failure)
    for failure in found.failures[MOST_FAILURES_TOLD:]:
        print(f"and {failure.replay}")
    violations = sum(len(failure.violations) for failure in found.failures)
    per_order = found.faults.total() / max(found.orders, 1)
    print(f"orders      {found.orders:,} in {found.seeds:,} seeds ({_told(found.ended)})")
    print(f"violations  {violations}")
    print(f"faults      {found.faults.total():,}, {per_order:.1f} per order")
    print(
        f"time        {seconds:,.1f} s for {found.virtual_s / 3600:,.1f} virtual hours,"
        f" {found.orders / max(found.cpu_s, 0.001):,.0f} orders/s per core"
    )
    _print_counts("faults", ((name, found.faults[name]) for name in KINDS))
    _print_counts("crashes after", found.crash_points.most_common())
    never = found.never(plan)
    overdue = [name for name in never if found.is_overdue(name)]
    if overdue:
        print(f"\nERROR of the simulator: never happened: {', '.join(overdue)}")
    early = [name for name in never if name not in overdue]
    if early:
        print(f"\nnot yet happened in so few orders: {', '.join(early)}")


def _print_failure(failure: Failure) -> None:
    print(f"FAILED  {failure.replay}")
    for violation in failure.violations[:MOST_VIOLATIONS_TOLD]:
        print(f"  {violation.rule}: {violation.text} ({violation.order_id or 'no order'})")
    if len(failure.violations) > MOST_VIOLATIONS_TOLD:
        print(f"  … {len(failure.violations)} violations in all")
    print(failure.story)
    print()


def _print_counts(title: str, counts: Iterable[tuple[str, int]]) -> None:
    cells = [f"{name:<20}{count:>9,}" for name, count in counts if count]
    if not cells:
        return
    print(f"\n{title}")
    for start in range(0, len(cells), COLUMNS):
        print("  " + "    ".join(cells[start : start + COLUMNS]))


def _told(ended: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {status}" for status, count in sorted(ended.items()))


def _as_json(found: Sum, plan: Plan, seconds: float) -> dict[str, object]:
    return {
        "seeds": found.seeds,
        "orders": found.orders,
        "ended": dict(sorted(found.ended.items())),
        "violations": sum(len(failure.violations) for failure in found.failures),
        "failures": found.failures,
        "faultRates": spell_faults(plan.faults),
        "planted": plan.planted,
        "faults": {name: found.faults[name] for name in KINDS if found.faults[name]},
        "faultsPerOrder": round(found.faults.total() / max(found.orders, 1), 2),
        "crashPoints": dict(sorted(found.crash_points.items())),
        "never": found.never(plan),
        "seconds": round(seconds, 3),
        "virtualSeconds": round(found.virtual_s, 1),
        "overdue": [name for name in found.never(plan) if found.is_overdue(name)],
        "ordersPerSecondPerCore": round(found.orders / max(found.cpu_s, 0.001)),
    }
