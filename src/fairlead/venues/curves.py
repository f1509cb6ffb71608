"""What a pool pays for any amount up to one, as an approximate curve that is cheap to search.

A curve is kept in **roots**: the root at an amount is one over the square root of the marginal
price there (output per input, all fees taken off). A constant product x*y = k has a root that grows
in a straight line with the input; so has liquidity between two ticks, because its square-root price
does; a bin has one root throughout. Every venue's curve is thus a broken line of (amount, root)
that never falls, exact but for the programs' rounding to atoms and for floats, and pools are
compared and split by adding up straight lines (`fairlead.routing.water`).

A search with it ends in exact quotes: a curve decides nothing alone.
"""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise
from math import sqrt

from solders.pubkey import Pubkey

from fairlead.amounts import BPS
from fairlead.venues.meteora import dlmm_compute
from fairlead.venues.meteora.damm_v1 import LoadedDammV1Pool
from fairlead.venues.meteora.damm_v2 import LoadedDammV2Pool
from fairlead.venues.meteora.dlmm_fees import (
    FEE_PRECISION,
    total_fee_rate,
    update_references,
    volatility_at,
)
from fairlead.venues.meteora.dlmm_loaded import LoadedDlmmPool
from fairlead.venues.meteora.dlmm_swap import fee_is_on_input
from fairlead.venues.raydium import clmm_loaded
from fairlead.venues.raydium.amm_v4 import LoadedAmmV4Pool
from fairlead.venues.raydium.clmm_accounts import FEE_RATE_DENOMINATOR
from fairlead.venues.raydium.clmm_bitmap import ARRAYS_PER_SWAP
from fairlead.venues.raydium.clmm_loaded import LoadedClmmPool
from fairlead.venues.raydium.cpmm import LoadedCpmmPool
from fairlead.venues.record import Record
from fairlead.venues.token2022 import Mint
from fairlead.venues.venue import ChainTime, LoadedPool, VenueError

_TWO_64 = float(1 << 64)
_LEAST_PRICE = 1e-30
"""Below any price of atoms in atoms that is worth a swap."""

FIRST_SAMPLES = (6, 4, 2, 1, 0)
MORE_SAMPLES = 7
"""Quotes that stand for a curve of which nothing else is known: at these powers of two below the
amount, and so many in between."""

PROBE_PART = 4
"""A constant product is found from its quotes at the whole amount and at one in so many of it."""

_CLMM_STEPS = (clmm_loaded.MAX_COMPUTE_UNITS - clmm_loaded.COMPUTE_UNITS) // (
    clmm_loaded.COMPUTE_UNITS_PER_TICK + clmm_loaded.COMPUTE_UNITS_PER_ARRAY
)
_DLMM_BINS = dlmm_compute.MAX_UNITS // dlmm_compute.UNITS_PER_BIN_IN * 4 // 5
"""Steps and bins that one transaction surely computes."""

SPARE = 1 - 1e-9
"""Of what a pool can take at most: floats must not ask for more."""


class Curve(Record, frozen=True, gc=False):
    """A broken line; between its points the root grows in a straight line with the amount."""

    # Atoms of input, from 0 up to the amount asked for or to the most that the pool takes.
    amounts: list[float]
    # Of the marginal price in output atoms per input atom; never falling.
    roots: list[float]


def curve_of(
    pool: LoadedPool,
    input_mint: Pubkey,
    amount_in_atoms: int,
    time: ChainTime,
    paid_atoms: int | None = None,
) -> Curve | None:
    """The pool's curve up to this input; None where it can serve no part of it.

    `paid_atoms`: what the pool pays for the whole, where that was asked already.
    """
    try:
        return _curve_of(pool, input_mint, amount_in_atoms, time, paid_atoms)
    except VenueError:
        return None


