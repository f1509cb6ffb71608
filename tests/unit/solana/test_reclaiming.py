"""Which latches may be taken back, when, and by which transactions (rule 12)."""

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from solders.hash import Hash
from solders.keypair import Keypair

from fairlead.orders.lent import LentLatch
from fairlead.solana.agreement import reached_height
from fairlead.solana.fees import base_fee_lamports, priority_fee_lamports
from fairlead.solana.landing import LandingPolicy
from fairlead.solana.latch import latch_address, latch_seed
from fairlead.solana.proof import death_height
from fairlead.solana.reclaiming import (
    MAX_LATCHES,
    PUT_OFF_BLOCKS,
    Reading,
    agreed_balances,
    as_attempt,
    batches,
    bid,
    newest_due,
    put_off_to,
    ripe,
)
from fairlead.solana.transaction import UNSIGNED, assemble, reclaim_message
from tests.unit.solana.reclaims import reclaim

WALLETS = [Keypair.from_seed(bytes([n]) * 32).pubkey() for n in (1, 2, 3)]
RENT = 890_880
HEIGHTS = st.integers(0, 10_000)
POLICIES = st.builds(
    LandingPolicy,
    max_blockhash_window=st.integers(1, 1_000),
    reclaim_margin=st.integers(0, 1_000),
)


def latch(number: int = 0, wallet: int = 0, due: int = 100, failures: int = 0) -> LentLatch:
    secret = number.to_bytes(32, "big")
    key = WALLETS[wallet]
    address = str(latch_address(key, latch_seed(secret, 0)))
    return LentLatch(address, f"order {number}", 0, str(key), str(key), secret, due, failures)


LATCHES = st.lists(
    st.builds(
        latch,
        st.integers(0, 10_000),
        st.integers(0, 2),
        st.integers(0, 1_000),
        st.integers(0, 2),
    ),
    max_size=20,
    unique_by=lambda each: each.address,
)


@given(HEIGHTS, HEIGHTS, POLICIES)
def test_nothing_is_due_before_the_newest_attempt_is_dead_and_the_margin_past(
    blockhash_height: int, height: int, policy: LandingPolicy
) -> None:
    attempt = as_attempt(reclaim(blockhash_height=blockhash_height))
    dead = death_height(attempt, policy.max_blockhash_window)
    is_due = blockhash_height <= newest_due(height, policy)
    assert is_due == (height >= dead + policy.reclaim_margin)


@settings(max_examples=40)
@given(LATCHES, HEIGHTS, st.integers(0, 500))
def test_latches_wait_for_company_but_none_longer_than_patience_lasts(
    latches: list[LentLatch], newest: int, patience: int
) -> None:
    taken = ripe(latches, newest, patience)
    assert len(taken) == len({each.address for each in taken})
    for each in latches:
        if each not in taken:
            assert each.due_after_height > newest - patience
            assert each.failures == 0
    for wallet in {each.wallet for each in latches}:
        left = [each for each in latches if each.wallet == wallet and each not in taken]
        assert len(left) < MAX_LATCHES


@settings(max_examples=40)
@given(LATCHES, st.data())
def test_each_that_holds_something_is_in_one_batch_of_its_wallet(
    latches: list[LentLatch], data: st.DataObject
) -> None:
    amounts = st.sampled_from([0, 1, RENT, RENT + 7])
    balances = {each.address: data.draw(amounts) for each in latches}
    found = batches(latches, balances)
    moved = {str(one.address): one.lamports for batch in found for one in batch.latches}
    assert moved == {address: held for address, held in balances.items() if held}
    assert len(moved) == sum(len(batch.latches) for batch in found)
    by_address = {each.address: each for each in latches}
    for batch in found:
        own = [by_address[str(one.address)] for one in batch.latches]
        assert {batch.wallet} == {each.wallet for each in own}
        assert len(own) <= (1 if own[0].failures else MAX_LATCHES)


def test_as_many_as_go_together_fit_a_packet() -> None:
    latches = [latch(number) for number in range(MAX_LATCHES)]
    (batch,) = batches(latches, {each.address: 2**64 - 1 for each in latches})
    message = reclaim_message(WALLETS[0], str(Hash.default()), 10**6, 10**6, batch.latches)
    assert len(assemble(message, (UNSIGNED,))) <= 1_232


@settings(max_examples=40)
@given(st.lists(st.sampled_from([0, RENT]), min_size=1, max_size=8), st.integers(0, 10**9))
def test_a_reclaim_never_costs_what_it_brings(held: list[int], market_price: int) -> None:
    latches = [latch(number) for number in range(len(held))]
    balances = {each.address: lamports for each, lamports in zip(latches, held, strict=True)}
    for batch in batches(latches, balances):
        offer = bid(batch, market_price)
        assert offer is not None
        assert offer.fee_lamports < batch.lamports
        price = offer.compute_unit_price_micro_lamports
        priority = priority_fee_lamports(offer.compute_unit_limit, price)
        assert base_fee_lamports(1) + priority == offer.fee_lamports


def test_dust_below_the_fee_stays_where_it_is() -> None:
    (batch,) = batches([latch()], {latch().address: base_fee_lamports(1)})
    assert bid(batch, 0) is None


# -- what witnesses say


def reading(height: int, *held: tuple[LentLatch, int]) -> Reading:
    return Reading(height, {each.address: lamports for each, lamports in held})


POLICY = LandingPolicy(max_blockhash_window=150, reclaim_margin=300)
DUE = 100 + 151 + 300


def test_two_must_say_the_same_where_there_are_several() -> None:
    one = latch()
    honest, liar = reading(DUE, (one, RENT)), reading(DUE, (one, 0))
    assert {} == agreed_balances([one], [honest, liar], 2, POLICY)
    assert {one.address: RENT} == agreed_balances([one], [honest, liar, honest], 2, POLICY)
    assert {one.address: 0} == agreed_balances([one], [liar], 1, POLICY)


def test_who_is_not_past_the_height_himself_says_nothing() -> None:
    one = latch()
    late, early = reading(DUE, (one, RENT)), reading(DUE - 1, (one, RENT))
    assert {} == agreed_balances([one], [late, early], 2, POLICY)
    assert {one.address: RENT} == agreed_balances([one], [late, late], 2, POLICY)


@given(st.lists(HEIGHTS, max_size=4), HEIGHTS)
def test_one_liar_raises_no_height(honest: list[int], lie: int) -> None:
    found = reached_height([*honest, lie], 2)
    assert found is None or found <= max(honest)


# -- after a failure


@given(HEIGHTS, POLICIES)
def test_who_failed_together_is_tried_alone_at_once_who_failed_alone_is_put_off(
    height: int, policy: LandingPolicy
) -> None:
    assert 0 == put_off_to(height, reclaim(latches=("a", "b")), policy)
    alone = put_off_to(height, reclaim(latches=("a",)), policy)
    assert alone >= newest_due(height, policy) + PUT_OFF_BLOCKS
    later = msgspec.structs.replace(latch(failures=1), due_after_height=alone)
    assert later.due_after_height > newest_due(height + PUT_OFF_BLOCKS - 1, policy)
