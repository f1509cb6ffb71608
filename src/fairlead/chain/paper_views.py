"""The ledger's records as the ports' values."""

import functools
from collections.abc import Iterable, Sequence
from struct import Struct as Layout

import msgspec
from solders.pubkey import Pubkey

from fairlead.chain.rpc_answers import CLOCK_SYSVAR, clock_bytes
from fairlead.ledger.account import AccountState
from fairlead.ledger.bank import Bank
from fairlead.ledger.blocks import Commitment, TransactionRecord
from fairlead.ledger.message import keys_in
from fairlead.ports import AccountsAtSlot, LandedTransaction, TokenBalance
from fairlead.venues.pools import Search
from fairlead.venues.venue import Account, ChainTime

MAX_ACCOUNTS_KEPT = 65_536
"""Converted accounts remembered; when full they are made anew."""

MAX_KEYS_KEPT = 1_024
"""Keys remembered in base58, 0.3 KB each: most come again in the next transaction. Each transaction
has a few that never do, and remembering thousands of those costs more than it spares: the memory
of what comes next is cold."""

_SYSVARS = Pubkey.from_string("Sysvar1111111111111111111111111111111111111")
_CLOCK_LAMPORTS = 1_169_280
# Mint and owner, then atoms: how a token account begins.
_TOKEN_HEAD = Layout("<64sQ")
_encode = msgspec.json.Encoder().encode


class _Read(msgspec.Struct, frozen=True, gc=False):
    """An answer, and what it was made of."""

    addresses: tuple[Pubkey, ...]
    keys: list[bytes]
    states: list[AccountState | None]
    clock: Account
    answer: AccountsAtSlot


class AccountViews:
    """Accounts as the port shows them. One that has not changed is the same object again."""

    def __init__(self, bank: Bank) -> None:
        self._bank = bank
        self._kept: dict[bytes, tuple[AccountState, Account]] = {}
        self._owners: dict[bytes, Pubkey] = {}
        self._clock = (ChainTime(0, 0, 0), Account(_SYSVARS, 0, b""))
        # The last at each commitment.
        self._reads: dict[Commitment, _Read] = {}
        # The slot of the pass, and what it found.
        self._by_owner: tuple[int, dict[bytes, list[bytes]]] = (-1, {})

    def read(self, addresses: tuple[Pubkey, ...], commitment: Commitment) -> AccountsAtSlot:
        """Accounts in one block. The clock is there too: the open block's, as programs see it.

        Who asks again with the same tuple gets the same answer until an account has changed.
        """
        clock, last = self._clock_account(), self._reads.get(commitment)
        if last is None or last.addresses is not addresses:
            keys = [address.__bytes__() for address in addresses]
            slot, states = self._bank.accounts(keys, commitment)
        else:
            keys = last.keys
            slot, states = self._bank.accounts(keys, commitment)
            if states == last.states and slot == last.answer.slot and clock is last.clock:
                return last.answer
        kept = self._kept
        found: dict[Pubkey, Account] = {}
        for address, key, state in zip(addresses, keys, states, strict=True):
            if state is not None:
                known = kept.get(key)
                found[address] = (
                    known[1] if known is not None and known[0] is state else self._made(key, state)
                )
            elif address == CLOCK_SYSVAR:
                found[address] = clock
        answer = AccountsAtSlot(slot, found)
        self._reads[commitment] = _Read(addresses, keys, states, clock, answer)
        return answer

    def search(self, search: Search, commitment: Commitment) -> tuple[Pubkey, ...]:
        """The accounts found. All are gone through once a slot, however many searches it has: what
        came into being since is found in the next."""
        slot = self._bank.clock.slot
        if self._by_owner[0] != slot:
            self._by_owner = (slot, self._bank.keys_by_owner())
        program = bytes(search.program_id)
        found = self._bank.program_accounts(
            program,
            data_size=search.size,
            memcmp=search.bytes_at,
            commitment=commitment,
            among=self._by_owner[1].get(program, ()),
        )
        return tuple(Pubkey.from_bytes(key) for key, _ in found)

    def _made(self, key: bytes, state: AccountState) -> Account:
        owner = self._owners.get(state.owner)
        if owner is None:
            owner = self._owners[state.owner] = Pubkey.from_bytes(state.owner)
        account = Account(owner, state.lamports, state.data)
        if len(self._kept) >= MAX_ACCOUNTS_KEPT:
            self._kept.clear()
        self._kept[key] = (state, account)
        return account

    def _clock_account(self) -> Account:
        clock = self._bank.clock
        known, account = self._clock
        if known.slot != clock.slot:
            known = ChainTime(clock.slot, clock.unix_timestamp, clock.epoch)
            account = Account(_SYSVARS, _CLOCK_LAMPORTS, clock_bytes(known))
            self._clock = (known, account)
        return account


def landed_transaction(
    record: TransactionRecord, signature: str, block_time_s: int | None
) -> LandedTransaction:
    """What `getTransaction` tells of the transaction with this signature."""
    keys = tuple(map(base58_of, keys_in(record.raw)))
    return LandedTransaction(
        signature,
        record.slot,
        block_time_s,
        None if record.err is None else _encode(record.err).decode(),
        record.fee_lamports,
        keys,
        record.pre_lamports,
        record.post_lamports,
        _token_balances(keys, record.pre_tokens),
        _token_balances(keys, record.post_tokens),
        record.logs,
        record.compute_units,
        record.raw,
    )


@functools.lru_cache(maxsize=MAX_KEYS_KEPT)
def base58_of(key: bytes) -> str:
    """A key or a blockhash as people write it."""
    return str(Pubkey.from_bytes(key))


def _token_balances(
    keys: Sequence[str], tokens: Iterable[tuple[int, bytes]]
) -> tuple[TokenBalance, ...]:
    balances = []
    for index, data in tokens:
        head, atoms = _TOKEN_HEAD.unpack_from(data)
        mint, owner = _mint_and_owner(head)
        balances.append(TokenBalance(keys[index], mint, owner, atoms))
    return tuple(balances)


@functools.lru_cache(maxsize=MAX_KEYS_KEPT)
def _mint_and_owner(head: bytes) -> tuple[str, str]:
    """What a token account begins with, in base58; swaps change what follows it."""
    return str(Pubkey.from_bytes(head[:32])), str(Pubkey.from_bytes(head[32:]))
