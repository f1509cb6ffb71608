"""Reclaims as they are stored."""

import msgspec

from fairlead.orders.lent import Reclaim


def reclaim(**given: object) -> Reclaim:
    one = Reclaim(
        signature="signature",
        wallet="wallet",
        raw=b"raw",
        blockhash_slot=1_000,
        blockhash_height=900,
        latches=("latch",),
        lamports=890_880,
        fee_lamports=5_000,
        created_at_ms=1,
    )
    return msgspec.structs.replace(one, **given)
