"""What is true of an attempt, by the ledger alone: never by what the engine took it for."""

from collections.abc import Iterable

from solders.pubkey import Pubkey
from solders.signature import Signature

from fairlead.ledger.blocks import TransactionRecord
from fairlead.orders.model import Attempt
from fairlead.sim.cluster import Cluster

OVER = frozenset({"final error", "impossible"})
"""It never succeeded, and never can."""

DECIDED = OVER | {"final success"}


class Truth:
    """Looks at the blocks of one cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def where(self, attempt: Attempt) -> str:
        """Where it is now: final, in a block, possible still, or impossible."""
        cluster = self._cluster
        key = bytes(Signature.from_string(attempt.signature))
        record = cluster.final.get(key)
        if record is not None:
            return "final success" if record.err is None else "final error"
        found = cluster.bank.signature_status(key)
        if found is not None:
            return f"in a block ({found.level}, {'success' if found.err is None else 'error'})"
        is_dead = self.is_too_old(bytes(Pubkey.from_string(attempt.blockhash)))
        return "impossible" if is_dead else "still possible"

    def is_too_old(self, blockhash: bytes) -> bool:
        """Whether no block can hold this blockhash any more, and all that could are final."""
        cluster = self._cluster
        last_valid = cluster.bank.last_valid_block_height(blockhash)
        if last_valid is None:
            return True
        # The window may grow while it lives; age is counted at the parent (rule 13).
        last = last_valid - cluster.bank.params.blockhash_window + cluster.max_window + 1
        return cluster.root_height() >= last

    def final(self, signature: str) -> TransactionRecord | None:
        """The record of a transaction that is final."""
        return self._cluster.final.get(bytes(Signature.from_string(signature)))

    def lamports(self, address: str) -> int:
        """What an account holds."""
        state = self._cluster.bank.account(bytes(Pubkey.from_string(address)))
        return 0 if state is None else state.lamports

    def winner_beside(self, attempts: Iterable[Attempt], attempt: Attempt) -> Attempt | None:
        """Of these the one that holds the latch of this one for good."""
        for other in attempts:
            is_same = other.latch_address == attempt.latch_address is not None
            is_other = other.signature != attempt.signature
            if is_same and is_other and self.where(other) == "final success":
                return other
        return None

    def was_seen(self, signature: str) -> bool:
        """Whether it was in some block as a success, be it dropped since."""
        return bytes(Signature.from_string(signature)) in self._cluster.succeeded
