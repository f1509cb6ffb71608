"""What legs take of one transaction."""

import random

import msgspec
import pytest
from solders.pubkey import Pubkey

from fairlead.routing import WSOL_MINT, Binding, RouteLeg, compute_unit_limit
from fairlead.routing.limits import Room, units_wanted
from fairlead.solana.latch import Latch, latch_address, latch_seed, wrap_address, wrap_seed
from fairlead.solana.transaction import (
    SwapPlan,
    Tip,
    TokenMint,
    TransactionTooLarge,
    Wrap,
    create_ata_instruction,
    swap_message,
    user_account,
)
from tests.unit.routing.markets import MAKERS, MINTS, NOW, Maker, Mints, a_dlmm, ordered
from tests.vectors.pools import key

WALLET, SECRET = key("a wallet"), bytes(range(32))
SOL_PAIR = ordered(WSOL_MINT, MINTS[0])
assert WSOL_MINT == SOL_PAIR[0]
PAIRS = (SOL_PAIR, MINTS)
AMOUNT = 10**8


def leg_of(make: Maker, mints: Mints, side: int, number: int = 0) -> RouteLeg:
    pool = make(f"limits {number}", mints, 10**13, 0.15, random.Random(number)).pool
    quote = pool.quote_exact_in(mints[side], AMOUNT, NOW)
    return RouteLeg(pool, mints[side], mints[1 - side], quote)


def message_of(legs: list[RouteLeg], tip: Tip | None = None) -> bytes:
    """The message of these legs, with every account made that they bring tokens to."""
    tokens = {
        mint: TokenMint(mint, program)
        for leg in legs
        for mint, program in zip(leg.pool.mints, leg.pool.token_programs, strict=True)
    }
    wrap = None
    if WSOL_MINT in tokens:
        seed = wrap_seed(SECRET, 1)
        wrap = Wrap(wrap_address(WALLET, seed), seed, 2_039_280)
    seed = latch_seed(SECRET, 0)
    made = [
        create_ata_instruction(WALLET, tokens[mint])
        for mint in dict.fromkeys(leg.output_mint for leg in legs)
        if mint != WSOL_MINT
    ]
    swaps = [
        leg.pool.swap_exact_in(
            WALLET,
            leg.input_mint,
            user_account(WALLET, tokens[leg.input_mint], wrap),
            user_account(WALLET, tokens[leg.output_mint], wrap),
            leg.quote.amount_in_atoms,
            1,
        )
        for leg in legs
    ]
    plan = SwapPlan(
        wallet=WALLET,
        blockhash=str(key("a blockhash")),
        compute_unit_limit=1_000_000,
        compute_unit_price_micro_lamports=5,
        latch=Latch(latch_address(WALLET, seed), seed, 890_880),
        wrap=wrap,
        swaps=(*made, *swaps),
        tip=tip,
    )
    return swap_message(plan)


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("mints", PAIRS)
@pytest.mark.parametrize("side", [0, 1])
def test_size_is_that_of_the_attempts_own_message(make: Maker, mints: Mints, side: int) -> None:
    leg = leg_of(make, mints, side)
    message = message_of([leg])
    taken = Room().footprint([leg])
    assert 65 + len(message) == taken.size
    # Its keys are counted in the byte after version and header.
    assert message[4] == taken.account_locks
    assert compute_unit_limit(leg.quote.compute_units) == taken.compute_units


def test_two_legs_name_shared_accounts_once() -> None:
    legs = [leg_of(MAKERS[0], SOL_PAIR, 0, number) for number in (1, 2)]
    assert 65 + len(message_of(legs)) == Room().footprint(legs).size
    tip = Tip(key("a tip account"), 1_000)
    tipped = Room(has_tip=True).footprint(legs).size
    assert 65 + len(message_of(legs, tip)) == tipped


@pytest.mark.parametrize("middle", [WSOL_MINT, key("limits middle")])
def test_size_of_two_hops_is_that_of_their_message(middle: Pubkey) -> None:
    a, b = key("limits a"), key("limits b")
    legs = []
    for source, target in ((a, middle), (middle, b)):
        mints = ordered(source, target)
        leg = leg_of(MAKERS[4], mints, mints.index(source))
        legs.append(leg)
    room = Room()
    assert 65 + len(message_of(legs)) == room.footprint(legs).size
    assert room.footprint(legs) == Room(before=legs[:1]).footprint(legs[1:])


