"""Holding wallets against the chain at the start (EXACTLY-ONCE 23): a store that was restored to an
earlier moment knows less than the chain.

Orders of a wallet wait until every transaction of ours on the chain is known. One that belongs to
an order which has not ended is adopted by that order (`holding`); one whose order is lost with the
backup is told to the operator and holds up nobody. Only wallets that had orders at the start are
concerned: a later order's secret is in no earlier transaction.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import suppress

import structlog
from solders.pubkey import Pubkey

from fairlead.errors import FairleadError, Unavailable
from fairlead.orders import lifecycle, resting
from fairlead.orders.model import (
    NEVER_MS,
    Order,
    OrderStatus,
)
from fairlead.orders.round_ends import MAX_LATCH_GENERATIONS
from fairlead.ports import LandedTransaction
from fairlead.solana.accounts import WSOL_MINT
from fairlead.solana.adoption import swap_in
from fairlead.solana.lost import Match, is_signed_by, match, seeds_in
from fairlead.workers.histories import History, unknown_of
from fairlead.workers.proving import reached
from fairlead.workers.work import Workbench

log = structlog.get_logger("fairlead.reconciling")

PARALLEL = 8
"""Wallets asked about at a time."""

RESTING_PAGE = 1_024
MAX_HELD = 64
"""Wallets without an order that are looked at, only to tell the operator."""

TELL_KNOWN_S = 5.0
"""How often to store up to which slot all is known: a restored store asks for what came later."""

FOLLOW_S = 0.5
FORGET_S = 5.0
"""How often to look whether what was found has been adopted, and whether what failed is stored."""


class Reconciler:
    """Opens the gate wallet by wallet. `run` until cancelled."""

    def __init__(self, bench: Workbench) -> None:
        # Told of transactions of ours whose order the store does not know.
        self.on_unknown: Callable[[int], None] = lambda transactions: None
        self._bench = bench
        self._gate = bench.gate
        self._parts = bench.parts
        self._begin = asyncio.Event()
        # Wallets of which it was said that some of their history cannot be had.
        self._told_gaps: set[str] = set()

    def begin(self) -> None:
        """Hold every order back until its wallet is known."""
        self._gate.close()
        self._begin.set()

    async def run(self) -> None:
        while True:
            await self._begin.wait()
            self._begin.clear()
            await self._begin_once()
            while not self._begin.is_set():
                if self._gate.is_open:
                    await self._try(self._tell_known)
                    pause_s = TELL_KNOWN_S
                else:
                    await self._try(self._follow)
                    await self._try(self._forget_failed)
                    pause_s = FOLLOW_S if self._gate.lost else FORGET_S
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause_s):
                        await self._begin.wait()

    async def _tell_known(self) -> None:
        """All that was ours when this slot was final had been stored before it was sent."""
        slot = await reached(self._parts.chain, lambda epoch: epoch.slot)
        if slot is not None and self._gate.is_open:
            await self._parts.store.know_to_slot(slot)

    async def _begin_once(self) -> None:
        active: set[str] = set()

        async def learn() -> None:
            active.update(await self._parts.store.active_wallets())

        await self._until_done(learn)
        self._gate.wallets |= active
        self._gate.are_active_known = True
        self._gate.settle()
        resting_too, _ = await asyncio.gather(self._resting(active), self._each(active))
        await self._tell_of_others(active | resting_too)

    async def _resting(self, active: set[str]) -> set[str]:
        """Wallets of orders at rest, beside the active ones."""
        found: set[str] = set()
        position = 0

        async def page() -> None:
            nonlocal position
            while rows := await self._parts.store.resting_wallets(position, RESTING_PAGE):
                position = rows[-1][0]
                found.update([wallet for _, wallet in rows])
                await self._parts.clock.sleep(0)

        await self._until_done(page)
        found -= active
        self._gate.wallets |= found
        self._gate.are_resting_known = True
        self._gate.settle()
        await self._each(found)
        return found

    async def _tell_of_others(self, known: set[str]) -> None:
        """Wallets without an order hold up nobody, but somebody should know what they did."""
        for wallet in [w for w in self._parts.wallet.addresses() if w not in known][:MAX_HELD]:
            await self._try(self._look_at, wallet)

    async def _look_at(self, wallet: str) -> None:
        history = await unknown_of(self._parts.chain, self._parts.store, wallet)
        await self._sort(wallet, history)

    async def _each(self, wallets: Iterable[str]) -> None:
        """Reconcile them, again and again until all are."""
        left = sorted(wallets)
        while left:
            queue = iter(left)
            failed: list[str] = []

            size = min(PARALLEL, len(left))
            await asyncio.gather(*[self._several(queue, failed) for _ in range(size)])
            left = sorted(failed)
            if left:
                await self._pause()

    async def _several(self, queue: Iterator[str], failed: list[str]) -> None:
        for wallet in queue:
            if not await self._try(self._one, wallet):
                self._gate.silent.add(wallet)
                failed.append(wallet)

    async def _one(self, wallet: str) -> None:
        history = await unknown_of(self._parts.chain, self._parts.store, wallet)
        if history.gap is not None:
            self._about_gap(wallet, history.gap)
        await self._sort(wallet, history)
        self._gate.know(wallet)

    def _about_gap(self, wallet: str, gap: str) -> None:
        """What was not read may have won, and its latch may have been taken back since: then
        nothing would exclude another swap of its order (rules 9 and 12)."""
        accepts = self._bench.settings.accepts_history_gap
        if wallet not in self._told_gaps:
            self._told_gaps.add(wallet)
            fix = (
                "its orders go on, as FAIRLEAD_ACCEPT_HISTORY_GAP says"
                if accepts
                else "its orders wait. Name an RPC provider with an older history; or, if the store"
                " was stopped and not restored from a backup, set FAIRLEAD_ACCEPT_HISTORY_GAP=on"
                " for one start"
            )
            log.error("history_gap", wallet=wallet, why=gap, fix=fix)
        if not accepts:
            raise Unavailable("chain", f"the history of {wallet} has a gap: {gap}")

    async def _sort(self, wallet: str, history: History) -> None:
        """Find the order of each transaction of ours; tell of those without one."""
        if not history.unknown:
            return
        orders = list(await self._parts.store.unfinished(wallet))
        for transaction in history.unknown:
            if not is_signed_by(transaction, wallet):
                continue
            found = await self._order_of(transaction, wallet, orders)
            if found is not None:
                self._found(found, transaction)
            elif transaction.error is None and seeds_in(transaction, wallet).are_ours:
                log.error("unknown_transaction", wallet=wallet, signature=transaction.signature)
                self.on_unknown(1)

    def _found(self, order: Order, transaction: LandedTransaction) -> None:
        log.warning("lost_found", order_id=order.order_id, signature=transaction.signature)
        if transaction.error is not None:
            # It moved nothing but its fee, which counts against the order's cap.
            self._gate.failed.setdefault(order.order_id, []).append(transaction)
            return
        self._gate.lost[order.order_id] = transaction
        if order.status is OrderStatus.OPEN:
            self._gate.lost_at_rest.add(order.order_id)

    async def _order_of(
        self, transaction: LandedTransaction, wallet: str, orders: list[Order]
    ) -> Order | None:
        seeds = seeds_in(transaction, wallet)
        found: Match | None = match(seeds, orders, MAX_LATCH_GENERATIONS)
        if found is not None:
            return found.order
        if self._bench.settings.latch or seeds.are_ours:
            return None
        # Without a latch and a wrap nothing of the order's secret is in it: its terms must do.
        for order in orders:
            terms = order.terms
            if transaction.error is not None or order.order_id in self._gate.lost:
                continue
            mints = Pubkey.from_string(terms.token_in), Pubkey.from_string(terms.token_out)
            if WSOL_MINT in mints:
                continue
            snapshot = await self._parts.pools.around(*mints)
            if swap_in(transaction, terms, (*snapshot.pools, *snapshot.others)) is not None:
                return order
        return None

    # --- what was found ---

    async def _follow(self) -> None:
        """Wake resting orders that were filled; forget what was adopted or is over."""
        store, gate = self._parts.store, self._gate
        known = await store.known_attempts([each.signature for each in gate.lost.values()])
        for order_id, transaction in list(gate.lost.items()):
            order = await store.order(order_id)
            if order is None or transaction.signature in known:
                gate.found(order_id)
            elif order.status in lifecycle.ENDED:
                # A client cancelled it before this was known.
                log.error("filled_though_ended", order_id=order_id, signature=transaction.signature)
                self.on_unknown(1)
                gate.found(order_id)
            elif order.status is not OrderStatus.OPEN:
                gate.lost_at_rest.discard(order_id)
            elif order.due_at_ms == NEVER_MS:
                now_ms = self._bench.now_ms()
                await store.apply(resting.fired(order_id, order.sequence, now_ms))

    async def _forget_failed(self) -> None:
        """Another worker may have stored them; or the order may be over."""
        store, gate = self._parts.store, self._gate
        for order_id, transactions in list(gate.failed.items()):
            signatures = [each.signature for each in transactions]
            known = await store.known_attempts(signatures)
            order = await store.order(order_id)
            is_over = order is None or order.status in lifecycle.ENDED or order.finalized_at_ms
            if is_over or known.issuperset(signatures):
                gate.forget_failed(order_id)

    # --- trouble ---

    async def _until_done(self, body: Callable[[], Awaitable[None]]) -> None:
        while not await self._try(body):
            await self._pause()

    async def _pause(self) -> None:
        await self._parts.clock.sleep(self._bench.settings.retry.outage_ms / 1000)

    async def _try(self, body: Callable[..., Awaitable[None]], *values: str) -> bool:
        """Whether it came to its end; a part that does not answer is asked again."""
        try:
            await body(*values)
        except FairleadError as error:
            log.warning("wallets_wait", wallets=len(self._gate.wallets), error=str(error))
            return False
        except Exception:
            self._bench.bugs += 1
            log.exception("reconciling_error")
            return False
        return True
