"""Who took a latch, and which order a transaction of ours belongs to (rules 10, 11, 23)."""

from itertools import permutations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from fairlead.orders.model import OrderStatus as S
from fairlead.solana.accounts import SYSTEM_PROGRAM, TOKEN_PROGRAM
from fairlead.solana.adoption import is_cancel
from fairlead.solana.landed import LandedTransaction
from fairlead.solana.latch import (
    Latch,
    create_with_seed,
    latch_address,
    latch_seed,
    reclaim_instruction,
    take_instruction,
    wrap_address,
    wrap_seed,
)
from fairlead.solana.lost import (
    Nobody,
    Ours,
    Seeds,
    Stranger,
    TakerEvidence,
    agreed_taker,
    is_reclaim,
    is_signed_by,
    match,
    seeds_in,
    taker_of,
)
from tests.unit.orders.facts import order

OURS, THEIRS = Keypair.from_seed(bytes(range(32))), Keypair.from_seed(bytes(32))
WALLET = str(OURS.pubkey())
SECRET = bytes(range(32))
SEED = latch_seed(SECRET, 0)
LATCH = latch_address(OURS.pubkey(), SEED)
RENT = 890_880


def landed(payer: Keypair, *instructions: Instruction, made: bool = True) -> LandedTransaction:
    """A successful transaction; `made`: the latch came to be in it."""
    message = MessageV0.try_compile(payer.pubkey(), instructions, [], Hash.default())
    signed = VersionedTransaction(message, [payer])
    keys = tuple(str(key) for key in message.account_keys)
    before = tuple(0 if key == str(LATCH) and made else 10**9 for key in keys)
    return LandedTransaction(
        signature=str(signed.signatures[0]),
        slot=7,
        block_time_s=None,
        error=None,
        fee_lamports=5_000,
        accounts=keys,
        pre_lamports=before,
        post_lamports=tuple(10**9 for _ in keys),
        pre_tokens=(),
        post_tokens=(),
        logs=(),
        compute_units=1,
        raw=bytes(signed),
    )


def transfer(payer: Keypair) -> Instruction:
    data = (2).to_bytes(4, "little") + RENT.to_bytes(8, "little")
    metas = [AccountMeta(payer.pubkey(), True, True), AccountMeta(LATCH, False, True)]
    return Instruction(SYSTEM_PROGRAM, data, metas)


def naming(payer: Keypair) -> Instruction:
    """Names the latch and gives it nothing."""
    return Instruction(TOKEN_PROGRAM, b"", [AccountMeta(LATCH, False, False)])


TAKEN = landed(OURS, take_instruction(OURS.pubkey(), Latch(LATCH, SEED, RENT)))
PAID = landed(THEIRS, transfer(THEIRS))
NAMED = landed(THEIRS, naming(THEIRS), made=False)
RECLAIMED = landed(OURS, reclaim_instruction(OURS.pubkey(), Latch(LATCH, SEED, RENT)), made=False)


def found(*named_by: LandedTransaction | None, present: bool = True, complete: bool = True):
    return taker_of(TakerEvidence(present, named_by, complete), WALLET, str(LATCH))


def test_transaction_that_our_wallet_signed_is_ours_whoever_else_names_the_latch() -> None:
    for named_by in permutations((TAKEN, PAID, NAMED, None)):
        assert Ours(TAKEN) == found(*named_by)
    # Its rent was taken back since; and a list that is not whole shows as much.
    assert Ours(TAKEN) == found(TAKEN, present=False, complete=False)


def test_who_took_the_rent_back_did_not_take_the_latch() -> None:
    assert is_reclaim(RECLAIMED, WALLET)
    assert not is_reclaim(TAKEN, WALLET)
    assert not is_reclaim(PAID, WALLET)
    for named_by in permutations((TAKEN, RECLAIMED, NAMED)):
        assert Ours(TAKEN) == found(*named_by, present=False)
    assert Stranger() == found(RECLAIMED, PAID, present=False)
    # Something was there to be taken back; the history does not say who made it.
    assert found(RECLAIMED, present=False) is None


