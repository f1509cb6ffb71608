"""What a plain swap of the engine's says, read once for its simulation and its send.

Only what follows from the message itself: addresses, amounts, instruction data. Accounts are looked
at in `straight.py`, each time anew.
"""

from collections.abc import Sequence
from struct import Struct as Layout

import msgspec

from fairlead.amounts import div_ceil
from fairlead.ledger.account import SYSTEM_PROGRAM, rent_minimum
from fairlead.ledger.failures import Refused
from fairlead.ledger.message import Message
from fairlead.ledger.plans import ProgramTable
from fairlead.ledger.programs.associated_token import associated_address
from fairlead.ledger.programs.system import MAX_SEED_BYTES, address_with_seed
from fairlead.ledger.programs.token_data import ACCOUNT_SIZE, NATIVE_MINT, TOKEN_PROGRAM
from fairlead.ledger.straight_form import Form, Logs, Made, Wrap
from fairlead.ledger.straight_swaps import Leg

WALLET_RENT = rent_minimum(0)
TOKEN_RENT = rent_minimum(ACCOUNT_SIZE)
_CREATION_HEAD = Layout("<4s32sQ")
_CREATION_TAIL = Layout("<QQ32s")
_CREATE_WITH_SEED = b"\x03\x00\x00\x00"
_CREATE_IDEMPOTENT, _INITIALIZE, _CLOSE = b"\x01", b"\x12", b"\x09"


class Prepared(msgspec.Struct, frozen=True, gc=False, eq=False):
    """What a message says, as far as it does not depend on any account."""

    form: Form
    keys: tuple[bytes, ...]
    priority_lamports: int
    latch_lamports: int
    # 0 without a temporary wSOL account.
    wrap_lamports: int
    leg: Leg
    logs: Logs


def prepared_of(message: Message, form: Form, programs: ProgramTable) -> Prepared | None:
    """The message's own facts; None where they are not those of a plain swap."""
    keys, datas = message.keys, message.datas
    try:
        budget = form.plan.budget(message, programs.builtins)
    except Refused:
        return None
    latch_lamports = _created(datas[0], keys[0], keys[form.latch], 0, SYSTEM_PROGRAM)
    wrap_lamports = _wrapped(form.wrap, keys, datas) if form.wrap is not None else 0
    if (
        latch_lamports < WALLET_RENT
        or (form.wrap is not None and wrap_lamports < TOKEN_RENT)
        or not _is_made(form.made, keys, datas)
        or not programs.never_writable.isdisjoint(form.plan.writable(keys))
    ):
        return None
    leg = form.leg(keys, datas[form.swap_step])
    logs = form.logs(budget.unit_limit, datas)
    if leg is None or logs is None:
        return None
    priority = div_ceil(budget.unit_limit * budget.price, 1_000_000)
    return Prepared(form, keys, priority, latch_lamports, wrap_lamports, leg, logs)


def _wrapped(wrap: Wrap, keys: Sequence[bytes], datas: Sequence[bytes]) -> int:
    """Lamports that go into the temporary account; 0 where in doubt."""
    if (
        datas[wrap.step + 1] != _INITIALIZE + keys[0]
        or keys[wrap.mint] != NATIVE_MINT
        or datas[-1] != _CLOSE
    ):
        return 0
    return _created(datas[wrap.step], keys[0], keys[wrap.account], ACCOUNT_SIZE, TOKEN_PROGRAM)


def _is_made(made: Made | None, keys: Sequence[bytes], datas: Sequence[bytes]) -> bool:
    """Whether the output account, if the message makes it, is the wallet's associated one."""
    return made is None or (
        datas[made.step] == _CREATE_IDEMPOTENT
        and keys[made.token_program] == TOKEN_PROGRAM
        and keys[made.account] == associated_address(keys[0], keys[made.mint])
    )


def _created(data: bytes, wallet: bytes, address: bytes, space: int, owner: bytes) -> int:
    """Lamports that createAccountWithSeed lends the account at this address, 0 where in doubt."""
    seed_end = len(data) - _CREATION_TAIL.size
    seed = data[_CREATION_HEAD.size : seed_end]
    if (
        seed_end < _CREATION_HEAD.size
        or not seed.isascii()
        or len(seed) > MAX_SEED_BYTES
        or _CREATION_HEAD.unpack_from(data) != (_CREATE_WITH_SEED, wallet, len(seed))
    ):
        return 0
    lamports: int
    lamports, its_space, its_owner = _CREATION_TAIL.unpack_from(data, seed_end)
    if its_space != space or its_owner != owner or len(data) != seed_end + _CREATION_TAIL.size:
        return 0
    return lamports if address == address_with_seed(wallet, seed, owner) else 0
