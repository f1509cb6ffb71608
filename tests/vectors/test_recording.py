"""Records anew where the compiled programs are at hand, and holds the pools' bytes against ours."""

import os
import random
from pathlib import Path

import pytest

from fairlead.venues import check
from fairlead.venues.vectors import parse
from tests.vectors import replay

FOLDER = os.environ.get("FAIRLEAD_PROGRAMS_DIR")


@pytest.mark.skipif(FOLDER is None, reason="no compiled programs: FAIRLEAD_PROGRAMS_DIR not set")
def test_a_fresh_recording_agrees():
    # The recorder drives LiteSVM, so it is imported only where it runs.
    import json

    from tests.vectors import record

    seed = random.randrange(10**6)
    for name, recording in record.recordings(record.find_programs(Path(FOLDER or "")), seed):
        for vector in parse(json.dumps(recording.file(seed))):
            assert check.difference(vector) is None, (seed, name, vector.id)
            if vector.build_quirk is None:
                assert replay.difference(vector) is None, (seed, name, vector.id)
