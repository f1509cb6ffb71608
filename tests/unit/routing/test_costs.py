"""What network costs are worth in the output token."""

from hypothesis import given
from hypothesis import strategies as st

from fairlead.routing import WSOL_MINT, NetworkCosts
from fairlead.routing.costs import (
    PROBE_LAMPORTS,
    UNKNOWN,
    LamportPrice,
    further_leg_lamports,
    lamport_price,
    lamports_of,
)
from tests.unit.routing.markets import NOW, a_cpmm, ordered
from tests.vectors.pools import key

A, B = key("costs a"), key("costs b")
SOL_A, SOL_B = ordered(WSOL_MINT, A), ordered(WSOL_MINT, B)
assert SOL_A[0] == SOL_B[0] == WSOL_MINT
DEEP = 10**16


def test_sol_prices_itself() -> None:
    assert 5_000 == lamport_price(A, WSOL_MINT, (), NOW).worth(5_000, 7, 9)
    # 3 atoms of input pay 10 of output: 5,000 lamports are 16,666.7 atoms, rounded up.
    assert 16_667 == lamport_price(WSOL_MINT, A, (), NOW).worth(5_000, 3, 10)


def test_best_offer_for_one_sol_prices_the_output_token() -> None:
    cheap = a_cpmm("cheap", SOL_B, DEEP, 0.14, 2_500)
    dear = a_cpmm("dear", SOL_B, DEEP, 0.15, 2_500)
    # Much more per lamport, for much less than a SOL.
    dust = a_cpmm("dust", SOL_B, 10**5, 2.0, 2_500)
    price = lamport_price(A, B, [dust.pool, dear.pool, cheap.pool], NOW)
    paid = dear.pool.quote_exact_in(WSOL_MINT, PROBE_LAMPORTS, NOW).amount_out_atoms
    assert LamportPrice(paid, PROBE_LAMPORTS) == price
    assert 749 == price.worth(5_000, 1, 1)


def test_input_token_prices_it_where_the_output_token_has_no_pool() -> None:
    pool = a_cpmm("input", SOL_A, DEEP, 0.5, 100).pool
    price = lamport_price(A, B, [pool], NOW)
    # 5,000 lamports are 2,500 atoms of A, and those 10,000 of B.
    assert 10_000 == price.worth(5_000, 10, 40)


def test_unknown_price_counts_as_nothing() -> None:
    elsewhere = a_cpmm("elsewhere", ordered(A, B), DEEP, 1, 2_500).pool
    assert UNKNOWN == lamport_price(A, B, [elsewhere], NOW)
    assert 0 == UNKNOWN.worth(10**12, 1, 1)


@given(st.integers(0, 2**40), st.integers(1, 2**60), st.integers(1, 2**60))
def test_worth_is_never_rounded_in_favour_of_a_route(lamports: int, put: int, paid: int) -> None:
    worth = LamportPrice(1, is_of_input=True).worth(lamports, put, paid)
    assert worth * put >= lamports * paid > (worth - 1) * put or not lamports


def test_lamports_are_fees_on_the_limit_tip_and_rent() -> None:
    costs = NetworkCosts(1_000_000, 70, 900, ((A, 2_000),))
    # (40,000 + 60,000 units) and a fifth more, at a lamport each.
    assert 5_000 + 120_000 + 70 + 900 == lamports_of(40_000, costs)
    assert 2_000 == lamports_of(40_000, costs, A) - lamports_of(40_000, costs)
    assert lamports_of(40_000, costs, B) == lamports_of(40_000, costs)
    assert 48_000 == further_leg_lamports(40_000, costs)
