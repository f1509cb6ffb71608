"""Orders and attempts to decide about: values with sensible defaults."""

from typing import Any

import msgspec

from fairlead.orders.model import (
    Attempt,
    AttemptState,
    Leg,
    Order,
    OrderStatus,
    OrderTerms,
    OrderType,
)
from fairlead.ports import EpochInfo
from fairlead.solana import evidence
from fairlead.solana.evidence import Testimony
from fairlead.solana.proof import DeathEvidence, Settled

SOL = "So11111111111111111111111111111111111111112"
USDC = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"
NOW_MS = 1_700_000_000_000


def terms(**given: Any) -> OrderTerms:
    plain = OrderTerms(
        type=OrderType.MARKET,
        wallet="11111111111111111111111111111112",
        wallet_address="11111111111111111111111111111112",
        token_in=SOL,
        token_out=USDC,
        token_in_name="SOL",
        token_out_name="USDC",
        token_in_decimals=9,
        token_out_decimals=6,
        amount_in_atoms=1_500_000_000,
        slippage_bps=100,
        fee_cap_lamports=5_000_000,
    )
    return msgspec.structs.replace(plain, **given)


def order(status: OrderStatus, **given: Any) -> Order:
    plain = Order(
        order_id="018bcfe5-6800-7000-8000-000000000001",
        principal="local",
        terms=terms(),
        secret=bytes(32),
        status=status,
        sequence=4,
        created_at_ms=NOW_MS,
        updated_at_ms=NOW_MS,
        owner="worker",
        round=1,
    )
    return msgspec.structs.replace(plain, **given)


def attempt(**given: Any) -> Attempt:
    plain = Attempt(
        signature="5" * 88,
        order_id="018bcfe5-6800-7000-8000-000000000001",
        round=1,
        number=1,
        raw=b"",
        blockhash="11111111111111111111111111111111",
        blockhash_slot=1_010,
        blockhash_height=1_000,
        last_valid_block_height=1_150,
        compute_unit_limit=200_000,
        compute_unit_price_micro_lamports=0,
        tip_lamports=0,
        fee_lamports=5_000,
        latch_address="11111111111111111111111111111113",
        latch_generation=0,
        minimum_out_atoms=200,
        legs=(Leg("raydium_cpmm", "P", "pool", SOL, USDC, "vin", "vout"),),
        created_at_ms=NOW_MS,
    )
    return msgspec.structs.replace(plain, **given)


def never_landed(dead: Attempt) -> Attempt:
    """It with the proof that nobody ever heard of it (rule 15)."""
    height = EpochInfo(2_000, dead.blockhash_height + 151, 0)
    found = DeathEvidence(height, status_asked=True, after=height, first_available_block=0)
    settled = Settled(AttemptState.DEAD)
    said = Testimony(evidence.of_death("one", dead, found), settled)
    proof = evidence.document(dead, settled, [said], 1, height.block_height)
    return msgspec.structs.replace(dead, state=AttemptState.DEAD, evidence=proof)
