"""What must hold when all is quiet: the store's rows beside the ledger's blocks, to the lamport."""

import json
from collections import Counter, defaultdict
from typing import Any

from solders.pubkey import Pubkey
from solders.signature import Signature

from fairlead.amounts import atoms_from_decimal
from fairlead.ledger.account import AccountState, rent_minimum
from fairlead.ledger.blocks import TransactionRecord
from fairlead.ledger.message import parse_transaction
from fairlead.ledger.programs.associated_token import associated_address
from fairlead.ledger.programs.token_data import ACCOUNT_SIZE, NATIVE_MINT, TOKEN_PROGRAM, amount_of
from fairlead.ledger.tokens import SOL, TOKENS, atoms_worth
from fairlead.ledger.wallets import FUND_DOLLARS, FUND_LAMPORTS
from fairlead.orders import lifecycle
from fairlead.orders.budget import CANCEL_ALLOWANCE_LAMPORTS
from fairlead.orders.lifecycle import IllegalTransition
from fairlead.orders.model import EventType, OrderStatus
from fairlead.sim.audit import Auditor
from fairlead.sim.cluster import Cluster
from fairlead.sim.memory import Known
from fairlead.sim.reclaims import moved_back
from fairlead.sim.storing import SimStore
from fairlead.sim.swaps import gained, latches_in, middle_mints
from fairlead.tokens import TokenList

_LATCH_LAMPORTS = rent_minimum(0)
_ORDERS = (
    "SELECT order_id, status, owner, sequence, amount_out_atoms, minimum_out_atoms, signature,"
    " ended FROM orders"
)


