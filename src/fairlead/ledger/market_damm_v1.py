"""Meteora DAMM v1's pools in the paper market: stable ones of two stable tokens, others of the
constant product. Pools of a token share its vault, which lends nothing."""

import functools
import hashlib
from collections.abc import Sequence

from solders.pubkey import Pubkey

from fairlead.ledger.market_pool import (
    SIDE_DOLLARS,
    TREASURY,
    Accounts,
    MarketPool,
    PoolKind,
    PoolMove,
    Read,
    mint_going_in,
    product_gains,
    put,
    put_program,
    put_tokens,
    tokens_of,
    with_data,
    with_more_tokens,
)
from fairlead.ledger.programs import meteora_damm_v1, meteora_vault
from fairlead.ledger.programs.token_data import (
    TOKEN_PROGRAM,
    amount_of,
    mint,
    with_amount,
    with_bytes,
)
from fairlead.ledger.tokens import Token, atoms_worth
from fairlead.venues.meteora import damm_v1_accounts as damm_v1
from fairlead.venues.meteora.damm_v1_curve import compute_d
from fairlead.venues.meteora.damm_v1_swap import VaultSide, deposit, shares_for
from fairlead.venues.venue import Venue

TRADE_FEE, STABLE_TRADE_FEE = (250, 100_000), (10, 100_000)
PROTOCOL_FEE = (20_000, 100_000)
"""Of the trade's fee."""

AMP = 100
"""Of the stable curve."""

STABLE_MOVE_PERCENT = 5
"""How far a side of a stable pool may be from the middle before it is brought back."""

STABLE_AGAINST = 1_000
"""What a stable pool's output side is divided by where the market moves against a swap: a few more
atoms would hardly move its price."""

_POOL, _USER_IN, _SHARES = 0, 1, (9, 10)
"""Among the accounts of a swap."""


def _pool(base: Token, quote: Token) -> MarketPool:
    label = f"fairlead paper DAMM v1 pool {base.symbol}/{quote.symbol}"
    vaults = (_vault_of(base), _vault_of(quote))
    return MarketPool(
        hashlib.sha256(label.encode()).digest(),
        Venue.METEORA_DAMM_V1,
        base,
        quote,
        bytes(damm_v1.token_vault_address(vaults[0])),
        bytes(damm_v1.token_vault_address(vaults[1])),
        True,
    )


@functools.lru_cache(maxsize=64)
def _vault_of(token: Token) -> Pubkey:
    return damm_v1.vault_address(Pubkey.from_bytes(token.mint))


@functools.lru_cache(maxsize=64)
def _shares_of(pool: MarketPool) -> tuple[bytes, bytes]:
    """The pool's accounts of both vaults' shares."""
    address = Pubkey.from_bytes(pool.address)
    a, b = (damm_v1.vault_lp_address(_vault_of(token), address) for token in pool.tokens)
    return bytes(a), bytes(b)


def _is_stable(pool: MarketPool) -> bool:
    return pool.base.is_stable and pool.quote.is_stable


def _multipliers(pool: MarketPool) -> tuple[int, int]:
    """What brings both tokens to one precision."""
    a, b = (token.decimals for token in pool.tokens)
    return 10 ** (max(a, b) - a), 10 ** (max(a, b) - b)


def _put(accounts: Accounts, pool: MarketPool) -> None:
    put_program(accounts, meteora_vault.PROGRAM_ID)
    address, is_stable = Pubkey.from_bytes(pool.address), _is_stable(pool)
    a, b = pool.tokens
    data = damm_v1.encode_pool(
        address=address,
        mints=(Pubkey.from_bytes(a.mint), Pubkey.from_bytes(b.mint)),
        vaults=(_vault_of(a), _vault_of(b)),
        trade_fee=STABLE_TRADE_FEE if is_stable else TRADE_FEE,
        protocol_fee=PROTOCOL_FEE,
        stable=(AMP, *_multipliers(pool), max(a.decimals, b.decimals)) if is_stable else None,
    )
    put(accounts, pool.address, data, meteora_damm_v1.PROGRAM_ID)
    shares = _shares_of(pool)
    for token, place in zip(pool.tokens, shares, strict=True):
        fee = bytes(damm_v1.protocol_fee_address(Pubkey.from_bytes(token.mint), address))
        put_tokens(accounts, fee, token, TREASURY, 0)
        if bytes(_vault_of(token)) not in accounts:
            _put_vault(accounts, token)
        lp_mint = bytes(damm_v1.lp_mint_address(_vault_of(token)))
        # The account of A's shares is the pool's signature for both.
        accounts[place] = tokens_of(lp_mint, shares[0], 0)
        atoms = atoms_worth(token, SIDE_DOLLARS)
        accounts.update(_with_deposit(accounts.get, token, place, atoms, is_first=True))
        vault = bytes(damm_v1.token_vault_address(_vault_of(token)))
        accounts[vault] = with_more_tokens(accounts[vault], atoms)


