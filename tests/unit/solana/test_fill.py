"""Fills read from transactions as the chain reports them."""

import msgspec
import pytest

from fairlead.orders.model import Leg
from fairlead.solana.fill import Fill, FillMismatch, fill_of
from fairlead.solana.landed import LandedTransaction, TokenBalance

WSOL = "So11111111111111111111111111111111111111112"
USDC = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"
WALLET, POOL, LATCH, ATA, TIP = "wallet", "pool", "latch", "ata", "tip"
LEG = Leg("raydium_cpmm", "program", POOL, WSOL, USDC, "vault-sol", "vault-usdc")
BACK = Leg("raydium_cpmm", "program", POOL, USDC, WSOL, "vault-usdc", "vault-sol")
LATCH_RENT, ATA_RENT, FEE = 890_880, 2_039_280, 5_100


def token(account: str, mint: str, owner: str, atoms: int) -> TokenBalance:
    return TokenBalance(account, mint, owner, atoms)


def sell_sol() -> LandedTransaction:
    """1,000 lamports for 70 USDC atoms, with a new account for them, a latch and a tip of 9."""
    paid = 1_000 + FEE + LATCH_RENT + ATA_RENT + 9
    return LandedTransaction(
        signature="signature",
        slot=7,
        block_time_s=None,
        error=None,
        fee_lamports=FEE,
        accounts=(WALLET, LATCH, "wrap", ATA, "vault-sol", "vault-usdc", TIP),
        pre_lamports=(10**9, 0, 0, 0, 5_000, 6, 1),
        post_lamports=(10**9 - paid, LATCH_RENT, 0, ATA_RENT, 6_000, 6, 10),
        pre_tokens=(token("vault-sol", WSOL, POOL, 4_000), token("vault-usdc", USDC, POOL, 100)),
        post_tokens=(
            token("vault-sol", WSOL, POOL, 5_000),
            token("vault-usdc", USDC, POOL, 30),
            token(ATA, USDC, WALLET, 70),
        ),
        logs=(),
        compute_units=1,
    )


def test_sol_sold_is_told_apart_from_fee_rent_and_tip() -> None:
    found = fill_of(sell_sol(), WALLET, [LEG], latch_address=LATCH, tip_lamports=9)
    assert Fill(1_000, 70, FEE, 9, LATCH_RENT + ATA_RENT, 0, 0) == found


def test_sol_bought_is_what_reaches_the_wallet_before_fees() -> None:
    landed = msgspec.structs.replace(
        sell_sol(),
        accounts=(WALLET, LATCH, ATA, "vault-sol", "vault-usdc"),
        pre_lamports=(10**9, 0, ATA_RENT, 5_000, 6),
        post_lamports=(10**9 + 1_000 - FEE - LATCH_RENT, LATCH_RENT, ATA_RENT, 4_000, 6),
        pre_tokens=(
            token("vault-sol", WSOL, POOL, 4_000),
            token("vault-usdc", USDC, POOL, 100),
            token(ATA, USDC, WALLET, 70),
        ),
        post_tokens=(
            token("vault-sol", WSOL, POOL, 3_000),
            token("vault-usdc", USDC, POOL, 170),
            token(ATA, USDC, WALLET, 0),
        ),
    )
    found = fill_of(landed, WALLET, [BACK], latch_address=LATCH)
    assert Fill(70, 1_000, FEE, 0, LATCH_RENT, 0, 0) == found


def test_transfer_fees_lie_between_wallet_and_vaults() -> None:
    landed = sell_sol()
    withheld = [token(ATA, USDC, WALLET, 67) if b.account == ATA else b for b in landed.post_tokens]
    landed = msgspec.structs.replace(landed, post_tokens=tuple(withheld))
    found = fill_of(landed, WALLET, [LEG], latch_address=LATCH, tip_lamports=9)
    assert (1_000, 67, 0, 3) == (
        found.amount_in_atoms,
        found.amount_out_atoms,
        found.transfer_fee_in_atoms,
        found.transfer_fee_out_atoms,
    )


@pytest.mark.parametrize("lost_lamports", [1, -1])
def test_lamports_that_nothing_explains_are_a_bug_with_the_numbers(lost_lamports: int) -> None:
    landed = sell_sol()
    wallet, *others = landed.post_lamports
    landed = msgspec.structs.replace(landed, post_lamports=(wallet - lost_lamports, *others))
    with pytest.raises(FillMismatch) as caught:
        fill_of(landed, WALLET, [LEG], latch_address=LATCH, tip_lamports=9)
    assert 1_000 == caught.value.facts["vault_in_atoms"]
    assert 1_000 + lost_lamports == caught.value.facts["wallet_in_atoms"]


def test_a_cancel_has_no_fill() -> None:
    landed = msgspec.structs.replace(sell_sol(), pre_tokens=(), post_tokens=())
    with pytest.raises(FillMismatch, match="the vaults did not swap"):
        fill_of(landed, WALLET, [LEG], latch_address=LATCH, tip_lamports=9)
