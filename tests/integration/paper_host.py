"""A process that hosts a paper chain and says what the chain reported final. To be killed.

Lines on standard output: `transaction <signature>`, `slot <finalized slot>`, `funded <address>`.
"""

import asyncio
import sys
from pathlib import Path

from solders.pubkey import Pubkey

from fairlead.chain.paper import open_paper_chain
from fairlead.chain.wallet import PaperWallet
from fairlead.clock import SystemClock
from fairlead.ledger.blocks import LedgerParams
from fairlead.solana.latch import Latch, latch_address, latch_seed
from fairlead.solana.transaction import SwapPlan, assemble, swap_message
from tests.contract.chain.worlds import signature_of

PARAMS = LedgerParams(slot_ms=5, finality_depth=3)
LATCH_RENT = 890_880


def say(*words: object) -> None:
    print(*words, flush=True)


async def run(folder: Path, life: int) -> None:
    clock = SystemClock()
    chain = open_paper_chain(clock, params=PARAMS, folder=folder)
    wallet = PaperWallet(b"restart %d" % life)
    payer = Pubkey.from_string(wallet.default_address)
    await chain.start()
    await chain.fund(payer)
    say("funded", payer)
    number = 0
    while True:
        number += 1
        seed = latch_seed(number.to_bytes(32), life)
        latch = Latch(latch_address(payer, seed), seed, LATCH_RENT)
        blockhash = (await chain.latest_blockhash()).blockhash
        message = swap_message(SwapPlan(payer, blockhash, 10_000, 0, latch))
        raw = assemble(message, [wallet.sign(wallet.default_address, message)])
        await chain.send(raw)
        signature = signature_of(raw)
        while (status := (await chain.signature_statuses([signature]))[0]) is None or (
            status.commitment != "finalized"
        ):
            await chain.wait_for_signature(signature, 1.0)
        say("transaction", signature)
        say("slot", (await chain.epoch_info()).slot)


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1]), int(sys.argv[2])))
