"""What must hold in every world, read from the ledger and the store and not from the code."""

from collections import Counter

import msgspec
from solders.pubkey import Pubkey
from solders.signature import Signature

from fairlead.amounts import atoms_from_decimal
from fairlead.ledger.account import SYSTEM_PROGRAM, AccountState, rent_minimum
from fairlead.ledger.blocks import TransactionRecord
from fairlead.ledger.message import CompiledInstruction, Message, parse_transaction
from fairlead.ledger.programs.associated_token import associated_address
from fairlead.ledger.programs.token_data import ACCOUNT_SIZE, NATIVE_MINT, TOKEN_PROGRAM, amount_of
from fairlead.ledger.tokens import SOL, TOKENS, atoms_worth
from fairlead.ledger.wallets import FUND_DOLLARS, FUND_LAMPORTS
from fairlead.orders import lifecycle
from fairlead.orders.budget import CANCEL_ALLOWANCE_LAMPORTS
from fairlead.orders.bundle import bundle
from fairlead.orders.model import (
    Attempt,
    AttemptKind,
    AttemptState,
    EventType,
    Order,
    OrderStatus,
)
from fairlead.proofcheck import NOT_PROVEN, REFUSED, check
from fairlead.sim.swaps import gained as exchanged
from fairlead.tokens import TokenList
from tests.workers import reclaims
from tests.workers.world import Sent, World

_CREATE_WITH_SEED = (3).to_bytes(4, "little")
_SOL_MINT = str(Pubkey.from_bytes(NATIVE_MINT))


def watch(world: World) -> None:
    """Hold every send, before it leaves, to the rules of writing ahead and of signing again."""
    known: set[str] = set()

    async def look(sent: Sent) -> None:
        rows = world.store._rows(
            "SELECT order_id, raw FROM attempts WHERE signature = ?", sent.signature
        )
        if not rows:
            await reclaims.check_sent(world, sent)
            return
        ((order_id, raw),) = rows
        assert raw == sent.raw, "bytes that are not the stored ones (rule 7)"
        if sent.signature not in known:
            known.add(sent.signature)
            attempts = await world.attempts(order_id)
            (new,) = [each for each in attempts if each.signature == sent.signature]
            _check_fees(await world.order(order_id), attempts)
            for other in attempts:
                if other is not new and not _excludes(new, other):
                    _check_over(world, other)

    world.on_send.append(look)


def _excludes(attempt: Attempt, other: Attempt) -> bool:
    """Rule 17 (c): one latch lets at most one of them succeed."""
    latch = attempt.latch_address
    return latch is not None and latch == other.latch_address


def _check_fees(order: Order, attempts: tuple[Attempt, ...]) -> None:
    """What all that may have paid, or may pay yet, cost together."""
    for kind, cap in (
        (AttemptKind.SWAP, order.terms.fee_cap_lamports),
        (AttemptKind.CANCEL, CANCEL_ALLOWANCE_LAMPORTS),
    ):
        held = [a for a in attempts if a.kind is kind and a.state is not AttemptState.DEAD]
        assert sum(a.fee_lamports for a in held) <= cap, f"the cap of each {kind} is exceeded"


def _check_over(world: World, attempt: Attempt) -> None:
    """Rule 17: nothing of this attempt can succeed any more, says the ledger itself."""
    assert attempt.state in (AttemptState.DEAD, AttemptState.ERRORED), attempt
    found = world.status_of(attempt.signature)
    if found is not None:
        assert found == ("finalized", False), f"signed again while {found}"
        return
    height = world.info("finalized").block_height
    assert height > attempt.last_valid_block_height, "signed again while it might still land"


