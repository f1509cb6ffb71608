"""The pages made from code say what the code says."""

from pathlib import Path

from fairlead.config import load_settings
from fairlead.config.docs import configuration_page, environment_example
from fairlead.config.table import SETTINGS

ROOT = Path(__file__).parents[2]


def test_the_configuration_page_is_the_table() -> None:
    # script/generate-docs writes it.
    assert configuration_page() == (ROOT / "docs" / "configuration.md").read_text("utf-8")


def test_the_example_environment_is_the_table() -> None:
    assert environment_example() == (ROOT / ".env.example").read_text("utf-8")


def test_the_example_environment_uncommented_changes_nothing() -> None:
    lines = environment_example().splitlines()
    assignments = [line[1:] for line in lines if line.startswith("#") and line[1:2] != " "]
    assert len(SETTINGS) == len(assignments)
    variables = dict(line.split("=", 1) for line in assignments)
    home = {"HOME": "/home-of-nobody"}
    assert load_settings(home) == load_settings({**variables, **home})
