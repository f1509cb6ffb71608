"""What a landed swap exchanged, read from the transaction itself and never from the quote
(EXACTLY-ONCE 20).

The pools' vaults say what was swapped; the wallet's own accounts say what it gave and got. Both
must agree, transfer fees apart, and every lamport the wallet lost must be accounted for. Of two
hops the wallet keeps what the first brought and the second did not take. A temporary wSOL account
leaves no trace of its own: it exists neither before nor after.
"""

from collections.abc import Mapping, Sequence

import msgspec

from fairlead.orders.model import Leg
from fairlead.solana.accounts import WSOL_MINT
from fairlead.solana.landed import LandedTransaction
from fairlead.solana.legs import FEES_APART, Detail, detail_of, path_of

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
    # Withheld by the mints themselves on the way into and out of the vaults; and what a pool took
    # apart of what was put in.
    transfer_fee_in_atoms: int
    transfer_fee_out_atoms: int
    # Leg by leg, where there are several.
    detail: Detail | None = None


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
    """The fill of a successful transaction with these legs, parallel ones or of two hops;
    `FillMismatch` if in doubt."""
    assert transaction.error is None
    assert legs
    path = path_of(legs)
    tokens, mine, made = _token_changes(transaction, wallet)
    # What the vaults gained of each token of the path. Pools may share one.
    vaults = {leg.vault_in: leg.token_in for leg in legs}
    vaults.update([(leg.vault_out, leg.token_out) for leg in legs])
    gained_by_vaults = dict.fromkeys(path, 0)
    for vault, mint in vaults.items():
        gained_by_vaults[mint] += tokens.get(vault, 0)
    rent = _lamports_gained(transaction, latch_address) if latch_address else 0
    for account in made:
        rent += _lamports_gained(transaction, account)
    fee = transaction.fee_lamports
    gained = _lamports_gained(transaction, wallet)
    # What the wallet's lamports say about SOL on the path; zero when there is none.
    wallet_lamports = gained + fee + rent + tip_lamports
    own = dict.fromkeys(path, 0)
    for account, mint in mine.items():
        if mint in own:
            own[mint] += tokens[account]
    if _WSOL in own:
        own[_WSOL] = wallet_lamports
    vault_in, vault_out = gained_by_vaults[path[0]], -gained_by_vaults[path[-1]]
    own_in, own_out = -own[path[0]], own[path[-1]]
    why = _why_not(path, legs, gained_by_vaults, own, wallet_lamports)
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
        if len(path) == 3:
            facts["vault_left_atoms"] = -gained_by_vaults[path[1]]
            facts["wallet_left_atoms"] = own[path[1]]
        raise FillMismatch(transaction.signature, why, facts)
    detail = None
    if len(legs) > 1:
        detail = detail_of(legs, path, tokens, [own_in, *[own[mint] for mint in path[1:]]])
    withheld_in, withheld_out = own_in - vault_in, vault_out - own_out
    return Fill(own_in, own_out, fee, tip_lamports, rent, withheld_in, withheld_out, detail)


def _why_not(
    path: tuple[str, ...],
    legs: Sequence[Leg],
    vaults: Mapping[str, int],
    own: Mapping[str, int],
    wallet_lamports: int,
) -> str | None:
    """What contradicts what, by what the vaults and the wallet gained of each token."""
    vault_in, vault_out = vaults[path[0]], -vaults[path[-1]]
    if not (vault_in > 0 and vault_out > 0):
        return "the vaults did not swap"
    if -own[path[0]] < vault_in:
        return "the wallet gave less than the vaults took"
    if own[path[-1]] > vault_out:
        return "the wallet got more than the vaults gave"
    if len(path) == 3:
        if own[path[1]] < 0:
            return "the second hop took more than the first brought"
        if own[path[1]] > -vaults[path[1]]:
            return "the wallet kept more than the vaults left"
    if _WSOL not in path:
        return None if wallet_lamports == 0 else "lamports went elsewhere"
    # No mint withholds SOL; only a pool may take a fee of what is put in apart.
    if wallet_lamports != -vaults[_WSOL] and not (
        wallet_lamports < -vaults[_WSOL]
        and any(leg.venue in FEES_APART and leg.token_in == _WSOL for leg in legs)
    ):
        return "lamports given and taken differ"
    return None


def _token_changes(
    transaction: LandedTransaction, wallet: str
) -> tuple[dict[str, int], dict[str, str], list[str]]:
    """Atoms gained by each token account, of which one that did not exist held nothing; the mints
    of those that belong to the wallet; and which of these were made."""
    changes: dict[str, int] = {}
    mine: dict[str, str] = {}
    made: list[str] = []
    for balance in transaction.pre_tokens:
        changes[balance.account] = -balance.atoms
        if balance.owner == wallet:
            mine[balance.account] = balance.mint
    for balance in transaction.post_tokens:
        account = balance.account
        if balance.owner == wallet:
            mine[account] = balance.mint
            if account not in changes:
                made.append(account)
        changes[account] = changes.get(account, 0) + balance.atoms
    return changes, mine, made


def _lamports_gained(transaction: LandedTransaction, account: str) -> int:
    if account not in transaction.accounts:
        return 0
    index = transaction.accounts.index(account)
    return transaction.post_lamports[index] - transaction.pre_lamports[index]
