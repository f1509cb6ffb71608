"""The cluster of a simulated world: the paper ledger, its slots, and all that befalls both.

Nobody but `Wire` puts transactions into it. What became final is kept for the checkers, whatever
the ledger itself forgets.
"""

import asyncio
from collections.abc import Callable, Mapping

import msgspec

from fairlead.chain.paper import FIRST_HEIGHT, FIRST_SLOT, PaperChain
from fairlead.chain.paper_waiters import SignatureWaiters
from fairlead.ledger.account import AccountState
from fairlead.ledger.bank import Bank, SendOutcome
from fairlead.ledger.blocks import LedgerParams, TransactionRecord
from fairlead.ledger.faults import PaperProfile
from fairlead.ledger.market import PROGRAMS, all_pools
from fairlead.ledger.market_flow import market_flow, opening_accounts
from fairlead.ledger.records import genesis
from fairlead.sim.clock import VirtualClock
from fairlead.sim.faults import Dice
from fairlead.sim.replica import Pasts

MARKET_SEEDS = 1_000
"""Markets that prices may jump to."""

LONGEST_HALT_S = 12.0
MOST_SKIPPED_SLOTS = 5

_STILL = PaperProfile(moves_market=False)


class TwiceOnChain(AssertionError):
    """A bug of the ledger: one transaction is in two final blocks."""


class Cluster:
    """The ledger with its time. `run` until cancelled."""

    def __init__(
        self, clock: VirtualClock, seed: int, params: LedgerParams, max_window: int, dice: Dice
    ) -> None:
        accounts = opening_accounts(seed, FIRST_SLOT)
        first = genesis(
            seed, accounts, params, clock.now_ms(), slot=FIRST_SLOT, height=FIRST_HEIGHT
        )
        self.bank = Bank(PROGRAMS, first)
        self.paper = PaperChain(self.bank, clock, seed=seed, profile=_STILL)
        self.pasts = Pasts(self.bank)
        self.waiters = SignatureWaiters()
        # The largest window this cluster ever switches to.
        self.max_window = max_window
        self.is_halted = False
        # What is final, by signature, and who may be told at the end of each slot.
        self.final: dict[bytes, TransactionRecord] = {}
        # What was in some block as a success, be it dropped since.
        self.succeeded: set[bytes] = set()
        self.slot_began: list[Callable[[], None]] = []
        self._clock = clock
        self._dice = dice
        self._params = params
        self._pools = all_pools()
        self._root_slot = FIRST_SLOT
        self._confirmed_slot = FIRST_SLOT

    async def run(self) -> None:
        """Slots, with gaps between them."""
        while True:
            await self._clock.sleep(self.bank.params.slot_ms / 1000)
            if not self.is_halted:
                self.tick()

    def tick(self) -> None:
        """The next block."""
        skipped = 0
        if self._dice.hits("skip"):
            skipped = self._dice.random.randrange(1, MOST_SKIPPED_SLOTS + 1)
        self.paper.tick(skipped)
        self._follow()
        for told in self.slot_began:
            told()

    def _follow(self) -> None:
        """Keep what is new, and wake those who wait for it."""
        self.pasts.follow()
        bank = self.bank
        root_slot = self._root_slot
        for block in bank.blocks_backwards("finalized"):
            if block.slot <= root_slot:
                break
            for record in block.records:
                if record.signature in self.final:
                    raise TwiceOnChain(record.signature.hex())
                self.final[record.signature] = record
                self.waiters.wake(record.signature)
        self._root_slot = bank.epoch_info("finalized").slot
        confirmed_slot = bank.epoch_info("confirmed").slot
        if confirmed_slot != self._confirmed_slot and self.waiters.is_any:
            for block in bank.blocks_backwards("confirmed"):
                if block.slot <= self._confirmed_slot:
                    break
                for record in block.records:
                    self.waiters.wake(record.signature)
        self._confirmed_slot = confirmed_slot

    def take(self, raw: bytes, moved: Mapping[bytes, AccountState] | None = None) -> SendOutcome:
        """Execute bytes into the open block."""
        outcome = self.bank.send(raw, moved=moved)
        if outcome.landed:
            self.waiters.wake(outcome.signature)
            if outcome.err is None:
                self.succeeded.add(outcome.signature)
        return outcome

    # -- what happens to it

    def fork(self, last: int | None, *, replays: bool) -> list[bytes]:
        """The last blocks never were; their transactions perhaps come again in another order."""
        open_blocks = self.bank.epoch_info("processed").block_height
        open_blocks -= self.bank.epoch_info("finalized").block_height
        depth = open_blocks if last is None else min(last, open_blocks)
        raws: list[bytes] = []
        for block, _ in zip(self.bank.blocks_backwards("processed"), range(depth), strict=False):
            raws.extend(record.raw for record in block.records)
        dropped = self.bank.drop_unrooted(last)
        self._confirmed_slot = self.bank.epoch_info("confirmed").slot
        self.pasts.follow()
        if replays:
            self._dice.random.shuffle(raws)
            for raw in raws:
                self.take(raw)
        return dropped

    async def halt(self) -> None:
        self.is_halted = True
        await self._clock.sleep(self._dice.random.uniform(1.0, LONGEST_HALT_S))
        self.is_halted = False

    def change_window(self) -> None:
        """To any from half of the first one up to the largest."""
        window = self._dice.random.randint(self._params.blockhash_window // 2, self.max_window)
        self.bank.set_params(msgspec.structs.replace(self.bank.params, blockhash_window=window))

    def change_slot_time(self) -> None:
        slot_ms = self._dice.random.choice((100, 200, 400, 800))
        self.bank.set_params(msgspec.structs.replace(self.bank.params, slot_ms=slot_ms))

    def move_market(self) -> None:
        """Prices jump to those of another market."""
        seed = self._dice.random.randrange(MARKET_SEEDS)
        slot = self.bank.epoch_info("processed").slot
        self.bank.apply(market_flow(self.bank.account, self._pools, seed, slot))

    def heal(self) -> None:
        """The parameters of the beginning, and blocks."""
        self.is_halted = False
        self.bank.set_params(self._params)

    # -- what is true of it

    def root_height(self) -> int:
        return self.bank.epoch_info("finalized").block_height

    async def settled(self) -> None:
        """Until all that is in a block now is final."""
        height = self.bank.epoch_info("processed").block_height
        while self.root_height() < height:  # noqa: ASYNC110 (on virtual time nobody waits)
            await asyncio.sleep(self.bank.params.slot_ms / 1000)
