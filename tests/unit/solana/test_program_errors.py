"""A failed transaction's error and logs, classified."""

import pytest

from fairlead.solana.program_errors import failure_of
from fairlead.venues.venue import ErrorClass

CPMM = "CPMMoo8L3F4NbTegBCKVNunggL7H1ZpdTHKxQB5qKP1C"
TOKEN = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"


def test_a_raydium_slippage_error_is_a_stale_price() -> None:
    failure = failure_of(
        '{"InstructionError":[4,{"Custom":6005}]}',
        (
            f"Program {CPMM} invoke [1]",
            "Program log: AnchorError thrown in x.rs:1. Error Code: ExceededSlippage."
            " Error Number: 6005. Error Message: Exceeds desired slippage limit.",
            f"Program {CPMM} failed: custom program error: 0x1775",
        ),
    )
    assert ("stale_price", ErrorClass.STALE) == (failure.code, failure.error_class)
    assert "ExceededSlippage" in failure.reason


def test_an_inner_programs_error_is_its_own_and_not_the_venues() -> None:
    """Custom(1) of the token program inside the swap means missing funds: terminal."""
    logs = (
        f"Program {TOKEN} failed: custom program error: 0x1",
        f"Program {CPMM} failed: custom program error: 0x1",
    )
    failure = failure_of('{"InstructionError":[4,{"Custom":1}]}', logs)
    assert ErrorClass.TERMINAL is failure.error_class
    assert TOKEN in failure.reason


def test_an_existing_latch_is_neither_executed_nor_failed() -> None:
    taken = failure_of('{"InstructionError":[0,{"Custom":0}]}', ())
    assert taken.latch_taken
    elsewhere = failure_of('{"InstructionError":[3,{"Custom":0}]}', ())
    assert not elsewhere.latch_taken


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ('"BlockhashNotFound"', "cluster_busy"),
        ('"InsufficientFundsForFee"', "insufficient_funds"),
        ('{"InsufficientFundsForRent":{"account_index":0}}', "insufficient_funds"),
        ('{"InstructionError":[4,"ComputationalBudgetExceeded"]}', "compute_exceeded"),
        ('"SanitizeFailure"', "program_error"),
    ],
)
def test_errors_of_the_runtime_have_codes_of_their_own(error: str, code: str) -> None:
    assert code == failure_of(error, ()).code


@pytest.mark.parametrize(
    ("program", "custom", "otherwise"),
    [
        ("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA", 1, "program_error"),
        ("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb", 1, "program_error"),
        ("675kPX9MHTjS2zt1qfr1NYHuzeLXfQM9H24wFSUt1Mp8", 40, "insufficient_liquidity"),
    ],
)
def test_of_an_exact_output_an_account_that_is_short_means_a_price_above_the_maximum(
    program: str, custom: int, otherwise: str
) -> None:
    error = f'{{"InstructionError":[5,{{"Custom":{custom}}}]}}'
    logs = (f"Program {program} failed: custom program error: {custom:#x}",)
    assert otherwise == failure_of(error, logs).code
    assert "stale_price" == failure_of(error, logs, is_exact_out=True).code
    # Any other word of that program means what it always does.
    other = f'{{"InstructionError":[5,{{"Custom":{custom + 3}}}]}}'
    words = (f"Program {program} failed: custom program error: {custom + 3:#x}",)
    assert failure_of(other, words) == failure_of(other, words, is_exact_out=True)
