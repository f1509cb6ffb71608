"""The paper chain in this process: the ledger behind the Chain and Faucet ports, on a clock, kept
on disk.

A send executes at once (or after the profile's delay) and is confirmed on arrival; slots tick on,
and depth makes it final. What is reported final is on disk first: a killed process loses at most
what was only processed or confirmed, which is what a fork does too.
"""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from solders.pubkey import Pubkey
from solders.signature import Signature

from fairlead.chain.paper_arrivals import Arrivals
from fairlead.chain.paper_journal import JournalWriter, PaperFiles
from fairlead.chain.paper_views import AccountViews, base58_of, landed_transaction
from fairlead.chain.paper_waiters import SignatureWaiters
from fairlead.errors import Unavailable
from fairlead.ledger import journal
from fairlead.ledger.account import AccountState, rent_minimum
from fairlead.ledger.bank import Bank
from fairlead.ledger.blocks import Commitment, LedgerParams, TransactionError
from fairlead.ledger.faults import FAST, PaperProfile
from fairlead.ledger.market import PROGRAMS, all_pools
from fairlead.ledger.market_flow import market_flow, opening_accounts
from fairlead.ledger.market_growth import missing_accounts
from fairlead.ledger.records import genesis
from fairlead.ledger.tokens import SOL, TOKENS
from fairlead.ledger.wallets import fund
from fairlead.ports import (
    AccountsAtSlot,
    AddressSignature,
    Blockhash,
    Chain,
    Clock,
    EpochInfo,
    LandedTransaction,
    SendOutcome,
    SignatureStatus,
    Simulation,
)
from fairlead.solana.accounts import associated_token_address
from fairlead.venues.pools import Search
from fairlead.venues.venue import ChainTime

FIRST_SLOT, FIRST_HEIGHT = 1_000, 900
"""Of a new chain. As on clusters the slot is ahead of the height, so that nobody takes one for the
other."""

_encode = msgspec.json.Encoder().encode


def open_paper_chain(
    clock: Clock,
    *,
    seed: int = 1,
    params: LedgerParams | None = None,
    profile: PaperProfile = FAST,
    folder: Path | None = None,
) -> "PaperChain":
    """A paper chain, continued from its folder or new. Without a folder it lives in memory."""
    params = params or LedgerParams()
    now_ms = clock.now_ms()
    files = PaperFiles(folder) if folder is not None else None
    records = files.load() if files is not None else []
    if records:
        bank = journal.recover(PROGRAMS, records)
        _grow_market(bank, seed)
        bank.set_params(params)
        bank.resume(now_ms)
    else:
        accounts = opening_accounts(seed, FIRST_SLOT)
        first = genesis(seed, accounts, params, now_ms, slot=FIRST_SLOT, height=FIRST_HEIGHT)
        bank = Bank(PROGRAMS, first, keeps_journal=files is not None)
    if files is not None:
        bank.take_journal()
        files.append([bank.snapshot()])
    writer = JournalWriter(files) if files is not None else None
    return PaperChain(bank, clock, seed=seed, profile=profile, writer=writer)


def _grow_market(bank: Bank, seed: int) -> None:
    """Give a chain of an earlier version the pools that its market lacks; final at once."""
    missing = missing_accounts(bank.snapshot().accounts, seed, bank.clock.slot)

    def to(state: AccountState) -> Callable[[AccountState | None], AccountState]:
        return lambda _: state

    bank.change_at_root({key: to(state) for key, state in missing.items()})


