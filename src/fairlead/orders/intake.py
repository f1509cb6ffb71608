"""From what a client asks for to what is agreed: the canonical order request and its checks.

Fields are named canonically here; `api/dialects.py` gives errors the names the client used.
"""

from collections.abc import Callable
from functools import lru_cache

import msgspec
from solders.pubkey import Pubkey

from fairlead.amounts import (
    U64_MAX,
    AmountError,
    atoms_from_decimal,
    checked_atoms,
    out_atoms_at_price,
    plain_price,
)
from fairlead.errors import FieldError, InvalidOrder
from fairlead.orders.model import NumberForm, OrderTerms, OrderType, SlippageUnit
from fairlead.tokens import TOKENS, Token, TokenList
from fairlead.venues.venue import Venue

MAX_SLIPPAGE_BPS = 5_000
MAX_PRIORITY = 9
MAX_LABEL_LENGTH = 255
"""Characters of userId and clientOrderId."""
MAX_EXPIRY_MS = 366 * 24 * 3600 * 1000
"""How far ahead `expiresAt` may lie: reserved funds must come back some day."""
MAX_PRIORITY_FEE_LAMPORTS = 1_000_000_000
"""One SOL: more is a slip of the pen."""
BASE_FEE_ALLOWANCE_LAMPORTS = 10 * 5_000
"""Base fees of an order's attempts, beside the priority fees it allows; both make its fee cap."""


class OrderRequest(msgspec.Struct, frozen=True, gc=False):
    """An order as asked for, whatever form it came in. None means: not said."""

    token_in: str
    token_out: str
    type: str = OrderType.MARKET.value
    # Token units, a plain decimal; or atoms. Of the input or of the output, at least one of them.
    amount_in: str | None = None
    amount_in_atoms: int | None = None
    amount_out: str | None = None
    amount_out_atoms: int | None = None
    # The most that an exact output may cost: beside it, and only there.
    max_amount_in: str | None = None
    max_amount_in_atoms: int | None = None
    slippage_bps: int | None = None
    wallet: str | None = None
    user_id: str | None = None
    client_order_id: str | None = None
    limit_price: str | None = None
    priority: int = 0
    expires_at_ms: int | None = None
    venues: tuple[str, ...] | None = None
    max_price_impact_bps: int | None = None
    max_priority_fee_lamports: int | None = None
    # How the client writes numbers and slippage, for its answers.
    number_form: NumberForm = NumberForm.STRING
    slippage_unit: SlippageUnit = SlippageUnit.PERCENT


class IntakeRules(msgspec.Struct, frozen=True):
    """What holds where the client says nothing."""

    default_slippage_bps: int = 100
    # Cap over base fees, priority fees and tips of an order that names no priority fee.
    default_fee_cap_lamports: int = 1_000_000
    tokens: TokenList = TOKENS


VENUE_NAMES: dict[str, tuple[str, ...]] = {
    **{dex: tuple(v.value for v in Venue if v.dex == dex) for dex in {v.dex for v in Venue}},
    **{venue.value: (venue.value,) for venue in Venue},
}
"""Names an allow-list may use: a venue, or a family for all venues of it."""


