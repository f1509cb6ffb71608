"""What wallets hold at `finalized`, read at most once a slot whatever is asked."""

from collections.abc import Mapping, Sequence

import msgspec
from solders.pubkey import Pubkey

from fairlead.chain.shared_reads import SharedReads
from fairlead.errors import Unavailable
from fairlead.ports import Chain, Clock, Faucet
from fairlead.solana.accounts import LAMPORTS_ASSET, associated_token_address
from fairlead.venues.token2022 import decode_token_account, is_token_program
from fairlead.venues.venue import VenueError

FRESH_S = 0.4
"""Seconds for which a balance is told again without a new read: a slot."""

MAX_WALLETS = 10_000
"""Wallets remembered; when full, the oldest is forgotten."""

MAX_ASSETS = 64
"""Assets of one wallet read together; `Chain.accounts` takes 100 addresses."""


class _Holding(msgspec.Struct, gc=False):
    read_at: float
    atoms: dict[str, int]


class ChainBalances:
    """The Balances port over a chain. With a faucet (paper), a wallet is funded when first asked
    for."""

    def __init__(self, chain: Chain, clock: Clock, faucet: Faucet | None = None) -> None:
        self._chain = chain
        self._monotonic = clock.monotonic
        self._faucet = faucet
        self._holdings: dict[str, _Holding] = {}
        self._reads: SharedReads[str, None] = SharedReads()
        # Token program by mint; mints never change it.
        self._programs: dict[str, Pubkey] = {}

    async def of(self, wallet: str, assets: Sequence[str]) -> Mapping[str, int]:
        """Atoms by asset, every asset of the wallet that was ever asked for included."""
        holding = self._holdings.get(wallet)
        if holding is not None and self._monotonic() - holding.read_at <= FRESH_S:
            atoms = holding.atoms
            for asset in assets:
                if asset not in atoms:
                    break
            else:
                return atoms
        await self._read(wallet, assets)
        # The read may have been begun for somebody who asked for less, and so may the next.
        while (holding := self._holdings.get(wallet)) is None or any(
            asset not in holding.atoms for asset in assets
        ):
            await self._read(wallet, assets)
        return holding.atoms

    async def _read(self, wallet: str, assets: Sequence[str]) -> None:
        await self._reads.get(wallet, lambda: self._read_now(wallet, assets))

    async def _read_now(self, wallet: str, wanted: Sequence[str]) -> None:
        address = Pubkey.from_string(wallet)
        holding = self._holdings.get(wallet)
        if self._faucet is not None and holding is None:
            await self._faucet.fund(address)
        known = () if holding is None else tuple(holding.atoms)[:MAX_ASSETS]
        assets = tuple(dict.fromkeys([LAMPORTS_ASSET, *wanted, *known]))
        mints = [asset for asset in assets if asset != LAMPORTS_ASSET]
        await self._learn_programs(mints)
        accounts = [
            associated_token_address(address, Pubkey.from_string(mint), self._programs[mint])
            for mint in mints
            if mint in self._programs
        ]
        # Freshness counts from before the read: its answer cannot be older.
        started = self._monotonic()
        read = (await self._chain.accounts([address, *accounts], "finalized")).accounts
        atoms = dict.fromkeys(assets, 0)
        if address in read:
            atoms[LAMPORTS_ASSET] = read[address].lamports
        for key in accounts:
            if key in read:
                try:
                    held = decode_token_account(read[key])
                except VenueError as error:
                    raise Unavailable("chain", f"token account {key}: {error}") from None
                atoms[str(Pubkey.from_bytes(held.mint))] = held.amount_atoms
        self._holdings.pop(wallet, None)
        if len(self._holdings) >= MAX_WALLETS:
            del self._holdings[next(iter(self._holdings))]
        self._holdings[wallet] = _Holding(started, atoms)

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
