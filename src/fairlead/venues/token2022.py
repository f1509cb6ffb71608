"""SPL Token and Token-2022 accounts as bytes: amounts, mints, and the fee a transfer withholds.

A Token-2022 account or mint has the 165 (82) bytes of SPL Token first; extensions follow from byte
166 as `type u16, length u16, value`, after an account-type byte at 165. Source:
solana-program/token-2022, `interface/src`.
"""

from struct import Struct as Layout

from solders.pubkey import Pubkey

from fairlead.amounts import BPS, U64_MAX
from fairlead.venues.record import Record
from fairlead.venues.venue import Account, ErrorClass, VenueError

TOKEN_PROGRAM = Pubkey.from_string("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA")
TOKEN_2022_PROGRAM = Pubkey.from_string("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb")
_TOKEN_PROGRAMS = (TOKEN_PROGRAM, TOKEN_2022_PROGRAM)

TOKEN_ACCOUNT_SIZE = 165
MINT_SIZE = 82
ACCOUNT_TYPE_OFFSET = 165
FIRST_EXTENSION_OFFSET = 166

STATE_UNINITIALIZED, STATE_INITIALIZED, STATE_FROZEN = 0, 1, 2
ACCOUNT_TYPE_MINT, ACCOUNT_TYPE_TOKEN_ACCOUNT = 1, 2

EXTENSION_TRANSFER_FEE_CONFIG = 1
EXTENSION_TRANSFER_FEE_AMOUNT = 2
EXTENSION_DEFAULT_ACCOUNT_STATE = 6
EXTENSION_TRANSFER_HOOK = 14
EXTENSION_PAUSABLE = 26

MAX_EXTENSIONS = 32
"""Entries read from one mint; the program knows fewer kinds and stores each at most once."""

# Mint extensions that change neither what a transfer moves nor whether it is allowed.
_HARMLESS = frozenset({3, 4, 10, 12, 16, 18, 19, 20, 21, 22, 23, 25})
# Mint extensions that do, or that nobody has proven harmless; refused by their names.
_REFUSED = {
    6: "default_account_state",
    9: "non_transferable",
    14: "transfer_hook",
    24: "confidential_mint_burn",
    26: "pausable",
    28: "permissioned_burn",
}

_U64 = Layout("<Q")
_TLV = Layout("<HH")
_FEE = Layout("<QQH")
_TRANSFER_FEE_CONFIG = Layout("<32s32sQQQHQQH")
_MINT = Layout("<I32sQBBI32s")
_TOKEN_ACCOUNT = Layout("<32s32sQI32sBIQQI32s")
NOBODY = bytes(32)


