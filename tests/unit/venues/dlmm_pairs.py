"""Small DLMM pairs as values: what a test wants to say of a pair, and nothing else."""

from collections.abc import Mapping

import msgspec
from solders.pubkey import Pubkey

from fairlead.venues.meteora import dlmm, dlmm_accounts
from fairlead.venues.meteora.bins import array_of, id_range, price_from_id
from fairlead.venues.meteora.dlmm_accounts import (
    PROGRAM_ID,
    bin_array_address,
    bitmap_extension_address,
    pair_address,
    reserve_address,
)
from fairlead.venues.meteora.dlmm_arrays import (
    BinContent,
    bitmap_with,
    encode_array,
    encode_extension,
)
from fairlead.venues.meteora.dlmm_fees import StaticParameters
from fairlead.venues.token2022 import (
    TOKEN_2022_PROGRAM,
    TOKEN_PROGRAM,
    TransferFee,
    encode_mint,
    encode_token_account,
)
from fairlead.venues.venue import Account, ChainTime

NOW = ChainTime(slot=1_000, unix_timestamp=2_000, epoch=7)
BASE, USER, USER_X, USER_Y = (Pubkey.from_bytes(bytes([n]) * 32) for n in (3, 4, 5, 6))
MINTS = (Pubkey.from_bytes(bytes([1]) * 32), Pubkey.from_bytes(bytes([2]) * 32))
DLMM_PAIR = pair_address(BASE, *MINTS)
FLAT = StaticParameters(10_000, 30, 600, 5_000, 0, 350_000, *id_range(10), 1_000, 0, 10)
"""A flat fee of 0.1 % and a bin step of 10."""

ONE = 10**6
"""What each bin of a pair holds unless told."""


def price(bin_id: int, bin_step: int = 10) -> int:
    return price_from_id(bin_id, bin_step)


def changed(parameters: StaticParameters, **fields: int) -> StaticParameters:
    return msgspec.structs.replace(parameters, **fields)


def forty_bins() -> dict[int, BinContent]:
    """Y in twenty bins from the active one down, X in as many from it up."""
    bins = {0: BinContent(price(0), amount_x=ONE, amount_y=ONE)}
    for n in range(1, 21):
        bins[n] = BinContent(price(n), amount_x=ONE)
        bins[-n] = BinContent(price(-n), amount_y=ONE)
    return bins


def accounts_of(
    bins: Mapping[int, BinContent] | None = None,
    *,
    active_id: int = 0,
    parameters: StaticParameters = FLAT,
    fees: tuple[TransferFee | None, TransferFee | None] = (None, None),
    reserves: tuple[int, int] = (2**60, 2**60),
    has_extension: bool = False,
    **pair,
) -> dict[Pubkey, Account]:
    """All accounts of a pair; it forgets volatility unless told."""
    by_array: dict[int, dict[int, BinContent]] = {}
    for bin_id, content in (forty_bins() if bins is None else bins).items():
        by_array.setdefault(array_of(bin_id), {})[bin_id] = content
    bitmap, extension = bitmap_with(by_array)
    programs = [TOKEN_2022_PROGRAM if fee else TOKEN_PROGRAM for fee in fees]
    data = dlmm_accounts.encode_pair(
        base=BASE,
        mint_x=MINTS[0],
        mint_y=MINTS[1],
        parameters=parameters,
        active_id=active_id,
        bitmap=bitmap,
        program_x=programs[0],
        program_y=programs[1],
        **pair,
    )
    accounts = {DLMM_PAIR: Account(PROGRAM_ID, 1, data)}
    for index, held in by_array.items():
        array = encode_array(DLMM_PAIR, index, held)
        accounts[bin_array_address(DLMM_PAIR, index)] = Account(PROGRAM_ID, 1, array)
    if has_extension:
        address = bitmap_extension_address(DLMM_PAIR)
        accounts[address] = Account(PROGRAM_ID, 1, encode_extension(DLMM_PAIR, extension))
    for mint, program, fee, atoms in zip(MINTS, programs, fees, reserves, strict=True):
        reserve = encode_token_account(mint, DLMM_PAIR, atoms)
        accounts[reserve_address(DLMM_PAIR, mint)] = Account(program, 1, reserve)
        accounts[mint] = Account(program, 1, encode_mint(6, 10**15, newer_fee=fee))
    return accounts


def dlmm_pool(*args, **kwargs) -> dlmm.LoadedDlmmPool:
    accounts = accounts_of(*args, **kwargs)
    return dlmm.decode(DLMM_PAIR, accounts[DLMM_PAIR]).load(accounts)
