"""TransferChecked as a swap program calls it, of SPL Token and of Token-2022 with its fee.

The caller stands for the runtime: it has checked that the user signed, and its own authority signs
by seeds.
"""

from fairlead.amounts import U64_MAX
from fairlead.ledger.program import AccountView, InstructionError, InvokeContext, custom
from fairlead.ledger.programs import spl_token
from fairlead.ledger.programs.token_data import (
    FROZEN,
    TOKEN_PROGRAM,
    amount_of,
    option_key,
    with_amount,
    with_bytes,
)
from fairlead.venues import token2022
from fairlead.venues.token2022 import TransferFee, mint_from_bytes

TOKEN_2022_PROGRAM = bytes(token2022.TOKEN_2022_PROGRAM)
TOKEN_PROGRAMS = frozenset((TOKEN_PROGRAM, TOKEN_2022_PROGRAM))

_NAMES = {
    TOKEN_PROGRAM: str(token2022.TOKEN_PROGRAM),
    TOKEN_2022_PROGRAM: str(token2022.TOKEN_2022_PROGRAM),
}
_TEXTS = {
    spl_token.INSUFFICIENT_FUNDS: "insufficient funds",
    spl_token.MINT_MISMATCH: "Account not associated with this Mint",
    spl_token.OWNER_MISMATCH: "owner does not match",
    spl_token.OVERFLOW: "Operation overflowed",
    spl_token.ACCOUNT_FROZEN: "Account is frozen",
    spl_token.MINT_DECIMALS_MISMATCH: "decimals different from the Mint decimals",
}


def transfer_checked(
    context: InvokeContext,
    token_program: bytes,
    source: AccountView,
    mint: AccountView,
    destination: AccountView,
    authority: AccountView,
    amount: int,
    fee: TransferFee | None = None,
) -> None:
    """Moves `amount` atoms with `authority`, who signs; for 0 the swap programs skip the call.

    `fee` is the mint's transfer fee in force, None for SPL Token. On failure the logs end as the
    inner program's do, so that a reader finds the innermost failing program.
    """
    if amount == 0:
        return
    try:
        is_foreign = source.owner != token_program or destination.owner != token_program
        if is_foreign and token_program != TOKEN_PROGRAM:
            raise InstructionError("IncorrectProgramId")
        held = int.from_bytes(destination.data[64:72], "little")
        if held > U64_MAX - amount and amount_of(source.data) >= amount:
            # No mint can have issued that much; refused here so that no program has to think of it.
            raise custom(spl_token.OVERFLOW)
        if token_program == TOKEN_PROGRAM:
            spl_token.transfer(source, destination, authority, amount, mint, mint.data[44])
            if is_foreign:
                # SPL Token does not look; the runtime sees what it wrote.
                raise InstructionError("ExternalAccountDataModified")
        else:
            _transfer_2022(source, mint, destination, authority.key, amount, fee)
    except InstructionError as error:
        name = _NAMES[token_program]
        if error.code is None:
            context.log(f"Program {name} failed: {error.kind}")
        else:
            context.log(f"Program log: Error: {_TEXTS.get(error.code, 'unknown')}")
            context.log(f"Program {name} failed: custom program error: {error.code:#x}")
        raise


def transfer_fee_of(mint: AccountView, epoch: int) -> TransferFee | None:
    """What a transfer of this mint withholds in this epoch; None for one of SPL Token."""
    if mint.owner == TOKEN_PROGRAM:
        return None
    return mint_from_bytes(mint.data).transfer_fee(epoch)


def seeds_signer(key: bytes) -> AccountView:
    """The program's own authority, which signs by its seeds."""
    return AccountView(key, 0, b"", b"", is_signer=True)


def _transfer_2022(
    source: AccountView,
    mint: AccountView,
    destination: AccountView,
    authority: bytes,
    amount: int,
    fee: TransferFee | None,
) -> None:
    data, target = _account(source), _account(destination)
    if data[108] == FROZEN or target[108] == FROZEN:
        raise custom(spl_token.ACCOUNT_FROZEN)
    left = amount_of(data) - amount
    if left < 0:
        raise custom(spl_token.INSUFFICIENT_FUNDS)
    if data[:32] != target[:32] or data[:32] != mint.key:
        raise custom(spl_token.MINT_MISMATCH)
    if mint.owner != TOKEN_2022_PROGRAM:
        raise InstructionError("IncorrectProgramId")
    data = _spend(data, authority, amount)
    withheld = fee.fee(amount) if fee is not None else 0
    if source is destination:
        return
    received = amount_of(target) + amount - withheld
    source.data = with_amount(data, left)
    target = with_amount(target, received)
    destination.data = _with_withheld(target, withheld) if withheld else target


def _account(view: AccountView) -> bytes:
    data = view.data
    if len(data) < token2022.TOKEN_ACCOUNT_SIZE:
        raise InstructionError("InvalidAccountData")
    if not data[108]:
        raise InstructionError("UninitializedAccount")
    return data


def _spend(data: bytes, authority: bytes, amount: int) -> bytes:
    """The source's bytes after its owner or delegate spends; a delegate's allowance shrinks."""
    if option_key(data, 72) == authority:
        allowed = int.from_bytes(data[121:129], "little") - amount
        if allowed < 0:
            raise custom(spl_token.INSUFFICIENT_FUNDS)
        data = with_bytes(data, 121, allowed.to_bytes(8, "little"))
        return data if allowed else with_bytes(data, 72, bytes(4))
    if data[32:64] != authority:
        raise custom(spl_token.OWNER_MISMATCH)
    return data


def _with_withheld(data: bytes, atoms: int) -> bytes:
    """The account's bytes with more withheld; its TransferFeeAmount extension must be there."""
    offset = token2022.FIRST_EXTENSION_OFFSET
    while offset + 4 <= len(data):
        kind = int.from_bytes(data[offset : offset + 2], "little")
        length = int.from_bytes(data[offset + 2 : offset + 4], "little")
        offset += 4
        if kind == token2022.EXTENSION_TRANSFER_FEE_AMOUNT:
            withheld = int.from_bytes(data[offset : offset + 8], "little") + atoms
            if withheld > U64_MAX:
                raise custom(spl_token.OVERFLOW)
            return with_bytes(data, offset, withheld.to_bytes(8, "little"))
        if kind == 0:
            break
        offset += length
    raise InstructionError("InvalidAccountData")
