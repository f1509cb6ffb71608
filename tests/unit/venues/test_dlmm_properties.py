"""What holds for any pair: more never pays less, costs match, and nobody gains from nothing."""

from hypothesis import given
from hypothesis import strategies as st

from fairlead.venues.meteora.bins import price_from_id
from fairlead.venues.meteora.dlmm_accounts import LIMIT_ORDER, LIQUIDITY_MINING, PROGRAM_ID
from fairlead.venues.meteora.dlmm_arrays import (
    EXTENSION_REACH,
    BinContent,
    LeavesBitmap,
    bitmap_with,
    decode_extension,
    encode_extension,
    next_array,
)
from fairlead.venues.meteora.dlmm_fees import VariableParameters
from fairlead.venues.meteora.dlmm_loaded import LoadedDlmmPool
from fairlead.venues.meteora.dlmm_swap import Swap
from fairlead.venues.token2022 import TransferFee
from fairlead.venues.venue import Account, VenueError
from tests.unit.venues.dlmm_pairs import DLMM_PAIR, FLAT, MINTS, NOW, changed, dlmm_pool

X, Y = MINTS
AMOUNTS = st.one_of(st.integers(1, 50), st.integers(1, 10**7), st.integers(1, 10**13))
ATOMS = st.one_of(st.just(0), st.integers(1, 30), st.integers(1, 10**9))
TRANSFER_FEES = st.one_of(
    st.none(), st.builds(TransferFee, st.just(0), st.integers(0, 10**6), st.integers(0, 9_999))
)
ACTIVE_ID = 33


@st.composite
def contents(draw, orders: bool) -> dict[int, BinContent]:
    """Some thirty bins around the active one, in two or three arrays."""
    step = 100
    bins = {}
    for bin_id in draw(st.sets(st.integers(ACTIVE_ID - 60, ACTIVE_ID + 60), max_size=30)):
        above = bin_id > ACTIVE_ID or (bin_id == ACTIVE_ID and draw(st.booleans()))
        atoms = draw(ATOMS)
        both = bin_id == ACTIVE_ID
        processed, open_orders = (draw(ATOMS), draw(ATOMS)) if orders and not both else (0, 0)
        bins[bin_id] = BinContent(
            price_from_id(bin_id, step),
            amount_x=atoms if above or both else 0,
            amount_y=0 if above else atoms,
            processed_order_remaining_amount=processed,
            total_processing_order_amount=2 * processed,
            open_order_amount=open_orders,
            ask_side=above,
        )
    return bins


@st.composite
def pairs(draw, orders: bool | None = None, transfer_fees: bool = True) -> dict:
    """The arguments of a pair."""
    with_orders = draw(st.booleans()) if orders is None else orders
    parameters = changed(
        FLAT,
        bin_step=100,
        base_factor=draw(st.integers(0, 65_535)),
        variable_fee_control=draw(st.sampled_from([0, 5_000, 500_000])),
        protocol_share=draw(st.integers(0, 2_500)),
    )
    left = VariableParameters(
        draw(st.integers(0, 350_000)),
        draw(st.integers(0, 350_000)),
        ACTIVE_ID + draw(st.integers(-20, 20)),
        NOW.unix_timestamp - draw(st.integers(0, 700)),
    )
    fees = st.tuples(TRANSFER_FEES, TRANSFER_FEES) if transfer_fees else st.just((None, None))
    return {
        "bins": draw(contents(with_orders)),
        "active_id": ACTIVE_ID,
        "parameters": parameters,
        "v_parameters": left,
        "fees": draw(fees),
        "function_type": LIMIT_ORDER if with_orders else LIQUIDITY_MINING,
        "collect_fee_mode": draw(st.integers(0, 1)),
    }


@given(pairs(), AMOUNTS, st.booleans())
def test_more_in_never_gives_less_out(pair, amount, swap_for_y):
    pool, mint = dlmm_pool(**pair), X if swap_for_y else Y
    try:
        less, more = (pool.quote_exact_in(mint, n, NOW) for n in (amount, amount + 1))
    except VenueError:
        return
    assert less.amount_out_atoms <= more.amount_out_atoms


@given(pairs(), AMOUNTS, st.booleans())
def test_exact_out_of_exact_in_costs_no_more(pair, amount, swap_for_y):
    pool, mint = dlmm_pool(**pair), X if swap_for_y else Y
    try:
        out = pool.quote_exact_in(mint, amount, NOW).amount_out_atoms
        quote = pool.quote_exact_out(mint, out, NOW)
    except VenueError:
        return
    assert (quote.amount_in_atoms <= amount, out) == (True, quote.amount_out_atoms)


