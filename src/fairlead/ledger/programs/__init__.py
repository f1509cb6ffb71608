"""The programs of the paper ledger, one file each."""

from fairlead.ledger.account import SYSTEM_PROGRAM
from fairlead.ledger.program import Program
from fairlead.ledger.programs import associated_token, compute_budget, memo, spl_token, system
from fairlead.ledger.programs.token_data import TOKEN_PROGRAM

BASE_PROGRAMS: dict[bytes, Program] = {
    SYSTEM_PROGRAM: system.PROGRAM,
    compute_budget.COMPUTE_BUDGET_PROGRAM: compute_budget.PROGRAM,
    TOKEN_PROGRAM: spl_token.PROGRAM,
    associated_token.ATA_PROGRAM: associated_token.PROGRAM,
    memo.MEMO_PROGRAM: memo.PROGRAM,
}
"""Every program but the venues'."""
