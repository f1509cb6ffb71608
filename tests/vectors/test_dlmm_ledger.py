"""The ledger's DLMM on recorded swaps, and what it refuses with the compiled program's codes."""

from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from fairlead.venues.meteora import dlmm, dlmm_accounts, dlmm_instruction
from fairlead.venues.token2022 import TOKEN_2022_PROGRAM
from fairlead.venues.vectors import Vector, parse
from fairlead.venues.venue import Account
from tests.vectors import replay
from tests.vectors.pools import key

OWN = sorted(Path(__file__).parent.glob("meteora_dlmm_own*.json"))
STRANGER = key("stranger")
PAIR, EXTENSION, RESERVE_X, USER_IN, USER_OUT, MINT_X, ORACLE, HOST, USER = (
    0,
    1,
    2,
    4,
    5,
    6,
    8,
    9,
    10,
)
PROGRAM_X, PROGRAM_Y, MEMO, EVENTS, ARRAYS = 11, 12, 13, 14, 16


def vectors_of(path: Path) -> list[Vector]:
    return parse(path.read_bytes())


SWAP = next(v for v in vectors_of(OWN[0]) if v.category == "normal" and not v.refused)


def answer(metas=None, data: bytes | None = None, patch=None) -> int | str | None:
    """The custom number or the kind of the refusal, None where there is none."""
    assert SWAP.sent is not None
    sent = Instruction(
        SWAP.sent.program_id,
        bytes(SWAP.sent.data) if data is None else data,
        list(SWAP.sent.accounts) if metas is None else metas,
    )
    accounts = {**SWAP.accounts, **(patch or {})}
    error = replay.replay(msgspec.structs.replace(SWAP, sent=sent, accounts=accounts)).error
    if error is None:
        return None
    return error.kind if error.code is None else error.code


def metas_of() -> list[AccountMeta]:
    assert SWAP.sent is not None
    return list(SWAP.sent.accounts)


def with_key(place: int, address: Pubkey, *, is_writable: bool | None = None) -> list[AccountMeta]:
    metas = metas_of()
    old = metas[place]
    writes = old.is_writable if is_writable is None else is_writable
    metas[place] = AccountMeta(address, old.is_signer, writes)
    return metas


def patched(place: int, at: int, value: bytes) -> dict[Pubkey, Account]:
    address = metas_of()[place].pubkey
    a = SWAP.accounts[address]
    data = a.data[:at] + value + a.data[at + len(value) :]
    return {address: Account(a.owner, a.lamports, data)}


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in OWN])
def test_ledger_moves_what_the_program_moved(path):
    assert [] == [
        (vector.id, found)
        for vector in vectors_of(path)
        if (found := replay.difference(vector)) is not None
    ]


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in OWN])
def test_next_recorded_state_is_the_ledgers(path):
    """A swap that was kept left the bytes that the next vector starts from."""
    compared = 0
    for vector, following in pairwise(vectors_of(path)):
        before, after = vector.accounts[vector.pool], following.accounts[vector.pool]
        if vector.refused or vector.category != "normal" or before.data == after.data:
            continue
        views = replay.replay(vector).views
        for address, account in following.accounts.items():
            if address in views and account.owner == dlmm_accounts.PROGRAM_ID:
                assert account.data == views[address].data
                compared += 1
    assert compared


@pytest.mark.parametrize(
    ("place", "code"),
    [
        (PAIR, 3007),
        (EXTENSION, 3007),
        (RESERVE_X, 3012),
        (USER_IN, 3012),
        (MINT_X, 3012),
        (ORACLE, 3007),
        (HOST, 3012),
        (PROGRAM_X, 3008),
        (MEMO, 3008),
        (EVENTS, 2006),
        (ARRAYS, 3007),
    ],
)
def test_account_of_a_stranger_is_refused(place, code):
    assert code == answer(with_key(place, STRANGER))


@pytest.mark.parametrize(
    ("place", "other", "code"),
    [
        (PAIR, ORACLE, 3002),
        (RESERVE_X, USER_IN, 2001),
        (USER_IN, USER_OUT, 6010),
        (USER_OUT, USER_IN, 6010),
        (MINT_X, USER_IN, "InvalidAccountData"),
        (ORACLE, PAIR, 3002),
        (ARRAYS, PAIR, "AccountBorrowFailed"),
        (HOST, USER_OUT, 3),
    ],
)
def test_account_in_the_place_of_another_is_refused(place, other, code):
    found = metas_of()[other].pubkey
    is_out = SWAP.input_mint == Pubkey.from_bytes(SWAP.accounts[SWAP.pool].data[88:120])
    assert is_out or place != HOST
    assert code == answer(with_key(place, found, is_writable=True))


@pytest.mark.parametrize("place", [PAIR, RESERVE_X, USER_IN, USER_OUT, ORACLE, ARRAYS])
def test_read_only_account_is_refused(place):
    assert 2000 == answer(with_key(place, metas_of()[place].pubkey, is_writable=False))


