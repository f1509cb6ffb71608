"""`python -m fairlead.venues check FILE…`: exit 0 if every recorded swap agrees, else 1."""

import sys
from pathlib import Path

from fairlead.venues.check import COMMANDS, check_files

USAGE = "usage: python -m fairlead.venues check FILE…\n"


def main(arguments: list[str]) -> int:
    """Runs the check on these arguments and returns the exit code; 2 for a wrong command line."""
    if len(arguments) < 2 or arguments[0] not in COMMANDS:
        sys.stderr.write(USAGE)
        return 2
    try:
        differing, lines = check_files(Path(name) for name in arguments[1:])
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
