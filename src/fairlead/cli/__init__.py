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
    if arguments[:1] in (["serve"], ["api"], ["worker"], ["node"]):
        from fairlead.cli import plain

        plainly = plain.read(arguments)
        if plainly is not None:
            from fairlead.cli.outcomes import perform
            from fairlead.cli.servers import start

            process, over, as_json = plainly
            perform(lambda: start(process, over, as_json), as_json)
    from fairlead.cli.app import app

    app(prog_name="fairlead")