def agree(
    request: OrderRequest,
    rules: IntakeRules,
    default_wallet: str,
    held_address: Callable[[str], str | None],
    now_ms: int,
) -> OrderTerms:
    """The terms of the order, or `InvalidOrder` with every field that is wrong."""
    errors: list[FieldError] = []
    type = _type(request.type, errors)
    token_in, token_out = pair(request.token_in, request.token_out, rules.tokens, errors)
    atoms, exact_out = _amounts(type, request, token_in, token_out, errors)
    limit = None if type is None else _limit(type, request, token_in, token_out, atoms, errors)
    if request.expires_at_ms is not None:
        _check_expiry(request.expires_at_ms, now_ms, errors)
    venues = _venues(request.venues, errors) if request.venues is not None else None
    named = request.wallet or default_wallet
    # Last: on paper a wallet is made for a new address, but not for an order that cannot be.
    wallet = _payer(named, held_address, errors)
    if errors or type is None or token_in is None or token_out is None or wallet is None:
        raise InvalidOrder(tuple(errors))
    fee_cap = rules.default_fee_cap_lamports
    if request.max_priority_fee_lamports is not None:
        fee_cap = BASE_FEE_ALLOWANCE_LAMPORTS + request.max_priority_fee_lamports
    slippage = request.slippage_bps
    return OrderTerms(
        type=type,
        wallet=wallet,
        wallet_address=named,
        token_in=token_in.mint,
        token_out=token_out.mint,
        token_in_name=request.token_in,
        token_out_name=request.token_out,
        token_in_decimals=token_in.decimals,
        token_out_decimals=token_out.decimals,
        token_in_warnings=token_in.warnings,
        token_out_warnings=token_out.warnings,
        amount_in_atoms=atoms,
        slippage_bps=rules.default_slippage_bps if slippage is None else slippage,
        fee_cap_lamports=fee_cap,
        number_form=request.number_form,
        slippage_unit=request.slippage_unit,
        user_id=request.user_id,
        client_order_id=request.client_order_id,
        limit_price=None if limit is None else limit.price,
        limit_out_atoms=None if limit is None else limit.out_atoms,
        priority=request.priority,
        expires_at_ms=request.expires_at_ms,
        venues=venues,
        max_price_impact_bps=request.max_price_impact_bps,
        exact_out_atoms=exact_out,
    )


def pair(
    token_in: str, token_out: str, tokens: TokenList, errors: list[FieldError]
) -> tuple[Token | None, Token | None]:
    """Both tokens, None for one that is not known; they must differ, and be such as can be
    traded."""
    found_in, found_out = tokens.find(token_in), tokens.find(token_out)
    for field, name, found in (("tokenIn", token_in, found_in), ("tokenOut", token_out, found_out)):
        if found is None:
            errors.append(_unknown_token(field, name))
        elif found.refusal:
            message = f"cannot be traded: {found.refusal}"
            errors.append(FieldError(field, "unsupported_token", message))
    if found_in is not None and found_in is found_out:
        errors.append(FieldError("tokenOut", "same_token", "must differ from tokenIn"))
    return found_in, found_out


def amount_atoms(
    amount: str | None,
    in_atoms: int | None,
    token: Token | None,
    errors: list[FieldError],
    name: str = "amountIn",
) -> int:
    """Atoms of the amount, 0 with an error noted under `name` when it cannot be one, and 0 of a
    token that is not known."""
    if token is None:
        return 0
    try:
        if amount is None:
            assert in_atoms is not None
            return checked_atoms(in_atoms)
        atoms = atoms_from_decimal(amount, token.decimals)
    except AmountError as error:
        field = f"{name}Atoms" if amount is None else name
        errors.append(FieldError(field, error.code, str(error)))
        return 0
    if in_atoms is not None and in_atoms != atoms:
        errors.append(FieldError(f"{name}Atoms", "conflicting", "differs from the amount given"))
    return atoms


_TYPES = {type.value: type for type in OrderType}


def _type(name: str, errors: list[FieldError]) -> OrderType | None:
    type = _TYPES.get(name)
    if type is None:
        choices = ", ".join(_TYPES)
        errors.append(FieldError("type", "unsupported_type", f"must be one of: {choices}"))
    return type


class _Limit(msgspec.Struct, frozen=True):
    # In its one shortest form.
    price: str
    # What it asks for at the order's amount.
    out_atoms: int


def _limit(
    type: OrderType,
    request: OrderRequest,
    token_in: Token | None,
    token_out: Token | None,
    atoms: int,
    errors: list[FieldError],
) -> _Limit | None:
    """The limit and its floor; None without one, with an error noted when there should be one."""
    price = request.limit_price
    if type is OrderType.MARKET:
        if price is not None:
            # Left out of account it would sell at any price to somebody who named one.
            message = "is for limit orders: send type limit, or leave it out"
            errors.append(FieldError("limitPrice", "not_for_market", message))
        return None
    if price is None:
        message = "must be given for a limit order: net tokenOut per tokenIn"
        errors.append(FieldError("limitPrice", "required", message))
        return None
    try:
        price = plain_price(price)
    except AmountError as error:
        errors.append(FieldError("limitPrice", error.code, str(error)))
        return None
    if token_in is None or token_out is None or atoms == 0:
        return None
    floor = out_atoms_at_price(price, atoms, token_in.decimals, token_out.decimals)
    if floor > U64_MAX:
        message = "asks for more than 2^64-1 atoms of tokenOut: lower the price or the amount"
        errors.append(FieldError("limitPrice", "out_of_range", message))
    return _Limit(price, floor)


