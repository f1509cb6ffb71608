"""The accounts of an AMM v4 swap: their names, and the program's checks before it prices anything.

Source: as of `raydium_amm_v4.py`.
"""

from collections.abc import Sequence
from functools import lru_cache

from solders.pubkey import Pubkey

from fairlead.ledger.program import AccountView, InstructionError, InvokeContext
from fairlead.ledger.programs.token_data import TOKEN_PROGRAM
from fairlead.venues.raydium import amm_v4_accounts
from fairlead.venues.raydium.amm_v4_accounts import (
    STATUS_INITIALIZED,
    STATUS_ORDER_BOOK_ONLY,
    STATUS_SWAP_ONLY,
    STATUS_UNINITIALIZED,
    STATUS_WAITING_TRADE,
    PoolNumbers,
)
from fairlead.venues.raydium.amm_v4_curve import (
    INVALID_OPEN_ORDERS,
    INVALID_STATUS,
    panic,
    refusal,
)
from fairlead.venues.raydium.amm_v4_instruction import (
    SWAP_BASE_IN,
    SWAP_BASE_IN_V2,
    SWAP_BASE_OUT,
    SWAP_BASE_OUT_V2,
)
from fairlead.venues.token2022 import TOKEN_ACCOUNT_SIZE
from fairlead.venues.venue import ErrorClass

PROGRAM_ID = bytes(amm_v4_accounts.PROGRAM_ID)
ACCOUNTS = 17
"""Of the forms with a market; one more where they name the target orders."""
ACCOUNTS_V2 = 8

INVALID_PROGRAM_ADDRESS, EXPECTED_ACCOUNT, INVALID_COIN_VAULT, INVALID_PC_VAULT = 1, 3, 4, 5
INVALID_MARKET, INVALID_MARKET_PROGRAM, INVALID_SIGN_ACCOUNT, WRONG_ACCOUNTS_NUMBER = 11, 12, 21, 24
INVALID_AMM_ACCOUNT_OWNER, INVALID_SPL_TOKEN_PROGRAM, INVALID_USER_TOKEN = 27, 38, 42
NOT_ALLOWED = 59

NAMES = {
    SWAP_BASE_IN: "swap_base_in",
    SWAP_BASE_OUT: "swap_base_out",
    SWAP_BASE_IN_V2: "swap_base_in_v2",
    SWAP_BASE_OUT_V2: "swap_base_out_v2",
}
_EXACT_IN = (SWAP_BASE_IN, SWAP_BASE_IN_V2)
_V2 = (SWAP_BASE_IN_V2, SWAP_BASE_OUT_V2)

_NO_BOOK = (0, 0)


class SwapAccounts:
    """The instruction's accounts by name, and which instruction it is."""

    def __init__(self, tag: int, accounts: Sequence[AccountView]) -> None:
        count = len(accounts)
        if tag in _V2:
            # The pool is looked at before the last three are.
            if count < ACCOUNTS_V2:
                raise InstructionError("NotEnoughAccountKeys")
            more = 0
            self.orders = self.market_program = self.market = None
        else:
            if count not in (ACCOUNTS, ACCOUNTS + 1):
                raise refusal(WRONG_ACCOUNTS_NUMBER)
            more = count - ACCOUNTS + 1
            self.orders, self.market_program = accounts[3], accounts[5 + more]
            self.market = accounts[6 + more]
        self.name = NAMES[tag]
        self.is_v2 = tag in _V2
        self.is_exact_in = tag in _EXACT_IN
        self.token_program, self.pool, self.authority = accounts[:3]
        self.coin_vault, self.pc_vault = accounts[3 + more], accounts[4 + more]
        last = ACCOUNTS_V2 if self.is_v2 else count
        self.source, self.target, self.user = accounts[last - 3 : last]


def checked_pool(named: SwapAccounts) -> PoolNumbers:
    """The numbers of the pool, once it is one that may swap."""
    pool = named.pool
    if pool.owner != PROGRAM_ID:
        raise refusal(INVALID_AMM_ACCOUNT_OWNER)
    if len(pool.data) != amm_v4_accounts.POOL_SIZE:
        raise refusal(EXPECTED_ACCOUNT)
    numbers = amm_v4_accounts.decode_numbers(pool.data)
    if numbers.status == STATUS_UNINITIALIZED:
        raise refusal(INVALID_STATUS)
    if named.is_v2 and pool.data[400:432] == pool.data[432:464]:
        raise refusal(NOT_ALLOWED)
    if not named.is_v2 and numbers.status > STATUS_WAITING_TRADE:
        raise panic("a status that there is not", ErrorClass.TERMINAL)
    return numbers


