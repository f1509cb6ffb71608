"""What a landed swap exchanged, read from the transaction itself and never from the quote
(EXACTLY-ONCE 20).

The pools' vaults say what was swapped; the wallet's own accounts say what it gave and got. Both
must agree, transfer fees apart, and every lamport the wallet lost must be accounted for. A
temporary wSOL account leaves no trace of its own: it exists neither before nor after.
"""

from collections.abc import Sequence

import msgspec

from fairlead.orders.model import Leg
from fairlead.solana.accounts import WSOL_MINT
from fairlead.solana.landed import LandedTransaction

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
    for leg in legs:
        assert leg.token_in == token_in
        assert leg.token_out == token_out
    tokens = _token_changes(transaction)
    vault_in, vault_out = 0, 0
    for vault in {leg.vault_in for leg in legs}:
        vault_in += tokens.get(vault, 0)
    for vault in {leg.vault_out for leg in legs}:
        vault_out -= tokens.get(vault, 0)
    rent = _rent(transaction, wallet, latch_address)
    fee = transaction.fee_lamports
    gained = _lamports_gained(transaction, wallet)
    # What the wallet's lamports say about a SOL side; zero when neither side is SOL.
    wallet_lamports = gained + fee + rent + tip_lamports
    own_in = -wallet_lamports if token_in == _WSOL else -_own(transaction, wallet, token_in, tokens)
    own_out = (
        wallet_lamports if token_out == _WSOL else _own(transaction, wallet, token_out, tokens)
    )
    why = None
    if not (vault_in > 0 and vault_out > 0):
        why = "the vaults did not swap"
    elif own_in < vault_in:
        why = "the wallet gave less than the vaults took"
    elif own_out > vault_out:
        why = "the wallet got more than the vaults gave"
    elif (token_in == _WSOL and own_in != vault_in) or (
        token_out == _WSOL and own_out != vault_out
    ):
        why = "lamports given and taken differ"
    elif _WSOL not in (token_in, token_out) and wallet_lamports != 0:
        why = "lamports went elsewhere"
    if why is not None:
        facts = {
            "vault_in_atoms": vault_in,
            "vault_out_atoms": vault_out,
            "wallet_in_atoms": own_in,
            "wallet_out_atoms": own_out,
            "wallet_lamports": gained,
            "fee_lamports": fee,
            "tip_lamports": tip_lamports,
            "rent_lamports": rent,
        }
        raise FillMismatch(transaction.signature, why, facts)
    return Fill(own_in, own_out, fee, tip_lamports, rent, own_in - vault_in, vault_out - own_out)


def _token_changes(transaction: LandedTransaction) -> dict[str, int]:
    """Atoms gained by each token account; one that did not exist held nothing."""
    changes = {balance.account: balance.atoms for balance in transaction.post_tokens}
    for balance in transaction.pre_tokens:
        changes[balance.account] = changes.get(balance.account, 0) - balance.atoms
    return changes


def _lamports_gained(transaction: LandedTransaction, account: str) -> int:
    if account not in transaction.accounts:
        return 0
    index = transaction.accounts.index(account)
    return transaction.post_lamports[index] - transaction.pre_lamports[index]


def _own(transaction: LandedTransaction, wallet: str, mint: str, changes: dict[str, int]) -> int:
    """Atoms of a mint gained by all accounts that belong to the wallet."""
    own = {
        balance.account
        for balances in (transaction.pre_tokens, transaction.post_tokens)
        for balance in balances
        if balance.owner == wallet and balance.mint == mint
    }
    return sum([changes[account] for account in own])


def _rent(transaction: LandedTransaction, wallet: str, latch_address: str | None) -> int:
    """Lamports now held by the latch and by token accounts of the wallet that did not exist
    before."""
    held = {balance.account for balance in transaction.post_tokens if balance.owner == wallet}
    made = held.difference([balance.account for balance in transaction.pre_tokens])
    rent = _lamports_gained(transaction, latch_address) if latch_address else 0
    for account in made:
        rent += _lamports_gained(transaction, account)
    return rent