class TransferFee(Record, frozen=True, gc=False):
    """A fee withheld from each transfer, in force from `epoch` on."""

    epoch: int
    # Atoms.
    maximum_fee: int
    basis_points: int

    def fee(self, pre_fee_atoms: int) -> int:
        """Withheld from a transfer of this many atoms; rounded up, at most `maximum_fee`."""
        if not self.basis_points or not pre_fee_atoms:
            return 0
        return min(-(-pre_fee_atoms * self.basis_points // BPS), self.maximum_fee)

    def pre_fee_amount(self, post_fee_atoms: int) -> int:
        """The smallest transfer that the Token-2022 program names for this many received."""
        if not self.basis_points or not post_fee_atoms:
            return post_fee_atoms
        if self.basis_points == BPS:
            return post_fee_atoms + self.maximum_fee
        raw = -(-post_fee_atoms * BPS // (BPS - self.basis_points))
        if raw - post_fee_atoms >= self.maximum_fee:
            return post_fee_atoms + self.maximum_fee
        return raw

    def inverse_fee(self, post_fee_atoms: int) -> int | None:
        """What exact-out programs add to this many received; None where they find it not to match.

        All of them compute `fee(pre_fee_amount(post))`, then refuse unless a transfer of the sum
        withholds just that. At 100 % they take `maximum_fee` unchecked.
        """
        if self.basis_points == BPS:
            return self.maximum_fee
        fee = self.fee(self.pre_fee_amount(post_fee_atoms))
        return fee if self.fee(post_fee_atoms + fee) == fee else None


class Mint(Record, frozen=True, gc=False):
    """What swaps must know of a mint."""

    decimals: int
    supply_atoms: int
    # The fee in force before `newer.epoch`; None for a mint without the extension.
    older_fee: TransferFee | None
    newer_fee: TransferFee | None

    def transfer_fee(self, epoch: int) -> TransferFee | None:
        """The fee in force in this epoch."""
        newer = self.newer_fee
        return newer if newer is None or epoch >= newer.epoch else self.older_fee


class TokenAccount(Record, frozen=True, gc=False):
    """The parts of a token account that transfers look at."""

    mint: bytes
    owner: bytes
    amount_atoms: int
    state: int


def is_token_program(program: Pubkey) -> bool:
    """Whether accounts of this owner are token accounts or mints."""
    return program in _TOKEN_PROGRAMS


def decode_token_account(account: Account) -> TokenAccount:
    """The token account in these bytes; `VenueError` where there is none."""
    if not is_token_account(account):
        raise VenueError(ErrorClass.TERMINAL, "not_a_token_account")
    data = account.data
    return TokenAccount(data[:32], data[32:64], amount_of(data), data[108])


def is_token_account(account: Account) -> bool:
    """Whether these are the bytes of an initialized token account."""
    data = account.data
    return len(data) >= TOKEN_ACCOUNT_SIZE and data[108] != 0 and account.owner in _TOKEN_PROGRAMS


def amount_of(data: bytes) -> int:
    """Atoms a token account's bytes hold."""
    amount: int = _U64.unpack_from(data, 64)[0]
    return amount


def decode_mint(account: Account) -> Mint:
    """The mint in this account; `VenueError` if there is none or an extension is unsupported."""
    if not is_token_program(account.owner):
        raise VenueError(ErrorClass.TERMINAL, "not_a_mint")
    return mint_from_bytes(account.data)


def mint_from_bytes(data: bytes) -> Mint:
    """The mint in these bytes of a token program's account; `VenueError` as `decode_mint`."""
    if len(data) < MINT_SIZE or not data[45]:
        raise VenueError(ErrorClass.TERMINAL, "not_a_mint")
    older = newer = None
    if len(data) > ACCOUNT_TYPE_OFFSET:
        if data[ACCOUNT_TYPE_OFFSET] != ACCOUNT_TYPE_MINT:
            raise VenueError(ErrorClass.TERMINAL, "not_a_mint")
        for kind, value in mint_extensions(data):
            if kind == EXTENSION_TRANSFER_FEE_CONFIG:
                if len(value) != _TRANSFER_FEE_CONFIG.size:
                    raise VenueError(ErrorClass.TERMINAL, "not_a_mint", detail="a fee's size")
                older = TransferFee(*_FEE.unpack_from(value, 72))
                newer = TransferFee(*_FEE.unpack_from(value, 90))
            else:
                _refuse_unless_harmless(kind, value)
    return Mint(data[44], _U64.unpack_from(data, 36)[0], older, newer)


def mint_extensions(data: bytes) -> list[tuple[int, bytes]]:
    """(type, value) of each extension of a mint, in stored order."""
    found: list[tuple[int, bytes]] = []
    offset = FIRST_EXTENSION_OFFSET
    while offset + _TLV.size <= len(data) and len(found) < MAX_EXTENSIONS:
        kind, length = _TLV.unpack_from(data, offset)
        if kind == 0:
            break
        offset += _TLV.size
        if offset + length > len(data):
            raise VenueError(
                ErrorClass.TERMINAL, "not_a_mint", detail="an extension runs past the end"
            )
        found.append((kind, data[offset : offset + length]))
        offset += length
    return found


def _refuse_unless_harmless(kind: int, value: bytes) -> None:
    if kind in _HARMLESS:
        return
    # A hook without a program is never called; accounts that start out initialized behave like any
    # other; a pausable mint that is not paused moves like any other.
    if kind == EXTENSION_TRANSFER_HOOK and value[32:64] == NOBODY:
        return
    if kind == EXTENSION_DEFAULT_ACCOUNT_STATE and value[:1] == bytes([STATE_INITIALIZED]):
        return
    if kind == EXTENSION_PAUSABLE and value[32:33] == b"\0":
        return
    name = _REFUSED.get(kind, f"extension_{kind}")
    raise VenueError(ErrorClass.TERMINAL, "unsupported_mint", detail=name)


def encode_token_account(
    mint: Pubkey,
    owner: Pubkey,
    amount_atoms: int,
    *,
    state: int = STATE_INITIALIZED,
    delegate: Pubkey | None = None,
    delegated_atoms: int = 0,
    native_reserve_lamports: int | None = None,
    withheld_atoms: int | None = None,
) -> bytes:
    """Bytes of a token account; `withheld_atoms` adds Token-2022's TransferFeeAmount."""
    assert 0 <= amount_atoms <= U64_MAX
    data = _TOKEN_ACCOUNT.pack(
        bytes(mint),
        bytes(owner),
        amount_atoms,
        delegate is not None,
        bytes(delegate) if delegate else NOBODY,
        state,
        native_reserve_lamports is not None,
        native_reserve_lamports or 0,
        delegated_atoms,
        0,
        NOBODY,
    )
    if withheld_atoms is None:
        return data
    extension = _TLV.pack(EXTENSION_TRANSFER_FEE_AMOUNT, 8) + _U64.pack(withheld_atoms)
    return data + bytes([ACCOUNT_TYPE_TOKEN_ACCOUNT]) + extension


def encode_mint(
    decimals: int,
    supply_atoms: int,
    *,
    mint_authority: Pubkey | None = None,
    freeze_authority: Pubkey | None = None,
    older_fee: TransferFee | None = None,
    newer_fee: TransferFee | None = None,
) -> bytes:
    """Bytes of a mint. With `newer_fee` it has Token-2022's TransferFeeConfig extension."""
    data = _MINT.pack(
        mint_authority is not None,
        bytes(mint_authority) if mint_authority else NOBODY,
        supply_atoms,
        decimals,
        1,
        freeze_authority is not None,
        bytes(freeze_authority) if freeze_authority else NOBODY,
    )
    if newer_fee is None:
        return data
    older = older_fee or newer_fee
    value = _TRANSFER_FEE_CONFIG.pack(
        NOBODY,
        NOBODY,
        0,
        *(older.epoch, older.maximum_fee, older.basis_points),
        *(newer_fee.epoch, newer_fee.maximum_fee, newer_fee.basis_points),
    )
    padding = bytes(ACCOUNT_TYPE_OFFSET - MINT_SIZE)
    extension = _TLV.pack(EXTENSION_TRANSFER_FEE_CONFIG, len(value)) + value
    return data + padding + bytes([ACCOUNT_TYPE_MINT]) + extension