class PaperChain:
    """The ports over a bank. `start` sets its slots going; without it `tick` does, one at a
    time."""

    name = "paper"

    def __init__(
        self,
        bank: Bank,
        clock: Clock,
        *,
        seed: int = 1,
        profile: PaperProfile = FAST,
        writer: JournalWriter | None = None,
    ) -> None:
        self.bank = bank
        self.profile = profile
        self._clock = clock
        self._seed = seed
        self._writer = writer
        self._pools = all_pools()
        self._views = AccountViews(bank)
        self._waiters = SignatureWaiters()
        self._arrivals = Arrivals(bank, clock, seed, profile, self._waiters.wake)
        self._slots: asyncio.Task[None] | None = None
        self._failure: str | None = None

    @property
    def witnesses(self) -> Sequence[Chain]:
        return (self,)

    # -- time ------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Tick from now on, a slot at a time."""
        self._slots = asyncio.ensure_future(self._tick_forever())
        self._slots.add_done_callback(self._slots_ended)

    async def stop(self) -> None:
        """Stop ticking and write what is final."""
        if self._slots is not None:
            self._slots.cancel()
            await asyncio.wait([self._slots])
        await self._arrivals.close()
        if self._writer is not None:
            await self._writer.close()

    def tick(self, skipped: int = 0) -> None:
        """End the open block and open the next; `skipped` slots in between have none."""
        bank = self.bank
        confirmed, root = (bank.epoch_info(level).slot for level in ("confirmed", "finalized"))
        slot = bank.produce_slot(self._clock.now_ms(), skipped)
        if self.profile.moves_market:
            moved = market_flow(bank.account, self._pools, self._seed, slot)
            if moved:
                bank.apply(moved)
        self._arrivals.slot_began()
        if self._writer is not None:
            self._writer.add(bank.take_journal())
            if self._writer.is_full:
                self._writer.add([bank.snapshot()])
        if self._waiters.is_any:
            self._wake_since("finalized", root)
            if bank.params.confirmed_depth:
                self._wake_since("confirmed", confirmed)

    async def _tick_forever(self) -> None:
        slot_s = self.bank.params.slot_ms / 1000
        due = self._clock.monotonic() + slot_s
        while True:
            await self._clock.sleep(max(0.0, due - self._clock.monotonic()))
            # A loop that was held up skips slots, as a cluster does whose leader was.
            missed = max(0, int((self._clock.monotonic() - due) / slot_s))
            self.tick(missed)
            due += (1 + missed) * slot_s

    def _slots_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self._failure = f"the paper chain stopped: {task.exception()!r}"

    def _wake_since(self, commitment: Commitment, last_slot: int) -> None:
        """Wake those who wait for transactions of blocks that came to this commitment just now."""
        for block in self.bank.blocks_backwards(commitment):
            if block.slot <= last_slot:
                return
            for record in block.records:
                self._waiters.wake(record.signature)

    # -- reads -----------------------------------------------------------------------------------

    async def latest_blockhash(self, commitment: str = "confirmed") -> Blockhash:
        latest = self.bank.latest_blockhash(_LEVELS[commitment])
        answer = Blockhash(
            base58_of(latest.blockhash),
            latest.slot,
            latest.block_height,
            latest.last_valid_block_height,
        )
        await self._durable(commitment)
        return answer

    async def epoch_info(self, commitment: str = "finalized") -> EpochInfo:
        info = self.bank.epoch_info(_LEVELS[commitment])
        answer = EpochInfo(info.slot, info.block_height, info.epoch)
        await self._durable(commitment)
        return answer

    async def time(self) -> ChainTime:
        clock = self.bank.clock
        return ChainTime(clock.slot, clock.unix_timestamp, clock.epoch)

    async def accounts(
        self, addresses: Sequence[Pubkey], commitment: str = "confirmed", min_context_slot: int = 0
    ) -> AccountsAtSlot:
        read = self._views.read(tuple(addresses), _LEVELS[commitment])
        if read.slot < min_context_slot:
            raise Unavailable("chain", f"at slot {read.slot}, asked for {min_context_slot}")
        await self._durable(commitment)
        return read

    async def search(self, search: Search, commitment: str = "confirmed") -> tuple[Pubkey, ...]:
        found = self._views.search(search, _LEVELS[commitment])
        await self._durable(commitment)
        return found

    async def signature_statuses(
        self, signatures: Sequence[str], *, search_history: bool = False
    ) -> tuple[SignatureStatus | None, ...]:
        answer: list[SignatureStatus | None] = []
        is_final = False
        for text in signatures:
            key = bytes(Signature.from_string(text))
            found = self.bank.signature_status(key, search_history=search_history)
            if found is None:
                answer.append(None)
            else:
                is_final |= found.level == "finalized"
                answer.append(SignatureStatus(found.slot, _error(found.err), found.level))
        if is_final:
            await self._durable("finalized")
        return tuple(answer)

    async def transaction(self, signature: str, commitment: str) -> LandedTransaction | None:
        key = bytes(Signature.from_string(signature))
        record = self.bank.transaction(key, _LEVELS[commitment])
        if record is None:
            return None
        answer = landed_transaction(record, signature, self.bank.block_time(record.slot))
        await self._durable(commitment)
        return answer

    async def signatures_for_address(
        self,
        address: Pubkey,
        *,
        limit: int = 1_000,
        before: str | None = None,
        until: str | None = None,
        commitment: str = "finalized",
    ) -> tuple[AddressSignature, ...]:
        found = self.bank.signatures_for_address(
            bytes(address),
            limit=limit,
            before=bytes(Signature.from_string(before)) if before else None,
            until=bytes(Signature.from_string(until)) if until else None,
            commitment=_LEVELS[commitment],
        )
        answer = tuple(
            AddressSignature(str(Signature.from_bytes(r.signature)), r.slot, _error(r.err))
            for r in found
        )
        await self._durable(commitment)
        return answer

    async def first_available_block(self) -> int:
        return self.bank.first_available_slot()

    async def rent_minimum(self, space: int) -> int:
        return rent_minimum(space)

    async def prioritization_fee(self, accounts: Sequence[Pubkey], percentile: int) -> int:
        """Nobody competes for paper blocks."""
        return 0

    async def ping(self) -> None:
        if self._failure is not None:
            raise Unavailable("chain", self._failure)
        await self._durable("finalized")

    async def _durable(self, commitment: str) -> None:
        """What was read at `finalized` may be told once it is on disk."""
        if self._writer is not None and commitment == "finalized":
            await self._writer.synced()

    # -- transactions ----------------------------------------------------------------------------

    async def simulate(self, transaction: bytes) -> Simulation:
        found = self.bank.simulate(transaction)
        return Simulation(found.slot, _error(found.err), tuple(found.logs), found.compute_units)

    async def send(self, transaction: bytes) -> SendOutcome:
        return self._arrivals.send(transaction)

    async def wait_for_signature(self, signature: str, timeout_s: float) -> None:
        await self._waiters.wait(bytes(Signature.from_string(signature)), timeout_s)

    # -- faucet ----------------------------------------------------------------------------------

    async def fund(self, address: Pubkey) -> None:
        """A wallet that has an account of any token of the market was funded before."""
        accounts = [
            bytes(associated_token_address(address, Pubkey.from_bytes(token.mint)))
            for token in TOKENS
            if token is not SOL
        ]
        if all(self.bank.account(key) is None for key in accounts):
            fund(self.bank, bytes(address))
            if self._writer is not None:
                self._writer.add(self.bank.take_journal())
        await self._durable("finalized")


_LEVELS: dict[str, Commitment] = {
    "processed": "processed",
    "confirmed": "confirmed",
    "finalized": "finalized",
}


def _error(err: TransactionError | None) -> str | None:
    return None if err is None else _encode(err).decode()
