"""What an order holds back."""

import pytest

from fairlead.orders import risk
from fairlead.orders.model import Reservation
from tests.unit.orders import facts

LATCH, ACCOUNT = 890_880, 2_039_280
BONK = "DezXAZ8z7PnrnRJjz3wXBoRgixCa6xjnB7YaB1pPB263"
FEES, CANCELS = 5_000_000, 50_000


@pytest.mark.parametrize(
    ("token_in", "token_out", "needs"),
    [
        (facts.SOL, facts.USDC, {"lamports": 7 + FEES + CANCELS + LATCH + 3 * ACCOUNT}),
        (facts.USDC, facts.SOL, {"lamports": FEES + CANCELS + LATCH + 2 * ACCOUNT, facts.USDC: 7}),
        (facts.USDC, BONK, {"lamports": FEES + CANCELS + LATCH + 2 * ACCOUNT, facts.USDC: 7}),
    ],
)
def test_amount_fees_and_rents_are_held_back(token_in: str, token_out: str, needs: dict[str, int]):
    terms = facts.terms(
        token_in=token_in, token_out=token_out, amount_in_atoms=7, fee_cap_lamports=FEES
    )
    assert needs == dict(risk.needs(terms))


def test_exact_output_has_no_middle_token_to_make_an_account_for():
    terms = facts.terms(fee_cap_lamports=FEES)
    exact = facts.terms(fee_cap_lamports=FEES, exact_out_atoms=5)
    assert ACCOUNT == dict(risk.needs(terms))["lamports"] - dict(risk.needs(exact))["lamports"]


def test_an_asset_the_wallet_never_had_counts_as_none():
    terms = facts.terms(wallet="w")
    made = risk.reservations(terms, (("lamports", 5), (BONK, 6)), {"lamports": 9})
    assert (Reservation("w", "lamports", 5, 9), Reservation("w", BONK, 6, 0)) == made
