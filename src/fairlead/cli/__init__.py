"""The command line: `fairlead …`. Exit codes are in `outcomes`."""

import sys


def main() -> None:
    """The console script."""
    arguments = sys.argv[1:]
    if arguments in (["version"], ["--version"]):
        # The one command that scripts ask in a loop starts without the libraries of the others.
        from fairlead import __version__

        print(f"fairlead {__version__}")
        return
    from fairlead.cli.app import app

    app(prog_name="fairlead")
