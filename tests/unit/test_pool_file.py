"""The file of named pools: both forms, and what stops the start by line and entry."""

import pytest
from solders.pubkey import Pubkey

from fairlead.config.pool_file import read_pool_file
from fairlead.errors import ConfigError

ONE = "58oQChx4yWmvKdwLLZzBi4ChoCc2fqCUWBkwMihLYQo2"
TWO = "7JuwJuNU88gurFnyWeiyGKbFmExMWcmRZntn9imEzdny"


def read(folder, name: str, text: str) -> tuple[Pubkey, ...]:
    file = folder / name
    file.write_text(text, "utf-8")
    return read_pool_file(file)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", f'["{ONE}", "{TWO}"]'),
        ("a.json", f'{{"pools": [{{"address": "{ONE}", "note": "deep"}}, "{TWO}"]}}'),
        ("a.toml", f'pools = ["{ONE}", "{TWO}"]'),
        ("a.toml", f'[[pools]]\naddress = "{ONE}"\nnote = "deep"\n[[pools]]\naddress = "{TWO}"'),
    ],
)
def test_addresses_are_read_in_their_order(tmp_path, name, text):
    assert [ONE, TWO] == [str(key) for key in read(tmp_path, name, text)]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.json", f'[\n"{ONE}",\n]', "line 3, column 1"),
        ("a.toml", f'pools = [\n"{ONE}"\n"{TWO}"\n]', "line 3"),
        ("a.json", f'[\n"{ONE}",\n"abc"\n]', "line 3, entry 2: 'abc' is no address"),
        ("a.json", f'[\n"{ONE}",\n"{TWO}",\n"{ONE}"\n]', f"line 4, entry 3: {ONE} is entry 1"),
        ("a.json", f'["{ONE}", {{"note": "no address"}}]', "entry 2 has no address"),
        ("a.json", "[1]", "entry 1 has no address"),
        ("a.json", '{"pool": []}', "has no list named pools"),
        ("a.toml", 'pools = "x"', "expected a list"),
        ("a.yaml", "[]", "must end in .json or .toml"),
    ],
)
def test_what_is_wrong_is_named_by_its_place(tmp_path, name, text, told):
    with pytest.raises(ConfigError, match="FAIRLEAD_POOLS_FILE") as raised:
        read(tmp_path, name, text)
    assert told in str(raised.value)


def test_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        read_pool_file(tmp_path / "none.json")
