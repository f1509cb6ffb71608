"""The CLMM's swap instructions as bytes: swap_v2, and the older swap for SPL Token alone.

Source: raydium-clmm `instructions/{swap,swap_v2}.rs` (a5a46ff), unchanged at 03b44b7.
"""

from struct import Struct as Layout

from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from fairlead.amounts import U64_MAX
from fairlead.venues.record import Record
from fairlead.venues.token2022 import TOKEN_2022_PROGRAM, TOKEN_PROGRAM

SWAP = bytes.fromhex("f8c69e91e17587c8")
SWAP_V2 = bytes.fromhex("2b04ed0b1ac91e62")
# amount, other_amount_threshold, sqrt_price_limit_x64 (low, high), is_base_input.
SWAP_ARGUMENTS = Layout("<8sQQQQ?")

MEMO_PROGRAM = Pubkey.from_string("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr")

Arguments = tuple[int, int, int, bool]
"""amount, other_amount_threshold, sqrt_price_limit_x64, is_base_input."""
Wallet = tuple[Pubkey, Pubkey, Pubkey]
"""The user, its input and its output token account."""


class SwapAccounts(Record, frozen=True, gc=False):
    """What a swap names of the pool. Pairs are in the order input, output."""

    program_id: Pubkey
    pool: Pubkey
    amm_config: Pubkey
    vaults: tuple[Pubkey, Pubkey]
    mints: tuple[Pubkey, Pubkey]
    observation: Pubkey
    # None where there is no such account.
    extension: Pubkey | None
    # In the order of the path.
    tick_arrays: tuple[Pubkey, ...]


def swap_v2(accounts: SwapAccounts, wallet: Wallet, arguments: Arguments) -> Instruction:
    """The swap for mints of both token programs."""
    metas = [
        *_first_accounts(accounts, wallet),
        AccountMeta(TOKEN_2022_PROGRAM, False, False),
        AccountMeta(MEMO_PROGRAM, False, False),
        AccountMeta(accounts.mints[0], False, False),
        AccountMeta(accounts.mints[1], False, False),
        *_extension(accounts),
        *_arrays(accounts.tick_arrays),
    ]
    return Instruction(accounts.program_id, _data(SWAP_V2, arguments), metas)


def swap_v1(accounts: SwapAccounts, wallet: Wallet, arguments: Arguments) -> Instruction:
    """The older swap, whose first tick array stands before the extension."""
    metas = [
        *_first_accounts(accounts, wallet),
        *_arrays(accounts.tick_arrays[:1]),
        *_extension(accounts),
        *_arrays(accounts.tick_arrays[1:]),
    ]
    return Instruction(accounts.program_id, _data(SWAP, arguments), metas)


def _first_accounts(accounts: SwapAccounts, wallet: Wallet) -> list[AccountMeta]:
    user, user_input, user_output = wallet
    return [
        AccountMeta(user, True, False),
        AccountMeta(accounts.amm_config, False, False),
        AccountMeta(accounts.pool, False, True),
        AccountMeta(user_input, False, True),
        AccountMeta(user_output, False, True),
        AccountMeta(accounts.vaults[0], False, True),
        AccountMeta(accounts.vaults[1], False, True),
        AccountMeta(accounts.observation, False, True),
        AccountMeta(TOKEN_PROGRAM, False, False),
    ]


def _extension(accounts: SwapAccounts) -> list[AccountMeta]:
    return [] if accounts.extension is None else [AccountMeta(accounts.extension, False, True)]


def _arrays(addresses: tuple[Pubkey, ...]) -> list[AccountMeta]:
    return [AccountMeta(address, False, True) for address in addresses]


def _data(discriminator: bytes, arguments: Arguments) -> bytes:
    amount, threshold, limit, is_base_input = arguments
    low, high = limit & U64_MAX, limit >> 64
    return SWAP_ARGUMENTS.pack(discriminator, amount, threshold, low, high, is_base_input)
