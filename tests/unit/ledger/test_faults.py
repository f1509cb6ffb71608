"""Faults are drawn from seed and signature alone, at the rates the profile says."""

from collections import Counter

import pytest

from fairlead.ledger.faults import (
    FAST,
    REALISTIC,
    TAKEN_AT_ONCE,
    Fate,
    FaultKind,
    FaultRates,
    PaperProfile,
    fate_of,
)
from fairlead.venues.venue import Venue

SIGNATURES = [n.to_bytes(64, "big") for n in range(20_000)]


def test_the_fast_profile_takes_everything_at_once():
    for signature in SIGNATURES[:100]:
        assert TAKEN_AT_ONCE == fate_of(FAST, 1, signature, Venue.RAYDIUM_CPMM)


def test_one_swap_in_twenty_goes_wrong_in_the_realistic_profile():
    fates = [fate_of(REALISTIC, 1, s, Venue.METEORA_DAMM_V2) for s in SIGNATURES]
    kinds = Counter(fate.fault for fate in fates)
    assert 0.045 < 1 - kinds[None] / len(fates) < 0.055
    assert set(FaultKind) < set(kinds)
    delays = [fate.land_after_ms for fate in fates]
    assert (2_000, 3_000) == (min(delays), max(delays))
    assert all(not fate.is_taken for fate in fates if fate.fault is FaultKind.DROPPED)
    answered = {fate.is_taken for fate in fates if fate.fault is FaultKind.RPC_ERROR}
    assert {True, False} == answered
    others = [fate_of(REALISTIC, 1, s, None).fault for s in SIGNATURES[:1_000]]
    assert {None} == set(others)


def test_a_fate_depends_on_seed_and_signature_alone():
    def fates(seed: int) -> list[Fate]:
        return [fate_of(REALISTIC, seed, s, Venue.RAYDIUM_CPMM) for s in SIGNATURES[:500]]

    assert fates(1) == fates(1)
    assert fates(1) != fates(2)


def test_rates_hold_per_venue():
    profile = PaperProfile(raydium=FaultRates(dropped_bps=10_000))
    signature = SIGNATURES[0]
    assert FaultKind.DROPPED is fate_of(profile, 1, signature, Venue.RAYDIUM_CPMM).fault
    assert TAKEN_AT_ONCE == fate_of(profile, 1, signature, Venue.METEORA_DAMM_V2)


@pytest.mark.parametrize(
    "make",
    [
        lambda: FaultRates(dropped_bps=-1),
        lambda: FaultRates(dropped_bps=6_000, late_bps=6_000),
        lambda: PaperProfile(land_min_ms=5, land_max_ms=4),
        lambda: PaperProfile(quote_latency_ms=-1),
        lambda: PaperProfile(slippage_move_bps=10_000),
    ],
)
def test_a_profile_that_makes_no_sense_is_refused(make):
    with pytest.raises(ValueError):
        make()