def test_user_must_sign_and_all_accounts_be_named():
    metas = metas_of()
    metas[USER] = AccountMeta(metas[USER].pubkey, False, False)
    assert 3010 == answer(metas)
    assert [3005] * 16 == [answer(metas_of()[:count]) for count in range(ARRAYS)]


def test_instruction_that_is_unknown_or_cut_off_is_refused():
    assert SWAP.sent is not None
    data = bytes(SWAP.sent.data)
    assert [101, 101, 102, 102] == [answer(data=d) for d in (b"", b"\1" * 8, data[:20], data[:27])]
    assert None is answer(data=data + b"\7")


def test_arrays_are_taken_in_order_and_the_others_of_the_pair_passed_over():
    metas = metas_of()
    assert len(metas) > ARRAYS + 1
    assert 3005 == answer(metas[:ARRAYS])
    assert None is answer([*metas[:ARRAYS], metas[ARRAYS + 1], *metas[ARRAYS:]])
    assert 3005 == answer([*metas[:ARRAYS], metas[ARRAYS + 1]])
    assert 6027 == answer(patch=patched(ARRAYS, 24, bytes(STRANGER)))


def test_slices_for_transfer_hooks():
    assert SWAP.sent is not None
    metas, data = metas_of(), bytes(SWAP.sent.data)[:24]
    mint = AccountMeta(metas[MINT_X].pubkey, False, False)

    def with_slices(*slices: tuple[int, ...], more: int = 0) -> int | str | None:
        added = len(slices).to_bytes(4, "little") + b"".join(map(bytes, slices))
        return answer([*metas[:ARRAYS], *[mint] * more, *metas[ARRAYS:]], data + added)

    assert None is with_slices((0, 0), (1, 0))
    assert 6078 == with_slices((0, 1), more=1)
    assert 6076 == with_slices((0, 1), (0, 1), more=2)
    assert 6074 == with_slices((0, 99))
    assert [6075, 6075, 102] == [with_slices(found) for found in ((2, 0), (3, 0, 0), (4, 0))]


def test_only_one_may_swap_before_a_pair_opens():
    point = SWAP.time.slot + 100
    opening = patched(PAIR, 816, point.to_bytes(8, "little") + (100).to_bytes(8, "little"))
    data = bytearray(opening[SWAP.pool].data)
    data[75], data[86] = dlmm_accounts.CUSTOMIZABLE_PERMISSIONLESS, 0

    def by(user: Pubkey, head_start: int) -> int | str | None:
        data[752:784], data[824:832] = bytes(user), head_start.to_bytes(8, "little")
        a = SWAP.accounts[SWAP.pool]
        return answer(patch={SWAP.pool: Account(a.owner, a.lamports, bytes(data))})

    assert [6042, None] == [by(SWAP.payer, head_start) for head_start in (99, 100)]
    assert 6042 == by(STRANGER, 100)


def test_older_instructions_take_spl_token_alone():
    assert SWAP.sent is not None
    metas, data = metas_of(), bytes(SWAP.sent.data)
    older = [*metas[:MEMO], *metas[MEMO + 1 :]]
    v1 = dlmm_instruction.SWAP + data[8:24]
    assert None is answer(older, v1)
    other = AccountMeta(TOKEN_2022_PROGRAM, False, False)
    assert 3008 == answer([*older[:PROGRAM_Y], other, *older[PROGRAM_Y + 1 :]], v1)


def test_transfers_fail_before_the_limit_does():
    assert SWAP.sent is not None
    data = bytes(SWAP.sent.data)
    greedy = data[:16] + (2**63).to_bytes(8, "little") + data[24:]
    assert 6003 == answer(data=greedy)
    assert 1 == answer(data=greedy, patch=patched(USER_IN, 64, bytes(8)))


def test_an_exact_output_that_costs_more_than_its_maximum():
    """In its last bin that is refused at once; before it the swap is made, and falls short."""
    pool = dlmm.decode(SWAP.pool, SWAP.accounts[SWAP.pool]).load(SWAP.accounts)
    path = pool.down if SWAP.input_mint == pool.mints[0] else pool.up
    most = sum(b.max_amount_in for _, bins in path.arrays for b in bins) // 2
    first, second, *_ = pool.exact_in(SWAP.input_mint, most, SWAP.time).steps
    output = first.fill.amount_out + second.fill.amount_out // 2
    cost = pool.exact_out(SWAP.input_mint, output, SWAP.time).amount_in

    def within(maximum: int) -> int | str | None:
        return answer(data=dlmm_instruction.swap_exact_out_data(output, maximum, v1=False))

    drained = first.fill.amount_in
    assert [6002, 6057, 6057] == [within(maximum) for maximum in (0, drained // 2, drained)]
    assert [6104, 6104, None] == [within(maximum) for maximum in (drained + 1, cost - 1, cost)]
