"""The short way for the engine's own kind of transaction, when nothing about it is out of order.

    latch · unit limit · unit price · [output account] · [wSOL: open, initialize] · swap · [close]

`execution.execute` is the truth: it runs any message one instruction after another and looks at
each account after each of them. A transaction of this form that succeeds always does the same, and
what it does can be read off the accounts at its start: this file checks that it must succeed and
writes its end, each account once. Wherever a check here fails, nothing has happened yet, and the
general way decides what is wrong. The tests hold the two against each other
(`tests/ledger/test_straight.py`).
"""

from collections.abc import Mapping, Sequence
from struct import Struct as Layout
from struct import error as OutOfRange

from fairlead.amounts import U64_MAX
from fairlead.ledger.account import EMPTY, SYSTEM_PROGRAM, AccountState
from fairlead.ledger.execution import Clock, Execution, execute
from fairlead.ledger.message import Message
from fairlead.ledger.plans import MAX_PLANS, Plan, ProgramTable
from fairlead.ledger.programs.token_data import (
    ACCOUNT_SIZE,
    INITIALIZED,
    MINT_SIZE,
    NATIVE_MINT,
    STATE_OFFSET,
    TOKEN_PROGRAM,
    token_account,
)
from fairlead.ledger.straight_form import Form, form_of
from fairlead.ledger.straight_message import TOKEN_RENT, WALLET_RENT, Prepared, prepared_of
from fairlead.ledger.straight_swaps import Moved
from fairlead.venues.venue import ChainTime, VenueError

MAX_PREPARED = 512
"""Messages remembered that were simulated and may be sent, about 1 KB each."""

_GONE = AccountState(0, b"", SYSTEM_PROGRAM)
# Mint and owner, atoms, and what follows: first whether it has a delegate.
_TOKEN = Layout("<64sQ93s")
_STATE, _IS_NATIVE = STATE_OFFSET - 72, STATE_OFFSET - 71
# Of a new wSOL account.
_NATIVE_REST = token_account(b"", b"", 0, TOKEN_RENT)[8:]


class StraightRuns:
    """Runs messages, straight where it can."""

    def __init__(self, programs: ProgramTable) -> None:
        self._programs = programs
        self._forms: dict[Plan, Form | None] = {}
        # By digest: a message is simulated and then sent.
        self._prepared: dict[bytes, Prepared | None] = {}

    def execute(
        self,
        message: Message,
        accounts: Mapping[bytes, AccountState],
        clock: Clock,
        lamports_per_signature: int,
    ) -> Execution:
        """Run the message, or raise `Refused` where no block would hold it."""
        found = self.straight(message, accounts, clock, lamports_per_signature)
        if found is not None:
            return found
        return execute(message, accounts, self._programs, clock, lamports_per_signature)

    def straight(
        self,
        message: Message,
        accounts: Mapping[bytes, AccountState],
        clock: Clock,
        lamports_per_signature: int,
    ) -> Execution | None:
        """What the message does, None where the general way has to find out."""
        try:
            prepared = self._prepared[message.digest]
        except KeyError:
            prepared = self._prepare(message)
        if prepared is None:
            return None
        return _run(prepared, accounts, clock, lamports_per_signature)

    def forget(self, message: Message) -> None:
        """It was sent: nobody is going to run it again."""
        self._prepared.pop(message.digest, None)

    def _prepare(self, message: Message) -> Prepared | None:
        plan = self._programs.plan(message)
        prepared = None
        if plan is not None:
            if plan not in self._forms:
                if len(self._forms) >= MAX_PLANS:
                    self._forms.clear()
                self._forms[plan] = form_of(message, plan)
            form = self._forms[plan]
            if form is not None:
                prepared = prepared_of(message, form, self._programs)
        if len(self._prepared) >= MAX_PREPARED:
            self._prepared.clear()
        self._prepared[message.digest] = prepared
        return prepared


