"""An attempt out of a transaction that is ours and that the store does not know. Pure.

The chain has kept all that the attempt's row says: its bytes are the transaction's, its legs follow
from the pool accounts that it names, its minimum stands in the swap's own data.
"""

from collections.abc import Sequence
from struct import Struct as Layout

import msgspec
from solders.hash import Hash
from solders.pubkey import Pubkey

from fairlead.ledger.message import Message
from fairlead.orders.model import Attempt, Order, OrderTerms
from fairlead.routing.exact_out import NAMES_NO_OUTPUT
from fairlead.solana.accounts import COMPUTE_BUDGET_PROGRAM, SYSTEM_PROGRAM
from fairlead.solana.adopted_legs import Swapped as Swapped
from fairlead.solana.adopted_legs import legs_in, names_pool
from fairlead.solana.landed import LandedTransaction
from fairlead.solana.legs import leg_of
from fairlead.solana.lost import is_reclaim, message_of
from fairlead.venues.venue import LoadedPool

_U32 = Layout("<I")
_U64 = Layout("<Q")
_SET_COMPUTE_UNIT_LIMIT, _SET_COMPUTE_UNIT_PRICE = 2, 3
# Stands for the limit where a swap's data is compared with what we would write.
_ANY_LIMIT = 0x7EDCBA9876543210


def swap_in(
    transaction: LandedTransaction, terms: OrderTerms, pools: Sequence[LoadedPool]
) -> Swapped | None:
    """The swap of this order's amount in it, over these pools: those of its pair, and for two hops
    those around it; None if there is none."""
    message = message_of(transaction)
    if message is None:
        return None
    exact = terms.exact_out_atoms
    if exact is None:
        return legs_in(message, terms, pools)
    mints = {terms.token_in, terms.token_out}
    for instruction in message.instructions:
        program = message.keys[instruction.program_index]
        for pool in pools:
            if program != bytes(pool.pool.program_id) or {*map(str, pool.mints)} != mints:
                continue
            if not names_pool(message, instruction, pool):
                continue
            swapped = _exact_out(instruction.data, terms, exact, pool)
            if swapped is not None:
                return swapped
    return None


def is_cancel(transaction: LandedTransaction) -> bool:
    """Whether it takes an account and pays for being included, and does nothing else."""
    message = message_of(transaction)
    if message is None:
        return False
    plain = {bytes(SYSTEM_PROGRAM), bytes(COMPUTE_BUDGET_PROGRAM)}
    if is_reclaim(transaction, str(Pubkey.from_bytes(message.keys[0]))):
        return False
    return all(
        message.keys[instruction.program_index] in plain for instruction in message.instructions
    )


def _exact_out(data: bytes, terms: OrderTerms, exact: int, pool: LoadedPool) -> Swapped | None:
    """The leg and the maximum of a swap's data that is otherwise what we would write for this
    output."""
    if pool.venue in NAMES_NO_OUTPUT:
        return None
    wallet, mint = Pubkey.from_string(terms.wallet), Pubkey.from_string(terms.token_in)
    ours = pool.swap_exact_out(wallet, mint, wallet, wallet, exact, _ANY_LIMIT).data
    at = ours.find(_U64.pack(_ANY_LIMIT))
    if at < 0 or len(ours) != len(data):
        return None
    if ours[:at] != data[:at] or ours[at + 8 :] != data[at + 8 :]:
        return None
    (limit,) = _U64.unpack_from(data, at)
    leg = msgspec.structs.replace(leg_of(pool, mint), maximum_in_atoms=int(limit))
    return Swapped((leg,), exact)


def attempt_of(
    order: Order,
    number: int,
    transaction: LandedTransaction,
    latch: tuple[str, int] | None,
    swapped: Swapped,
    block_height: int,
    now_ms: int,
) -> Attempt:
    """The attempt as it would have been stored, live: its end is proven like any other's.

    `latch`: address and generation. `block_height`: of a finalized block at or after the one that
    holds it; what its blockhash's height was is not known, and a greater one only waits longer for
    a proof of death (rule 13).
    """
    message = message_of(transaction)
    assert message is not None
    units, price = _budget(message)
    return Attempt(
        signature=transaction.signature,
        order_id=order.order_id,
        round=max(order.round, 1),
        number=number,
        raw=transaction.raw,
        blockhash=str(Hash.from_bytes(message.blockhash)),
        blockhash_slot=transaction.slot,
        blockhash_height=block_height,
        last_valid_block_height=block_height,
        compute_unit_limit=units,
        compute_unit_price_micro_lamports=price,
        tip_lamports=0,
        fee_lamports=transaction.fee_lamports,
        latch_address=None if latch is None else latch[0],
        latch_generation=order.latch_generation if latch is None else latch[1],
        minimum_out_atoms=swapped.minimum_out_atoms,
        legs=swapped.legs,
        created_at_ms=now_ms,
        slot=transaction.slot,
    )


def _budget(message: Message) -> tuple[int, int]:
    """Compute units asked for, and their price in micro-lamports."""
    units, price = 0, 0
    program = bytes(COMPUTE_BUDGET_PROGRAM)
    for instruction in message.instructions:
        if message.keys[instruction.program_index] != program or not instruction.data:
            continue
        tag, rest = instruction.data[0], instruction.data[1:]
        if tag == _SET_COMPUTE_UNIT_LIMIT and len(rest) == 4:
            (units,) = _U32.unpack(rest)
        elif tag == _SET_COMPUTE_UNIT_PRICE and len(rest) == 8:
            (price,) = _U64.unpack(rest)
    return units, price
