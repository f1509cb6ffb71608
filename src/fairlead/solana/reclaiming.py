"""Which latches may be taken back now, and by which transactions (EXACTLY-ONCE 12). Pure.

As long as a block might take any attempt of an order, its latch must stay: taken back earlier, it
could be taken anew, by a second swap. An order that has ended signs nothing more, so the death of
its newest blockhash is the death of all, of those too that lost and may yet land as failures.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from solders.pubkey import Pubkey

from fairlead.orders.lent import LentLatch, Reclaim
from fairlead.orders.model import Attempt
from fairlead.solana.agreement import agreed_value
from fairlead.solana.fees import affordable_price, base_fee_lamports, priority_fee_lamports
from fairlead.solana.landing import LandingPolicy
from fairlead.solana.latch import Latch, latch_address, latch_seed

MAX_LATCHES = 8
"""In one transaction: as many as surely fit a packet."""

PUT_OFF_BLOCKS = 1_500
"""Ten minutes of 400 ms slots: how long a latch rests whose reclaim failed though it went alone.
Who keeps paying into it, to make each fail, pays as much for it as we do."""

_UNITS_AT_LEAST, _UNITS_EACH = 600, 300
"""Compute units asked for: each instruction, and each of the two of the budget, takes 150."""


def ripe(latches: Sequence[LentLatch], newest: int, patience_blocks: int) -> tuple[LentLatch, ...]:
    """Of those that may be taken back, the ones to take now: they wait for each other, so that few
    transactions take many, but none much longer than it must."""
    waiting: dict[str, list[LentLatch]] = {}
    found: list[LentLatch] = []
    for latch in latches:
        group = waiting.setdefault(latch.wallet, [])
        group.append(latch)
        if latch.failures or len(group) == MAX_LATCHES:
            found += waiting.pop(latch.wallet)
    for group in waiting.values():
        if min(each.due_after_height for each in group) <= newest - patience_blocks:
            found += group
    return tuple(found)


class Reading(msgspec.Struct, frozen=True):
    """What one witness says at `finalized`: the height, then accounts of that bank or later."""

    height: int
    # Lamports by address; 0 where there is no account.
    balances: Mapping[str, int]


class Batch(msgspec.Struct, frozen=True):
    """Latches of one wallet to be taken back together, with the balances just read."""

    wallet: str
    # As the client named it.
    wallet_address: str
    latches: tuple[Latch, ...]

    @property
    def lamports(self) -> int:
        return sum(each.lamports for each in self.latches)


def newest_due(height: int, policy: LandingPolicy) -> int:
    """The newest blockhash's height of whose order the latches may be taken back once this height
    is final: its attempts are dead, and the margin has passed since."""
    return height - (policy.max_blockhash_window + 1) - policy.reclaim_margin


def put_off_to(height: int, reclaim: Reclaim, policy: LandingPolicy) -> int:
    """As of which height the latches of a reclaim that failed count as due: those of several are
    tried one by one at once."""
    if len(reclaim.latches) > 1:
        return 0
    return max(newest_due(height, policy) + PUT_OFF_BLOCKS, 0)


def agreed_balances(
    latches: Sequence[LentLatch], readings: Sequence[Reading], needed: int, policy: LandingPolicy
) -> dict[str, int]:
    """What enough witnesses say of each latch, counting only who is past its height himself."""
    found: dict[str, int] = {}
    for latch in latches:
        said = [
            each.balances.get(latch.address)
            for each in readings
            if latch.due_after_height <= newest_due(each.height, policy)
        ]
        lamports = agreed_value(said, needed)
        if lamports is not None:
            found[latch.address] = lamports
    return found


def batches(latches: Iterable[LentLatch], balances: Mapping[str, int]) -> tuple[Batch, ...]:
    """Those that hold something, by wallet and in the given order; alone who failed with others."""
    together: dict[str, list[LentLatch]] = {}
    groups: list[list[LentLatch]] = []
    for latch in latches:
        if not balances.get(latch.address):
            continue
        if latch.failures:
            groups.append([latch])
            continue
        group = together.get(latch.wallet)
        if group is None or len(group) == MAX_LATCHES:
            group = together[latch.wallet] = []
            groups.append(group)
        group.append(latch)
    return tuple([_batch(group, balances) for group in groups])


def _batch(group: Sequence[LentLatch], balances: Mapping[str, int]) -> Batch:
    wallet = Pubkey.from_string(group[0].wallet)
    taken: list[Latch] = []
    for each in group:
        seed = latch_seed(each.secret, each.generation)
        address = latch_address(wallet, seed)
        assert str(address) == each.address, "another secret than the attempts were signed with"
        taken.append(Latch(address, seed, balances[each.address]))
    return Batch(group[0].wallet, group[0].wallet_address, tuple(taken))


class Bid(msgspec.Struct, frozen=True):
    """What a reclaim asks for, and what it costs."""

    compute_unit_limit: int
    compute_unit_price_micro_lamports: int
    fee_lamports: int


def bid(batch: Batch, market_price: int) -> Bid | None:
    """For a batch, at what others pay, as far as that leaves the wallet something; None where
    nothing would be left."""
    units = _UNITS_AT_LEAST + _UNITS_EACH * len(batch.latches)
    price = min(market_price, affordable_price(batch.lamports - 1, units))
    fee = base_fee_lamports(1) + priority_fee_lamports(units, price)
    return Bid(units, price, fee) if fee < batch.lamports else None


def as_attempt(reclaim: Reclaim) -> Attempt:
    """A reclaim in the form in which ends are proven: no order's, and without a latch."""
    return Attempt(
        signature=reclaim.signature,
        order_id="",
        round=0,
        number=0,
        raw=reclaim.raw,
        blockhash="",
        blockhash_slot=reclaim.blockhash_slot,
        blockhash_height=reclaim.blockhash_height,
        last_valid_block_height=reclaim.blockhash_height,
        compute_unit_limit=0,
        compute_unit_price_micro_lamports=0,
        tip_lamports=0,
        fee_lamports=reclaim.fee_lamports,
        latch_address=None,
        latch_generation=0,
        minimum_out_atoms=0,
        legs=(),
        created_at_ms=reclaim.created_at_ms,
    )
