"""Bytes and accounts of DAMM v1's swap instruction.

Source: damm-v1-sdk `programs/dynamic-amm/src/instructions/swap.rs` (02c66a3).
"""

from struct import Struct as Layout

from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from fairlead.venues.meteora.damm_v1_accounts import PROGRAM_ID, VAULT_PROGRAM_ID, VaultState
from fairlead.venues.token2022 import TOKEN_PROGRAM

SWAP = bytes.fromhex("f8c69e91e17587c8")
_ARGUMENTS = Layout("<8sQQ")


def swap_instruction(
    amounts: tuple[int, int],
    pool: Pubkey,
    vaults: tuple[Pubkey, Pubkey],
    states: tuple[VaultState, VaultState],
    shares: tuple[Pubkey, Pubkey],
    fee_account: Pubkey,
    stake: Pubkey | None,
    wallet: tuple[Pubkey, Pubkey, Pubkey],
) -> Instruction:
    """swap: input and minimum; `wallet` is the user's input and output account and the user.

    `fee_account` is that of the input token; `stake` has a depeg pool's price.
    """
    a, b = states
    user_input, user_output, user = wallet
    writable = (
        pool,
        user_input,
        user_output,
        *vaults,
        a.token_vault,
        b.token_vault,
        a.lp_mint,
        b.lp_mint,
        *shares,
        fee_account,
    )
    metas = [AccountMeta(key, False, True) for key in writable]
    metas += [
        AccountMeta(user, True, False),
        AccountMeta(VAULT_PROGRAM_ID, False, False),
        AccountMeta(TOKEN_PROGRAM, False, False),
    ]
    if stake is not None:
        metas.append(AccountMeta(stake, False, False))
    return Instruction(PROGRAM_ID, _ARGUMENTS.pack(SWAP, *amounts), metas)
