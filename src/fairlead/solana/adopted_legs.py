"""The legs of a transaction that the store does not know: read from its instructions and from the
pools that they name. Pure."""

from collections.abc import Sequence
from struct import Struct as Layout

import msgspec
from solders.pubkey import Pubkey

from fairlead.ledger.message import CompiledInstruction, Message
from fairlead.orders.model import Leg, OrderTerms
from fairlead.solana.legs import leg_of, path_in
from fairlead.venues.venue import LoadedPool, VenueError

_AMOUNTS = Layout("<QQ")
# Every venue's swap says its amount in and its minimum out after its name, which has eight bytes;
# AMM v4's has one, and nothing follows.
_NAME_SIZE, _SHORT_NAME_SIZE, _SHORT_SIZE = 8, 1, 17


class Swapped(msgspec.Struct, frozen=True):
    """What a transaction exchanges, as its instructions say."""

    legs: tuple[Leg, ...]
    # The least that it insists on.
    minimum_out_atoms: int


class _Found(msgspec.Struct, frozen=True):
    leg: Leg
    amount_in_atoms: int
    minimum_out_atoms: int


def legs_in(message: Message, terms: OrderTerms, pools: Sequence[LoadedPool]) -> Swapped | None:
    """The swaps of this order's amount in it, over pools of its pair or of two hops; None if there
    are none, or if together they are not that."""
    found = []
    for instruction in message.instructions:
        for pool in pools:
            each = _found(message, instruction, terms, pool)
            if each is not None:
                found.append(each)
                break
    legs = tuple([each.leg for each in found])
    if not legs or path_in(legs) is None:
        return None
    if (legs[0].token_in, legs[-1].token_out) != (terms.token_in, terms.token_out):
        return None
    given = sum([f.amount_in_atoms for f in found if f.leg.token_in == terms.token_in])
    if given != terms.amount_in_atoms:
        return None
    asked = [f.minimum_out_atoms for f in found if f.leg.token_out == terms.token_out]
    return Swapped(legs, sum(asked))


def _found(
    message: Message, instruction: CompiledInstruction, terms: OrderTerms, pool: LoadedPool
) -> _Found | None:
    """The leg over this pool, if that is what the instruction is."""
    mint = _input_of(pool, terms)
    if mint is None or message.keys[instruction.program_index] != bytes(pool.pool.program_id):
        return None
    if not names_pool(message, instruction, pool):
        return None
    data = instruction.data
    at = _SHORT_NAME_SIZE if len(data) == _SHORT_SIZE else _NAME_SIZE
    if len(data) < at + _AMOUNTS.size:
        return None
    amount, minimum = _AMOUNTS.unpack_from(data, at)
    wallet = Pubkey.from_string(terms.wallet)
    try:
        ours = pool.swap_exact_in(wallet, mint, wallet, wallet, amount, 1).data
    except VenueError:
        return None
    # The minimum may be any.
    least_at = at + 8
    if len(ours) != len(data) or ours[:least_at] != data[:least_at]:
        return None
    if ours[least_at + 8 :] != data[least_at + 8 :]:
        return None
    return _Found(leg_of(pool, mint), amount, minimum)


def _input_of(pool: LoadedPool, terms: OrderTerms) -> Pubkey | None:
    """What a leg of this order takes of the pool's two tokens; None of a pool of neither."""
    first, second = pool.mints
    for mint, other in ((first, second), (second, first)):
        if str(mint) == terms.token_in or str(other) == terms.token_out:
            return mint
    return None


def names_pool(message: Message, instruction: CompiledInstruction, pool: LoadedPool) -> bool:
    """Whether the pool and its vaults are among the instruction's accounts."""
    count = len(message.keys)
    named = {message.keys[index] for index in instruction.account_indexes if index < count}
    return {bytes(each) for each in (pool.address, *pool.pool.vaults)} <= named
