"""Raydium AMM v4: constant-product pools of SPL Token mints, once tied to an OpenBook market.

Decode a pool, load the accounts it names, then quote and build instructions as often as wanted. The
order book left the program step by step: a pool of status 6 or 7 never reads its market, and its
instruction fills the market's places with the pool's own address, which every build takes. A pool
of status 1 is quoted only while nothing of it is on the book.
"""

from collections.abc import Callable, Mapping
from typing import ClassVar

from solders.instruction import Instruction
from solders.pubkey import Pubkey

from fairlead.amounts import BPS, U64_MAX
from fairlead.venues.pair import LoadedPair, vault_atoms
from fairlead.venues.raydium.amm_v4_accounts import (
    OPEN_ORDERS_SIZE,
    POOL_SIZE,
    STATUS_INITIALIZED,
    TARGET_ORDERS_SIZE,
    PoolNumbers,
    decode_market,
    decode_numbers,
    open_orders_atoms,
)
from fairlead.venues.raydium.amm_v4_instruction import (
    AUTHORITIES,
    SWAP_BASE_IN,
    SWAP_BASE_IN_V2,
    SWAP_BASE_OUT,
    SWAP_BASE_OUT_V2,
    OrderBook,
    swap_instruction,
)
from fairlead.venues.raydium.amm_v4_swap import (
    Swap,
    Transition,
    after_swap,
    check_amounts,
    check_counter,
    check_status,
    unchecked_in,
    unchecked_out,
)
from fairlead.venues.record import Record
from fairlead.venues.token2022 import (
    TOKEN_PROGRAM,
)
from fairlead.venues.venue import (
    Account,
    ChainTime,
    ErrorClass,
    SwapQuote,
    Venue,
    VenueError,
)

COMPUTE_UNITS = 34_000
"""One swap: 25,000 measured with the cheap token program, 2 × 4,500 more for the classic one."""
COMPUTE_UNITS_ORDER_BOOK = 15_000
"""Added for a pool whose market is read: 11,600 measured on an empty one."""

# Where the pool's bytes name its mints, open orders, market, its program and the target orders.
MINTS = (slice(400, 432), slice(432, 464))
_OPEN_ORDERS, _MARKET, _MARKET_PROGRAM, _TARGET_ORDERS = (
    slice(at, at + 32) for at in (496, 528, 560, 592)
)


class AmmV4Pool(Record, frozen=True, gc=False):
    """A decoded AmmInfo. Pairs are in the order coin, pc."""

    venue: ClassVar[Venue] = Venue.RAYDIUM_AMM_V4
    address: Pubkey
    program_id: Pubkey
    vaults: tuple[Pubkey, Pubkey]
    mints: tuple[Pubkey, Pubkey]
    numbers: PoolNumbers
    # The account's bytes, from which the state after a swap is made.
    data: bytes

    @property
    def accounts_needed(self) -> tuple[Pubkey, ...]:
        """Both vaults; where the order book may count, the open orders and the market too."""
        if self.numbers.status == STATUS_INITIALIZED and any(self.data[_OPEN_ORDERS]):
            return (*self.vaults, self._key(_OPEN_ORDERS), self._key(_MARKET))
        return self.vaults

    def more_needed(self, accounts: Mapping[Pubkey, Account]) -> tuple[Pubkey, ...]:
        """Nothing: the pool names all."""
        return ()

    def check_open(self, time: ChainTime) -> None:
        """`VenueError` where its status lets nobody swap, now or yet; whatever its order book."""
        check_status(self.numbers, time, (0, 0))

    def load(self, accounts: Mapping[Pubkey, Account]) -> "LoadedAmmV4Pool":
        """The pool ready to quote; `VenueError` names an account that is missing or wrong.

        A market or target orders account among them takes its place in the instruction.
        """
        book, book_atoms = self._order_book(accounts)
        data, (vault_0, vault_1), (mint_0, mint_1) = self.data, self.vaults, MINTS
        vaults = (
            vault_atoms(accounts, vault_0, data[mint_0], classic=True),
            vault_atoms(accounts, vault_1, data[mint_1], classic=True),
        )
        return LoadedAmmV4Pool(self, vaults, book_atoms, book)

    def _key(self, place: slice) -> Pubkey:
        return Pubkey.from_bytes(self.data[place])

    def _order_book(
        self, accounts: Mapping[Pubkey, Account]
    ) -> tuple[OrderBook | None, tuple[int, int] | None]:
        """The pool's accounts on its market, and its atoms there; None for what is not given."""
        if not any(self.data[_OPEN_ORDERS]):
            # A pool of the builds without an order book.
            return None, (0, 0)
        program, address = self._key(_MARKET_PROGRAM), self._key(_MARKET)
        account = accounts.get(address)
        if account is None or account.owner != program:
            return None, None
        market = decode_market(address, program, account.data)
        if market is None:
            return None, None
        target, open_orders = self._key(_TARGET_ORDERS), self._key(_OPEN_ORDERS)
        has_target = _is(accounts.get(target), self.program_id, TARGET_ORDERS_SIZE)
        named = target if has_target else None
        orders = accounts.get(open_orders)
        atoms = None
        if orders is not None and _is(orders, program, OPEN_ORDERS_SIZE):
            atoms = open_orders_atoms(orders.data)
        return OrderBook(open_orders, named, program, address, market), atoms


