"""An attempt as bytes: which instructions a plan means, and the version 0 message that carries
them.

Order of instructions: the latch (index 0, EXACTLY-ONCE 9), compute budget, the accounts of tokens
received that are missing, a temporary wSOL account if SOL is on the path, the swaps, the unwrap,
the tip. Without swaps a plan is a cancel: it takes the latch and does nothing else.

SOL is wrapped in an account of the attempt's own (createAccountWithSeed + InitializeAccount3,
closed at the end), never in the user's associated account: closing that one would unwrap whatever
was in it before.
"""

from collections.abc import Sequence
from functools import lru_cache
from struct import Struct as Layout

import msgspec
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from fairlead.solana.accounts import (
    ATA_PROGRAM,
    COMPUTE_BUDGET_PROGRAM,
    SYSTEM_PROGRAM,
    TOKEN_ACCOUNT_SIZE,
    TOKEN_PROGRAM,
    WSOL_MINT,
    associated_token_address,
)
from fairlead.solana.latch import Latch, create_with_seed, reclaim_instruction, take_instruction
from fairlead.solana.template import Step, Template, compile_template

MAX_TRANSACTION_BYTES = 1232
"""Bytes of a transaction, signatures included, that fit the cluster's packets."""

MAX_COMPUTE_UNITS = 1_400_000
UNSIGNED = bytes(64)
"""A signature nobody made."""

MAX_TEMPLATES = 4_096
"""Shapes kept compiled, about 2 KB each; when full the cache starts anew."""

_U32 = Layout("<I")
_U64 = Layout("<Q")
_SYSTEM_TRANSFER = _U32.pack(2)
_SET_COMPUTE_UNIT_LIMIT, _SET_COMPUTE_UNIT_PRICE = b"\x02", b"\x03"
_CREATE_IDEMPOTENT = b"\x01"
_CLOSE_ACCOUNT, _INITIALIZE_ACCOUNT_3 = b"\x09", b"\x12"
# Count of signatures and one signature.
_SIGNED_HEAD = 1 + 64
# Stands for the temporary account where two attempts of one shape are compared.
_ANY_WRAP = bytes(31) + b"\xff"


class TransactionTooLarge(ValueError):
    """The plan does not fit a packet: fewer legs or fewer accounts are needed."""

    def __init__(self, size: int) -> None:
        super().__init__(f"{size} bytes, {MAX_TRANSACTION_BYTES} fit")
        self.size = size


class TokenMint(msgspec.Struct, frozen=True, gc=False):
    """A mint and the token program it lives under."""

    mint: Pubkey
    program: Pubkey = TOKEN_PROGRAM


class Wrap(msgspec.Struct, frozen=True, gc=False):
    """A temporary wSOL account: `latch.wrap_address(wallet, seed)`."""

    address: Pubkey
    seed: str
    # Rent minimum of a token account, plus the amount in when SOL is sold.
    lamports: int


class Tip(msgspec.Struct, frozen=True, gc=False):
    """A transfer that a block builder takes as payment."""

    address: Pubkey
    lamports: int


class SwapPlan(msgspec.Struct, frozen=True, gc=False):
    """All that an attempt's message says. The swaps come ready from their venues."""

    wallet: Pubkey
    # Base58.
    blockhash: str
    compute_unit_limit: int
    compute_unit_price_micro_lamports: int
    latch: Latch | None = None
    # The wallet's associated accounts of these mints are made where they are missing.
    create: tuple[TokenMint, ...] = ()
    wrap: Wrap | None = None
    swaps: tuple[Instruction, ...] = ()
    tip: Tip | None = None


def user_account(wallet: Pubkey, token: TokenMint, wrap: Wrap | None) -> Pubkey:
    """The token account that a swap debits or credits for this wallet: temporary for SOL,
    associated for others."""
    if token.mint == WSOL_MINT:
        assert wrap is not None, "SOL is swapped through a temporary account"
        return wrap.address
    return associated_token_address(wallet, token.mint, token.program)


def swap_message(plan: SwapPlan) -> bytes:
    """The version 0 message of a plan, ready to sign; `TransactionTooLarge` where it does not
    fit."""
    assert 0 < plan.compute_unit_limit <= MAX_COMPUTE_UNITS
    latch, wrap, tip = plan.latch, plan.wrap, plan.tip
    wrap_key = bytes(wrap.address) if wrap is not None else b""
    heads: list[bytes] = []
    datas: list[bytes] = []
    for swap in plan.swaps:
        data = swap.data
        datas.append(data)
        # The instruction less its data: program, accounts, and the data's length.
        raw = bytes(swap)
        head = raw[: len(raw) - len(data)]
        heads.append(head.replace(wrap_key, _ANY_WRAP) if wrap_key else head)
    shape = (
        plan.wallet,
        latch and len(latch.seed),
        plan.create,
        wrap and len(wrap.seed),
        tip and tip.address,
        *heads,
    )
    template = _templates.get(shape) or _remembered(shape, plan)
    # In message order: varying keys, blockhash, then what each instruction leaves open.
    values: list[bytes] = []
    if latch is not None:
        values.append(bytes(latch.address))
    if wrap is not None:
        values.append(wrap_key)
    values.append(_hash_bytes(plan.blockhash))
    if latch is not None:
        values.append(latch.seed.encode("ascii") + _U64.pack(latch.lamports))
    values.append(_U32.pack(plan.compute_unit_limit))
    values.append(_U64.pack(plan.compute_unit_price_micro_lamports))
    if wrap is not None:
        values.append(wrap.seed.encode("ascii") + _U64.pack(wrap.lamports))
    values += datas
    if tip is not None:
        values.append(_U64.pack(tip.lamports))
    return template.fill(values)