async def check_books(world: World) -> None:
    """Wait for every order's end; then compare ledger and store."""
    orders = await world.ends(*world.orders)
    landed = _landed(world)
    attempts = {order.order_id: await world.attempts(order.order_id) for order in orders}
    stored = {a.signature for each in attempts.values() for a in each}
    strangers = set(landed) - stored - world.strangers - set(reclaims.stored(world))
    assert not strangers, "the ledger holds transactions that no order knows"
    for order in orders:
        await _check_order(world, order, attempts[order.order_id], landed)
    await _check_counts(world, orders)
    _check_value(world)
    for wallet in {order.terms.wallet for order in orders}:
        reserved = await world.store.reserved(wallet)
        assert not any(reserved.values()), f"funds of ended orders are still held: {reserved}"
        _check_wallet(world, wallet, orders, landed, await _left_over(world, wallet, orders))
    bugs = [process.worker.bench.bugs for process in world.processes]
    assert not any(bugs), f"errors nobody foresaw: {bugs}"


def _landed(world: World) -> dict[str, TransactionRecord]:
    found: dict[str, TransactionRecord] = {}
    for block in world.paper.bank.blocks_backwards("processed"):
        for record in block.records:
            signature = str(Signature.from_bytes(record.signature))
            assert signature not in found, "a transaction is on the ledger twice"
            found[signature] = record
    return found


async def _check_order(
    world: World, order: Order, attempts: tuple[Attempt, ...], landed: dict[str, TransactionRecord]
) -> None:
    assert order.owner is None
    await _check_history(world, order)
    won = [a for a in attempts if a.signature in landed and landed[a.signature].err is None]
    swapped = [a for a in won if a.kind is AttemptKind.SWAP]
    assert len(won) <= 1, f"{order.order_id}: {len(won)} attempts succeeded"
    assert {a.state for a in won} <= {AttemptState.SUCCEEDED}
    if order.status is OrderStatus.CONFIRMED:
        assert len(swapped) == 1, f"{order.order_id}: {len(swapped)} swaps succeeded"
        assert order.signature == won[0].signature
        assert order.amount_out_atoms is not None
        assert order.minimum_out_atoms is not None
        assert order.amount_out_atoms >= won[0].minimum_out_atoms
    else:
        assert not swapped, f"{order.order_id} is {order.status} and a swap succeeded"
        assert order.amount_out_atoms is None
        assert not won or order.status in (OrderStatus.CANCELLED, OrderStatus.EXPIRED)
    _check_fees(order, attempts)
    await _check_proof(world, order, attempts)
    for attempt in attempts:
        assert attempt.state is not AttemptState.LIVE, "the end leaves nothing open"
        if attempt.kind is AttemptKind.SWAP:
            assert attempt.minimum_out_atoms >= (order.minimum_out_atoms or 0), "rule 6"
        if attempt.state is AttemptState.EXCLUDED:
            assert won, "excluded by nothing"
            assert _excludes(attempt, won[0])
            assert world.status_of(won[0].signature) == ("finalized", True)
        elif attempt not in won:
            _check_over(world, attempt)
            failed = attempt.signature in landed
            assert failed == (attempt.state is AttemptState.ERRORED), "what landed has paid"


async def _check_proof(world: World, order: Order, attempts: tuple[Attempt, ...]) -> None:
    """The end is proven by what is stored, says who knows nothing else."""
    events = await world.store.events(order.order_id, 0, 1_000)
    verdict, why = check(msgspec.json.encode(bundle(order, attempts, events)))
    assert verdict not in (REFUSED, NOT_PROVEN), why


async def _check_history(world: World, order: Order) -> None:
    events = await world.store.events(order.order_id, 0, 1_000)
    assert list(range(1, len(events) + 1)) == [event.sequence for event in events]
    status = None
    for event in events:
        assert event.status is lifecycle.status_after(status, event.type)
        status = event.status
    assert status is order.status
    assert [event.sequence for event in events if lifecycle.is_last(event.type)] == [len(events)]
    # A message heard in the process is one of the store's, each once.
    heard = [e.sequence for e in world.events if e.order_id == order.order_id]
    assert list(range(1, len(events) + 1)) == heard