def _run(
    prepared: Prepared,
    accounts: Mapping[bytes, AccountState],
    clock: Clock,
    lamports_per_signature: int,
) -> Execution | None:
    """What the message does if it succeeds; None where that is in doubt."""
    form, keys = prepared.form, prepared.keys
    find = accounts.get
    before = [find(key, EMPTY) for key in keys]
    payer, wrap, made = before[0], form.wrap, form.made
    fee = lamports_per_signature + prepared.priority_lamports
    # What the wallet has while the wSOL account is open: its least.
    left = payer.lamports - fee - prepared.latch_lamports - prepared.wrap_lamports
    if (
        left < WALLET_RENT
        or payer.data
        or payer.owner != SYSTEM_PROGRAM
        or before[form.latch] is not EMPTY
        or (wrap is not None and before[wrap.account] is not EMPTY)
        or (made is not None and not _is_there(before[made.account], keys[0], keys[made.mint]))
    ):
        return None
    if wrap is not None:
        before[wrap.account] = _opened(prepared.wrap_lamports, keys[0])
    after = before.copy()
    moved = _swap(prepared, before, after, clock)
    if moved is None:
        return None
    if wrap is not None:
        left += after[wrap.account].lamports
        before[wrap.account], after[wrap.account] = EMPTY, _GONE
    after[0] = AccountState(left, b"", SYSTEM_PROGRAM)
    after[form.latch] = AccountState(prepared.latch_lamports, b"", SYSTEM_PROGRAM)
    logs = prepared.logs
    lines = logs.whole
    if moved.event is not None:
        lines = (*logs.head, moved.event, *logs.tail)
    return Execution(None, before, after, form.changed, lines, logs.compute_units, fee)


def _swap(
    prepared: Prepared, before: Sequence[AccountState], after: list[AccountState], clock: Clock
) -> Moved | None:
    """Writes what the swap changes to `after`; None where it might fail."""
    form, keys = prepared.form, prepared.keys
    source = before[form.user_in]
    time = ChainTime(clock.slot, clock.unix_timestamp, clock.epoch)
    try:
        moved = prepared.leg.moved(before, source.data[:32], time)
    except (VenueError, ArithmeticError, OutOfRange):
        # Refused, or numbers that no pool has: which check comes first, the general way knows.
        return None
    if moved is None:
        return None
    into, out = moved.into_vault_atoms, moved.out_of_vault_atoms
    if not (into and out and _is_mint(before[moved.mint_in]) and _is_mint(before[moved.mint_out])):
        return None
    mint_in, mint_out = keys[moved.mint_in], keys[moved.mint_out]
    user_in = _with(source, mint_in, -into, keys[0])
    vault_in = _with(before[moved.vault_in], mint_in, into)
    vault_out = _with(before[moved.vault_out], mint_out, -out, form.swap.authority)
    user_out = _with(before[form.user_out], mint_out, out)
    if user_in is None or vault_in is None or vault_out is None or user_out is None:
        return None
    after[form.user_in], after[form.user_out] = user_in, user_out
    after[moved.vault_in], after[moved.vault_out] = vault_in, vault_out
    pool = before[prepared.leg.pool]
    after[prepared.leg.pool] = AccountState(
        pool.lamports, moved.pool_data, pool.owner, pool.executable
    )
    return moved


def _opened(lamports: int, owner: bytes) -> AccountState:
    """A temporary wSOL account just initialized."""
    data = _TOKEN.pack(NATIVE_MINT + owner, lamports - TOKEN_RENT, _NATIVE_REST)
    return AccountState(lamports, data, TOKEN_PROGRAM)


def _is_there(state: AccountState, wallet: bytes, mint: bytes) -> bool:
    """Whether CreateIdempotent finds the account as it should be."""
    data = state.data
    return (
        state.owner == TOKEN_PROGRAM
        and len(data) == ACCOUNT_SIZE
        and data[STATE_OFFSET] == INITIALIZED
        and data[:64] == mint + wallet
    )


def _is_mint(state: AccountState) -> bool:
    data = state.data
    return state.owner == TOKEN_PROGRAM and len(data) == MINT_SIZE and data[45] == 1


def _with(
    state: AccountState, mint: bytes, atoms: int, spender: bytes | None = None
) -> AccountState | None:
    """The token account of this mint with so many atoms more, which are lamports as well where it
    is wrapped SOL; None where it may not hold that, or where the spender is not its owner and only
    one."""
    data = state.data
    if state.owner != TOKEN_PROGRAM or len(data) != ACCOUNT_SIZE:
        return None
    mint_and_owner, held, rest = _TOKEN.unpack(data)
    held += atoms
    lamports, is_native = state.lamports, rest[_IS_NATIVE]
    if is_native:
        lamports += atoms
        if lamports < TOKEN_RENT:
            return None
    if (
        not mint_and_owner.startswith(mint)
        # Neither new nor frozen.
        or rest[_STATE] != INITIALIZED
        or is_native != (mint == NATIVE_MINT)
        or not 0 <= held <= U64_MAX
        or (spender is not None and (rest[0] or not mint_and_owner.endswith(spender)))
    ):
        return None
    data = _TOKEN.pack(mint_and_owner, held, rest)
    return AccountState(lamports, data, state.owner, state.executable)
