"""Fills of several legs: random transactions whose every move is known."""

import itertools
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.orders.model import Leg
from fairlead.solana.fill import FillMismatch, fill_of
from fairlead.solana.landed import LandedTransaction, TokenBalance
from fairlead.solana.legs import Detail, Leftover, LegFill

SOL = "So11111111111111111111111111111111111111112"
WALLET, LATCH, FEE, TIP = "wallet", "latch", 5_100, 9
LATCH_RENT, ACCOUNT_RENT = 890_880, 2_039_280
BEFORE = 10**15

amounts = st.integers(1, 10**12)


class Moved(msgspec.Struct):
    """A transaction with what each of its legs truly moved."""

    legs: list[Leg]
    fills: list[LegFill]
    # What stays in the middle; None without one.
    left: int | None
    landed: LandedTransaction


@st.composite
def moves(draw: st.DrawFn) -> Moved:
    """One to four legs, parallel or of two hops, with SOL anywhere or nowhere on the path."""
    path = draw(st.permutations([SOL, "mint a", "mint b", "mint c"]))[: draw(st.integers(2, 3))]
    hops = list(itertools.pairwise(path))
    legs: list[Leg] = []
    fills: list[LegFill] = []
    left = None
    for place, (token_in, token_out) in enumerate(hops):
        brought = sum(fill.out_atoms or 0 for fill in fills) if place else 0
        count = draw(st.integers(1, 2))
        parts = draw(st.lists(amounts, min_size=count, max_size=count))
        if place:
            # The second hop takes what the first brought, or a little less.
            left = draw(st.integers(0, max(brought - count, 0)))
            cuts = sorted(draw(st.lists(st.integers(0, brought - left), min_size=count - 1)))
            bounds = [0, *cuts[: count - 1], brought - left]
            parts = [b - a for a, b in itertools.pairwise(bounds)]
        for part in parts:
            name = f"{len(legs)}"
            vaults = f"vault in {name}", f"vault out {name}"
            legs.append(Leg("raydium_cpmm", "program", name, token_in, token_out, *vaults))
            fills.append(LegFill(part, draw(amounts)))
    return Moved(legs, fills, left, _landed(legs, fills, path))


def _landed(legs: list[Leg], fills: list[LegFill], path: list[str]) -> LandedTransaction:
    """The transaction that moves just that, with a latch, a new account for what is not SOL, and a
    tip."""
    own = dict.fromkeys(path, 0)
    vaults: dict[tuple[str, str], int] = {}
    for leg, fill in zip(legs, fills, strict=True):
        own[leg.token_in] -= fill.in_atoms or 0
        own[leg.token_out] += fill.out_atoms or 0
        vaults[leg.vault_in, leg.token_in] = fill.in_atoms or 0
        vaults[leg.vault_out, leg.token_out] = -(fill.out_atoms or 0)
    pre, post = [], []
    made = 0
    for mint in path:
        if mint == SOL:
            continue
        if mint == path[0]:
            pre.append(TokenBalance(f"own {mint}", mint, WALLET, BEFORE))
            post.append(TokenBalance(f"own {mint}", mint, WALLET, BEFORE + own[mint]))
        else:
            made += 1
            post.append(TokenBalance(f"own {mint}", mint, WALLET, own[mint]))
    for (vault, mint), change in vaults.items():
        pre.append(TokenBalance(vault, mint, "pool", BEFORE))
        post.append(TokenBalance(vault, mint, "pool", BEFORE + change))
    spent = FEE + TIP + LATCH_RENT + made * ACCOUNT_RENT - own.get(SOL, 0)
    new = [f"own {mint}" for mint in path if mint not in (SOL, path[0])]
    return LandedTransaction(
        signature="signature",
        slot=7,
        block_time_s=None,
        error=None,
        fee_lamports=FEE,
        accounts=(WALLET, LATCH, *new),
        pre_lamports=(BEFORE * 10, 0, *[0 for _ in new]),
        post_lamports=(BEFORE * 10 - spent, LATCH_RENT, *[ACCOUNT_RENT for _ in new]),
        pre_tokens=tuple(pre),
        post_tokens=tuple(post),
        logs=(),
        compute_units=1,
    )


