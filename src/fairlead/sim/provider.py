"""A provider as one process reaches it: a `Chain` that lags, forgets, refuses and stays silent.

It is one endpoint: all its answers are of one replica, which may stand still and fall behind but
never goes back. Only when it is told to lie does it say what is true of none.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import msgspec
from solders.pubkey import Pubkey
from solders.signature import Signature

from fairlead.chain.rpc_answers import CLOCK_SYSVAR, clock_bytes
from fairlead.errors import Unavailable
from fairlead.ports import (
    AccountsAtSlot,
    AddressSignature,
    Blockhash,
    EpochInfo,
    LandedTransaction,
    SendOutcome,
    SignatureStatus,
    Simulation,
)
from fairlead.sim.clock import ProcessClock
from fairlead.sim.cluster import Cluster
from fairlead.sim.faults import Dice
from fairlead.sim.replica import Past
from fairlead.venues.pools import Search
from fairlead.venues.venue import Account, ChainTime

READ_TIMEOUT_S = 4.0
SLOWEST_READ_S = 6.0
LIE_HEIGHT_BLOCKS = 1_000
"""How far ahead of every block a lie may be."""

_FAILURES = {
    "rpc_busy": "HTTP 429 (simulated)",
    "rpc_broken": "HTTP 502 (simulated)",
    "rpc_garbage": "not JSON (simulated)",
}
_SYSVARS = Pubkey.from_string("Sysvar1111111111111111111111111111111111111")
_PRICES = (0, 0, 1_000, 20_000, 500_000)
"""Micro-lamports per compute unit that others are said to have paid."""

_T = TypeVar("_T")


class Provider:
    """One endpoint. How it fares is set from outside."""

    def __init__(
        self,
        name: str,
        cluster: Cluster,
        dice: Dice,
        clock: ProcessClock,
        gate: Callable[[], Awaitable[None]],
        send: Callable[[bytes], Awaitable[SendOutcome]],
    ) -> None:
        self.name = name
        # Whether it may say what is true of no replica.
        self.is_liar = False
        self.is_down = False
        # Its subscriptions say nothing.
        self.is_silent = False
        # Addresses of which it told the history.
        self.asked: set[str] = set()
        # It stands still until it is so far behind, and follows at that distance.
        self._lag_blocks = 0
        self._stood_at_slot = 0
        # Slots of history that it still has; None for all.
        self.history_slots: int | None = None
        self._cluster = cluster
        self._paper = cluster.paper
        self._dice = dice
        self._clock = clock
        self._gate = gate
        self._send = send
        self._faults = dice.table(
            ("rpc_busy", "rpc_broken", "rpc_garbage", "rpc_timeout", "read_slow")
        )

    @property
    def witnesses(self) -> "Sequence[Provider]":
        return (self,)

    def fall_behind(self, blocks: int) -> None:
        """Stand still until so many blocks behind; 0 catches up."""
        self._stood_at_slot = self._view()[1].block.slot
        self._lag_blocks = blocks

    def _view(self) -> tuple[int, Past]:
        """The newest block it knows, with its index."""
        pasts = self._cluster.pasts
        index, past = pasts.at(self._lag_blocks)
        if self._lag_blocks and past.block.slot < self._stood_at_slot:
            return pasts.of_slot(self._stood_at_slot)
        return index, past

    # -- the way there and back

    async def _ask(self) -> bool:
        """Reach it; whether its answer takes long to come."""
        await self._gate()
        if self.is_down:
            raise Unavailable("chain", "connection refused (simulated)")
        fault = self._faults.draw()
        if fault is None or fault == "read_slow":
            return fault is not None
        if fault == "rpc_timeout":
            await self._clock.sleep(READ_TIMEOUT_S)
            raise Unavailable("chain", "time-out (simulated)")
        raise Unavailable("chain", _FAILURES[fault])

    async def _told(self, answer: _T, is_slow: bool) -> _T:
        if is_slow:
            await self._clock.sleep(self._dice.random.uniform(0.1, SLOWEST_READ_S))
        return answer

    def _slot_of(self, commitment: str) -> int:
        """Of its own block at this commitment."""
        return self._view()[1].slot_of(commitment)

    def _lies(self, kind: str) -> bool:
        return self.is_liar and self._dice.hits(kind)

    # -- reads

    async def latest_blockhash(self, commitment: str = "confirmed") -> Blockhash:
        is_slow = await self._ask()
        if not self._lag_blocks:
            return await self._told(await self._paper.latest_blockhash(commitment), is_slow)
        pasts = self._cluster.pasts
        slot = self._slot_of(commitment)
        index, past = pasts.of_slot(slot)
        full = pasts.parent(index) if commitment == "processed" else past.block
        if not full.blockhash:
            full = pasts.parent(index)
        return await self._told(
            Blockhash(
                str(Pubkey.from_bytes(full.blockhash)),
                slot,
                past.block.height,
                full.height + self._cluster.bank.params.blockhash_window,
            ),
            is_slow,
        )

    async def epoch_info(self, commitment: str = "finalized") -> EpochInfo:
        is_slow = await self._ask()
        if self._lag_blocks:
            _, past = self._cluster.pasts.of_slot(self._slot_of(commitment))
            info = EpochInfo(past.block.slot, past.block.height, 0)
        else:
            info = await self._paper.epoch_info(commitment)
        if self._lies("lie_height"):
            blocks = self._dice.random.choice((LIE_HEIGHT_BLOCKS, -LIE_HEIGHT_BLOCKS // 2))
            info = EpochInfo(info.slot + blocks, info.block_height + blocks, info.epoch)
        return await self._told(info, is_slow)

    async def time(self) -> ChainTime:
        is_slow = await self._ask()
        return await self._told(self._time(), is_slow)

    def _time(self) -> ChainTime:
        block = self._view()[1].block
        return ChainTime(block.slot, block.time_ms // 1000, 0)

    async def accounts(
        self, addresses: Sequence[Pubkey], commitment: str = "confirmed", min_context_slot: int = 0
    ) -> AccountsAtSlot:
        is_slow = await self._ask()
        if not self._lag_blocks:
            read = await self._paper.accounts(addresses, commitment, min_context_slot)
        else:
            read = self._old_accounts(addresses, commitment, min_context_slot)
        if self._lies("lie_absent"):
            read = AccountsAtSlot(read.slot, {})
        return await self._told(read, is_slow)

    def _old_accounts(
        self, addresses: Sequence[Pubkey], commitment: str, min_context_slot: int
    ) -> AccountsAtSlot:
        pasts = self._cluster.pasts
        slot = self._slot_of(commitment)
        if slot < min_context_slot:
            raise Unavailable("chain", f"at slot {slot}, asked for {min_context_slot}")
        index, _ = pasts.of_slot(slot)
        found: dict[Pubkey, Account] = {}
        for address in addresses:
            state = pasts.state(bytes(address), index)
            if state is not None:
                owner = Pubkey.from_bytes(state.owner)
                found[address] = Account(owner, state.lamports, state.data)
            elif address == CLOCK_SYSVAR:
                found[address] = Account(_SYSVARS, 1_169_280, clock_bytes(self._time()))
        return AccountsAtSlot(slot, found)

    async def simulate(self, transaction: bytes) -> Simulation:
        is_slow = await self._ask()
        return await self._told(await self._paper.simulate(transaction), is_slow)

    async def signature_statuses(
        self, signatures: Sequence[str], *, search_history: bool = False
    ) -> tuple[SignatureStatus | None, ...]:
        is_slow = await self._ask()
        found = await self._paper.signature_statuses(signatures, search_history=search_history)
        answer = tuple([self._status(each, search_history) for each in found])
        is_slow = is_slow or (search_history and self._dice.hits("search_slow"))
        if self._lies("lie_success"):
            made_up = SignatureStatus(self._slot_of("finalized"), None, "finalized")
            answer = tuple([each or made_up for each in answer])
        return await self._told(answer, is_slow)

    def _status(
        self, status: SignatureStatus | None, search_history: bool
    ) -> SignatureStatus | None:
        if status is None:
            return None
        if self._lag_blocks:
            past = self._view()[1]
            if status.slot > past.block.slot:
                return None
            levels = ("finalized", "confirmed", "processed")
            level = next(each for each in levels if status.slot <= past.slot_of(each))
            status = msgspec.structs.replace(status, commitment=level)
        if not search_history and self._dice.hits("status_missing"):
            return None
        if self._has_forgotten(status.slot) or self._lies("lie_null"):
            return None
        if status.error is None and self._lies("lie_error"):
            return msgspec.structs.replace(status, error='{"InstructionError":[0,{"Custom":0}]}')
        return status

    def _first_slot(self) -> int:
        first = self._cluster.bank.first_available_slot()
        if self.history_slots is None:
            return first
        # Not of its own block: what it forgot once it never knows again.
        root = self._cluster.bank.epoch_info("finalized").slot
        return max(first, root - self.history_slots)

    def _has_forgotten(self, slot: int) -> bool:
        return self.history_slots is not None and slot < self._first_slot()

    async def transaction(self, signature: str, commitment: str) -> LandedTransaction | None:
        is_slow = await self._ask()
        landed = await self._paper.transaction(signature, commitment)
        if landed is not None and (
            self._has_forgotten(landed.slot)
            or landed.slot > self._slot_of(commitment)
            or self._dice.hits("transaction_missing")
        ):
            landed = None
        return await self._told(landed, is_slow)

    async def signatures_for_address(
        self,
        address: Pubkey,
        *,
        limit: int = 1_000,
        before: str | None = None,
        until: str | None = None,
        commitment: str = "finalized",
    ) -> tuple[AddressSignature, ...]:
        is_slow = await self._ask()
        found = await self._paper.signatures_for_address(
            address, limit=limit, before=before, until=until, commitment=commitment
        )
        first, last = self._first_slot(), self._slot_of(commitment)
        self.asked.add(str(address))
        return await self._told(tuple([e for e in found if first <= e.slot <= last]), is_slow)

    async def search(self, search: Search, commitment: str = "confirmed") -> tuple[Pubkey, ...]:
        is_slow = await self._ask()
        return await self._told(await self._paper.search(search, commitment), is_slow)

    async def is_blockhash_valid(self, blockhash: str) -> bool:
        """What no code of the engine may rest on: one that lags says false of a new one, too."""
        is_slow = await self._ask()
        bank, key = self._cluster.bank, bytes(Pubkey.from_string(blockhash))
        last_valid = bank.last_valid_block_height(key)
        height = self._view()[1].block.height
        is_valid = last_valid is not None and last_valid - bank.params.blockhash_window <= height
        is_valid = is_valid and last_valid is not None and height <= last_valid
        if self._lies("lie_blockhash"):
            is_valid = not is_valid
        return await self._told(is_valid, is_slow)

    async def first_available_block(self) -> int:
        is_slow = await self._ask()
        return await self._told(self._first_slot(), is_slow)

    async def rent_minimum(self, space: int) -> int:
        is_slow = await self._ask()
        return await self._told(await self._paper.rent_minimum(space), is_slow)

    async def prioritization_fee(self, accounts: Sequence[Pubkey], percentile: int) -> int:
        is_slow = await self._ask()
        return await self._told(self._dice.random.choice(_PRICES), is_slow)

    # -- the rest

    async def start(self) -> None:
        """Nothing to open."""

    async def stop(self) -> None:
        """Nothing to close."""

    async def fund(self, address: Pubkey) -> None:
        await self._paper.fund(address)

    async def send(self, transaction: bytes) -> SendOutcome:
        await self._gate()
        if self.is_down:
            return SendOutcome(False, detail="connection refused (simulated)")
        return await self._send(transaction)

    async def wait_for_signature(self, signature: str, timeout_s: float) -> None:
        await self._gate()
        if self.is_silent or self._dice.hits("hint_lost"):
            await self._clock.sleep(timeout_s)
        elif self._dice.hits("hint_doubled"):
            await self._clock.sleep(0.001)
        else:
            key = bytes(Signature.from_string(signature))
            await self._cluster.waiters.wait(key, timeout_s)
        await self._gate()

    async def ping(self) -> None:
        await self._ask()