async def _check_counts(world: World, orders: list[Order]) -> None:
    counts = await world.store.counts("local")
    assert dict(Counter(order.status for order in orders)) == counts.by_status


def _check_value(world: World) -> None:
    """Tokens are neither made nor lost: the accounts of a mint hold its supply."""
    held: Counter[bytes] = Counter()
    states = dict(world.paper.bank.program_accounts(TOKEN_PROGRAM, data_size=ACCOUNT_SIZE))
    for state in states.values():
        held[state.data[:32]] += amount_of(state.data)
    for token in TOKENS:
        if token is not SOL:
            mint = _state(world, token.mint)
            assert int.from_bytes(mint.data[36:44], "little") == held[token.mint], token.symbol


async def _left_over(world: World, wallet: str, orders: list[Order]) -> Counter[str]:
    """What the fills of two hops say that the wallet kept of the tokens in the middle."""
    kept: Counter[str] = Counter()
    for order in orders:
        if order.terms.wallet != wallet or order.status is not OrderStatus.CONFIRMED:
            continue
        told = await world.data(order.order_id, EventType.FINALIZED)
        if (left := told.get("leftover")) is not None:
            token = TokenList().find(left["token"])
            assert token is not None
            kept[token.mint] += atoms_from_decimal(left["amount"], token.decimals)
    return kept


def _check_wallet(
    world: World,
    wallet: str,
    orders: list[Order],
    landed: dict[str, TransactionRecord],
    left_over: Counter[str],
) -> None:
    """The wallet has what it was given, and what the orders say was exchanged and left over, less
    fees."""
    address = bytes(Pubkey.from_string(wallet))
    gained: Counter[str] = Counter(left_over)
    for order in orders:
        if order.terms.wallet == wallet and order.amount_out_atoms is not None:
            gained[order.terms.token_in] -= _given(order, landed)
            gained[order.terms.token_out] += order.amount_out_atoms
    for record in landed.values():
        message = parse_transaction(record.raw).message
        if message.keys[0] == address:
            latches = sum(_is_latch(message, each) for each in message.instructions)
            # A failed transaction leaves no latch: its rent came back with the rest.
            gained[_SOL_MINT] -= rent_minimum(0) * latches if record.err is None else 0
            gained[_SOL_MINT] -= record.fee_lamports
            gained[_SOL_MINT] += reclaims.moved_back(record.raw) if record.err is None else 0
    assert FUND_LAMPORTS + gained[_SOL_MINT] == _state(world, address).lamports
    for token in TOKENS:
        if token is not SOL:
            held = amount_of(_state(world, associated_address(address, token.mint)).data)
            mint = str(Pubkey.from_bytes(token.mint))
            assert atoms_worth(token, FUND_DOLLARS) + gained[mint] == held, token.symbol


def _given(order: Order, landed: dict[str, TransactionRecord]) -> int:
    """What an order gave: its amount, or of an exact output what the ledger says."""
    if order.terms.exact_out_atoms is None:
        return order.terms.amount_in_atoms
    assert order.signature is not None
    token_in = bytes(Pubkey.from_string(order.terms.token_in))
    given = -exchanged(landed[order.signature], token_in, rent_minimum(0))
    assert 0 < given <= order.terms.amount_in_atoms, "no more than the client said"
    assert (order.amount_out_atoms or 0) >= order.terms.exact_out_atoms, "no less than was asked"
    return given


def _is_latch(message: Message, instruction: CompiledInstruction) -> bool:
    """Whether it makes an account of no data from a seed, which stays."""
    program = message.keys[instruction.program_index]
    is_seeded = program == SYSTEM_PROGRAM and instruction.data[:4] == _CREATE_WITH_SEED
    return is_seeded and instruction.data[-40:-32] == bytes(8)


def _state(world: World, key: bytes) -> AccountState:
    state = world.paper.bank.account(key)
    assert state is not None
    return state
