"""What a landed swap exchanged, read from the transaction itself and never from the quote
(EXACTLY-ONCE 20).

The pools' vaults say what was swapped; the wallet's own accounts say what it gave and got. Both
must agree, transfer fees apart, and every lamport the wallet lost must be accounted for. A
temporary wSOL account leaves no trace of its own: it exists neither before nor after.
"""

from collections.abc import Iterable, Sequence

import msgspec

from fairlead.orders.model import Leg
from fairlead.solana.accounts import WSOL_MINT
from fairlead.solana.landed import LandedTransaction, TokenBalance

_WSOL = str(WSOL_MINT)


class Fill(msgspec.Struct, frozen=True, gc=False):
    """An exchange as it happened, in atoms."""

    # What left the wallet, transfer fees included.
    amount_in_atoms: int
    # What reached the wallet, transfer fees taken off; before fee, tip and rents.
    amount_out_atoms: int
    # Base fee and priority fee.
    fee_lamports: int
    tip_lamports: int
    # Lent to the latch and to token accounts this transaction made for the wallet.
    rent_lamports: int
    # Withheld by the mints themselves on the way into and out of the vaults.
    transfer_fee_in_atoms: int
    transfer_fee_out_atoms: int


class FillMismatch(AssertionError):
    """The transaction's own numbers do not add up. `facts` holds them all."""

    def __init__(self, signature: str, why: str, facts: dict[str, int]) -> None:
        numbers = ", ".join(f"{name} {value}" for name, value in facts.items())
        super().__init__(f"{signature}: {why}: {numbers}")
        self.signature = signature
        self.why = why
        self.facts = facts


def fill_of(
    transaction: LandedTransaction,
    wallet: str,
    legs: Sequence[Leg],
    *,
    latch_address: str | None = None,
    tip_lamports: int = 0,
) -> Fill:
    """The fill of a successful transaction with these parallel legs of one pair; `FillMismatch` if
    in doubt."""
    assert transaction.error is None
    assert legs
    token_in, token_out = legs[0].token_in, legs[0].token_out
    assert all((leg.token_in, leg.token_out) == (token_in, token_out) for leg in legs)
    tokens = _token_changes(transaction)
    lamports = dict(
        zip(
            transaction.accounts,
            (
                b - a
                for a, b in zip(transaction.pre_lamports, transaction.post_lamports, strict=True)
            ),
            strict=True,
        )
    )
    vault_in = sum(tokens.get(vault, 0) for vault in {leg.vault_in for leg in legs})
    vault_out = -sum(tokens.get(vault, 0) for vault in {leg.vault_out for leg in legs})
    rent = _rent(transaction, wallet, latch_address, lamports)
    fee = transaction.fee_lamports
    # What the wallet's lamports say about a SOL side; zero when neither side is SOL.
    wallet_lamports = lamports.get(wallet, 0) + fee + rent + tip_lamports
    own_in = -wallet_lamports if token_in == _WSOL else -_own(transaction, wallet, token_in, tokens)
    own_out = (
        wallet_lamports if token_out == _WSOL else _own(transaction, wallet, token_out, tokens)
    )
    facts = {
        "vault_in_atoms": vault_in,
        "vault_out_atoms": vault_out,
        "wallet_in_atoms": own_in,
        "wallet_out_atoms": own_out,
        "wallet_lamports": lamports.get(wallet, 0),
        "fee_lamports": fee,
        "tip_lamports": tip_lamports,
        "rent_lamports": rent,
    }

    def require(holds: bool, why: str) -> None:
        if not holds:
            raise FillMismatch(transaction.signature, why, facts)

    require(vault_in > 0 and vault_out > 0, "the vaults did not swap")
    require(own_in >= vault_in, "the wallet gave less than the vaults took")
    require(own_out <= vault_out, "the wallet got more than the vaults gave")
    require(token_in != _WSOL or own_in == vault_in, "lamports given and taken differ")
    require(token_out != _WSOL or own_out == vault_out, "lamports given and taken differ")
    require(_WSOL in (token_in, token_out) or wallet_lamports == 0, "lamports went elsewhere")
    return Fill(own_in, own_out, fee, tip_lamports, rent, own_in - vault_in, vault_out - own_out)


def _token_changes(transaction: LandedTransaction) -> dict[str, int]:
    """Atoms gained by each token account; one that did not exist held nothing."""
    changes = _by_account(transaction.post_tokens)
    for account, atoms in _by_account(transaction.pre_tokens).items():
        changes[account] = changes.get(account, 0) - atoms
    return changes


def _by_account(balances: Iterable[TokenBalance]) -> dict[str, int]:
    return {balance.account: balance.atoms for balance in balances}


def _own(transaction: LandedTransaction, wallet: str, mint: str, changes: dict[str, int]) -> int:
    """Atoms of a mint gained by all accounts that belong to the wallet."""
    balances = (*transaction.pre_tokens, *transaction.post_tokens)
    own = {b.account for b in balances if b.owner == wallet and b.mint == mint}
    return sum(changes[account] for account in own)


def _rent(
    transaction: LandedTransaction,
    wallet: str,
    latch_address: str | None,
    lamports: dict[str, int],
) -> int:
    """Lamports now held by the latch and by token accounts of the wallet that did not exist
    before."""
    before = {balance.account for balance in transaction.pre_tokens}
    made = {b.account for b in transaction.post_tokens if b.owner == wallet} - before
    return sum(lamports[a] for a in made) + (lamports.get(latch_address, 0) if latch_address else 0)
