"""What an on-chain refusal means for the order, whichever program it came from."""

from solders.pubkey import Pubkey

from fairlead.venues.meteora import (
    damm_v1_accounts,
    damm_v1_errors,
    damm_v2_accounts,
    damm_v2_errors,
    dlmm_accounts,
    dlmm_errors,
)
from fairlead.venues.raydium import (
    amm_v4_accounts,
    amm_v4_curve,
    clmm_accounts,
    clmm_errors,
    cpmm_accounts,
    cpmm_curve,
)
from fairlead.venues.token2022 import is_token_program
from fairlead.venues.venue import ErrorClass

TOKEN_INSUFFICIENT_FUNDS = 1
"""TokenError::InsufficientFunds, of SPL Token and of Token-2022."""


def classify(program_id: Pubkey, log_name: str | None, code: int | None) -> ErrorClass:
    """The class of a failed swap, from the innermost failing program.

    `log_name` is the name in the logs (Anchor's `Error Code: …`), None where there is none; it wins
    over `code`, the custom number, None for a panic. A token program's refusal is terminal:
    balances that are short, frozen or wrong accounts.
    """
    if is_token_program(program_id):
        return ErrorClass.TERMINAL
    if program_id in (cpmm_accounts.PROGRAM_ID, cpmm_accounts.DEVNET_PROGRAM_ID):
        return cpmm_curve.classify(log_name, code)
    if program_id == damm_v2_accounts.PROGRAM_ID:
        return damm_v2_errors.classify(log_name, code)
    if program_id in clmm_accounts.PROGRAM_IDS:
        return clmm_errors.classify(log_name, code)
    if program_id == dlmm_accounts.PROGRAM_ID:
        return dlmm_errors.classify(log_name, code)
    if program_id in amm_v4_accounts.PROGRAM_IDS:
        return amm_v4_curve.classify(log_name, code)
    if program_id == damm_v1_accounts.PROGRAM_ID:
        return damm_v1_errors.classify(log_name, code)
    if program_id == damm_v1_accounts.VAULT_PROGRAM_ID:
        return damm_v1_errors.classify_vault(log_name, code)
    return ErrorClass.TERMINAL


def is_short(program_id: Pubkey, code: int | None) -> bool:
    """Whether the program says that an account holds less than it is to take.

    Of an exact output the account may hold no more than the maximum, and programs that compare with
    the maximum after the transfer, or after they look at the balance, never come to it.
    """
    if is_token_program(program_id):
        return code == TOKEN_INSUFFICIENT_FUNDS
    return program_id in amm_v4_accounts.PROGRAM_IDS and code == amm_v4_curve.INSUFFICIENT_FUNDS
