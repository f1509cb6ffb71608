"""What the SDKs are asked: recorded swaps' states, random pools, and modes that have no program."""

import random
from collections.abc import Iterator
from pathlib import Path

import msgspec
from solders.pubkey import Pubkey

from fairlead.amounts import U64_MAX
from fairlead.venues import check
from fairlead.venues.meteora import dlmm
from fairlead.venues.raydium import clmm, clmm_accounts, cpmm, cpmm_accounts
from fairlead.venues.vectors import Vector, parse
from fairlead.venues.venue import Account, SwapQuote, Venue, VenueError
from tests.oracles.sdk import Case
from tests.vectors.pools import START
from tests.vectors.soak_pools import MAKERS, SoakPool, Wanted, wanted

VECTORS = Path(__file__).parents[1] / "vectors"
SEED = 20_261_120
POOLS, SWAPS_PER_POOL = 40, 6
MOST_BINS = 2_000

# In a pool's bytes the mode of the creator fee and whether it is on; in a config's its rate.
CREATOR_FEE_ON_OFFSET, CREATOR_RATE_OFFSET = 389, 108
# In a tick's bytes: what limit orders wait for, untouched and filled in part.
ORDERS_OFFSET, PART_FILLED_OFFSET = 124, 132
LIMIT_ORDERS = "limit orders"
CREATOR_RATES = (0, 500, 2_500, 100_000)


class Asked(msgspec.Struct):
    """A question, the pool as we load it, and our quote."""

    # What kind of state this is of, for the counts.
    kind: str
    case: Case
    loaded: check.AnyLoadedPool
    ours: SwapQuote


def recorded() -> Iterator[Asked]:
    """The swaps that the compiled programs executed, but where their older division matters."""
    for path in sorted(VECTORS.glob("*_own*.json")):
        for vector in parse(path.read_bytes()):
            if not vector.refused and vector.build_quirk is None:
                yield from _asked("recorded", vector, check.load_pool(vector))


def random_ones(venue: Venue) -> Iterator[Asked]:
    """Swaps on random pools of the kinds that the soak uses."""
    rng = random.Random(f"{SEED} {venue.value}")
    for number in range(POOLS):
        yield from _of_pool("random", venue, MAKERS[venue](number, rng), rng)


def creator_fees() -> Iterator[Asked]:
    """CPMM pools with a creator fee, of every mode."""
    rng = random.Random(f"{SEED} creator")
    for number in range(POOLS):
        pool = MAKERS[Venue.RAYDIUM_CPMM](number, rng)
        mode, enabled = rng.randrange(3), rng.random() < 0.9
        rate = rng.choice(CREATOR_RATES)
        _patch(pool, pool.address, CREATOR_FEE_ON_OFFSET, bytes([mode, enabled]))
        config = cpmm_accounts.config_address(number)
        _patch(pool, config, CREATOR_RATE_OFFSET, rate.to_bytes(8, "little"))
        yield from _of_pool("creator fee", Venue.RAYDIUM_CPMM, pool, rng)


def layers() -> Iterator[Asked]:
    """CLMM pools with a volatility fee, a fee in a chosen token, limit orders, and some of each."""
    rng = random.Random(f"{SEED} layers")
    for number in range(2 * POOLS):
        pool = MAKERS[Venue.RAYDIUM_CLMM](number, rng)
        names = rng.choice(
            (
                ("volatility fee",),
                ("fee in a chosen token",),
                (LIMIT_ORDERS,),
                ("volatility fee", "fee in a chosen token", LIMIT_ORDERS),
            )
        )
        if "volatility fee" in names:
            _patch(pool, pool.address, clmm_accounts.DYNAMIC_FEE_OFFSET, _volatility(pool, rng))
        if "fee in a chosen token" in names:
            _patch(pool, pool.address, clmm_accounts.FEE_ON_OFFSET, bytes([rng.choice((1, 2))]))
        if LIMIT_ORDERS in names:
            _place_orders(pool, rng)
        yield from _of_pool(", ".join(names), Venue.RAYDIUM_CLMM, pool, rng)


def _of_pool(kind: str, venue: Venue, pool: SoakPool, rng: random.Random) -> Iterator[Asked]:
    for _ in range(SWAPS_PER_POOL):
        if venue is Venue.RAYDIUM_CLMM:
            found = clmm.decode(pool.address, pool.accounts[pool.address])
            loaded: check.AnyLoadedPool = found.load(pool.accounts, unproven=True)
        else:
            loaded = check.load_pool(_vector(venue, pool, Wanted("exact_in", 0, 0)))
        swap = wanted(loaded, pool, rng)
        if LIMIT_ORDERS in kind and rng.random() < 0.8:
            swap.amount = _past_orders(loaded, swap, rng)
        yield from _asked(kind, _vector(venue, pool, swap), loaded)


