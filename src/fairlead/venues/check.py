"""Holds quotes and instructions against recorded swaps: `python -m fairlead.venues check FILE…`."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from solders.instruction import Instruction

from fairlead.venues.meteora import damm_v1, damm_v2, dlmm, dlmm_instruction
from fairlead.venues.meteora.damm_v1_errors import EXCEEDED_SLIPPAGE as DAMM_V1_SLIPPAGE
from fairlead.venues.meteora.damm_v2_errors import EXCEEDED_SLIPPAGE as DAMM_V2_SLIPPAGE
from fairlead.venues.meteora.dlmm_errors import SLIPPAGE as DLMM_SLIPPAGE
from fairlead.venues.raydium import amm_v4, clmm, cpmm
from fairlead.venues.raydium.amm_v4_curve import EXCEEDED_SLIPPAGE as AMM_V4_SLIPPAGE
from fairlead.venues.raydium.clmm_errors import SLIPPAGE as CLMM_SLIPPAGE
from fairlead.venues.raydium.cpmm_curve import EXCEEDED_SLIPPAGE as CPMM_SLIPPAGE
from fairlead.venues.vectors import Vector, parse
from fairlead.venues.venue import SwapQuote, Venue, VenueError

NOT_A_QUOTERS_BUSINESS = frozenset({"user_balance", "missing_array", "wrong_limit"})
MAX_DIFFERENCES_SHOWN = 10
BUILD_QUIRK_CEIL_DIV = "ceil_div"
COMMANDS = ("check",)

_SLIPPAGE = {
    Venue.RAYDIUM_CPMM: frozenset((CPMM_SLIPPAGE,)),
    Venue.METEORA_DAMM_V2: frozenset((DAMM_V2_SLIPPAGE,)),
    Venue.RAYDIUM_CLMM: CLMM_SLIPPAGE,
    Venue.METEORA_DLMM: DLMM_SLIPPAGE,
    Venue.RAYDIUM_AMM_V4: frozenset((AMM_V4_SLIPPAGE,)),
    Venue.METEORA_DAMM_V1: frozenset((DAMM_V1_SLIPPAGE,)),
}

AnyLoadedPool = (
    cpmm.LoadedCpmmPool
    | damm_v2.LoadedDammV2Pool
    | clmm.LoadedClmmPool
    | dlmm.LoadedDlmmPool
    | amm_v4.LoadedAmmV4Pool
    | damm_v1.LoadedDammV1Pool
)


def load_pool(vector: Vector) -> AnyLoadedPool:
    """The vector's pool from its accounts alone."""
    account = vector.accounts[vector.pool]
    if vector.venue == Venue.RAYDIUM_CPMM.value:
        return cpmm.decode(vector.pool, account).load(vector.accounts)
    if vector.venue == Venue.METEORA_DAMM_V2.value:
        return damm_v2.decode(vector.pool, account).load(vector.accounts)
    if vector.venue == Venue.RAYDIUM_CLMM.value:
        return clmm.decode(vector.pool, account).load(vector.accounts)
    if vector.venue == Venue.METEORA_DLMM.value:
        return dlmm.decode(vector.pool, account).load(vector.accounts)
    if vector.venue == Venue.RAYDIUM_AMM_V4.value:
        return amm_v4.decode(vector.pool, account).load(vector.accounts)
    if vector.venue == Venue.METEORA_DAMM_V1.value:
        return damm_v1.decode(vector.pool, account).load(vector.accounts)
    raise ValueError(f"{vector.venue} is not known")


def difference(vector: Vector) -> str | None:
    """How our quote or instruction differs from what was recorded; None where both agree."""
    pool = load_pool(vector)
    if vector.sent is not None:
        built = build(pool, vector)
        if built != vector.sent:
            return "another instruction"
    if vector.category in NOT_A_QUOTERS_BUSINESS:
        return None
    try:
        quote = _quote(pool, vector)
    except VenueError as error:
        if vector.refused and error.code == vector.error_code:
            return None
        return f"we refuse with {error}, recorded: {_recorded(vector)}"
    if not _within_limit(pool, vector, quote):
        if vector.error_code in _SLIPPAGE[pool.venue]:
            return None
        return f"we are beyond the limit, recorded: {_recorded(vector)}"
    if (quote.amount_in_atoms, quote.amount_out_atoms) != (vector.amount_in, vector.amount_out):
        ours = f"{quote.amount_in_atoms} for {quote.amount_out_atoms}"
        return f"we say {ours}, recorded: {_recorded(vector)}"
    return None


