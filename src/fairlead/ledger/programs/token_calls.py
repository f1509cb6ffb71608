"""SPL Token's plain instructions as another program calls them: Transfer, MintTo and Burn.

The caller stands for the runtime: the user's signature has been checked, its own authority signs by
seeds (`seeds_signer`). On failure the logs end as the inner program's do, so that a reader finds
the innermost failing program.
"""

from collections.abc import Callable

from solders.pubkey import Pubkey

from fairlead.amounts import U64_MAX
from fairlead.ledger.failures import failure_text
from fairlead.ledger.program import AccountView, InstructionError, InvokeContext
from fairlead.ledger.programs import spl_token
from fairlead.ledger.programs.token_checks import failure
from fairlead.ledger.programs.token_data import TOKEN_PROGRAM, amount_of

_NAME = str(Pubkey.from_bytes(TOKEN_PROGRAM))


def transfer(
    context: InvokeContext,
    source: AccountView,
    destination: AccountView,
    authority: AccountView,
    amount: int,
) -> None:
    """Moves tokens, and the lamports behind them where they are wrapped SOL."""

    def moved() -> None:
        if source is not destination:
            _check_room(amount_of(destination.data), amount, amount_of(source.data))
        spl_token.transfer(source, destination, authority, amount)

    _call(context, (source, destination), moved)


def mint_to(
    context: InvokeContext,
    mint: AccountView,
    destination: AccountView,
    authority: AccountView,
    amount: int,
) -> None:
    """Makes tokens."""

    def minted() -> None:
        _check_room(amount_of(destination.data), amount)
        spl_token.mint_to((mint, destination, authority), amount)

    _call(context, (mint, destination), minted)


def burn(
    context: InvokeContext,
    source: AccountView,
    mint: AccountView,
    authority: AccountView,
    amount: int,
) -> None:
    """Ends tokens."""

    def burnt() -> None:
        supply = int.from_bytes(mint.data[36:44], "little")
        if supply < amount <= amount_of(source.data):
            # Fewer than this account alone holds: no mint says so of its own.
            raise failure(spl_token.OVERFLOW)
        spl_token.burn((source, mint, authority), amount)

    _call(context, (source, mint), burnt)


def check_writable(context: InvokeContext, *accounts: AccountView) -> None:
    """Refuses to hand on as writable what the transaction gave as read-only."""
    for account in accounts:
        if not account.is_writable:
            context.log(f"{Pubkey.from_bytes(account.key)}'s writable privilege escalated")
            raise InstructionError("PrivilegeEscalation")


def _check_room(held: int, amount: int, source_held: int = U64_MAX) -> None:
    """No mint can have issued more than a u64; what would go beyond it is refused here, so that no
    program has to think of it."""
    if held > U64_MAX - amount and source_held >= amount:
        raise failure(spl_token.OVERFLOW)


def _call(
    context: InvokeContext, written: tuple[AccountView, ...], action: Callable[[], None]
) -> None:
    check_writable(context, *written)
    before = [account.data for account in written]
    try:
        action()
        for account, data in zip(written, before, strict=True):
            if account.owner != TOKEN_PROGRAM and account.data is not data:
                raise InstructionError("ExternalAccountDataModified")
    except InstructionError as error:
        if error.code is not None:
            context.log(f"Program log: Error: {error.log}")
        context.log(f"Program {_NAME} failed: {failure_text(error)}")
        raise
