"""Paths of two hops: through a middle token, each hop over one pool or a split.

No program of ours runs on chain, so the second hop's amount in is fixed when the transaction is
signed: it is what the first hop is told to bring at least, its quote less a tolerance. What the
first brings beyond that stays with the user in the middle token and counts as lost
(docs/decisions/0015-two-hops-without-a-program.md).
"""

from collections.abc import Iterator, Sequence

import msgspec
from solders.pubkey import Pubkey

from fairlead.amounts import BPS, mul_div_floor
from fairlead.ports import PoolSnapshot
from fairlead.routing.costs import (
    LamportPrice,
    further_leg_lamports,
    lamport_price,
    lamports_of,
)
from fairlead.routing.limits import Room
from fairlead.routing.model import (
    Alternative,
    Binding,
    NetworkCosts,
    Path,
    RouteLeg,
    RouteRequest,
    Shape,
    whole_impact_bps,
)
from fairlead.routing.split import SplitRequest, Vessel, best_split, vessels_of
from fairlead.venues.venue import ChainTime, LoadedPool, SwapQuote, VenueError

PAIRS_TRIED = 4
"""Pools of each hop, the best, among which a pair that fits one transaction is looked for."""


class Offer(msgspec.Struct, frozen=True, gc=False):
    """What one pool of a hop pays alone for the whole amount."""

    pool: LoadedPool
    quote: SwapQuote


class Hop(msgspec.Struct, frozen=True, gc=False):
    """One hop's pools, asked for the whole amount."""

    input_mint: Pubkey
    output_mint: Pubkey
    amount_in_atoms: int
    pools: tuple[LoadedPool, ...]
    # Best first; those that refuse the whole amount are left out.
    offers: tuple[Offer, ...]

    @property
    def best_out_atoms(self) -> int:
        return self.offers[0].quote.amount_out_atoms if self.offers else 0

    def most_out_atoms(self) -> int | None:
        """More than any split of these pools pays, as far as their prices before the swap say;
        None where a pool does not serve the whole, and so tells nothing."""
        if len(self.offers) < len(self.pools):
            return None
        return max([unmoved_out_atoms(offer.quote) for offer in self.offers])