def test_reclaim_is_no_cancel() -> None:
    assert is_cancel(TAKEN)
    assert not is_cancel(RECLAIMED)


def test_stranger_is_shown_by_the_transaction_that_made_the_account() -> None:
    assert Stranger() == found(PAID)
    assert Stranger() == found(NAMED, PAID)


@pytest.mark.parametrize(
    ("named_by", "complete"),
    [
        ((), True),
        ((NAMED,), True),
        ((PAID, None), True),
        ((PAID,), False),
        ((msgspec.structs.replace(PAID, raw=b""),), True),
        ((PAID, msgspec.structs.replace(TAKEN, raw=PAID.raw)), True),
        ((PAID, msgspec.structs.replace(TAKEN, error='"AccountInUse"')), True),
    ],
    ids=["no history", "history behind", "not shown", "not all", "bare", "another", "failed"],
)
def test_nobody_is_blamed_while_the_history_may_lack_ours(named_by, complete) -> None:
    assert found(*named_by, complete=complete) is None


def test_absent_latch_was_taken_by_nobody() -> None:
    assert Nobody() == found(present=False)
    assert found(None, present=False) is None
    assert found(present=False, complete=False) is None


def test_signature_must_be_genuine() -> None:
    forged = bytearray(TAKEN.raw)
    forged[70] ^= 1
    assert is_signed_by(TAKEN, WALLET)
    assert not is_signed_by(msgspec.structs.replace(TAKEN, raw=bytes(forged)), WALLET)
    assert is_signed_by(PAID, WALLET) is False


@given(st.lists(st.sampled_from([Ours(TAKEN), Stranger(), Nobody(), None]), max_size=5))
def test_one_witness_shows_ours_and_no_single_one_shows_anything_else(said) -> None:
    verdict = agreed_taker(said, 2)
    if Ours(TAKEN) in said:
        assert Ours(TAKEN) == verdict
    elif verdict is not None:
        assert 2 <= said.count(verdict)
        other = Nobody() if isinstance(verdict, Stranger) else Stranger()
        assert said.count(other) < 2


def test_single_provider_is_trusted() -> None:
    assert Stranger() == agreed_taker([Stranger()], 1)
    assert agreed_taker([None], 1) is None


def wrap(number: int) -> Instruction:
    seed = wrap_seed(SECRET, number)
    address = wrap_address(OURS.pubkey(), seed)
    return create_with_seed(OURS.pubkey(), address, seed, 1, 165, TOKEN_PROGRAM)


def test_seeds_lead_to_the_order_and_its_generation() -> None:
    ours = order(S.ROUTING, secret=SECRET)
    other = order(S.ROUTING, secret=bytes(32))
    second = latch_seed(SECRET, 1)
    address = latch_address(OURS.pubkey(), second)
    taking = take_instruction(OURS.pubkey(), Latch(address, second, RENT))
    seeds = seeds_in(landed(OURS, taking, wrap(1)), WALLET)
    assert Seeds(second, (wrap_seed(SECRET, 1),)) == seeds
    matched = match(seeds, [other, ours], 5)
    assert matched is not None
    assert (ours, 1) == (matched.order, matched.generation)
    assert match(seeds, [other], 5) is None
    assert match(seeds, [ours], 1) is None
    assert seeds.are_ours


def test_wrap_leads_to_an_order_without_a_latch() -> None:
    ours = order(S.ROUTING, secret=SECRET)
    seeds = seeds_in(landed(OURS, wrap(3)), WALLET)
    matched = match(seeds, [order(S.ROUTING, secret=bytes(32)), ours], 5)
    assert matched is not None
    assert (ours, None) == (matched.order, matched.generation)


def test_transactions_of_other_programs_are_not_ours() -> None:
    base = OURS.pubkey()
    named = create_with_seed(base, Pubkey.default(), "a seed of its own", 1, 0, SYSTEM_PROGRAM)
    for transaction in (landed(OURS, transfer(OURS)), landed(OURS, named), PAID):
        assert not seeds_in(transaction, WALLET).are_ours
    assert Seeds(None, ()) == seeds_in(TAKEN, str(THEIRS.pubkey()))