def checked_accounts(context: InvokeContext, named: SwapAccounts, numbers: PoolNumbers) -> bytes:
    """The owner of the vaults, once the accounts are those of the pool."""
    data = named.pool.data
    if not named.user.is_signer:
        raise refusal(INVALID_SIGN_ACCOUNT)
    _check_key(
        context, "spl_token_program", named.token_program, TOKEN_PROGRAM, INVALID_SPL_TOKEN_PROGRAM
    )
    authority = _authority(numbers.nonce & 0xFF)
    if authority is None or (named.is_exact_in and named.authority.key != authority):
        raise refusal(INVALID_PROGRAM_ADDRESS)
    _check_key(context, "authority", named.authority, authority, INVALID_PROGRAM_ADDRESS)
    vaults = (data[336:368], data[368:400])
    _check_key(context, "coin_vault", named.coin_vault, vaults[0], INVALID_COIN_VAULT)
    _check_key(context, "pc_vault", named.pc_vault, vaults[1], INVALID_PC_VAULT)
    if named.source.key in vaults or named.target.key in vaults:
        raise refusal(INVALID_USER_TOKEN)
    return authority


def checked_status(context: InvokeContext, named: SwapAccounts, numbers: PoolNumbers) -> int:
    """The status that the pool swaps in; it may have come to it just now."""
    status, now = numbers.status, context.unix_timestamp
    if status == STATUS_WAITING_TRADE:
        if now < numbers.pool_open_time:
            raise refusal(INVALID_STATUS, error_class=ErrorClass.NOT_YET)
        context.log(f"Program log: {named.name}: WaitingTrade to SwapOnly")
        return STATUS_SWAP_ONLY
    if status > STATUS_WAITING_TRADE:
        raise panic("a status that there is not", ErrorClass.TERMINAL)
    if status not in (STATUS_INITIALIZED, STATUS_SWAP_ONLY):
        context.log(f"Program log: {named.name}: status {status}")
        is_due = now >= numbers.orderbook_to_init_time
        if named.is_v2 or status != STATUS_ORDER_BOOK_ONLY or not is_due:
            raise refusal(INVALID_STATUS)
        # Builds that know the order book go on with it; the pool's status is written by them.
        raise panic("a pool that begins to use its order book is not modelled")
    return status


def check_order_book(context: InvokeContext, named: SwapAccounts) -> None:
    """The accounts of a pool that may have orders on its market, and that it has none there."""
    data = named.pool.data
    orders, program, market = named.orders, named.market_program, named.market
    assert orders is not None
    assert program is not None
    assert market is not None
    if not any(data[496:528]):
        # A pool of the builds without an order book.
        return
    _check_key(context, "open_orders", orders, data[496:528], INVALID_OPEN_ORDERS)
    _check_key(context, "market_program", program, data[560:592], INVALID_MARKET_PROGRAM)
    _check_key(context, "market", market, data[528:560], INVALID_MARKET)
    is_read = (
        market.owner == orders.owner == program.key
        and len(orders.data) == amm_v4_accounts.OPEN_ORDERS_SIZE
        and len(market.data) == amm_v4_accounts.MARKET_SIZE
    )
    if not is_read or amm_v4_accounts.open_orders_atoms(orders.data) != _NO_BOOK:
        raise panic("an order book that is not empty is not modelled")


def _check_key(
    context: InvokeContext, name: str, account: AccountView, expected: bytes, code: int
) -> None:
    if account.key != expected:
        found, wanted = Pubkey.from_bytes(account.key), Pubkey.from_bytes(expected)
        context.log(f"Program log: ray_log: {name} mismatch: input:{found}, expected:{wanted}")
        raise refusal(code)


def unpacked(account: AccountView) -> bytes:
    """Bytes of a token account, as strictly as the classic token program's own code reads them."""
    if account.owner != TOKEN_PROGRAM:
        raise refusal(INVALID_SPL_TOKEN_PROGRAM)
    data = account.data
    if (
        len(data) != TOKEN_ACCOUNT_SIZE
        or data[108] not in (1, 2)
        or any(data[at] > 1 or any(data[at + 1 : at + 4]) for at in (72, 109, 129))
    ):
        raise refusal(EXPECTED_ACCOUNT)
    return data


@lru_cache(maxsize=256)
def _authority(bump: int) -> bytes | None:
    """The owner of the vaults of pools with this nonce; None where there is no such address."""
    try:
        seeds = [b"amm authority", bytes([bump])]
        return bytes(Pubkey.create_program_address(seeds, amm_v4_accounts.PROGRAM_ID))
    except Exception:  # On the curve: solders names no type for it.
        return None