def unmoved_out_atoms(quote: SwapQuote) -> int:
    """What the whole amount would bring at the pool's price before the swap, fees taken off;
    rounded up, as the impact is. Ten thousand times the quote where the price fell to nothing."""
    left = max(BPS - quote.price_impact_bps, 1)
    return -(-quote.amount_out_atoms * BPS // left)


def hop_of(
    pools: Sequence[LoadedPool],
    input_mint: Pubkey,
    output_mint: Pubkey,
    amount_in_atoms: int,
    time: ChainTime,
) -> Hop:
    """These pools, asked."""
    offers = []
    for pool in pools:
        try:
            quote = pool.quote_exact_in(input_mint, amount_in_atoms, time)
        except VenueError:
            continue
        if quote.amount_out_atoms > 0:
            offers.append(Offer(pool, quote))
    offers.sort(key=lambda each: (-each.quote.amount_out_atoms, bytes(each.pool.address)))
    return Hop(input_mint, output_mint, amount_in_atoms, tuple(pools), tuple(offers))


class HopSearch:
    """Two hops through one middle token."""

    def __init__(
        self, request: RouteRequest, snapshot: PoolSnapshot, costs: NetworkCosts, middle: Pubkey
    ) -> None:
        self.request = request
        self.costs = costs
        self.middle = middle
        self.time = snapshot.time
        self.path = Path((request.token_in, middle, request.token_out))
        self.prices = [
            lamport_price(source, target, snapshot.others, snapshot.time)
            for source, target in ((request.token_in, middle), (middle, request.token_out))
        ]
        first, second = set(self.path.mints[:2]), set(self.path.mints[1:])
        pools = [p for p in snapshot.others if _is_allowed(p, request)]
        self.first_pools = [pool for pool in pools if set(pool.mints) == first]
        self.second_pools = [pool for pool in pools if set(pool.mints) == second]

    def best(self, price: LamportPrice, to_beat_atoms: int | None) -> Alternative:
        """The best route of this path, or the reason why there is none. Splits of its hops are
        looked for only where they could net more than `to_beat_atoms`."""
        request = self.request
        if not self.first_pools or not self.second_pools:
            return self._none("a pool of this path is missing")
        first = hop_of(
            self.first_pools, request.token_in, self.middle, request.amount_in_atoms, self.time
        )
        second = self._second_after(first.best_out_atoms)
        found = list(self._pairs(first, second, price))
        if request.max_legs > 2 and self._may_reach(first, second, to_beat_atoms):
            found += self._split(first, second, price)
        if not found:
            return self._none("no pool of a hop serves the amount")
        best = max(found, key=lambda each: each.net_out_atoms)
        fitting = [each for each in found if each.why is None]
        if not fitting:
            return best
        chosen = max(fitting, key=lambda each: each.net_out_atoms)
        if best.net_out_atoms > chosen.net_out_atoms:
            return msgspec.structs.replace(chosen, binding=best.binding)
        return chosen

    def _second_after(self, out_atoms: int) -> Hop:
        """The second hop, when the first brings so much."""
        taken = self._after_tolerance(out_atoms)
        return hop_of(self.second_pools, self.middle, self.request.token_out, taken, self.time)

    def _pairs(self, first: Hop, second: Hop, price: LamportPrice) -> Iterator[Alternative]:
        """One pool for each hop: the best of each, and where those do not fit the best that do."""
        for offer in first.offers[:PAIRS_TRIED]:
            hop = second
            if offer is not first.offers[0]:
                hop = self._second_after(offer.quote.amount_out_atoms)
            for other in hop.offers[:PAIRS_TRIED]:
                pair = self._priced((_leg(first, offer), _leg(hop, other)), price)
                yield pair
                if pair.why is None:
                    return

    def _none(self, why: str) -> Alternative:
        return Alternative(Shape.TWO_HOP, self.path, why=why)

    def _after_tolerance(self, out_atoms: int) -> int:
        return mul_div_floor(out_atoms, BPS - self.request.hop_tolerance_bps, BPS)

    def _may_reach(self, first: Hop, second: Hop, to_beat_atoms: int | None) -> bool:
        """Whether the hops' prices before the swap leave room above what is to be beaten."""
        if to_beat_atoms is None:
            return True
        most_first, most_second = first.most_out_atoms(), second.most_out_atoms()
        if most_first is None or most_second is None:
            return True
        taken = self._after_tolerance(most_first)
        return most_second * taken > to_beat_atoms * max(second.amount_in_atoms, 1)

    def _split(self, first: Hop, second: Hop, price: LamportPrice) -> Iterator[Alternative]:
        """Both hops split, with most of the legs for the first one, or for the second."""
        legs = self.request.max_legs
        # At most what a first hop of no price impact would bring; none does.
        most_taken = self._after_tolerance(first.most_out_atoms() or 2 * first.best_out_atoms)
        outer = self._vessels(first, first.amount_in_atoms)
        inner = None
        room = self._room([_leg(second, offer) for offer in second.offers[:1]])
        seen: set[tuple[int, ...]] = set()
        for most_first in sorted({legs - 1, legs // 2, 1}):
            brought = best_split(self._hop_request(first, most_first), outer, room)
            if brought is None:
                continue
            taken = self._after_tolerance(brought.amount_out_atoms)
            if not taken:
                continue
            if inner is None or taken > most_taken:
                most_taken = max(most_taken, taken)
                inner = self._vessels(second, most_taken)
            hop = msgspec.structs.replace(second, amount_in_atoms=taken)
            rest = legs - len(brought.legs)
            paid = best_split(self._hop_request(hop, rest), inner, self._room(brought.legs))
            if paid is None:
                continue
            key = (len(brought.legs), len(paid.legs), paid.amount_out_atoms)
            if key not in seen:
                seen.add(key)
                kept_out = brought.binding or paid.binding
                yield self._priced((*brought.legs, *paid.legs), price, kept_out)

    def _hop_request(self, hop: Hop, max_legs: int) -> SplitRequest:
        return SplitRequest(
            hop.input_mint,
            hop.output_mint,
            hop.amount_in_atoms,
            self.time,
            max_legs,
            self.request.min_gain_bps,
        )

    def _vessels(self, hop: Hop, amount: int) -> list[Vessel]:
        """The hop's pools, up to this amount of its input."""
        price = self.prices[0 if hop.output_mint == self.middle else 1]
        amounts = max(hop.amount_in_atoms, 1), hop.best_out_atoms
        quotes = {}
        if amount == hop.amount_in_atoms:
            quotes = {offer.pool.address: offer.quote for offer in hop.offers}

        def cost(units: int) -> int:
            return price.worth(further_leg_lamports(units, self.costs), *amounts)

        return vessels_of(hop.pools, hop.input_mint, amount, self.time, quotes, cost)

    def _room(self, before: Sequence[RouteLeg] = ()) -> Room:
        has_tip = self.costs.tip_lamports > 0
        return Room(self.request.lookup_tables, has_tip=has_tip, before=before)

    def _priced(
        self, legs: tuple[RouteLeg, ...], price: LamportPrice, binding: Binding | None = None
    ) -> Alternative:
        """The legs with what they net; `binding` is what kept more of them out."""
        out = sum([leg.quote.amount_out_atoms for leg in legs if leg.input_mint == self.middle])
        units = sum([leg.quote.compute_units for leg in legs])
        lamports = lamports_of(units, self.costs, self.middle)
        net = out - price.worth(lamports, self.request.amount_in_atoms, out)
        exceeded = self._room().exceeded(legs)
        why = f"exceeds {exceeded.value} of one transaction" if exceeded else None
        limit = self.request.max_price_impact_bps
        if why is None and limit is not None:
            impact = whole_impact_bps(self.path, legs)
            why = f"price impact {impact} bps is above {limit}" if impact > limit else None
        return Alternative(Shape.TWO_HOP, self.path, legs, out, net, exceeded or binding, why)


def _leg(hop: Hop, offer: Offer) -> RouteLeg:
    return RouteLeg(offer.pool, hop.input_mint, hop.output_mint, offer.quote)


def _is_allowed(pool: LoadedPool, request: RouteRequest) -> bool:
    return request.venues is None or pool.venue.value in request.venues
