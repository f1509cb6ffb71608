"""The seams of fairlead. Each has a real and a simulated side; shells meet only here and in
`bootstrap`."""

from fairlead.ports.bus import Bus, Signal, Wake
from fairlead.ports.chain import (
    AccountsAtSlot,
    AddressSignature,
    Blockhash,
    Chain,
    EpochInfo,
    Faucet,
    SendOutcome,
    SignatureStatus,
    Simulation,
)
from fairlead.ports.clock import Clock
from fairlead.ports.hands import Hand, Hands
from fairlead.ports.pools import ListedPool, Mints, PoolListing, Pools, PoolSnapshot
from fairlead.ports.store import Accepted, Committed, OrderPage, QueueState, RateLimit, Store
from fairlead.ports.wallet import Balances, Wallet
from fairlead.solana.landed import LandedTransaction, TokenBalance

__all__ = [
    # clock
    "Clock",
    # store
    "Accepted",
    "Committed",
    "OrderPage",
    "RateLimit",
    "QueueState",
    "Store",
    # hands
    "Hand",
    "Hands",
    # bus
    "Wake",
    "Signal",
    "Bus",
    # chain
    "Blockhash",
    "EpochInfo",
    "SignatureStatus",
    "AccountsAtSlot",
    "Simulation",
    "AddressSignature",
    "SendOutcome",
    "Chain",
    "Faucet",
    "LandedTransaction",
    "TokenBalance",
    # pools
    "PoolSnapshot",
    "ListedPool",
    "PoolListing",
    "Pools",
    "Mints",
    # wallet
    "Wallet",
    "Balances",
]