def _curve_of(
    pool: LoadedPool, input_mint: Pubkey, amount: int, time: ChainTime, paid: int | None
) -> Curve | None:
    if isinstance(pool, LoadedClmmPool) and not pool.layered:
        return _clmm(pool, input_mint, amount, time)
    if isinstance(pool, LoadedDlmmPool):
        return _dlmm(pool, input_mint, amount, time)
    if isinstance(pool, LoadedDammV2Pool):
        if paid is None:
            taken = pool.quote_partial_in(input_mint, amount, time).amount_in_atoms
            if taken < amount:
                amount = int(taken * SPARE)
        if not pool.pool.numbers.base_fee.is_rate_limiter:
            return _constant_product(pool, input_mint, amount, time, paid)
    elif isinstance(pool, LoadedCpmmPool | LoadedAmmV4Pool) or (
        isinstance(pool, LoadedDammV1Pool) and not pool.pool.numbers.is_stable
    ):
        return _constant_product(pool, input_mint, amount, time, paid)
    return _sampled(pool, input_mint, amount, time)


def _constant_product(
    pool: LoadedPool, input_mint: Pubkey, amount: int, time: ChainTime, paid: int | None
) -> Curve | None:
    """The curve y = x / (p + q*x) through two quotes; fees of a fixed part keep that form."""
    part = amount // PROBE_PART
    if not part:
        return None
    near = pool.quote_exact_in(input_mint, part, time).amount_out_atoms
    far = paid or pool.quote_exact_in(input_mint, amount, time).amount_out_atoms
    if not near or not far:
        return None
    at_near, at_far = part / near, amount / far
    # Of an output of few atoms their rounding may say that the price rises.
    steep = max((at_far - at_near) / (amount - part), 0.0)
    start = max(at_near - steep * part, at_near * 1e-9)
    scale = 1 / sqrt(start)
    return Curve([0.0, float(amount)], [start * scale, (start + steep * amount) * scale])


def _clmm(pool: LoadedClmmPool, input_mint: Pubkey, amount: int, time: ChainTime) -> Curve | None:
    """From the sums of the pool's steps, of which each is a piece."""
    pool.pool.check_open(time)
    side = 0 if input_mint == pool.mints[0] else 1
    keep_in, keep_out = _kept(pool.token_2022_mints, side, amount, time)
    net = int(amount * keep_in)
    path = pool.steps[side]
    path.prepare(net, ARRAYS_PER_SWAP)
    within = bisect_left(path.array_numbers, ARRAYS_PER_SWAP)
    last = min(bisect_left(path.amounts_in, net), within, len(path.ticks), _CLMM_STEPS)
    sums = path.amounts_in[: last + 1]
    kept = keep_in * keep_out * (1 - pool.rates.trade_fee_rate / FEE_RATE_DENOMINATOR)
    if side == 0:
        scale = _TWO_64 / sqrt(kept)
        roots = [scale / price for price in path.prices[: last + 1]]
    else:
        scale = 1 / (_TWO_64 * sqrt(kept))
        roots = [scale * price for price in path.prices[: last + 1]]
    amounts = [each / keep_in for each in sums]
    if sums[-1] < net:
        amounts[-1] = max(amounts[-1] * SPARE, amounts[last - 1])
    return Curve(amounts, roots) if last else None


def _dlmm(pool: LoadedDlmmPool, input_mint: Pubkey, amount: int, time: ChainTime) -> Curve | None:
    """One level piece for each bin, at its own fee."""
    pool.pool.check_open(time)
    numbers, side = pool.numbers, 0 if input_mint == pool.mints[0] else 1
    keep_in, keep_out = _kept(pool.token_2022_mints, side, amount, time)
    down = side == 0
    on_input, p = fee_is_on_input(numbers, down), numbers.parameters
    active_id, base_rate = numbers.active_id, p.base_fee_rate
    now = time.unix_timestamp
    reference, index = update_references(p, numbers.v_parameters, active_id, now)
    amounts, roots = [0.0], list[float]()
    taken = root = 0.0
    for _, bins in (pool.down if down else pool.up).arrays:
        for b in bins:
            if b.bin_id > active_id if down else b.bin_id < active_id:
                continue
            rate = total_fee_rate(p, base_rate, volatility_at(p, reference, abs(index - b.bin_id)))
            kept = 1 - rate / FEE_PRECISION
            size = b.max_amount_in / (kept * keep_in if on_input else keep_in)
            if not size or not b.amount:
                continue
            if len(roots) == 2 * _DLMM_BINS:
                break
            price = b.price / _TWO_64 if down else _TWO_64 / b.price
            root = max(root, 1 / sqrt(price * kept * keep_in * keep_out))
            roots += root, root
            taken += size
            if taken >= amount:
                amounts.append(float(amount))
                return Curve(amounts, roots)
            amounts += taken, taken
    if not roots:
        return None
    amounts.pop()
    amounts[-1] = max(amounts[-1] * SPARE, amounts[-2])
    return Curve(amounts, roots)