@lru_cache(maxsize=64)
def _hash_bytes(blockhash: str) -> bytes:
    """All that is signed within a slot names the same."""
    return bytes(Hash.from_string(blockhash))


_templates: dict[tuple[object, ...], Template] = {}


def _remembered(shape: tuple[object, ...], plan: SwapPlan) -> Template:
    varying = [part.address for part in (plan.latch, plan.wrap) if part is not None]
    template = compile_template(plan.wallet, varying, steps(plan))
    _check_size(_SIGNED_HEAD + template.size)
    if len(_templates) >= MAX_TEMPLATES:
        _templates.clear()
    _templates[shape] = template
    return template


def steps(plan: SwapPlan) -> tuple[Step, ...]:
    """The instructions of a plan in order, each with the places that vary between attempts of its
    shape."""
    wallet, latch, wrap, tip = plan.wallet, plan.latch, plan.wrap, plan.tip
    found: list[Step] = []
    if latch is not None:
        # Base 32, seed length 8 and the tag precede; space and owner follow.
        found.append(Step(take_instruction(wallet, latch), ((44, 52 + len(latch.seed)),)))
    limit, price = plan.compute_unit_limit, plan.compute_unit_price_micro_lamports
    found.append(Step(_budget(_SET_COMPUTE_UNIT_LIMIT + _U32.pack(limit)), ((1, 5),)))
    found.append(Step(_budget(_SET_COMPUTE_UNIT_PRICE + _U64.pack(price)), ((1, 9),)))
    found += [Step(create_ata_instruction(wallet, token)) for token in plan.create]
    if wrap is not None:
        found.append(Step(_open_wrap(wallet, wrap), ((44, 52 + len(wrap.seed)),)))
        found.append(Step(_initialize_wrap(wallet, wrap)))
    found += [Step(swap, ((0, len(swap.data)),)) for swap in plan.swaps]
    if wrap is not None:
        found.append(Step(_close_wrap(wallet, wrap)))
    if tip is not None:
        found.append(Step(_transfer(wallet, tip.address, tip.lamports), ((4, 12),)))
    return tuple(found)


def reclaim_message(
    wallet: Pubkey, blockhash: str, compute_unit_limit: int, price: int, latches: Sequence[Latch]
) -> bytes:
    """The message that takes the rent of these latches back, each with the balance just read (rule
    12)."""
    found = [
        Step(_budget(_SET_COMPUTE_UNIT_LIMIT + _U32.pack(compute_unit_limit))),
        Step(_budget(_SET_COMPUTE_UNIT_PRICE + _U64.pack(price))),
        *[Step(reclaim_instruction(wallet, latch)) for latch in latches],
    ]
    template = compile_template(wallet, (), found)
    _check_size(_SIGNED_HEAD + template.size)
    return template.fill([_hash_bytes(blockhash)])


def assemble(message: bytes, signatures: Sequence[bytes]) -> bytes:
    """The transaction of this message; zero signatures (`UNSIGNED`) do for a simulation."""
    count = len(signatures)
    raw = b"%c%b%b" % (count, b"".join(signatures), message)
    assert count == message[1]
    assert len(raw) == 1 + 64 * count + len(message)
    _check_size(len(raw))
    return raw


def create_ata_instruction(wallet: Pubkey, token: TokenMint) -> Instruction:
    """Make the wallet's associated account of this mint unless there is one."""
    metas = [
        AccountMeta(wallet, True, True),
        AccountMeta(associated_token_address(wallet, token.mint, token.program), False, True),
        AccountMeta(wallet, False, False),
        AccountMeta(token.mint, False, False),
        AccountMeta(SYSTEM_PROGRAM, False, False),
        AccountMeta(token.program, False, False),
    ]
    return Instruction(ATA_PROGRAM, _CREATE_IDEMPOTENT, metas)


def _budget(data: bytes) -> Instruction:
    return Instruction(COMPUTE_BUDGET_PROGRAM, data, [])


def _open_wrap(wallet: Pubkey, wrap: Wrap) -> Instruction:
    return create_with_seed(
        wallet, wrap.address, wrap.seed, wrap.lamports, TOKEN_ACCOUNT_SIZE, TOKEN_PROGRAM
    )


def _initialize_wrap(wallet: Pubkey, wrap: Wrap) -> Instruction:
    metas = [AccountMeta(wrap.address, False, True), AccountMeta(WSOL_MINT, False, False)]
    return Instruction(TOKEN_PROGRAM, _INITIALIZE_ACCOUNT_3 + bytes(wallet), metas)


def _close_wrap(wallet: Pubkey, wrap: Wrap) -> Instruction:
    metas = [
        AccountMeta(wrap.address, False, True),
        AccountMeta(wallet, False, True),
        AccountMeta(wallet, True, False),
    ]
    return Instruction(TOKEN_PROGRAM, _CLOSE_ACCOUNT, metas)


def _transfer(wallet: Pubkey, to: Pubkey, lamports: int) -> Instruction:
    metas = [AccountMeta(wallet, True, True), AccountMeta(to, False, True)]
    return Instruction(SYSTEM_PROGRAM, _SYSTEM_TRANSFER + _U64.pack(lamports), metas)


def _check_size(size: int) -> None:
    if size > MAX_TRANSACTION_BYTES:
        raise TransactionTooLarge(size)
