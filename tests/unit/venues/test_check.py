import json
from pathlib import Path

import pytest

from fairlead.venues.__main__ import main
from fairlead.venues.vectors import FORMAT, parse

RECORDED = Path(__file__).parents[2] / "vectors" / "raydium_cpmm_own00.json"


def changed(tmp_path, change) -> str:
    file = json.loads(RECORDED.read_text())
    change(file)
    path = tmp_path / "changed.json"
    path.write_text(json.dumps(file))
    return str(path)


def executed(file) -> dict:
    return next(v for v in file["vectors"] if "error" not in v["result"])


def test_agreement_is_counted_per_venue(capsys):
    assert 0 == main(["check", str(RECORDED)])
    count = len(parse(RECORDED.read_bytes()))
    assert f"raydium_cpmm: {count} of {count} agree\n" == capsys.readouterr().out


def test_wrong_amount_is_shown_and_fails(tmp_path, capsys):
    def one_atom_more(file):
        executed(file)["result"]["amount_out"] += 1

    assert 1 == main(["check", changed(tmp_path, one_atom_more)])
    assert "we say" in capsys.readouterr().out


def test_refusal_that_we_do_not_share_fails(tmp_path, capsys):
    def refused(file):
        executed(file)["result"] = {"error": {"code": 6005, "name": "X", "failed_program": None}}

    assert 1 == main(["check", changed(tmp_path, refused)])
    assert "recorded: X (6005)" in capsys.readouterr().out


def test_other_instruction_bytes_fail(tmp_path, capsys):
    def other_meta(file):
        executed(file)["ix"]["accounts"][0]["is_writable"] = True

    assert 1 == main(["check", changed(tmp_path, other_meta)])
    assert "another instruction" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["check"], ["record", "x"], ["check", "nowhere.json"]])
def test_wrong_command_line_exits_with_two(arguments):
    assert 2 == main(arguments)


def test_file_of_another_format_is_refused(tmp_path):
    assert 2 == main(["check", changed(tmp_path, lambda file: file.update(format="x"))])
    assert "swap-vectors/1" == FORMAT
