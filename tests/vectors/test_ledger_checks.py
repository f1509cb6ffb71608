"""What the ledger's swap programs refuse: the codes were seen from the real programs in LiteSVM."""

from pathlib import Path

import msgspec
import pytest
from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from fairlead.venues.token2022 import TOKEN_2022_PROGRAM
from fairlead.venues.vectors import Vector, parse
from fairlead.venues.venue import Account
from tests.vectors import replay

HERE = Path(__file__).parent
STRANGER = Pubkey.from_bytes(bytes([77]) * 32)


def first_swap(name: str) -> Vector:
    vectors = parse((HERE / f"{name}.json").read_bytes())
    return next(v for v in vectors if v.category == "normal" and not v.refused)


CPMM = first_swap("raydium_cpmm_own00")
DAMM_V2 = first_swap("meteora_damm_v2_own00")
LIMITED = next(
    v
    for v in parse((HERE / "meteora_damm_v2_own06.json").read_bytes())
    if not v.refused and bytes(v.input_mint) > bytes(v.output_mint)
)


def sent(vector: Vector) -> Instruction:
    assert vector.sent is not None
    return vector.sent


def answer(vector: Vector, metas=None, data: bytes | None = None) -> int | str | None:
    """The custom number or the kind of the refusal, None where there is none."""
    changed = Instruction(
        sent(vector).program_id,
        bytes(sent(vector).data) if data is None else data,
        list(sent(vector).accounts) if metas is None else metas,
    )
    error = replay.replay(msgspec.structs.replace(vector, sent=changed)).error
    if error is None:
        return None
    return error.kind if error.code is None else error.code


def with_key(vector: Vector, index: int, key: Pubkey) -> list[AccountMeta]:
    metas = list(sent(vector).accounts)
    metas[index] = AccountMeta(key, metas[index].is_signer, metas[index].is_writable)
    return metas


def read_only(vector: Vector, index: int) -> list[AccountMeta]:
    metas = list(sent(vector).accounts)
    metas[index] = AccountMeta(metas[index].pubkey, metas[index].is_signer, False)
    return metas


def key_of(vector: Vector, index: int) -> Pubkey:
    return sent(vector).accounts[index].pubkey


@pytest.mark.parametrize(
    ("vector", "index", "code"),
    [
        (CPMM, 1, 2006),
        (CPMM, 2, 3012),
        (CPMM, 3, 3007),
        (CPMM, 4, 3012),
        (CPMM, 6, 3012),
        (CPMM, 8, 3008),
        (CPMM, 10, 3012),
        (CPMM, 12, 3007),
        (DAMM_V2, 0, 2012),
        (DAMM_V2, 1, 3007),
        (DAMM_V2, 2, 3012),
        (DAMM_V2, 4, 2001),
        (DAMM_V2, 5, 2001),
        (DAMM_V2, 6, 2014),
        (DAMM_V2, 7, 2014),
        (DAMM_V2, 9, 2021),
        (DAMM_V2, 11, 3006),
        (DAMM_V2, 12, 2006),
    ],
)
def test_account_of_a_stranger_is_refused(vector, index, code):
    assert code == answer(vector, with_key(vector, index, STRANGER))


@pytest.mark.parametrize(
    ("vector", "index", "other", "code"),
    [
        (CPMM, 4, 5, 1),  # the account to be paid into has nothing to pay with
        (CPMM, 6, 7, 2012),  # both vaults the same: one mint is not the vault's
        (CPMM, 6, 4, 2003),  # not a vault
        (CPMM, 10, 11, 2012),
        (CPMM, 9, 8, None),  # both sides are of one token program
        (DAMM_V2, 3, 2, 3),
        (DAMM_V2, 2, 4, 4),  # the pool's own vault as the user's: not the user's to spend
    ],
)
def test_account_in_the_place_of_another_is_refused(vector, index, other, code):
    assert code == answer(vector, with_key(vector, index, key_of(vector, other)))


@pytest.mark.parametrize(
    ("vector", "index", "code"),
    [(CPMM, 3, 2000), (CPMM, 7, 2000), (CPMM, 12, 2000), (DAMM_V2, 1, 3006), (DAMM_V2, 4, 3006)],
)
def test_read_only_account_is_refused(vector, index, code):
    assert code == answer(vector, read_only(vector, index))


