"""What must hold of reclaims in every world (EXACTLY-ONCE 12), read from the ledger's blocks."""

import msgspec

from fairlead.ledger.account import SYSTEM_PROGRAM
from fairlead.ledger.message import parse_transaction
from tests.workers.world import Sent, World

_TRANSFER_WITH_SEED = (11).to_bytes(4, "little")


def moved_back(raw: bytes) -> int:
    """Lamports that a transaction takes from accounts of a seed."""
    message = parse_transaction(raw).message
    return sum(
        int.from_bytes(each.data[4:12], "little")
        for each in message.instructions
        if message.keys[each.program_index] == SYSTEM_PROGRAM
        and each.data[:4] == _TRANSFER_WITH_SEED
    )


def stored(world: World) -> dict[str, bytes]:
    """Raw bytes of all reclaims, by signature."""
    return dict(world.store._rows("SELECT signature, raw FROM reclaims"))


async def check_sent(world: World, sent: Sent) -> None:
    """Hold a reclaim, before it leaves, to rule 12: nothing of these orders can land any more."""
    rows = world.store._rows(
        "SELECT raw, latches FROM reclaims WHERE signature = ?", sent.signature
    )
    assert rows, f"{sent.signature} leaves and is not stored (rule 3)"
    ((raw, latches),) = rows
    assert raw == sent.raw, "bytes that are not the stored ones (rule 7)"
    for address in msgspec.json.decode(latches):
        ((order_id,),) = world.store._rows(
            "SELECT order_id FROM latches WHERE address = ?", address
        )
        assert [(1,)] == world.store._rows("SELECT ended FROM orders WHERE order_id = ?", order_id)
        for attempt in await world.attempts(order_id):
            found = world.status_of(attempt.signature)
            height = world.info("finalized").block_height
            is_over = found is not None and found[0] == "finalized"
            assert is_over or height > attempt.last_valid_block_height + 1, "it may land yet"


async def taken_back(world: World) -> bool:
    """Whether nothing waits to be taken back, and something was."""
    lent = await world.store.lent()
    return lent.latches == 0 < lent.reclaimed_lamports
