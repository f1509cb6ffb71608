"""The venues by themselves: nothing but the standard library and solders."""

import subprocess
import sys
from pathlib import Path

import pytest

VECTORS = Path(__file__).parents[2] / "vectors"
SOURCES = Path(__file__).parents[3] / "src"

ALONE = """
import sys

class Alone:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        # What solders itself needs comes with it.
        if top in ("fairlead", "solders", "jsonalias", "typing_extensions"):
            return None
        if top in sys.stdlib_module_names:
            return None
        raise ImportError(f"{name} is not there")

sys.meta_path.insert(0, Alone())
sys.path.insert(0, SOURCES)
from fairlead.venues.__main__ import main
from fairlead.venues.record import Record
status = main(["check", *FILES])
engine = ("venues", "amounts")
loaded = {n.split(".")[1] for n in sys.modules if n.startswith("fairlead.")}
assert loaded == set(engine), loaded
assert "msgspec" not in sys.modules
sys.exit(status)
"""


@pytest.mark.parametrize(
    "venue",
    [
        "raydium_amm_v4",
        "raydium_cpmm",
        "raydium_clmm",
        "meteora_damm_v1",
        "meteora_damm_v2",
        "meteora_dlmm",
    ],
)
def test_a_venue_agrees_with_its_program_where_only_solders_is_installed(venue: str):
    files = [str(file) for file in sorted(VECTORS.glob(f"{venue}_own0[0-3].json"))]
    assert files
    program = f"SOURCES, FILES = {str(SOURCES)!r}, {files!r}\n{ALONE}"
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120
    )
    assert 0 == ran.returncode, ran.stdout + ran.stderr
    assert "agree" in ran.stdout
