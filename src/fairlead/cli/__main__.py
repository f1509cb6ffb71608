"""`python -m fairlead.cli` is `fairlead`."""

from fairlead.cli import main

main()