def read(moved: Moved, landed: LandedTransaction | None = None) -> Any:
    landed = moved.landed if landed is None else landed
    return fill_of(landed, WALLET, moved.legs, latch_address=LATCH, tip_lamports=TIP)


@given(moves().filter(lambda moved: all(fill.in_atoms for fill in moved.fills)))
def test_every_leg_and_every_lamport_is_told(moved: Moved) -> None:
    fill = read(moved)
    path = [moved.legs[0].token_in, moved.legs[-1].token_out]
    pairs = list(zip(moved.legs, moved.fills, strict=True))
    assert fill.amount_in_atoms == sum(
        f.in_atoms or 0 for leg, f in pairs if leg.token_in == path[0]
    )
    assert fill.amount_out_atoms == sum(
        f.out_atoms or 0 for leg, f in pairs if leg.token_out == path[1]
    )
    assert (FEE, TIP) == (fill.fee_lamports, fill.tip_lamports)
    assert (0, 0) == (fill.transfer_fee_in_atoms, fill.transfer_fee_out_atoms)
    made = len({leg.token_out for leg in moved.legs} - {SOL})
    assert LATCH_RENT + made * ACCOUNT_RENT == fill.rent_lamports
    if len(moved.legs) == 1:
        assert fill.detail is None
        return
    left = None if moved.left is None else Leftover(moved.legs[0].token_out, moved.left)
    assert Detail(tuple(moved.fills), left) == fill.detail


@given(moves().filter(lambda moved: len(moved.legs) > 1), st.sampled_from([-1, 1]))
def test_a_lamport_that_nothing_explains_is_a_bug_with_the_numbers(moved: Moved, more: int) -> None:
    wallet, *others = moved.landed.post_lamports
    landed = msgspec.structs.replace(moved.landed, post_lamports=(wallet + more, *others))
    with pytest.raises(FillMismatch):
        read(moved, landed)


@given(moves().filter(lambda moved: moved.left is not None and moved.legs[0].token_out != SOL))
def test_more_in_the_middle_than_the_vaults_left_is_a_bug(moved: Moved) -> None:
    account = f"own {moved.legs[0].token_out}"
    post = [
        msgspec.structs.replace(each, atoms=each.atoms + 1) if each.account == account else each
        for each in moved.landed.post_tokens
    ]
    landed = msgspec.structs.replace(moved.landed, post_tokens=tuple(post))
    with pytest.raises(FillMismatch, match=r"kept more than the vaults left|did not swap"):
        read(moved, landed)


def shared(*, taken: int, brought: int) -> Moved:
    """Two hops over pools of DAMM v1, which share the middle token's vault."""
    legs = [
        Leg("meteora_damm_v1", "program", "first", "mint a", "mint b", "vault a", "vault b"),
        Leg("meteora_damm_v1", "program", "second", "mint b", "mint c", "vault b", "vault c"),
    ]
    fills = [LegFill(100, brought), LegFill(taken, 70)]
    landed = _landed(legs, fills, ["mint a", "mint b", "mint c"])
    balances = {each.account: each for each in landed.post_tokens}
    balances["vault b"] = TokenBalance("vault b", "mint b", "pool", BEFORE + taken - brought)
    pre = {each.account: each for each in landed.pre_tokens}
    landed = msgspec.structs.replace(
        landed, pre_tokens=tuple(pre.values()), post_tokens=tuple(balances.values())
    )
    return Moved(legs, fills, brought - taken, landed)


def test_what_a_shared_vault_does_not_tell_is_not_told() -> None:
    fill = read(shared(taken=40, brought=50))
    assert (100, 70) == (fill.amount_in_atoms, fill.amount_out_atoms)
    assert Detail((LegFill(100, None), LegFill(None, 70)), Leftover("mint b", 10)) == fill.detail
