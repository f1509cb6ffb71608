"""A swap over a pool as a leg: what is needed to read its fill from the transaction. Pure."""

from solders.pubkey import Pubkey

from fairlead.orders.model import Leg
from fairlead.venues.venue import LoadedPool


def leg_of(pool: LoadedPool, input_mint: Pubkey) -> Leg:
    """The leg that takes this token and pays the pool's other one."""
    mints, vaults = pool.mints, pool.pool.vaults
    first_is_in = mints[0] == input_mint
    assert first_is_in or mints[1] == input_mint
    if not first_is_in:
        mints, vaults = mints[::-1], vaults[::-1]
    return Leg(
        venue=pool.venue.value,
        program=str(pool.pool.program_id),
        pool=str(pool.address),
        token_in=str(mints[0]),
        token_out=str(mints[1]),
        vault_in=str(vaults[0]),
        vault_out=str(vaults[1]),
    )