def _put_vault(accounts: Accounts, token: Token) -> None:
    """An empty vault."""
    vault = _vault_of(token)
    data = damm_v1.encode_vault(mint=Pubkey.from_bytes(token.mint), total_amount=0)
    put(accounts, bytes(vault), data, meteora_vault.PROGRAM_ID)
    lp_mint = bytes(damm_v1.lp_mint_address(vault))
    put(accounts, lp_mint, mint(0, token.decimals, bytes(vault)), TOKEN_PROGRAM)
    put_tokens(accounts, bytes(damm_v1.token_vault_address(vault)), token, bytes(vault), 0)


def _side(read: Read, token: Token, shares: bytes) -> VaultSide | None:
    vault = _vault_of(token)
    places = (
        bytes(vault), shares, bytes(damm_v1.lp_mint_address(vault)),
        bytes(damm_v1.token_vault_address(vault)),
    )  # fmt: skip
    states = [state for state in map(read, places) if state is not None]
    if len(states) < len(places):
        return None
    state, held, lp_mint, tokens = states
    return VaultSide(
        damm_v1.decode_vault(state.data),
        amount_of(held.data),
        int.from_bytes(lp_mint.data[36:44], "little"),
        amount_of(tokens.data),
    )


def _with_deposit(
    read: Read, token: Token, shares: bytes, gain: int, *, is_first: bool = False
) -> Accounts:
    """Vault, mint and the pool's shares after this gain of theirs, its tokens aside.

    These vaults lock no profit, so what they are worth does not depend on the time.
    """
    side = _side(read, token, shares)
    assert side is not None
    worth = side.state.total_amount
    if is_first and not worth:
        lp = gain
    elif gain >= 0:
        lp = deposit(side, worth, gain) if gain else 0
    else:
        lp = -shares_for(side, worth, -gain)[0]
    vault = _vault_of(token)
    lp_mint = bytes(damm_v1.lp_mint_address(vault))
    places = (bytes(vault), lp_mint, shares)
    state, minted, held = (read(place) for place in places)
    assert state is not None
    assert minted is not None
    assert held is not None
    supply = (side.lp_supply + lp).to_bytes(8, "little")
    datas = (
        damm_v1.vault_with_total(state.data, worth + gain),
        with_bytes(minted.data, 36, supply),
        with_amount(held.data, side.lp_amount + lp),
    )
    return {
        place: with_data(before, data)
        for place, before, data in zip(places, (state, minted, held), datas, strict=True)
    }


def _moved(read: Read, pool: MarketPool, numerator: int, denominator: int) -> PoolMove | None:
    """The constant product at this price; a stable pool back in the middle."""
    places = _shares_of(pool)
    a, b = (_side(read, *of) for of in zip(pool.tokens, places, strict=True))
    if a is None or b is None or not a.lp_supply or not b.lp_supply:
        return None
    totals = (_total(a), _total(b))
    if _is_stable(pool):
        gains = _balancing(totals, _multipliers(pool))
    else:
        gains = product_gains(totals, numerator, denominator)
    if gains is None:
        return None
    # What shares bring is rounded down.
    gain_a, gain_b = (
        gain if gain >= 0 else -shares_for(side, side.state.total_amount, -gain)[1]
        for gain, side in zip(gains, (a, b), strict=True)
    )
    changed: Accounts = {}
    for token, place, gain in zip(pool.tokens, places, (gain_a, gain_b), strict=True):
        changed |= _with_deposit(read, token, place, gain)
    return PoolMove(changed, gain_a, gain_b)


def _total(side: VaultSide) -> int:
    return side.lp_amount * side.state.total_amount // side.lp_supply


def _balancing(totals: tuple[int, int], multipliers: tuple[int, int]) -> tuple[int, int] | None:
    """What both sides gain to be in the middle of the same curve; None where they about are."""
    x, y = (total * multiplier for total, multiplier in zip(totals, multipliers, strict=True))
    if not x or not y:
        return None
    middle = compute_d(AMP, x, y)[0] // 2
    if abs(x - middle) * 100 < middle * STABLE_MOVE_PERCENT:
        return None
    return middle // multipliers[0] - totals[0], middle // multipliers[1] - totals[1]


def _against(read: Read, keys: Sequence[bytes], shift_bps: int) -> Accounts:
    if len(keys) < meteora_damm_v1.ACCOUNTS:
        return {}
    state, source = read(keys[_POOL]), read(keys[_USER_IN])
    if state is None or state.owner != meteora_damm_v1.PROGRAM_ID:
        return {}
    side_in = 0 if mint_going_in(source) == state.data[40:72] else 1
    is_stable = damm_v1.decode_numbers(state.data).is_stable
    place = keys[_SHARES[1 - side_in if is_stable else side_in]]
    shares = read(place)
    if shares is None:
        return {}
    atoms = amount_of(shares.data)
    atoms = atoms // STABLE_AGAINST if is_stable else atoms * (10_000 + shift_bps) // 10_000
    data = with_amount(shares.data, min(atoms, 2**63))
    return {place: with_data(shares, data)}


KIND = PoolKind(meteora_damm_v1.PROGRAM_ID, meteora_damm_v1.PROGRAM, _pool, _put, _moved, _against)