def _amounts(
    type: OrderType | None,
    request: OrderRequest,
    token_in: Token | None,
    token_out: Token | None,
    errors: list[FieldError],
) -> tuple[int, int | None]:
    """What is sold, and None; or the most that may be, and what must come of it exactly. 0 with an
    error noted for what cannot be."""
    if request.amount_out is not None or request.amount_out_atoms is not None:
        return _exact_output(type, request, token_in, token_out, errors)
    if request.max_amount_in is not None or request.max_amount_in_atoms is not None:
        message = "bounds what an exact output may cost: send amountOut, or leave it out"
        field = _first("maxAmountIn", request.max_amount_in)
        errors.append(FieldError(field, "conflicting", message))
    return amount_atoms(request.amount_in, request.amount_in_atoms, token_in, errors), None


def _exact_output(
    type: OrderType | None,
    request: OrderRequest,
    token_in: Token | None,
    token_out: Token | None,
    errors: list[FieldError],
) -> tuple[int, int]:
    """The most that may be sold, and what must come of it."""
    given = request.amount_in, request.amount_in_atoms
    asked = request.amount_out, request.amount_out_atoms
    most = request.max_amount_in, request.max_amount_in_atoms
    if type is OrderType.LIMIT:
        message = "is for market orders: a limit order sells an exact amountIn"
        errors.append(FieldError(_first("amountOut", request.amount_out), "not_for_limit", message))
    if given != (None, None):
        for name, other, amount in (
            ("amountIn", "amountOut", request.amount_in),
            ("amountOut", "amountIn", request.amount_out),
        ):
            message = f"excludes {other}: one side of an order is exact"
            errors.append(FieldError(_first(name, amount), "conflicting", message))
    out_atoms = amount_atoms(*asked, token_out, errors, "amountOut")
    if most == (None, None):
        message = "must be given beside amountOut: the most tokenIn that may be spent"
        errors.append(FieldError("maxAmountIn", "required", message))
        return 0, out_atoms
    return amount_atoms(*most, token_in, errors, "maxAmountIn"), out_atoms


def _first(name: str, amount: str | None) -> str:
    """The field by which an amount was given."""
    return name if amount is not None else f"{name}Atoms"


def _unknown_token(field: str, name: str) -> FieldError:
    if len(name) < 32 or is_address(name):
        message = "is neither in the token list (GET /api/tokens) nor a mint on the chain"
        return FieldError(field, "unknown_token", message)
    return FieldError(field, "malformed_address", "is no mint address and no known symbol")


@lru_cache(maxsize=65_536)
def is_address(text: str) -> bool:
    """Whether this is a base58 address of 32 bytes."""
    try:
        Pubkey.from_string(text)
    except ValueError:
        return False
    return True


def _payer(
    named: str, held_address: Callable[[str], str | None], errors: list[FieldError]
) -> str | None:
    if not is_address(named):
        errors.append(FieldError("wallet", "malformed_address", "is no base58 address"))
        return None
    if errors:
        return None
    held = held_address(named)
    if held is None:
        message = "is no wallet of this engine: it holds no key for it"
        errors.append(FieldError("wallet", "wallet_not_held", message))
    return held


def _check_expiry(expires_at_ms: int, now_ms: int, errors: list[FieldError]) -> None:
    if expires_at_ms <= now_ms:
        errors.append(FieldError("expiresAt", "in_the_past", "must lie in the future"))
    elif expires_at_ms > now_ms + MAX_EXPIRY_MS:
        errors.append(FieldError("expiresAt", "out_of_range", "is more than a year ahead"))


def _venues(names: tuple[str, ...], errors: list[FieldError]) -> tuple[str, ...]:
    unknown = [name for name in names if name not in VENUE_NAMES]
    if unknown or not names:
        choices = ", ".join(sorted(VENUE_NAMES))
        errors.append(FieldError("venues", "unknown_venue", f"must name some of: {choices}"))
        return ()
    return tuple(dict.fromkeys(v for name in names for v in VENUE_NAMES[name]))
