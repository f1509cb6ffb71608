"""Somebody else on the chain, who pays into addresses that are none of theirs."""

from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from fairlead.chain.wallet import PaperWallet
from fairlead.solana.accounts import SYSTEM_PROGRAM
from fairlead.solana.latch import latch_address, latch_seed
from tests.workers.world import World


def latch_of(secret: bytes, wallet: str, generation: int) -> Pubkey:
    return latch_address(Pubkey.from_string(wallet), latch_seed(secret, generation))


async def pay(world: World, address: Pubkey, lamports: int = 1_000_000) -> None:
    """A stranger sends lamports to an address, in a transaction of its own."""
    stranger = PaperWallet(b"stranger")
    payer = Pubkey.from_string(stranger.default_address)
    await world.paper.fund(payer)
    data = (2).to_bytes(4, "little") + lamports.to_bytes(8, "little")
    metas = [AccountMeta(payer, True, True), AccountMeta(address, False, True)]
    await world.stranger_sends(stranger, Instruction(SYSTEM_PROGRAM, data, metas))