def _sampled(pool: LoadedPool, input_mint: Pubkey, amount: int, time: ChainTime) -> Curve | None:
    """Through exact quotes: at parts of the amount, then where the curve bends most."""
    points = [(0, 0)]
    for shift in FIRST_SAMPLES:
        out = _paid(pool, input_mint, amount >> shift, time)
        if out is not None and amount >> shift > points[-1][0]:
            points.append((amount >> shift, out))
    for _ in range(MORE_SAMPLES if len(points) > 2 else 0):
        place = _least_known(points)
        half = (points[place][0] + points[place + 1][0]) // 2
        out = _paid(pool, input_mint, half, time)
        if out is None or half == points[place][0]:
            break
        points.insert(place + 1, (half, out))
    return _through(points)


def _paid(pool: LoadedPool, input_mint: Pubkey, amount: int, time: ChainTime) -> int | None:
    try:
        return pool.quote_exact_in(input_mint, amount, time).amount_out_atoms
    except VenueError:
        return None


def _least_known(points: Sequence[tuple[int, int]]) -> int:
    """The place of the piece whose middle may lie furthest off the straight line: a long one whose
    neighbours' prices differ much."""
    prices = [(more - out) / (end - start) for (start, out), (end, more) in pairwise(points)]
    before = [prices[0], *prices]
    after = [*prices[1:], prices[-1] * prices[-1] / max(prices[-2], _LEAST_PRICE)]
    bends = [
        (end[0] - start[0]) * (higher - lower)
        for (start, end), higher, lower in zip(pairwise(points), before, after, strict=False)
    ]
    return bends.index(max(bends))


def _through(points: Sequence[tuple[int, int]]) -> Curve | None:
    """A curve that pays at each point what the point says.

    Its root at a point lies between those of the average prices on either side, and half-way
    between two points it is what makes their difference right.
    """
    steps: list[tuple[int, int, float]] = []
    for (start, out), (end, more) in pairwise(points):
        price = max((more - out) / (end - start), _LEAST_PRICE)
        steps.append((start, end, max(1 / sqrt(price), steps[-1][2] if steps else 0.0)))
    if not steps:
        return None
    roots = [root for _, _, root in steps]
    ends = [sqrt(a * b) for a, b in pairwise(roots)]
    first = roots[0] * roots[0] / ends[0] if ends else roots[0]
    last = roots[-1] * roots[-1] / ends[-1] if ends else roots[0]
    ends = [first, *ends, last]
    amounts, joined = [float(points[0][0])], [first]
    for (start, end, root), low, high in zip(steps, ends, ends[1:], strict=False):
        half = root * root * (1 / low + 1 / high) / 2
        amounts += ((start + end) / 2, float(end))
        joined += (min(max(half, low), high), high)
    return Curve(amounts, joined)


def _kept(
    mints: tuple[Mint | None, Mint | None], side: int, amount: int, time: ChainTime
) -> tuple[float, float]:
    """What transfer fees leave of an input of this amount, and of any output, as parts of one."""
    mint_in, mint_out = mints[side], mints[1 - side]
    keep_in = keep_out = 1.0
    if mint_in is not None and (fee := mint_in.transfer_fee(time.epoch)) is not None:
        keep_in = 1 - fee.fee(amount) / amount
    if mint_out is not None and (fee := mint_out.transfer_fee(time.epoch)) is not None:
        keep_out = 1 - fee.basis_points / BPS
    return keep_in, keep_out
