"""Our quotes against those of the venues' official SDKs, state by state and atom by atom.

An SDK is a second opinion, not the truth: where it differs from the compiled program, or from the
sources where no program is at hand, the difference has a name below and a bound. Refusals are not
compared: the SDKs look at less than the programs do.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from fairlead.venues.meteora import damm_v1
from fairlead.venues.raydium import amm_v4, clmm, cpmm
from fairlead.venues.venue import SwapQuote, Venue
from tests.oracles import cases
from tests.oracles.cases import Asked
from tests.oracles.sdk import Answer, ask

AMM_V4_FEE = (25, 10_000)
"""The one fee that the Raydium SDK knows for AMM v4."""

GROUPS: dict[str, Callable[[], Iterator[Asked]]] = {
    "recorded swaps": cases.recorded,
    "random pools": lambda: itertools.chain.from_iterable(map(cases.random_ones, Venue)),
    "CPMM creator fees": cases.creator_fees,
    "CLMM layers": cases.layers,
}
LEAST = {
    "recorded swaps": {"agrees": 1_100},
    "random pools": {"agrees": 700},
    "CPMM creator fees": {"agrees": 150, "creator_fee": 70, "creator_fee_rounded_apart": 10},
    "CLMM layers": {"agrees": 220, "dynamic_fee": 100, "fee_on": 90, "limit_orders": 60},
}
"""So many at least must come out so, or the comparison has stopped comparing. Those that agree are
counted again by the modes that no program at hand knows."""


def other(asked: Asked) -> int:
    """The amount that the question does not name."""
    quote = asked.ours
    return quote.amount_in_atoms if asked.case.kind == "exact_out" else quote.amount_out_atoms


def known(asked: Asked, answer: Answer) -> str | None:
    """The name of the SDK's known disagreement that this is; None where it is none."""
    loaded, said = asked.loaded, answer.atoms
    if isinstance(loaded, amm_v4.LoadedAmmV4Pool):
        return _amm_v4(asked, loaded, said)
    if isinstance(loaded, cpmm.LoadedCpmmPool):
        return _cpmm(asked, loaded, said)
    if isinstance(loaded, damm_v1.LoadedDammV1Pool):
        return _damm_v1(asked, loaded)
    if said is None and not other(asked) and "greater than 0" in answer.error:
        return "damm_v2_refuses_an_output_of_0"
    if isinstance(loaded, clmm.LoadedClmmPool) and answer.error == "Assertion failed":
        return _clmm(loaded)
    return None


def _amm_v4(asked: Asked, loaded: amm_v4.LoadedAmmV4Pool, said: int | None) -> str | None:
    numbers = loaded.pool.numbers
    if (numbers.swap_fee_numerator, numbers.swap_fee_denominator) != AMM_V4_FEE:
        return "amm_v4_knows_one_fee"
    if asked.case.kind == "exact_out" and said is not None and 0 < other(asked) - said <= 2:
        return "amm_v4_rounds_an_exact_output_down"
    return None


def _cpmm(asked: Asked, loaded: cpmm.LoadedCpmmPool, said: int | None) -> str | None:
    """Of a creator fee on the input it rounds both fees up, one by one: an atom of input less."""
    case = asked.case
    if not loaded.pool.numbers.enable_creator_fee or case.kind != "exact_in" or said is None:
        return None
    less = loaded.quote_exact_in(case.input_mint, case.amount - 1, case.time)
    if less.amount_out_atoms <= said < other(asked):
        return "creator_fee_rounded_apart"
    return None


def _clmm(loaded: clmm.LoadedClmmPool) -> str | None:
    """It squares the volatility as a float, and its big numbers take none from 2^53 on."""
    dynamic = loaded.numbers.dynamic_fee
    if dynamic is None:
        return None
    most = dynamic.max_volatility_accumulator * loaded.numbers.tick_spacing
    return "clmm_volatility_beyond_a_float" if most * most >= 2**53 else None


def _damm_v1(asked: Asked, loaded: damm_v1.LoadedDammV1Pool) -> str | None:
    """The program's fees are 1 atom at least where they are any; the SDK's may be 0."""
    numbers = loaded.pool.numbers
    if not asked.case.amount:
        return "damm_v1_has_no_answer_for_0"
    trade = asked.case.amount * numbers.trade_fee_numerator // numbers.trade_fee_denominator
    protocol = trade * numbers.protocol_fee_numerator // numbers.protocol_fee_denominator
    if (not trade and numbers.trade_fee_numerator) or (
        not protocol and numbers.protocol_fee_numerator
    ):
        return "damm_v1_knows_no_least_fee"
    return None


@pytest.mark.parametrize("group", GROUPS)
def test_sdk_says_the_same_but_for_what_it_is_known_to_do_otherwise(group):
    asked = list(GROUPS[group]())
    counts: Counter[str] = Counter()
    for question, answer in zip(asked, ask([one.case for one in asked]), strict=True):
        if answer.atoms == other(question):
            counts["agrees"] += 1
            counts.update(mode for mode in question.ours.unproven.split(", ") if mode)
            continue
        name = known(question, answer)
        case = question.case
        assert name is not None, (case.venue, question.kind, case.kind, case.amount, answer)
        counts[name] += 1
    print(f"{group}: {dict(counts)}")
    assert all(counts[name] >= least for name, least in LEAST[group].items()), counts


def test_a_wrong_quote_would_be_found():
    asked = next(cases.random_ones(Venue.METEORA_DAMM_V2))
    (answer,) = ask([asked.case])
    wrong = SwapQuote(
        asked.ours.amount_in_atoms + 1,
        asked.ours.amount_out_atoms + 1,
        0,
        asked.ours.fee_mint,
        0,
        0,
    )
    assert known(Asked(asked.kind, asked.case, asked.loaded, wrong), answer) is None
    assert answer.atoms == other(asked)