def build(pool: AnyLoadedPool, vector: Vector) -> Instruction:
    """The instruction we would send for this vector."""
    user, mint = vector.payer, vector.input_mint
    wallet = (vector.user_input, vector.user_output)
    amounts = (vector.amount, vector.limit)
    if isinstance(pool, clmm.LoadedClmmPool):
        is_v1, limit = vector.sent_name == "swap", vector.sqrt_price_limit_x64
        arrays = _clmm_arrays(pool, vector)
        swap = pool.swap_exact_out if vector.instruction == "exact_out" else pool.swap_exact_in
        return swap(
            user, mint, *wallet, *amounts, sqrt_price_limit_x64=limit, max_arrays=arrays, v1=is_v1
        )
    if isinstance(pool, dlmm.LoadedDlmmPool):
        is_v1, count = vector.sent_name in dlmm_instruction.V1_NAMES, _dlmm_arrays(vector)
        move = pool.swap_exact_out if vector.instruction == "exact_out" else pool.swap_exact_in
        return move(user, mint, *wallet, *amounts, arrays=count, v1=is_v1)
    if isinstance(pool, damm_v1.LoadedDammV1Pool):
        return pool.swap_exact_in(user, mint, *wallet, *amounts, raise_minimum=False)
    if isinstance(pool, amm_v4.LoadedAmmV4Pool):
        exchange = pool.swap_exact_out if vector.instruction == "exact_out" else pool.swap_exact_in
        return exchange(user, mint, *wallet, *amounts, v2=vector.sent_name.endswith("V2"))
    if vector.instruction == "exact_out":
        return pool.swap_exact_out(user, mint, *wallet, *amounts)
    if isinstance(pool, damm_v2.LoadedDammV2Pool):
        if vector.sent_name == "swap":
            return pool.swap_v1_exact_in(user, mint, *wallet, *amounts)
        if vector.instruction == "partial":
            return pool.swap_partial_in(user, mint, *wallet, *amounts)
    return pool.swap_exact_in(user, mint, *wallet, *amounts)


def check_files(paths: Iterable[Path]) -> tuple[int, list[str]]:
    """How many vectors differ, and the lines to print: counts per venue, first differences."""
    agreed: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    differences: list[str] = []
    for path in paths:
        for vector in parse(path.read_bytes()):
            seen[vector.venue] += 1
            found = difference(vector)
            if found is None:
                agreed[vector.venue] += 1
            else:
                differences.append(f"{vector.id}: {found}")
    lines = [f"{venue}: {agreed[venue]} of {seen[venue]} agree" for venue in sorted(seen)]
    lines += differences[:MAX_DIFFERENCES_SHOWN]
    if len(differences) > MAX_DIFFERENCES_SHOWN:
        lines.append(f"… and {len(differences) - MAX_DIFFERENCES_SHOWN} more")
    return len(differences), lines


def _quote(pool: AnyLoadedPool, vector: Vector) -> SwapQuote:
    mint, amount, time = vector.input_mint, vector.amount, vector.time
    if isinstance(pool, clmm.LoadedClmmPool):
        limit, arrays = vector.sqrt_price_limit_x64, _clmm_arrays(pool, vector)
        quote = pool.quote_exact_out if vector.instruction == "exact_out" else pool.quote_exact_in
        return quote(mint, amount, time, sqrt_price_limit_x64=limit, max_arrays=arrays)
    old = vector.build_quirk == BUILD_QUIRK_CEIL_DIV
    if isinstance(pool, amm_v4.LoadedAmmV4Pool):
        ask = pool.quote_exact_out if vector.instruction == "exact_out" else pool.quote_exact_in
        return ask(mint, amount, time, old_ceil_div=old)
    if isinstance(pool, dlmm.LoadedDlmmPool):
        given, is_out = _dlmm_arrays(vector), vector.instruction == "exact_out"
        by_bins = pool.quote_exact_out if is_out else pool.quote_exact_in
        return by_bins(mint, amount, time, arrays=given)
    if vector.instruction == "exact_out":
        if isinstance(pool, cpmm.LoadedCpmmPool):
            return pool.quote_exact_out(mint, amount, time, old_ceil_div=old)
        return pool.quote_exact_out(mint, amount, time)
    if vector.instruction == "partial" and isinstance(pool, damm_v2.LoadedDammV2Pool):
        return pool.quote_partial_in(mint, amount, time)
    return pool.quote_exact_in(mint, amount, time)


def _clmm_arrays(pool: clmm.LoadedClmmPool, vector: Vector) -> int:
    """How many tick arrays were sent; what we would name where nothing was."""
    if vector.sent is None:
        return clmm.ARRAYS_PER_SWAP
    fixed = clmm.ACCOUNTS_BEFORE_ARRAYS[vector.sent_name] + pool.has_extension
    return len(vector.sent.accounts) - fixed


def _dlmm_arrays(vector: Vector) -> int | None:
    """How many bin arrays were sent; None for what we would name."""
    if vector.sent is None:
        return None
    return len(vector.sent.accounts) - dlmm_instruction.ACCOUNTS_BEFORE_ARRAYS[vector.sent_name]


def _within_limit(pool: AnyLoadedPool, vector: Vector, quote: SwapQuote) -> bool:
    if isinstance(pool, damm_v1.LoadedDammV1Pool):
        # It does not compare what it pays.
        return pool.compared_out(vector.input_mint, vector.amount, vector.time) >= vector.limit
    if vector.instruction == "exact_out":
        return quote.amount_in_atoms <= vector.limit
    return quote.amount_out_atoms >= vector.limit


def _recorded(vector: Vector) -> str:
    if vector.refused:
        return f"{vector.error_name} ({vector.error_code})"
    return f"{vector.amount_in} for {vector.amount_out}"
