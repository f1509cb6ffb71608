import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.pubkey import Pubkey

from fairlead.venues.token2022 import (
    TOKEN_2022_PROGRAM,
    TOKEN_PROGRAM,
    TransferFee,
    decode_mint,
    decode_token_account,
    encode_mint,
    encode_token_account,
)
from fairlead.venues.venue import Account, VenueError

KEY = Pubkey.from_bytes(bytes([9]) * 32)
OTHER = Pubkey.from_bytes(bytes([8]) * 32)

fees = st.builds(
    TransferFee,
    epoch=st.integers(0, 10),
    maximum_fee=st.integers(0, 2**64 - 1),
    basis_points=st.integers(0, 10_000),
)
amounts = st.integers(1, 2**63)


def mint_with(kind: int, value: bytes) -> Account:
    data = encode_mint(6, 1).ljust(165, b"\0") + b"\1"
    data += kind.to_bytes(2, "little") + len(value).to_bytes(2, "little") + value
    return Account(TOKEN_2022_PROGRAM, 1, data)


def test_fee_is_rounded_up_and_capped():
    fee = TransferFee(epoch=0, maximum_fee=5_000, basis_points=50)
    assert [0, 1, 1, 2, 5_000] == [fee.fee(n) for n in (0, 1, 200, 201, 10**9)]


def test_inverse_fee_of_a_fee_of_everything_is_its_maximum():
    assert 77 == TransferFee(0, 77, 10_000).inverse_fee(1_000)


@given(fees, amounts)
def test_inverse_fee_is_what_the_transfer_withholds(fee, received):
    inverse = fee.inverse_fee(received)
    if inverse is not None and fee.basis_points < 10_000:
        assert received == received + inverse - fee.fee(received + inverse)


@given(fees, amounts)
def test_fee_never_exceeds_transfer_and_grows_with_it(fee, amount):
    assert 0 <= fee.fee(amount) <= amount
    assert fee.fee(amount) <= fee.fee(amount + 1)


def test_newer_fee_holds_from_its_epoch():
    older, newer = TransferFee(0, 10, 1), TransferFee(5, 20, 2)
    account = Account(TOKEN_2022_PROGRAM, 1, encode_mint(6, 1, older_fee=older, newer_fee=newer))
    mint = decode_mint(account)
    assert (older, newer, newer) == tuple(mint.transfer_fee(epoch) for epoch in (4, 5, 6))


def test_plain_mint_has_no_fee():
    mint = decode_mint(Account(TOKEN_PROGRAM, 1, encode_mint(9, 123, mint_authority=KEY)))
    assert (9, 123, None) == (mint.decimals, mint.supply_atoms, mint.transfer_fee(0))


@pytest.mark.parametrize(
    ("kind", "value", "name"),
    [
        (14, bytes(32) + bytes(KEY), "transfer_hook"),
        (9, b"", "non_transferable"),
        (6, b"\2", "default_account_state"),
        (26, bytes(32) + b"\1", "pausable"),
        (24, bytes(8), "confidential_mint_burn"),
        (999, b"", "extension_999"),
    ],
)
def test_extension_that_changes_transfers_is_refused_by_name(kind, value, name):
    with pytest.raises(VenueError, match=name) as caught:
        decode_mint(mint_with(kind, value))
    assert "unsupported_mint" == caught.value.name


@pytest.mark.parametrize(
    ("kind", "value"), [(14, bytes(64)), (6, b"\1"), (26, bytes(33)), (18, bytes(64)), (25, b"")]
)
def test_extension_without_effect_on_transfers_is_taken(kind, value):
    assert 6 == decode_mint(mint_with(kind, value)).decimals


def test_extension_beyond_the_end_is_refused():
    account = mint_with(18, bytes(64))
    with pytest.raises(VenueError, match="not_a_mint"):
        decode_mint(Account(account.owner, 1, account.data[:-1]))


def test_token_account_reads_back():
    data = encode_token_account(KEY, OTHER, 5, withheld_atoms=2)
    account = decode_token_account(Account(TOKEN_2022_PROGRAM, 1, data))
    assert (bytes(KEY), bytes(OTHER), 5, 1) == (
        account.mint,
        account.owner,
        account.amount_atoms,
        account.state,
    )


@pytest.mark.parametrize(
    "account",
    [
        Account(KEY, 1, encode_token_account(KEY, OTHER, 5)),
        Account(TOKEN_PROGRAM, 1, encode_token_account(KEY, OTHER, 5)[:164]),
        Account(TOKEN_PROGRAM, 1, encode_token_account(KEY, OTHER, 5, state=0)),
    ],
)
def test_what_is_not_a_token_account_is_refused(account):
    with pytest.raises(VenueError, match="not_a_token_account"):
        decode_token_account(account)