class Books:
    """One look at a world in which nothing moves any more; what is wrong goes to the auditor."""

    def __init__(
        self, cluster: Cluster, store: SimStore, auditor: Auditor, strangers: set[bytes]
    ) -> None:
        self._cluster = cluster
        self._store = store
        self._auditor = auditor
        self._memory = auditor.memory
        self._strangers = strangers
        self._fail = auditor.fail
        self._won: dict[str, list[TransactionRecord]] = defaultdict(list)
        self._fees: Counter[str] = Counter()
        # What left the wallet and what reached it.
        self._booked: dict[str, tuple[int, int]] = {}
        # Atoms of middle tokens that stayed with the wallet: by order, by mint.
        self._left_over: dict[str, dict[str, int]] = defaultdict(dict)

    def check(self) -> None:
        self._match_records()
        for row in self._store.rows(_ORDERS):
            self._check_order(*row)
        self._check_fees()
        self._check_events()
        self._check_counts()
        self._check_reserved()
        self._check_supply()
        self._auditor.reclaims.check()
        self._check_lost()
        for wallet in {order.terms.wallet: 0 for order in self._memory.ever.values()}:
            self._check_wallet(wallet)

    def _match_records(self) -> None:
        """Each final transaction is an order's attempt, a reclaim, or a stranger's."""
        for signature, record in self._cluster.final.items():
            if signature in self._strangers:
                continue
            text = str(Signature.from_bytes(signature))
            if text in self._auditor.reclaims.known:
                continue
            order_id = self._memory.owner_of(text)
            if order_id is None:
                self._fail("the ledger has nothing that no order knows", text)
                continue
            if not self._is_nobodys(order_id, text, record):
                self._fees[order_id] += record.fee_lamports
            legs = self._memory.signed[text].legs
            if record.err is None and legs:
                self._won[order_id].append(record)
                for mint in middle_mints(legs, self._memory.ever[order_id].terms):
                    self._leave(order_id, mint, record)

    def _is_nobodys(self, order_id: str, signature: str, record: TransactionRecord) -> bool:
        """Whether nothing says whose it was: it failed, a restore lost it, and without a latch or a
        wrap nothing of the order's secret is in it."""
        lost = self._memory.lost.get(order_id, {}).get(signature)
        if record.err is None or lost is None or lost.latch_address is not None:
            return False
        terms = self._memory.ever[order_id].terms
        return str(Pubkey(NATIVE_MINT)) not in (terms.token_in, terms.token_out)

    def _leave(self, order_id: str, mint: str, record: TransactionRecord) -> None:
        atoms = gained(record, bytes(Pubkey.from_string(mint)), _LATCH_LAMPORTS)
        if atoms < 0:
            text = f"{-atoms} of {mint}"
            self._fail("no hop takes more than the hop before it brought", text, order_id)
        self._left_over[order_id][mint] = atoms

    def _check_order(
        self,
        order_id: str,
        status: str,
        owner: str | None,
        sequence: int,
        amount_out: str | None,
        minimum: str | None,
        signature: str | None,
        ended: int,
    ) -> None:
        known = self._auditor.orders.get(order_id)
        if known is None:
            self._fail("rows are accepted orders", "nobody accepted it", order_id)
            return
        won = self._won.get(order_id, [])
        if len(won) > 1:
            self._fail("at most one swap for each order", f"{len(won)} succeeded", order_id)
        if not ended or owner is not None:
            self._fail("every order ends", f"{status}, of {owner}", order_id)
        elif status != OrderStatus.CONFIRMED:
            if won and amount_out is None and order_id in self._memory.excused:
                self._booked[order_id] = self._moved(order_id, won[0])
            elif won or amount_out is not None:
                text = f"{status}, with {len(won)} swaps and a fill of {amount_out}"
                self._fail("an order without a fill has no swap", text, order_id)
        elif not won:
            if not self._is_mistaken(known):
                self._fail("a filled order has its swap", "none succeeded", order_id)
        else:
            self._check_fill(known, won[0], amount_out, minimum, signature)

    def _is_mistaken(self, known: Known) -> bool:
        """Whether it was given the swap of a lost order of the same terms, sent again since:
        without a latch nothing but the terms says whose a found swap is."""
        owners = {self._memory.owner_of(signature) for signature in known.attempts}
        lost = owners & self._memory.lost_orders
        has_latch = any(each.latch_address is not None for each in known.attempts.values())
        return bool(lost) and not has_latch

    def _check_fill(
        self,
        known: Known,
        record: TransactionRecord,
        amount_out: str | None,
        minimum: str | None,
        signature: str | None,
    ) -> None:
        order_id, terms = known.order.order_id, known.order.terms
        out = gained(record, bytes(Pubkey.from_string(terms.token_out)), _LATCH_LAMPORTS)
        given = -gained(record, bytes(Pubkey.from_string(terms.token_in)), _LATCH_LAMPORTS)
        if str(out) != amount_out:
            text = f"{amount_out} booked, {out} on the ledger"
            self._fail("the fill is the ledger's (rule 20)", text, order_id)
        if given != terms.amount_in_atoms and terms.exact_out_atoms is None:
            text = f"{given} given, {terms.amount_in_atoms} agreed"
            self._fail("the amount is the order's", text, order_id)
        if order_id in self._memory.excused:
            # Another life of the order promised it: what was sent before the restore asked for it.
            known.floor_atoms = int(minimum or 0)
            known.ceiling_atoms = terms.amount_in_atoms
        if known.ceiling_atoms is None or not 0 < given <= known.ceiling_atoms:
            text = f"{given} given, {known.ceiling_atoms} at the most"
            self._fail("the ceiling holds (rule 6)", text, order_id)
        if known.floor_atoms is None or out < known.floor_atoms:
            text = f"{out} is below {known.floor_atoms}"
            self._fail("the floor holds (rule 6)", text, order_id)
        if minimum != str(known.floor_atoms):
            text = f"{minimum} stored, {known.floor_atoms} promised first"
            self._fail("the floor holds (rule 6)", text, order_id)
        if signature != str(Signature.from_bytes(record.signature)):
            self._fail("the fill is the ledger's (rule 20)", f"names {signature}", order_id)
        self._booked[order_id] = given, out
        self._check_left_over(order_id)

    def _check_left_over(self, order_id: str) -> None:
        """The last event tells what stayed of a middle token."""
        left = {mint: atoms for mint, atoms in self._left_over[order_id].items() if atoms}
        ((data,),) = self._store.rows(
            "SELECT data FROM events WHERE type = 'finalized' AND order_id = ?", order_id
        )
        told = json.loads(data).get("leftover")
        said = {}
        if told is not None:
            token = TokenList().find(told["token"])
            assert token is not None
            said = {token.mint: atoms_from_decimal(str(told["amount"]), token.decimals)}
        if said != left:
            self._fail("the fill is the ledger's (rule 20)", f"left {left}, told {said}", order_id)

    def _check_lost(self) -> None:
        """Orders that a restore took from the store: nobody executed them again."""
        for order_id in self._memory.lost_orders:
            won = self._won.get(order_id, [])
            if len(won) > 1:
                text = f"{len(won)} of a lost order succeeded"
                self._fail("at most one swap for each order", text, order_id)
            if won:
                self._booked[order_id] = self._moved(order_id, won[0])

    def _moved(self, order_id: str, record: TransactionRecord) -> tuple[int, int]:
        terms = self._memory.ever[order_id].terms
        given, out = (
            gained(record, bytes(Pubkey.from_string(mint)), _LATCH_LAMPORTS)
            for mint in (terms.token_in, terms.token_out)
        )
        return -given, out

    def _check_fees(self) -> None:
        for order_id, lamports in self._fees.items():
            terms = self._memory.ever[order_id].terms
            if order_id in self._memory.excused:
                continue
            cap = terms.fee_cap_lamports + CANCEL_ALLOWANCE_LAMPORTS
            if lamports > cap:
                self._fail("the fee cap holds", f"{lamports} paid, {cap} allowed", order_id)

    def _check_events(self) -> None:
        status: dict[str, OrderStatus] = {}
        ended: set[str] = set()
        sequences: Counter[str] = Counter()
        rows = self._store.rows(
            "SELECT position, order_id, sequence, type, status FROM events ORDER BY position"
        )
        for place, (position, order_id, sequence, type, after) in enumerate(rows, 1):
            sequences[order_id] += 1
            if position != place or sequence != sequences[order_id]:
                text = f"position {position} at {place}, sequence {sequence}"
                self._fail("the log has no gap (rule 25)", text, order_id)
                return
            try:
                follows = lifecycle.status_after(status.get(order_id), EventType(type))
            except IllegalTransition as error:
                self._fail("history is legal", str(error), order_id)
                return
            if follows != after or order_id in ended:
                self._fail("history is legal", f"{type} led to {after}", order_id)
            status[order_id] = follows
            if lifecycle.is_last(EventType(type)):
                ended.add(order_id)
        for order_id in self._auditor.orders:
            if order_id not in ended:
                self._fail("every order ends", f"last seen {status.get(order_id)}", order_id)

    def _check_counts(self) -> None:
        rows = self._store.rows("SELECT status, count(*) FROM orders GROUP BY status")
        kept = self._store.rows("SELECT status, sum(orders) FROM counts GROUP BY status")
        if dict(rows) != {status: number for status, number in kept if number}:
            self._fail("counts are kept", f"{dict(rows)} and {dict(kept)}")

    def _check_reserved(self) -> None:
        held = self._store.rows("SELECT wallet, asset, atoms FROM reserved WHERE atoms <> '0'")
        if held:
            self._fail("reservations are given back", f"{held}")

    # -- value

    def _check_supply(self) -> None:
        """Tokens are neither made nor lost: the accounts of a mint hold its supply."""
        held: Counter[bytes] = Counter()
        bank = self._cluster.bank
        for _, state in bank.program_accounts(TOKEN_PROGRAM, data_size=ACCOUNT_SIZE):
            held[state.data[:32]] += amount_of(state.data)
        for token in TOKENS:
            supply = int.from_bytes(self._state(token.mint).data[36:44], "little")
            if token is not SOL and supply != held[token.mint]:
                self._fail("value is conserved", f"{token.symbol}: {supply}, {held[token.mint]}")

    def _check_wallet(self, wallet: str) -> None:
        """It has what it was given and what its orders say was exchanged, less fees and rent."""
        address = bytes(Pubkey.from_string(wallet))
        expected: Counter[bytes] = Counter()
        for order_id, (given, out) in self._booked.items():
            terms = self._memory.ever[order_id].terms
            if terms.wallet == wallet:
                expected[bytes(Pubkey.from_string(terms.token_in))] -= given
                expected[bytes(Pubkey.from_string(terms.token_out))] += out
        for order_id, left in self._left_over.items():
            if self._memory.ever[order_id].terms.wallet == wallet:
                for mint, atoms in left.items():
                    expected[bytes(Pubkey.from_string(mint))] += atoms
        for record in self._cluster.final.values():
            message = parse_transaction(record.raw).message
            if message.keys[0] == address:
                # A failed transaction leaves no latch: its rent came back with the rest.
                latches = latches_in(message) if record.err is None else 0
                expected[NATIVE_MINT] -= _LATCH_LAMPORTS * latches + record.fee_lamports
                if record.err is None:
                    expected[NATIVE_MINT] += moved_back(record.raw)
        for token in TOKENS:
            if token is SOL:
                begun, holds = FUND_LAMPORTS, self._state(address).lamports
            else:
                begun = atoms_worth(token, FUND_DOLLARS)
                holds = amount_of(self._state(associated_address(address, token.mint)).data)
            if begun + expected[token.mint] != holds:
                text = f"{wallet}: {token.symbol} {holds}, not {begun + expected[token.mint]}"
                self._fail("value is conserved", text)

    def _state(self, key: bytes) -> AccountState:
        state: Any = self._cluster.bank.account(key)
        assert isinstance(state, AccountState)
        return state