@pytest.mark.parametrize(("vector", "index"), [(CPMM, 0), (DAMM_V2, 8)])
def test_user_must_sign(vector, index):
    metas = list(sent(vector).accounts)
    metas[index] = AccountMeta(STRANGER, False, False)
    assert 3010 == answer(vector, metas)


@pytest.mark.parametrize(("vector", "index"), [(CPMM, 0), (DAMM_V2, 8)])
def test_who_signs_must_own_the_tokens(vector, index):
    assert 4 == answer(vector, with_key(vector, index, STRANGER))


@pytest.mark.parametrize("vector", [CPMM, DAMM_V2])
def test_every_account_must_be_named(vector):
    count = 13 if vector is CPMM else 14
    assert 3005 == answer(vector, list(sent(vector).accounts)[: count - 1])


def test_instruction_that_is_unknown_or_cut_off_is_refused():
    assert [100, 101, 102] == [
        answer(CPMM, data=data) for data in (b"", b"\1" * 8, sent(CPMM).data[:20])
    ]
    assert [101, 101, 102, 6018] == [
        answer(DAMM_V2, data=bytes(data))
        for data in (b"", b"\1" * 8, sent(DAMM_V2).data[:20], sent(DAMM_V2).data[:24] + b"\7")
    ]


def test_rate_limiter_wants_the_sysvar():
    assert None is answer(LIMITED)
    assert 6049 == answer(LIMITED, list(sent(LIMITED).accounts)[:14])
    assert "UnsupportedSysvar" == answer(LIMITED, with_key(LIMITED, 14, STRANGER))


def test_accounts_of_the_other_token_program_are_refused():
    accounts = dict(CPMM.accounts)
    user = accounts[CPMM.user_input]
    accounts[CPMM.user_input] = Account(TOKEN_2022_PROGRAM, user.lamports, user.data)
    assert "ExternalAccountDataModified" == answer(msgspec.structs.replace(CPMM, accounts=accounts))


def frozen(vector: Vector, address: Pubkey) -> Vector:
    a = vector.accounts[address]
    data = a.data[:108] + b"\2" + a.data[109:]
    accounts = {**vector.accounts, address: Account(a.owner, a.lamports, data)}
    return msgspec.structs.replace(vector, accounts=accounts)


@pytest.mark.parametrize("name", ["raydium_cpmm_own00", "raydium_cpmm_own05"])
def test_frozen_account_stops_the_swap(name):
    vector = first_swap(name)
    assert [17, 17] == [
        answer(frozen(vector, address)) for address in (vector.user_input, vector.user_output)
    ]


def test_delegate_spends_its_allowance():
    vector = first_swap("raydium_cpmm_own05")
    a = vector.accounts[vector.user_input]
    allowed = (vector.amount_in or 0) + 5
    data = bytearray(a.data)
    data[32:64] = bytes(STRANGER)
    data[72:108] = b"\1\0\0\0" + bytes(vector.payer)
    data[121:129] = allowed.to_bytes(8, "little")
    accounts = {**vector.accounts, vector.user_input: Account(a.owner, a.lamports, bytes(data))}
    done = replay.replay(msgspec.structs.replace(vector, accounts=accounts))
    assert None is done.error
    left = done.views[vector.user_input].data[121:129]
    assert 5 == int.from_bytes(left, "little")
    data[121:129] = (allowed - 6).to_bytes(8, "little")
    accounts[vector.user_input] = Account(a.owner, a.lamports, bytes(data))
    assert 1 == answer(msgspec.structs.replace(vector, accounts=accounts))


def test_logs_name_the_error_and_the_program_that_failed():
    slippage = next(
        v
        for v in parse((HERE / "raydium_cpmm_own00.json").read_bytes())
        if v.category == "slippage"
    )
    assert [
        "Program log: Instruction: SwapBaseInput",
        "Program log: AnchorError occurred. Error Code: ExceededSlippage. Error Number: 6005. "
        "Error Message: Exceeds desired slippage limit.",
    ] == replay.replay(slippage).logs
    poor = next(
        v
        for v in parse((HERE / "raydium_cpmm_own00.json").read_bytes())
        if v.category == "user_balance"
    )
    assert [
        "Program log: Error: insufficient funds",
        "Program TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA failed: custom program error: 0x1",
    ] == replay.replay(poor).logs[-2:]
