"""One amount over several pools of a pair: how much each takes, in whole atoms.

The search runs on the pools' curves and ends in exact quotes. Legs are few: each locks accounts, is
charged for its compute units, and makes the transaction fail with it. So all pools are split first,
those that earn least go, and each that stays must earn what it costs. What a leg earns is what it
pays above the price that all parts share; without it the others would take its part at that price
or a lower one.
"""

from collections.abc import Callable, Sequence

import msgspec
from solders.pubkey import Pubkey

from fairlead.amounts import BPS
from fairlead.routing.limits import Room
from fairlead.routing.model import Binding, RouteLeg
from fairlead.routing.water import FLOAT_SLACK, Level, level_of, out_of
from fairlead.venues.curves import Curve, curve_of
from fairlead.venues.venue import ChainTime, LoadedPool, SwapQuote, VenueError

MOST_TRIED = 10
"""Pools, those that earn most, among which sets that fit one transaction are looked for."""

STARTS = 4
"""Sets that are tried, each begun with another of the pools that earn most."""


class Vessel(msgspec.Struct, frozen=True, gc=False):
    """A pool that may take a part."""

    pool: LoadedPool
    curve: Curve
    # What its leg costs in network fees, in atoms of the output.
    cost_atoms: float = 0.0


class SplitRequest(msgspec.Struct, frozen=True, gc=False):
    """One hop: what goes in, and what a split of it may be."""

    input_mint: Pubkey
    output_mint: Pubkey
    amount_in_atoms: int
    time: ChainTime
    max_legs: int
    min_gain_bps: int


class Split(msgspec.Struct, frozen=True, gc=False):
    """Legs by the lower pool address; their amounts in add up to just what was asked for."""

    legs: tuple[RouteLeg, ...]
    # The limit of one transaction that a better split exceeds, and that split.
    binding: Binding | None = None
    unfit: tuple[RouteLeg, ...] = ()

    @property
    def amount_out_atoms(self) -> int:
        return sum([leg.quote.amount_out_atoms for leg in self.legs])


def vessels_of(
    pools: Sequence[LoadedPool],
    input_mint: Pubkey,
    amount_in_atoms: int,
    time: ChainTime,
    cost_atoms: Callable[[LoadedPool], float],
) -> list[Vessel]:
    """The pools that can serve some part, by address, so that their order decides nothing."""
    found = []
    for pool in sorted(pools, key=lambda pool: bytes(pool.address)):
        curve = curve_of(pool, input_mint, amount_in_atoms, time)
        if curve is not None:
            found.append(Vessel(pool, curve, cost_atoms(pool)))
    return found


def best_split(request: SplitRequest, vessels: Sequence[Vessel], room: Room) -> Split | None:
    """The split that pays most and fits; None where the pools cannot take the amount. It may have
    one leg, which is not held to fit: nothing smaller is left."""
    everything = _filled(request, list(vessels))
    found = _exact_of(request, _within(request, everything))
    if found is None or everything is None:
        return None
    binding = room.exceeded(found[0]) if len(found[0]) > 1 else None
    if binding is None:
        return Split(found[0])
    wanted = found[0]
    found = _exact_of(request, _fitting(request, everything, room))
    while found is not None:
        legs, (held, level) = found
        if len(legs) == 1 or room.exceeded(legs) is None:
            return Split(legs, binding, wanted)
        least = _least(request, held, level)
        rest = [each for each in held if each is not least]
        found = _exact_of(request, _filled(request, rest) if least is not None else None)
    return None


def _exact_of(
    request: SplitRequest, chosen: "_Filled | None"
) -> "tuple[tuple[RouteLeg, ...], _Filled] | None":
    """The legs that earn their cost, in whole atoms, with the level that they are of."""
    while chosen is not None:
        chosen = _worth_it(request, *chosen)
        legs = _exact(request, *chosen)
        if not isinstance(legs, Vessel):
            return legs, chosen
        # Its curve promised what the pool refuses.
        chosen = _filled(request, [each for each in chosen[0] if each is not legs])
    return None


def _fitting(request: SplitRequest, everything: "_Filled", room: Room) -> "_Filled | None":
    """The best of some sets of pools whose legs fit together: from each of those that earn most,
    joined by whichever fits, in the order of what they earn."""
    held, level = everything
    order = _by_earnings(held, level)[::-1][:MOST_TRIED]
    legs: dict[int, RouteLeg] = {}
    for n in order:
        quote = _quote(request, held[n], max(int(level.amounts[n]), 1))
        if quote is not None:
            legs[n] = RouteLeg(held[n].pool, request.input_mint, request.output_mint, quote)
    sets: dict[tuple[int, ...], _Filled] = {}
    for start in list(legs)[:STARTS]:
        kept = [start]
        for n in legs:
            if n == start or len(kept) == request.max_legs:
                continue
            if room.exceeded([legs[m] for m in (*kept, n)]) is None:
                kept.append(n)
        chosen = _filled(request, [held[n] for n in sorted(kept)])
        if chosen is not None:
            sets[tuple(sorted(kept))] = _worth_it(request, *chosen)
    return max(sets.values(), key=lambda each: _net(*each), default=None)


