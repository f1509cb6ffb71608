"""What a mint says: warnings for people, and a refusal where no order can work."""

from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.pubkey import Pubkey

from fairlead.venues.token2022 import (
    ACCOUNT_TYPE_MINT,
    ACCOUNT_TYPE_OFFSET,
    TOKEN_2022_PROGRAM,
    TOKEN_PROGRAM,
    encode_mint,
    encode_token_account,
)
from fairlead.venues.token_facts import WARNINGS, TokenFacts, token_facts
from fairlead.venues.venue import Account, VenueError

MINT, SOMEBODY = Pubkey.from_bytes(bytes([7]) * 32), Pubkey.from_bytes(bytes([9]) * 32)
NOBODY = bytes(32)
ONE = bytes(SOMEBODY)


def facts(data: bytes, program: Pubkey = TOKEN_2022_PROGRAM) -> TokenFacts:
    return token_facts(MINT, Account(program, 1, data))


def extended(*extensions: tuple[int, bytes]) -> bytes:
    head = encode_mint(6, 5).ljust(ACCOUNT_TYPE_OFFSET, b"\0") + bytes([ACCOUNT_TYPE_MINT])
    return head + b"".join(pack("<HH", kind, len(value)) + value for kind, value in extensions)


def fee_config(authority: bytes, older_bps: int, newer_bps: int) -> bytes:
    older, newer = pack("<QQH", 0, 10, older_bps), pack("<QQH", 5, 10, newer_bps)
    return authority + NOBODY + pack("<Q", 0) + older + newer


def test_plain_mint_has_no_warning():
    found = facts(encode_mint(5, 12), TOKEN_PROGRAM)
    assert TokenFacts(MINT, TOKEN_PROGRAM, 5, 12) == found


def test_authorities_over_supply_and_accounts_are_told():
    data = encode_mint(9, 1, mint_authority=SOMEBODY, freeze_authority=SOMEBODY)
    assert ("mint_authority", "freeze_authority") == facts(data, TOKEN_PROGRAM).warnings


@pytest.mark.parametrize(
    ("kind", "value", "warnings", "refusal"),
    [
        (1, fee_config(NOBODY, 0, 100), ("transfer_fee",), ""),
        (1, fee_config(NOBODY, 100, 0), ("transfer_fee",), ""),
        (1, fee_config(ONE, 0, 0), ("transfer_fee",), ""),
        (1, fee_config(NOBODY, 0, 0), (), ""),
        (3, ONE, ("close_authority",), ""),
        (3, NOBODY, (), ""),
        (6, b"\1", (), ""),
        (6, b"\2", ("default_frozen",), "default_frozen"),
        (9, b"", ("non_transferable",), "non_transferable"),
        (12, ONE, ("permanent_delegate",), ""),
        (12, NOBODY, (), ""),
        (14, ONE + NOBODY, ("transfer_hook",), ""),
        (14, NOBODY + ONE, ("transfer_hook",), "transfer_hook"),
        (14, NOBODY + NOBODY, (), ""),
        (26, ONE + b"\0", ("pausable",), ""),
        (26, NOBODY + b"\0", (), ""),
        (26, ONE + b"\1", ("pausable", "paused"), "paused"),
        # Metadata's pointer and an extension that nobody knows yet.
        (18, ONE + ONE, (), ""),
        (999, b"", (), "extension_999"),
    ],
)
def test_each_extension_warns_and_refuses_as_it_must(kind, value, warnings, refusal):
    found = facts(extended((kind, value)))
    assert (warnings, refusal, 6) == (found.warnings, found.refusal, found.decimals)


@given(st.permutations([(12, ONE), (14, ONE + NOBODY), (26, ONE + b"\1"), (9, b"")]))
def test_warnings_come_in_one_order_whatever_the_mints(extensions):
    found = facts(extended(*extensions))
    assert [code for code in WARNINGS if code in found.warnings] == list(found.warnings)
    assert 5 == len(found.warnings)


@pytest.mark.parametrize(
    ("program", "data"),
    [
        (Pubkey.default(), encode_mint(6, 1)),
        (TOKEN_PROGRAM, bytes(82)),
        (TOKEN_PROGRAM, encode_mint(6, 1)[:81]),
        (TOKEN_2022_PROGRAM, encode_token_account(MINT, SOMEBODY, 1, withheld_atoms=0)),
        (TOKEN_2022_PROGRAM, extended((12, ONE))[:-1]),
    ],
)
def test_what_is_no_mint_is_refused(program, data):
    with pytest.raises(VenueError, match="not_a_mint"):
        facts(data, program)


@given(st.binary(max_size=400))
def test_no_bytes_break_it(data):
    try:
        found = facts(extended() + data)
    except VenueError:
        return
    assert set(found.warnings) <= set(WARNINGS)
