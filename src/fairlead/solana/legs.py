"""The legs of a transaction: which accounts each goes through, and what each of several exchanged.
Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache

import msgspec
from solders.pubkey import Pubkey

from fairlead.orders.model import Leg
from fairlead.venues.venue import LoadedPool, Venue

FEES_APART = frozenset({Venue.METEORA_DAMM_V1.value})
"""Venues that take a part of the input to another account than the vault: their protocol's fee."""

MAX_LEGS_KEPT = 4_096
"""Legs remembered, 1 KB each: those of a pool are the same from swap to swap."""


class LegFill(msgspec.Struct, frozen=True, gc=False):
    """What one of several legs exchanged; None where the vaults do not tell it from others'."""

    in_atoms: int | None
    out_atoms: int | None


class Leftover(msgspec.Struct, frozen=True, gc=False):
    """What the first of two hops brought and the second did not take: the wallet keeps it."""

    # Mint.
    token: str
    atoms: int


class Detail(msgspec.Struct, frozen=True, gc=False):
    """The fill of several legs, leg by leg in execution order."""

    legs: tuple[LegFill, ...]
    # Of two hops, even where it is nothing.
    leftover: Leftover | None = None


def leg_of(pool: LoadedPool, input_mint: Pubkey) -> Leg:
    """The leg that takes this token and pays the pool's other one."""
    named = pool.pool
    mints, vaults = named.mints, named.vaults
    if mints[0] != input_mint:
        assert mints[1] == input_mint
        mints, vaults = mints[::-1], vaults[::-1]
    return _leg(named.venue, named.program_id, named.address, mints, vaults)


@lru_cache(maxsize=MAX_LEGS_KEPT)
def _leg(
    venue: Venue,
    program: Pubkey,
    pool: Pubkey,
    mints: tuple[Pubkey, Pubkey],
    vaults: tuple[Pubkey, Pubkey],
) -> Leg:
    return Leg(
        venue=venue.value,
        program=str(program),
        pool=str(pool),
        token_in=str(mints[0]),
        token_out=str(mints[1]),
        vault_in=str(vaults[0]),
        vault_out=str(vaults[1]),
    )


def path_in(legs: Sequence[Leg]) -> tuple[str, ...] | None:
    """The mints that these legs go through: two for parallel legs, three for two hops; None where
    they are neither."""
    token_in, token_out = legs[0].token_in, legs[-1].token_out
    first = [leg for leg in legs if leg.token_in == token_in]
    middle = first[0].token_out
    if middle == token_out:
        path: tuple[str, ...] = (token_in, token_out)
        hops = [(token_in, token_out)] * len(legs)
    else:
        path = (token_in, middle, token_out)
        hops = [(token_in, middle)] * len(first)
        hops += [(middle, token_out)] * (len(legs) - len(first))
    return path if hops == [(leg.token_in, leg.token_out) for leg in legs] else None


def path_of(legs: Sequence[Leg]) -> tuple[str, ...]:
    """The same of an attempt's own legs."""
    if len(legs) == 1:
        return legs[0].token_in, legs[0].token_out
    path = path_in(legs)
    assert path is not None, "legs of no path"
    return path


def detail_of(
    legs: Sequence[Leg], path: Sequence[str], changes: Mapping[str, int], own: Sequence[int]
) -> Detail:
    """What each leg exchanged. `changes`: atoms gained by each vault. `own`: what the wallet gave
    of the first token of the path, kept of the middle one if there is one, and got of the last."""
    uses = Counter([vault for leg in legs for vault in (leg.vault_in, leg.vault_out)])
    taken: list[int | None] = []
    paid: list[int | None] = []
    for leg in legs:
        # Pools of DAMM v1 share one vault for each token.
        knows = uses[leg.vault_in] == 1 and leg.venue not in FEES_APART
        taken.append(changes.get(leg.vault_in, 0) if knows else None)
        paid.append(-changes.get(leg.vault_out, 0) if uses[leg.vault_out] == 1 else None)
    first = [at for at, leg in enumerate(legs) if leg.token_in == path[0]]
    last = [at for at, leg in enumerate(legs) if leg.token_out == path[-1]]
    _complete(taken, first, own[0])
    _complete(paid, last, own[-1])
    leftover = None
    if len(path) == 3:
        leftover = Leftover(path[1], own[1])
        _complete_hops(taken, paid, first, last, own[1])
    filled = [LegFill(*each) for each in zip(taken, paid, strict=True)]
    return Detail(tuple(filled), leftover)


def _complete(amounts: list[int | None], places: Sequence[int], total: int | None) -> None:
    """Of these amounts, the only one that is not known, by what all are together."""
    unknown = [at for at in places if amounts[at] is None]
    if len(unknown) == 1 and total is not None:
        amounts[unknown[0]] = total - sum([amounts[at] or 0 for at in places])


def _complete_hops(
    taken: list[int | None],
    paid: list[int | None],
    first: Sequence[int],
    last: Sequence[int],
    kept: int,
) -> None:
    """What the first hop paid is what the second took, and what was kept."""
    brought, used = _total(paid, first), _total(taken, last)
    if used is not None:
        _complete(paid, first, used + kept)
    if brought is not None:
        _complete(taken, last, brought - kept)


def _total(amounts: list[int | None], places: Sequence[int]) -> int | None:
    known = [amount for at in places if (amount := amounts[at]) is not None]
    return sum(known) if len(known) == len(places) else None
