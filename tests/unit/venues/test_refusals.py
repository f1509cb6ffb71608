import pytest
from solders.pubkey import Pubkey

from fairlead import venues
from fairlead.venues import ErrorClass, VenueError, classify, decode_pool
from fairlead.venues.meteora import damm_v2_accounts
from fairlead.venues.raydium import cpmm_accounts
from fairlead.venues.token2022 import TOKEN_PROGRAM
from fairlead.venues.venue import Account, Venue
from tests.unit.venues.pools import CPMM_POOL, DAMM_V2_POOL, cpmm_accounts_of, damm_v2_pool

CPMM, DAMM_V2 = cpmm_accounts.PROGRAM_ID, damm_v2_accounts.PROGRAM_ID
NOBODY = Pubkey.default()


@pytest.mark.parametrize(
    ("program", "log_name", "code", "error_class"),
    [
        (CPMM, "ExceededSlippage", 6005, ErrorClass.STALE),
        (CPMM, None, 6005, ErrorClass.STALE),
        (CPMM, "NotApproved", 6000, ErrorClass.NOT_YET),
        (CPMM, "RequireGtViolated", 2505, ErrorClass.TERMINAL),
        (CPMM, None, 2505, ErrorClass.TERMINAL),
        (CPMM, None, None, ErrorClass.LIQUIDITY),
        (DAMM_V2, "ExceededSlippage", 6002, ErrorClass.STALE),
        (DAMM_V2, None, 6002, ErrorClass.STALE),
        (DAMM_V2, "PoolDisabled", 6003, ErrorClass.NOT_YET),
        (DAMM_V2, "PriceRangeViolation", 6015, ErrorClass.LIQUIDITY),
        (DAMM_V2, None, 6000, ErrorClass.LIQUIDITY),
        (DAMM_V2, "ConstraintHasOne", 2001, ErrorClass.TERMINAL),
        (TOKEN_PROGRAM, None, 1, ErrorClass.TERMINAL),
        (NOBODY, None, 6005, ErrorClass.TERMINAL),
    ],
)
def test_refusal_has_its_class(program, log_name, code, error_class):
    assert error_class is classify(program, log_name, code)


def test_name_in_the_logs_wins_over_the_number():
    assert ErrorClass.STALE is classify(CPMM, "ExceededSlippage", 6000)


def test_pool_is_decoded_by_its_owner():
    cpmm_account = cpmm_accounts_of()[CPMM_POOL]
    damm_v2_account = Account(DAMM_V2, 1, damm_v2_pool().pool.data)
    assert [Venue.RAYDIUM_CPMM, Venue.METEORA_DAMM_V2] == [
        decode_pool(CPMM_POOL, cpmm_account).venue,
        decode_pool(DAMM_V2_POOL, damm_v2_account).venue,
    ]
    with pytest.raises(VenueError, match="not_a_pool"):
        decode_pool(CPMM_POOL, Account(NOBODY, 1, cpmm_account.data))


def test_public_names_are_these():
    assert [
        "Account",
        "ChainTime",
        "ErrorClass",
        "LoadedPool",
        "Pool",
        "SwapQuote",
        "Venue",
        "VenueError",
        "classify",
        "decode_pool",
    ] == sorted(venues.__all__)