def _past_orders(loaded: check.AnyLoadedPool, swap: Wanted, rng: random.Random) -> int:
    """An amount that goes on where the way ends without the rules for limit orders."""
    assert isinstance(loaded, clmm.LoadedClmmPool)
    reach = loaded.steps[swap.side].reach(clmm.ARRAYS_PER_SWAP)
    most = reach.max_in_atoms if swap.kind == "exact_in" else reach.max_out_atoms
    return min(U64_MAX, most + int(10 ** rng.uniform(0, 12)))


def _vector(venue: Venue, pool: SoakPool, swap: Wanted) -> Vector:
    nobody = Pubkey.default()
    return Vector(
        id="",
        venue=venue.value,
        category="",
        pool=pool.address,
        payer=nobody,
        time=pool.time,
        accounts=pool.accounts,
        instruction=swap.kind,
        input_mint=pool.mints[swap.side],
        output_mint=pool.mints[1 - swap.side],
        amount=swap.amount,
        limit=0,
        user_input=nobody,
        user_output=nobody,
        sqrt_price_limit_x64=swap.sqrt_price_limit_x64,
    )


def _asked(kind: str, vector: Vector, loaded: check.AnyLoadedPool) -> Iterator[Asked]:
    """The question, or none where we refuse: which swaps are refused the programs tell better."""
    try:
        ours = check._quote(loaded, vector)
    except VenueError:
        return
    if _is_far(loaded, vector) or _has_inverse_fee(loaded, vector):
        return
    arrays: tuple[Pubkey, ...] = ()
    if isinstance(loaded, clmm.LoadedClmmPool):
        side = 0 if vector.input_mint == loaded.mints[0] else 1
        program = loaded.pool.program_id
        arrays = tuple(
            clmm_accounts.tick_array_address(vector.pool, array.start_tick_index, program)
            for array in loaded.arrays[side][: check._clmm_arrays(loaded, vector)]
        )
    case = Case(
        vector.venue,
        vector.pool,
        vector.accounts,
        vector.time,
        vector.instruction,
        vector.input_mint,
        vector.amount,
        vector.sqrt_price_limit_x64,
        arrays,
    )
    yield Asked(kind, case, loaded, ours)


def _is_far(loaded: check.AnyLoadedPool, vector: Vector) -> bool:
    """Whether the DLMM SDK would take minutes: it goes bin by bin through empty ranges too."""
    if not isinstance(loaded, dlmm.LoadedDlmmPool):
        return False
    move = loaded.exact_out if vector.instruction == "exact_out" else loaded.exact_in
    steps = move(vector.input_mint, vector.amount, vector.time).steps
    return any(abs(step.bin_id - loaded.numbers.active_id) > MOST_BINS for step in steps)


def _patch(pool: SoakPool, address: Pubkey, offset: int, value: bytes) -> None:
    account = pool.accounts[address]
    data = account.data[:offset] + value + account.data[offset + len(value) :]
    pool.accounts[address] = Account(account.owner, account.lamports, data)


def _volatility(pool: SoakPool, rng: random.Random) -> bytes:
    numbers = clmm_accounts.decode_numbers(pool.accounts[pool.address].data)
    reference = numbers.tick_current // numbers.tick_spacing + rng.randint(-40, 40)
    most = rng.choice((100_000, 350_000, 1_000_000))
    return clmm_accounts.DYNAMIC_FEE.pack(
        rng.choice((1, 30)),
        rng.choice((60, 600)),
        rng.choice((1_000, 5_000, 9_000)),
        rng.choice((1, 5_000, 40_000)),
        most,
        reference,
        rng.randrange(most),
        rng.randrange(most),
        START.unix_timestamp - rng.choice((0, 1, 45, 700)),
    )


def _place_orders(pool: SoakPool, rng: random.Random) -> None:
    """Puts orders at some of the initialised ticks."""
    for address, account in list(pool.accounts.items()):
        if account.data[:8] != clmm_accounts.TICK_ARRAY_DISCRIMINATOR:
            continue
        start = int.from_bytes(account.data[40:44], "little", signed=True)
        numbers = clmm_accounts.decode_numbers(pool.accounts[pool.address].data)
        for tick in clmm_accounts.ticks_in(account.data):
            if rng.random() < 0.5:
                continue
            place = (tick.index - start) // numbers.tick_spacing
            at = clmm_accounts.TICK_OFFSET + clmm_accounts.TICK_SIZE * place
            for offset in (ORDERS_OFFSET, PART_FILLED_OFFSET):
                atoms = rng.choice((0, 1, int(10 ** rng.uniform(0, 12))))
                _patch(pool, address, at + offset, atoms.to_bytes(8, "little"))


def _has_inverse_fee(loaded: check.AnyLoadedPool, vector: Vector) -> bool:
    """Whether an exact output has a transfer fee, of which Raydium's functions know none."""
    return (
        isinstance(loaded, clmm.LoadedClmmPool | cpmm.LoadedCpmmPool)
        and vector.instruction == "exact_out"
        and any(mint is not None for mint in loaded.token_2022_mints)
    )