def decode(address: Pubkey, account: Account) -> AmmV4Pool:
    """The pool in this account; `VenueError` not_a_pool where there is none."""
    data = account.data
    if account.owner not in AUTHORITIES or len(data) != POOL_SIZE:
        raise VenueError(ErrorClass.TERMINAL, "not_a_pool", detail=str(address))
    numbers = decode_numbers(data)
    if numbers.nonce & 0xFF != AUTHORITIES[account.owner][1]:
        # The program would look for its vaults' owner at another address.
        raise VenueError(ErrorClass.TERMINAL, "unknown_authority", detail=str(address))
    key = Pubkey.from_bytes
    return AmmV4Pool(
        address,
        account.owner,
        (key(data[336:368]), key(data[368:400])),
        (key(data[400:432]), key(data[432:464])),
        numbers,
        data,
    )


class LoadedAmmV4Pool(LoadedPair, frozen=True, gc=False):
    """A pool with what its vaults hold."""

    pool: AmmV4Pool
    vault_atoms: tuple[int, int]
    # On the order book, None where not known.
    order_book_atoms: tuple[int, int] | None
    # Named in the instruction where it is given.
    book: OrderBook | None

    @property
    def token_programs(self) -> tuple[Pubkey, Pubkey]:
        return (TOKEN_PROGRAM, TOKEN_PROGRAM)

    def quote_exact_in(
        self,
        input_mint: Pubkey,
        amount_in_atoms: int,
        time: ChainTime,
        *,
        old_ceil_div: bool = False,
    ) -> SwapQuote:
        """What the program would pay now for this input; see `checked_ceil_div`."""
        coin_to_pc = self._direction(input_mint)
        return self._quote(
            input_mint, self._swap(unchecked_in, coin_to_pc, amount_in_atoms, time, old_ceil_div)
        )

    def quote_exact_out(
        self,
        input_mint: Pubkey,
        amount_out_atoms: int,
        time: ChainTime,
        *,
        old_ceil_div: bool = False,
    ) -> SwapQuote:
        """What the program would take now for this output; see `checked_ceil_div`."""
        coin_to_pc = self._direction(input_mint)
        swap = self._swap(unchecked_out, coin_to_pc, amount_out_atoms, time, old_ceil_div)
        return self._quote(input_mint, swap)

    def after_exact_in(
        self,
        input_mint: Pubkey,
        amount_in_atoms: int,
        time: ChainTime,
        *,
        old_ceil_div: bool = False,
    ) -> Transition:
        """What this swap would change."""
        coin_to_pc = self._direction(input_mint)
        swap = self._swap(unchecked_in, coin_to_pc, amount_in_atoms, time, old_ceil_div)
        return after_swap(self.pool.data, coin_to_pc, swap, time.epoch)

    def after_exact_out(
        self,
        input_mint: Pubkey,
        amount_out_atoms: int,
        time: ChainTime,
        *,
        old_ceil_div: bool = False,
    ) -> Transition:
        """What this swap would change."""
        coin_to_pc = self._direction(input_mint)
        swap = self._swap(unchecked_out, coin_to_pc, amount_out_atoms, time, old_ceil_div)
        return after_swap(self.pool.data, coin_to_pc, swap, time.epoch)

    def swap_exact_in(
        self,
        user: Pubkey,
        input_mint: Pubkey,
        user_input: Pubkey,
        user_output: Pubkey,
        amount_in_atoms: int,
        minimum_out_atoms: int,
        *,
        v2: bool = False,
    ) -> Instruction:
        """SwapBaseIn, or SwapBaseInV2, which builds before 2025-09 do not know."""
        self._direction(input_mint)
        tag = SWAP_BASE_IN_V2 if v2 else SWAP_BASE_IN
        amounts = (amount_in_atoms, minimum_out_atoms)
        return self._instruction(tag, amounts, (user_input, user_output, user))

    def swap_exact_out(
        self,
        user: Pubkey,
        input_mint: Pubkey,
        user_input: Pubkey,
        user_output: Pubkey,
        amount_out_atoms: int,
        maximum_in_atoms: int,
        *,
        v2: bool = False,
    ) -> Instruction:
        """SwapBaseOut, or SwapBaseOutV2, which builds before 2025-09 do not know."""
        self._direction(input_mint)
        tag = SWAP_BASE_OUT_V2 if v2 else SWAP_BASE_OUT
        amounts = (maximum_in_atoms, amount_out_atoms)
        return self._instruction(tag, amounts, (user_input, user_output, user))

    def _swap(
        self,
        move: Callable[..., Swap],
        coin_to_pc: bool,
        amount_atoms: int,
        time: ChainTime,
        old_ceil_div: bool,
    ) -> Swap:
        assert 0 <= amount_atoms <= U64_MAX
        numbers = self.pool.numbers
        check_status(numbers, time, self.order_book_atoms)
        swap = move(numbers, self.vault_atoms, coin_to_pc, amount_atoms, old_ceil_div=old_ceil_div)
        check_amounts(swap)
        check_counter(numbers, coin_to_pc, swap)
        return swap

    def _quote(self, input_mint: Pubkey, swap: Swap) -> SwapQuote:
        at_pool_price = (swap.amount_in - swap.fee) * swap.reserve_out
        lost = at_pool_price - swap.amount_out * swap.reserve_in
        reads_book = self.pool.numbers.status == STATUS_INITIALIZED
        return SwapQuote(
            swap.amount_in,
            swap.amount_out,
            swap.fee,
            input_mint,
            -(-lost * BPS // at_pool_price) if lost > 0 else 0,
            COMPUTE_UNITS + COMPUTE_UNITS_ORDER_BOOK if reads_book else COMPUTE_UNITS,
        )

    def _instruction(
        self, tag: int, amounts: tuple[int, int], wallet: tuple[Pubkey, Pubkey, Pubkey]
    ) -> Instruction:
        pool = self.pool
        at = (pool.program_id, pool.address, pool.vaults)
        return swap_instruction(tag, amounts, *at, self.book, wallet)


def _is(account: Account | None, owner: Pubkey, size: int) -> bool:
    return account is not None and account.owner == owner and len(account.data) == size
