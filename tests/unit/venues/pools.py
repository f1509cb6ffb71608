"""Small pools as values: what a test wants to say of a pool, and nothing else."""

from solders.pubkey import Pubkey

from fairlead.venues.meteora import damm_v2, damm_v2_accounts
from fairlead.venues.meteora.damm_v2_fees import BaseFee, DynamicFee
from fairlead.venues.raydium import cpmm, cpmm_accounts
from fairlead.venues.token2022 import (
    TOKEN_2022_PROGRAM,
    TOKEN_PROGRAM,
    TransferFee,
    encode_mint,
    encode_token_account,
)
from fairlead.venues.venue import Account, ChainTime

NOW = ChainTime(slot=1_000, unix_timestamp=2_000, epoch=7)
MINTS = (Pubkey.from_bytes(bytes([1]) * 32), Pubkey.from_bytes(bytes([2]) * 32))
CONFIG = cpmm_accounts.config_address(0)
CPMM_POOL = cpmm_accounts.pool_address(CONFIG, *MINTS)
DAMM_V2_POOL = damm_v2_accounts.customizable_pool_address(*MINTS)
USER, USER_0, USER_1 = (Pubkey.from_bytes(bytes([n]) * 32) for n in (3, 4, 5))


def cpmm_accounts_of(
    reserves=(10**9, 10**12),
    *,
    trade=2_500,
    protocol=120_000,
    fund=40_000,
    creator=0,
    fees: tuple[TransferFee | None, TransferFee | None] = (None, None),
    **pool,
) -> dict[Pubkey, Account]:
    """All accounts of a CPMM pool that owes no fees unless told."""
    programs = [TOKEN_2022_PROGRAM if fee else TOKEN_PROGRAM for fee in fees]
    data = cpmm_accounts.encode_pool(
        address=CPMM_POOL,
        amm_config=CONFIG,
        mint_0=MINTS[0],
        mint_1=MINTS[1],
        decimals_0=9,
        decimals_1=6,
        program_0=programs[0],
        program_1=programs[1],
        **pool,
    )
    config = cpmm_accounts.encode_config(
        index=0,
        trade_fee_rate=trade,
        protocol_fee_rate=protocol,
        fund_fee_rate=fund,
        creator_fee_rate=creator,
    )
    accounts = {
        CPMM_POOL: Account(cpmm_accounts.PROGRAM_ID, 1, data),
        CONFIG: Account(cpmm_accounts.PROGRAM_ID, 1, config),
    }
    authority = cpmm_accounts.authority_address()
    for mint, program, fee, atoms in zip(MINTS, programs, fees, reserves, strict=True):
        vault = cpmm_accounts.vault_address(CPMM_POOL, mint)
        accounts[vault] = Account(program, 1, encode_token_account(mint, authority, atoms))
        accounts[mint] = Account(program, 1, encode_mint(6, 10**15, newer_fee=fee))
    return accounts


def cpmm_pool(*args, **kwargs) -> cpmm.LoadedCpmmPool:
    accounts = cpmm_accounts_of(*args, **kwargs)
    return cpmm.decode(CPMM_POOL, accounts[CPMM_POOL]).load(accounts)


def damm_v2_pool(
    base_fee: BaseFee | None = None,
    *,
    liquidity=10**12 << 64,
    sqrt_price=1 << 64,
    dynamic_fee: DynamicFee | None = None,
    fees: tuple[TransferFee | None, TransferFee | None] = (None, None),
    **pool,
) -> damm_v2.LoadedDammV2Pool:
    """A DAMM v2 pool at price 1 over the full range, with a flat fee of 0.25 % unless told."""
    programs = [TOKEN_2022_PROGRAM if fee else TOKEN_PROGRAM for fee in fees]
    data = damm_v2_accounts.encode_pool(
        address=DAMM_V2_POOL,
        mint_a=MINTS[0],
        mint_b=MINTS[1],
        program_a=programs[0],
        program_b=programs[1],
        base_fee=base_fee or BaseFee(2_500_000),
        dynamic_fee=dynamic_fee,
        liquidity=liquidity,
        sqrt_price=sqrt_price,
        **{"token_a_atoms": 10**12, "token_b_atoms": 10**12, **pool},
    )
    accounts = {
        mint: Account(program, 1, encode_mint(6, 10**15, newer_fee=fee))
        for mint, program, fee in zip(MINTS, programs, fees, strict=True)
    }
    account = Account(damm_v2_accounts.PROGRAM_ID, 1, data)
    return damm_v2.decode(DAMM_V2_POOL, account).load(accounts)