def test_legs_that_exceed_a_packet_are_those_that_no_message_can_hold() -> None:
    legs = [leg_of(MAKERS[1], SOL_PAIR, 0, number) for number in (1, 2)]
    assert Binding.BYTES is Room().exceeded(legs)
    with pytest.raises(TransactionTooLarge):
        message_of(legs)


def test_lookup_table_makes_room_but_not_for_signers_and_programs() -> None:
    legs = [leg_of(MAKERS[1], SOL_PAIR, 0, number) for number in (1, 2)]
    without = Room().footprint(legs)
    swaps = [leg.pool.swap_exact_in(WALLET, WSOL_MINT, WALLET, WALLET, AMOUNT, 1) for leg in legs]
    held = {meta.pubkey for swap in swaps for meta in swap.accounts} - {WALLET}
    programs = {swap.program_id for swap in swaps}
    taken = Room((frozenset(held | programs),)).footprint(legs)
    # The token program is called to set up the temporary account, and so stays in the message.
    called = Pubkey.from_string("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA")
    moved = len(held - programs - {called})
    assert without.size - 31 * moved + 34 == taken.size
    assert without.account_locks == taken.account_locks
    assert Room((frozenset(held),)).exceeded(legs) is None


def test_table_that_saves_nothing_is_not_used() -> None:
    leg = leg_of(MAKERS[0], SOL_PAIR, 0)
    one = frozenset({leg.pool.address})
    assert Room().footprint([leg]) == Room((one,)).footprint([leg])


def test_account_locks_bind_where_tables_leave_room_for_bytes() -> None:
    # Of five bins, each in an array of its own.
    bins = {70 * n: AMOUNT for n in range(-9, 10)}
    legs = []
    for number in range(6):
        pool = a_dlmm(f"far {number}", SOL_PAIR, bins, 0.15, 500).pool
        quote = pool.quote_exact_in(WSOL_MINT, 5 * AMOUNT - 10**6, NOW)
        legs.append(RouteLeg(pool, WSOL_MINT, SOL_PAIR[1], quote))
    held = frozenset(
        meta.pubkey
        for leg in legs
        for meta in leg.pool.swap_exact_in(
            WALLET, WSOL_MINT, WALLET, WALLET, AMOUNT * 5, 1
        ).accounts
    )
    room = Room((held,))
    assert Binding.ACCOUNT_LOCKS is room.exceeded(legs)
    assert 64 < room.footprint(legs).account_locks
    assert room.exceeded(legs[:5]) is None


def test_larger_amount_may_name_more_accounts() -> None:
    pool = a_dlmm("far", SOL_PAIR, {70 * n: AMOUNT for n in range(-9, 10)}, 0.15, 500).pool
    room, locks = Room(), []
    for bins in (1, 4):
        quote = pool.quote_exact_in(WSOL_MINT, bins * AMOUNT - 10**6, NOW)
        leg = RouteLeg(pool, WSOL_MINT, SOL_PAIR[1], quote)
        locks.append(room.footprint([leg]).account_locks)
    assert [locks[0], locks[0] + 3] == locks


def test_compute_units_bind() -> None:
    legs = [leg_of(MAKERS[0], SOL_PAIR, 0, number) for number in (1, 2)]
    # Both and what is around them, with a fifth more: just what a transaction may ask for, or not.
    most = (1_400_000 * 10 // 12 - 60_000) // 2
    fits, too_many = (
        [
            msgspec.structs.replace(
                leg, quote=msgspec.structs.replace(leg.quote, compute_units=units)
            )
            for leg in legs
        ]
        for units in (most, most + 1)
    )
    assert Room().exceeded(fits) is None
    assert Binding.COMPUTE_UNITS is Room().exceeded(too_many)
    assert compute_unit_limit(2 * most + 2) < units_wanted(2 * most + 2)