@given(pairs(), AMOUNTS, st.booleans(), st.booleans())
def test_nobody_pays_less_than_the_active_bins_price(pair, amount, swap_for_y, exact_in):
    pool, mint = dlmm_pool(**pair), X if swap_for_y else Y
    try:
        swap = (pool.exact_in if exact_in else pool.exact_out)(mint, amount, NOW)
    except VenueError:
        return
    price = price_from_id(ACTIVE_ID, 100)
    if swap_for_y:
        assert swap.amount_out << 64 <= swap.amount_in * price
    else:
        assert swap.amount_out * price <= swap.amount_in << 64


@given(pairs(), AMOUNTS, st.booleans(), st.booleans())
def test_every_atom_of_a_swap_is_accounted_for(pair, amount, swap_for_y, exact_in):
    pool, mint = dlmm_pool(**pair), X if swap_for_y else Y
    try:
        swap = (pool.exact_in if exact_in else pool.exact_out)(mint, amount, NOW)
    except VenueError:
        return
    fills = [step.fill for step in swap.steps]
    net_in, gross_out = (sum(f.net_in for f in fills), sum(f.gross_out for f in fills))
    surplus = sum(f.surplus for f in fills)
    on_input = swap.fee_on_input
    # An exact output may leave out what a bin too small for its fee gives.
    assert swap.into_reserve == net_in + (swap.fee if on_input else 0)
    assert gross_out == swap.out_of_reserve + surplus + (0 if on_input else swap.fee)
    split = swap.fee_split(pair["parameters"].protocol_share)
    shared = split.market_makers + split.limit_orders + split.protocol
    assert shared == swap.fee + (0 if on_input else surplus)


INDICES = st.one_of(
    st.integers(-EXTENSION_REACH, EXTENSION_REACH - 1),
    st.sampled_from([n + e for n in (-512, 512) for e in range(-3, 4)]),
    st.sampled_from([-EXTENSION_REACH, EXTENSION_REACH - 1, -1024, 1024, -1, 0]),
)


@given(st.sets(INDICES, max_size=12), INDICES, st.booleans())
def test_next_array_is_the_nearest_one_marked(marked, start, swap_for_y):
    bitmap, extension = bitmap_with(dict.fromkeys(marked))
    ahead = [n for n in marked if (n <= start if swap_for_y else n >= start)]
    nearest = min(ahead, key=lambda n: abs(n - start), default=None)
    assert nearest == next_array(bitmap, extension, start, swap_for_y=swap_for_y)
    try:
        found = next_array(bitmap, None, start, swap_for_y=swap_for_y)
    except LeavesBitmap:
        # Without the extension only what lies before the bitmap's end is known.
        assert nearest is None or not -512 <= nearest < 512 or not -512 <= start < 512
    else:
        assert found == nearest


@given(st.sets(INDICES, max_size=12))
def test_extension_reads_back(marked):
    _, extension = bitmap_with(dict.fromkeys(marked))
    account = Account(PROGRAM_ID, 1, encode_extension(DLMM_PAIR, extension))
    assert extension == decode_extension(DLMM_PAIR, account)


@given(pairs(orders=False, transfer_fees=False), AMOUNTS, st.booleans())
def test_buying_and_selling_back_never_gains(pair, amount, swap_for_y):
    first, second = (X, Y) if swap_for_y else (Y, X)
    try:
        bought = dlmm_pool(**pair).exact_in(first, amount, NOW)
        back = after(pair, bought, swap_for_y).exact_in(second, bought.amount_out, NOW)
    except VenueError:
        return
    assert back.amount_out <= amount


def after(pair: dict, swap: Swap, swap_for_y: bool) -> LoadedDlmmPool:
    """The pair that this swap leaves, its volatility aside, where only market makers are in it."""
    bins = dict(pair["bins"])
    for step in swap.steps:
        x, y = bins[step.bin_id].amount_x, bins[step.bin_id].amount_y
        net_in, gross_out = step.fill.net_in, step.fill.gross_out
        moved = (x + net_in, y - gross_out) if swap_for_y else (x - gross_out, y + net_in)
        bins[step.bin_id] = BinContent(bins[step.bin_id].price, *moved)
    return dlmm_pool(**{**pair, "bins": bins, "active_id": swap.steps[-1].bin_id})
