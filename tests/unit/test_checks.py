"""What `fairlead doctor` says of how far back the providers show."""

from collections.abc import Sequence

import pytest

from fairlead.checks import history_check


@pytest.mark.parametrize(
    ("firsts", "ok"),
    [
        ((0,), True),
        ((101,), True),
        ((102,), False),
        ((102, 0, 0), True),
        # One of two is a gap: what only one shows may be hidden by a liar.
        ((102, 0), False),
        ((500, 102, 0), False),
    ],
)
def test_history_is_well_where_enough_providers_show_all_since_the_known_slot(
    firsts: Sequence[int], ok: bool
) -> None:
    assert ok == history_check(100, firsts).ok


def test_gap_is_told_with_its_slots_and_the_way_out() -> None:
    told = history_check(100, (250,))
    assert "forgotten the slots 101 to 249" in told.detail
    assert "FAIRLEAD_ACCEPT_HISTORY_GAP=on" in told.fix