def _net(held: list[Vessel], level: Level) -> float:
    return _total(held, level) - sum([each.cost_atoms for each in held])


_Filled = tuple[list[Vessel], Level]


def _filled(request: SplitRequest, vessels: list[Vessel]) -> _Filled | None:
    """The level over these, and those that take at least an atom."""
    level = level_of([each.curve for each in vessels], request.amount_in_atoms) if vessels else None
    if level is None:
        return None
    taking = [n for n, amount in enumerate(level.amounts) if amount >= 1]
    if len(taking) < len(vessels):
        amounts = [level.amounts[n] for n in taking]
        return [vessels[n] for n in taking], Level(level.root, amounts)
    return vessels, level


def _within(request: SplitRequest, chosen: _Filled | None) -> _Filled | None:
    """The split over no more pools than there may be legs: those that earn most of all, as long as
    they can take the amount."""
    while chosen is not None and len(chosen[0]) > request.max_legs:
        held, level = chosen
        room = sum([each.curve.amounts[-1] for each in held])
        kept = dict.fromkeys(range(len(held)))
        for n in _by_earnings(held, level):
            without = room - held[n].curve.amounts[-1]
            if len(kept) > request.max_legs and without >= request.amount_in_atoms * FLOAT_SLACK:
                room = without
                del kept[n]
        if len(kept) > request.max_legs:
            return None
        chosen = _filled(request, [held[n] for n in kept])
    return chosen


def _worth_it(request: SplitRequest, held: list[Vessel], level: Level) -> _Filled:
    """The same without the legs that do not earn what they cost."""
    while len(held) > 1:
        least = _by_earnings(held, level)[0]
        paid = _total(held, level)
        needed = held[least].cost_atoms + paid * request.min_gain_bps / BPS
        if _earnings(held[least], level.amounts[least], level.root) >= needed:
            break
        without = _filled(request, held[:least] + held[least + 1 :])
        if without is None or paid - _total(*without) >= needed:
            break
        held, level = without
    return held, level


def _least(request: SplitRequest, held: list[Vessel], level: Level) -> Vessel | None:
    """The one that earns least among those that the others can do without."""
    room = sum([each.curve.amounts[-1] for each in held])
    for n in _by_earnings(held, level):
        if room - held[n].curve.amounts[-1] >= request.amount_in_atoms * FLOAT_SLACK:
            return held[n]
    return None


def _total(held: list[Vessel], level: Level) -> float:
    return sum([out_of(v.curve, amount) for v, amount in zip(held, level.amounts, strict=True)])


def _by_earnings(held: list[Vessel], level: Level) -> list[int]:
    """Places of the vessels, from what earns least, less its cost, to what earns most."""
    earned = [
        _earnings(each, amount, level.root) - each.cost_atoms
        for each, amount in zip(held, level.amounts, strict=True)
    ]
    return sorted(range(len(held)), key=earned.__getitem__)


def _earnings(vessel: Vessel, amount: float, root: float) -> float:
    """What a part pays above the price that all parts share."""
    return out_of(vessel.curve, amount) - amount / (root * root)


def _exact(
    request: SplitRequest, held: list[Vessel], level: Level
) -> tuple[RouteLeg, ...] | Vessel:
    """The legs in whole atoms, with what is left over where it pays most; or the pool that refuses
    its part."""
    if len(held) == 1:
        amounts, rest = [request.amount_in_atoms], 0
    else:
        amounts = [int(amount) for amount in level.amounts]
        rest = request.amount_in_atoms - sum(amounts)
    if rest < 0:
        # Floats may promise a few atoms more than there are.
        amounts[amounts.index(max(amounts))] += rest
        rest = 0
    quotes: list[SwapQuote] = []
    for vessel, amount in zip(held, amounts, strict=True):
        quote = _quote(request, vessel, amount)
        if quote is None:
            return vessel
        quotes.append(quote)
    if rest:
        gains: list[tuple[int, int, SwapQuote]] = []
        for n, vessel in enumerate(held):
            more = _quote(request, vessel, amounts[n] + rest)
            if more is not None:
                gains.append((more.amount_out_atoms - quotes[n].amount_out_atoms, n, more))
        if not gains:
            return held[-1]
        _, place, more = max(gains, key=lambda gain: gain[0])
        quotes[place] = more
    return tuple(
        [
            RouteLeg(vessel.pool, request.input_mint, request.output_mint, quote)
            for vessel, quote in zip(held, quotes, strict=True)
        ]
    )


def _quote(request: SplitRequest, vessel: Vessel, amount: int) -> SwapQuote | None:
    """The exact quote; None where the pool refuses or pays nothing."""
    try:
        quote = vessel.pool.quote_exact_in(request.input_mint, amount, request.time)
    except VenueError:
        return None
    return quote if quote.amount_out_atoms > 0 else None
