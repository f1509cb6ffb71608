"""DLMM's swap instructions: their bytes, and their accounts in order.

Source: MeteoraAg/dlmm-sdk @ fb02e51, `idls/dlmm.json` (0.12.0). Mints with a transfer hook are not
swapped here, so the `2` forms name no further accounts than the bin arrays.
"""

from collections.abc import Iterable
from struct import Struct as Layout

from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from fairlead.venues.meteora.dlmm_accounts import (
    EVENT_AUTHORITY,
    MEMO_PROGRAM,
    PROGRAM_ID,
    PairKeys,
    bin_array_address,
    bitmap_extension_address,
)

SWAP = bytes.fromhex("f8c69e91e17587c8")
SWAP_EXACT_OUT = bytes.fromhex("fa49652126cf4bb8")
SWAP2 = bytes.fromhex("414b3f4ceb5b5b88")
SWAP_EXACT_OUT2 = bytes.fromhex("2bd7f784893cf351")
_ARGUMENTS = Layout("<8sQQ")
_ARGUMENTS2 = Layout("<8sQQI")
"""The `2` forms end in an empty list of slices of further accounts."""

V1_NAMES = frozenset(("swap", "swap_exact_out"))
ACCOUNTS_BEFORE_ARRAYS = {"swap": 15, "swap_exact_out": 15, "swap2": 16, "swap_exact_out2": 16}


def swap_data(amount_in: int, minimum_out: int, *, v1: bool) -> bytes:
    """The bytes of swap2, or of the older swap."""
    if v1:
        return _ARGUMENTS.pack(SWAP, amount_in, minimum_out)
    return _ARGUMENTS2.pack(SWAP2, amount_in, minimum_out, 0)


def swap_exact_out_data(amount_out: int, maximum_in: int, *, v1: bool) -> bytes:
    """The bytes of swap_exact_out2, or of the older swap_exact_out."""
    if v1:
        return _ARGUMENTS.pack(SWAP_EXACT_OUT, maximum_in, amount_out)
    return _ARGUMENTS2.pack(SWAP_EXACT_OUT2, maximum_in, amount_out, 0)


def swap_instruction(
    data: bytes,
    keys: PairKeys,
    user: Pubkey,
    wallet: tuple[Pubkey, Pubkey],
    indices: Iterable[int],
    *,
    has_extension: bool,
    v1: bool,
) -> Instruction:
    """The instruction with these bin arrays; `wallet` is the user's input and output account."""
    pair = keys.lb_pair
    # An optional account that is absent is the program, not writable.
    absent = AccountMeta(PROGRAM_ID, False, False)
    extension = AccountMeta(bitmap_extension_address(pair), False, True)
    metas = [
        AccountMeta(pair, False, True),
        extension if has_extension else absent,
        *(AccountMeta(reserve, False, True) for reserve in keys.reserves),
        *(AccountMeta(account, False, True) for account in wallet),
        *(AccountMeta(mint, False, False) for mint in keys.mints),
        AccountMeta(keys.oracle, False, True),
        # No host fee account.
        absent,
        AccountMeta(user, True, False),
        *(AccountMeta(program, False, False) for program in keys.token_programs),
    ]
    if not v1:
        metas.append(AccountMeta(MEMO_PROGRAM, False, False))
    metas += [AccountMeta(EVENT_AUTHORITY, False, False), AccountMeta(PROGRAM_ID, False, False)]
    metas += [AccountMeta(bin_array_address(pair, index), False, True) for index in indices]
    return Instruction(PROGRAM_ID, data, metas)
