"""requestAirdrop on a paper chain: a real transfer from a wallet that the faucet filled."""

import hashlib
import itertools
from struct import Struct as Layout

from solders.hash import Hash
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer
from solders.transaction import VersionedTransaction

from fairlead.node.failures import INTERNAL_ERROR, RpcFailure
from fairlead.ports import Chain, Faucet
from fairlead.solana.accounts import COMPUTE_BUDGET_PROGRAM

_SET_COMPUTE_UNIT_LIMIT = Layout("<BI")
MIN_UNITS = 10_000
MAX_UNITS = 1_400_000


class Airdrops:
    """Whoever knows this file can sign for the wallet; what is in it is paper."""

    def __init__(self, chain: Chain, faucet: Faucet) -> None:
        self._chain = chain
        self._faucet = faucet
        self._keypair = Keypair.from_seed(hashlib.sha256(b"fairlead airdrops").digest())
        # Requests under one blockhash differ in their compute limit, else they were one
        # transaction.
        self._units = itertools.cycle(range(MIN_UNITS, MAX_UNITS))

    async def send(self, address: Pubkey, lamports: int) -> str:
        """The signature of the transfer."""
        payer = self._keypair.pubkey()
        await self._faucet.fund(payer)
        limit = _SET_COMPUTE_UNIT_LIMIT.pack(2, next(self._units))
        instructions = [
            Instruction(COMPUTE_BUDGET_PROGRAM, limit, []),
            transfer(TransferParams(from_pubkey=payer, to_pubkey=address, lamports=lamports)),
        ]
        blockhash = Hash.from_string((await self._chain.latest_blockhash()).blockhash)
        message = MessageV0.try_compile(payer, instructions, [], blockhash)
        transaction = VersionedTransaction(message, [self._keypair])
        raw = bytes(transaction)
        error = (await self._chain.simulate(raw)).error
        outcome = None if error else await self._chain.send(raw)
        if outcome is None or not outcome.accepted:
            raise RpcFailure(INTERNAL_ERROR, "Internal error: the faucet cannot give that much")
        return str(transaction.signatures[0])
