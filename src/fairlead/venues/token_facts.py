"""What a mint says about its token: decimals, who has power over it, and whether we can trade it.

A warning is for people to weigh; `refusal` is what no order gets past. Source of the extensions:
solana-program/token-2022, `interface/src/extension`.
"""

from struct import Struct as Layout

from solders.pubkey import Pubkey

from fairlead.venues.record import Record
from fairlead.venues.token2022 import (
    ACCOUNT_TYPE_OFFSET,
    EXTENSION_DEFAULT_ACCOUNT_STATE,
    EXTENSION_PAUSABLE,
    EXTENSION_TRANSFER_FEE_CONFIG,
    EXTENSION_TRANSFER_HOOK,
    MINT_SIZE,
    NOBODY,
    STATE_FROZEN,
    decode_mint,
    is_token_program,
    mint_extensions,
)
from fairlead.venues.venue import Account, ErrorClass, VenueError

EXTENSION_MINT_CLOSE_AUTHORITY = 3
EXTENSION_NON_TRANSFERABLE = 9
EXTENSION_PERMANENT_DELEGATE = 12

FREEZE_AUTHORITY = "freeze_authority"
MINT_AUTHORITY = "mint_authority"
TRANSFER_FEE = "transfer_fee"
TRANSFER_HOOK = "transfer_hook"
PERMANENT_DELEGATE = "permanent_delegate"
DEFAULT_FROZEN = "default_frozen"
NON_TRANSFERABLE = "non_transferable"
PAUSABLE = "pausable"
PAUSED = "paused"
CLOSE_AUTHORITY = "close_authority"

WARNINGS = {
    MINT_AUTHORITY: "More of it can be made at any time.",
    FREEZE_AUTHORITY: "Somebody can freeze any account of it, yours too.",
    TRANSFER_FEE: "A fee is, or may be, withheld from each transfer; quotes take it off.",
    TRANSFER_HOOK: "A program can be, or is, called in each transfer, and may refuse it.",
    PERMANENT_DELEGATE: "Somebody can take it out of any account, yours too.",
    DEFAULT_FROZEN: "New accounts of it begin frozen, until somebody thaws them.",
    NON_TRANSFERABLE: "It cannot be moved.",
    PAUSABLE: "Somebody can stop all transfers.",
    PAUSED: "All transfers are stopped now.",
    CLOSE_AUTHORITY: "The mint can be closed once none of it is left.",
}
"""Every warning and what it means, in the order in which they are told."""

_U32 = Layout("<I")
_U64 = Layout("<Q")
_MINT_AUTHORITY_OFFSET, _SUPPLY_OFFSET, _DECIMALS_OFFSET, _FREEZE_AUTHORITY_OFFSET = 0, 36, 44, 46

# Every mint extension with a warning of its own; those with a condition are below.
_BY_EXTENSION = {
    EXTENSION_TRANSFER_FEE_CONFIG: TRANSFER_FEE,
    EXTENSION_MINT_CLOSE_AUTHORITY: CLOSE_AUTHORITY,
    EXTENSION_NON_TRANSFERABLE: NON_TRANSFERABLE,
    EXTENSION_PERMANENT_DELEGATE: PERMANENT_DELEGATE,
    EXTENSION_TRANSFER_HOOK: TRANSFER_HOOK,
    EXTENSION_PAUSABLE: PAUSABLE,
}
_AUTHORITY_ONLY = frozenset({EXTENSION_MINT_CLOSE_AUTHORITY, EXTENSION_PERMANENT_DELEGATE})
"""Extensions that are nothing but an address, and mean nothing while that is nobody's."""


class TokenFacts(Record, frozen=True, gc=False):
    """A token by its mint account."""

    mint: Pubkey
    token_program: Pubkey
    decimals: int
    supply_atoms: int
    # Codes of `WARNINGS`, in its order.
    warnings: tuple[str, ...] = ()
    # Why no order for it can work, "" where one can.
    refusal: str = ""


def token_facts(mint: Pubkey, account: Account) -> TokenFacts:
    """The facts in a mint's account; `VenueError` not_a_mint where it is none."""
    data = account.data
    if not is_token_program(account.owner) or len(data) < MINT_SIZE or not data[45]:
        raise VenueError(ErrorClass.TERMINAL, "not_a_mint", detail=str(mint))
    refusal = ""
    try:
        decode_mint(account)
    except VenueError as error:
        if error.name == "not_a_mint":
            # A token account, or an extension that runs past the end.
            raise
        refusal = str(error).partition(": ")[2]
    supply: int = _U64.unpack_from(data, _SUPPLY_OFFSET)[0]
    found = _warnings(data)
    return TokenFacts(
        mint,
        account.owner,
        data[_DECIMALS_OFFSET],
        supply,
        tuple(code for code in WARNINGS if code in found),
        _REFUSALS.get(refusal, refusal),
    )


# The names of `token2022` for what it refuses, where a warning says it better.
_REFUSALS = {"default_account_state": DEFAULT_FROZEN, "pausable": PAUSED}


def _warnings(data: bytes) -> set[str]:
    found: set[str] = set()
    if _U32.unpack_from(data, _MINT_AUTHORITY_OFFSET)[0]:
        found.add(MINT_AUTHORITY)
    if _U32.unpack_from(data, _FREEZE_AUTHORITY_OFFSET)[0]:
        found.add(FREEZE_AUTHORITY)
    if len(data) <= ACCOUNT_TYPE_OFFSET:
        return found
    for kind, value in mint_extensions(data):
        warning = _BY_EXTENSION.get(kind)
        if warning is not None and not (kind in _AUTHORITY_ONLY and value[:32] == NOBODY):
            found.add(warning)
        if kind == EXTENSION_DEFAULT_ACCOUNT_STATE and value[:1] == bytes([STATE_FROZEN]):
            found.add(DEFAULT_FROZEN)
        if kind == EXTENSION_PAUSABLE and value[32:33] == b"\1":
            found.add(PAUSED)
    # A hook, a pause or a fee that nobody can ever set changes nothing.
    for kind, value in mint_extensions(data):
        if kind == EXTENSION_TRANSFER_HOOK and value[:64] == NOBODY * 2:
            found.discard(TRANSFER_HOOK)
        if kind == EXTENSION_PAUSABLE and value[:33] == NOBODY + b"\0":
            found.discard(PAUSABLE)
        if kind == EXTENSION_TRANSFER_FEE_CONFIG and _is_free_for_good(value):
            found.discard(TRANSFER_FEE)
    return found


def _is_free_for_good(transfer_fee_config: bytes) -> bool:
    """No authority to set a fee, and neither the older nor the newer fee takes anything."""
    basis_points = transfer_fee_config[88:90] + transfer_fee_config[106:108]
    return transfer_fee_config[:32] == NOBODY and not any(basis_points)
