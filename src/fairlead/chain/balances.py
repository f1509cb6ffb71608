"""What wallets hold at `finalized`, read at most once a slot whatever is asked."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from solders.pubkey import Pubkey

from fairlead.chain.shared_reads import LedReads
from fairlead.errors import Unavailable
from fairlead.ports import Chain, Clock, Faucet
from fairlead.solana.accounts import LAMPORTS_ASSET, associated_token_address
from fairlead.venues.token2022 import decode_token_account, is_token_program
from fairlead.venues.venue import Account, VenueError

FRESH_S = 0.4
"""Seconds for which a balance is told again without a new read: a slot."""

MAX_WALLETS = 10_000
"""Wallets remembered; when full, the oldest is forgotten."""

MAX_ASSETS = 64
"""Assets of one wallet read together; `Chain.accounts` takes 100 addresses."""


class _Holding(msgspec.Struct, gc=False):
    read_at: float
    atoms: dict[str, int]
    # Where it is held, by asset; one that is not on chain has none.
    accounts: dict[str, Pubkey]


class ChainBalances:
    """The Balances port over a chain. With a faucet (paper), a wallet is funded when first asked
    for."""

    def __init__(self, chain: Chain, clock: Clock, faucet: Faucet | None = None) -> None:
        self._chain = chain
        self._monotonic = clock.monotonic
        self._faucet = faucet
        self._holdings: dict[str, _Holding] = {}
        self._reads: LedReads[str, _Holding] = LedReads()
        # Token program by mint; mints never change it.
        self._programs: dict[str, Pubkey] = {}

    async def of(self, wallet: str, assets: Sequence[str]) -> Mapping[str, int]:
        """Atoms by asset, every asset of the wallet that was ever asked for included."""
        holding = self._holdings.get(wallet)
        if (
            holding is not None
            and self._monotonic() - holding.read_at <= FRESH_S
            and _has_all(holding, assets)
        ):
            return holding.atoms
        while True:
            read = await self._reads.get(wallet, lambda: self._read_now(wallet, assets))
            # It may have been begun for somebody who asked for less, and so may the next.
            if _has_all(read, assets):
                return read.atoms

    async def _read_now(self, wallet: str, wanted: Sequence[str]) -> _Holding:
        last = self._holdings.get(wallet)
        if last is None or len(last.accounts) < len(last.atoms) or not _has_all(last, wanted):
            last = await self._located(wallet, wanted, last)
        accounts = last.accounts
        # Freshness counts from before the read: its answer cannot be older.
        started = self._monotonic()
        read = (await self._chain.accounts([*accounts.values()], "finalized")).accounts
        atoms = dict.fromkeys(last.atoms, 0)
        for asset, key in accounts.items():
            account = read.get(key)
            if account is not None:
                atoms[asset] = (
                    account.lamports if asset == LAMPORTS_ASSET else _tokens(key, account)
                )
        self._holdings.pop(wallet, None)
        if len(self._holdings) >= MAX_WALLETS:
            del self._holdings[next(iter(self._holdings))]
        holding = self._holdings[wallet] = _Holding(started, atoms, accounts)
        return holding

    async def _located(self, wallet: str, wanted: Sequence[str], last: _Holding | None) -> _Holding:
        """Where it holds what is wanted and what was before; how much is not read yet."""
        address = Pubkey.from_string(wallet)
        if self._faucet is not None and last is None:
            await self._faucet.fund(address)
        known = () if last is None else tuple(last.atoms)[:MAX_ASSETS]
        assets = dict.fromkeys([LAMPORTS_ASSET, *wanted, *known], 0)
        mints = [asset for asset in assets if asset != LAMPORTS_ASSET]
        await self._learn_programs(mints)
        accounts = {LAMPORTS_ASSET: address}
        for mint in mints:
            if mint in self._programs:
                key = associated_token_address(
                    address, Pubkey.from_string(mint), self._programs[mint]
                )
                accounts[mint] = key
        return _Holding(0.0, assets, accounts)

    async def _learn_programs(self, mints: Sequence[str]) -> None:
        """The token program of each mint. One that is not on chain has no balance and is asked
        again."""
        unknown = [Pubkey.from_string(mint) for mint in mints if mint not in self._programs]
        if not unknown:
            return
        read = (await self._chain.accounts(unknown, "finalized")).accounts
        for key, account in read.items():
            if is_token_program(account.owner):
                self._programs[str(key)] = account.owner


def _has_all(holding: _Holding, assets: Iterable[str]) -> bool:
    return all(map(holding.atoms.__contains__, assets))


def _tokens(key: Pubkey, account: Account) -> int:
    try:
        return decode_token_account(account).amount_atoms
    except VenueError as error:
        raise Unavailable("chain", f"token account {key}: {error}") from None
