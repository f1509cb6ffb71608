"""usage: python -m tests.torture [MINUTES] [--seed N]"""

import argparse
import asyncio
import random
import signal
import sys

import uvloop

from tests.torture import report
from tests.torture.run import Outcome, Wanted, torture

WHAT = "Breaks the whole engine while it works, then checks its books; 1 if something was violated."
MOST_MINUTES = 240.0
STOPPED = 130
"""Exit status after Ctrl-C or SIGTERM."""


def main() -> int:
    """0 when nothing was violated."""
    parser = argparse.ArgumentParser(prog="script/torture", description=WHAT)
    parser.add_argument("minutes", nargs="?", type=float, default=10.0, help="of the storm (10)")
    parser.add_argument("--seed", type=int, help="of the plan and of the orders")
    parser.add_argument("--rate", type=float, default=20.0, help="orders a second (20)")
    given = parser.parse_args()
    if not 0 < given.minutes <= MOST_MINUTES:
        parser.error(f"MINUTES: more than 0, at most {MOST_MINUTES:g}")
    seed = random.SystemRandom().randrange(2**32) if given.seed is None else given.seed
    wanted = Wanted(given.minutes, seed, given.rate)
    _say(f"seed {seed}, {given.minutes:g} minutes, {report.version()}")
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            outcome = runner.run(_run(wanted))
    except (KeyboardInterrupt, asyncio.CancelledError):
        _say("stopped before its end; everything it started has ended")
        return STOPPED
    for story in outcome.stories:
        print(f"\n{story}", flush=True)
    if outcome.violations:
        print(f"\n{report.told(outcome.violations)}\nseed {seed}", flush=True)
    print(report.as_json(outcome.summary), flush=True)
    return 1 if outcome.violations else 0


async def _run(wanted: Wanted) -> Outcome:
    # As at Ctrl-C: everything that was started is ended.
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await torture(wanted, _say)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
