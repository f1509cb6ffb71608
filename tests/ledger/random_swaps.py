"""Seeded transactions of the engine's own form on the paper market, and ways to spoil them."""

import contextlib
import hashlib
import random
from collections.abc import Callable, Collection, Mapping

import msgspec
from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from fairlead.ledger.account import EMPTY, SYSTEM_PROGRAM, AccountState, rent_minimum
from fairlead.ledger.execution import Clock
from fairlead.ledger.market import ON_EVERY_PAIR, all_pools, genesis_accounts
from fairlead.ledger.market_pool import TREASURY, tokens_of
from fairlead.ledger.message import MalformedTransaction, Message, parse_message
from fairlead.ledger.programs.associated_token import associated_address
from fairlead.ledger.programs.token_data import TOKEN_PROGRAM, some_key
from fairlead.ledger.tokens import SOL, TOKENS, USDC
from fairlead.solana.latch import Latch, latch_address, wrap_address
from fairlead.solana.template import Step, compile_template
from fairlead.solana.transaction import SwapPlan, TokenMint, Wrap, steps, user_account
from fairlead.venues.meteora.damm_v2_accounts import POOL_SIZE
from fairlead.venues.pools import decode_pool
from fairlead.venues.venue import Account, Venue

TOKEN_RENT = rent_minimum(165)
RESERVED = bytes(Pubkey.from_string("SysvarRent111111111111111111111111111111111"))
# Bytes with a meaning of their own, by size: of a token account, a mint, a config.
OFFSETS = {
    165: (0, 32, 63, 64, 71, 72, 73, 108, 108, 109, 113, 121, 129),
    82: (0, 36, 44, 45, 46),
    236: (0, 7, 12, 20, 108),
}
# Of pools.
VENUE_OFFSETS = (
    *(0, 7, 8, 16, 31, 72, 103, 104, 135, 136, 168, 199, 200, 231, 232, 263, 264, 295, 296, 327),
    *(329, 392, 456, 481, 484, 486),
)


def second_account(wallet: bytes, mint: bytes) -> bytes:
    """Another account of the wallet's for the mint."""
    return hashlib.sha256(wallet + mint).digest()


class RandomSwaps:
    """Swaps of three wallets on the market's pools of some venues: those of the straight path."""

    def __init__(
        self,
        seed: int,
        *,
        spoils_headers: bool = False,
        venues: Collection[Venue] = ON_EVERY_PAIR,
    ) -> None:
        self.spoils_headers = spoils_headers
        self.random = random.Random(seed)
        self.wallets = [self.random.randbytes(32) for _ in range(3)]
        self.pools = [pool for pool in all_pools() if pool.venue in venues]
        self.accounts = genesis_accounts()
        for wallet in self.wallets:
            self.accounts[wallet] = AccountState(10**13, b"", SYSTEM_PROGRAM)
            for token in TOKENS:
                held = tokens_of(token.mint, wallet, 10**12)
                self.accounts[associated_address(wallet, token.mint)] = held
                self.accounts[second_account(wallet, token.mint)] = held
        # A token account where nothing may be written.
        self.accounts[RESERVED] = tokens_of(USDC.mint, self.wallets[0], 10**12)
        self.clock = Clock(1_000, 1_800_000_000, 0)

    def plan(self, seed_characters: int = 32) -> SwapPlan:
        """A swap that succeeds if the accounts are as they were at the start."""
        r = self.random
        wallet = Pubkey.from_bytes(r.choice(self.wallets))
        market = r.choice(self.pools)
        address = Pubkey.from_bytes(market.address)
        pool = decode_pool(address, self.account(market.address))
        loaded = pool.load({key: self.account(bytes(key)) for key in pool.accounts_needed})
        token_in, token_out = r.sample([TokenMint(mint) for mint in pool.mints], 2)
        amount = r.choice((1, r.randrange(10_000), *[r.randrange(10_000, 10**9)] * 4))
        minimum = r.choice((0, 0, 1, 1, 1000, 10**9))
        seed = "".join(r.choices("0123456789abcdef", k=seed_characters))
        latch = Latch(latch_address(wallet, seed), seed, rent_minimum(0))
        wrap = None
        if SOL.mint in (bytes(token_in.mint), bytes(token_out.mint)):
            more = amount + r.choice((0, 0, 1)) if bytes(token_in.mint) == SOL.mint else 0
            wrap = Wrap(wrap_address(wallet, seed[:16]), seed[:16], TOKEN_RENT + more)
        source, target = (user_account(wallet, token, wrap) for token in (token_in, token_out))
        swap = loaded.swap_exact_in(wallet, token_in.mint, source, target, amount, minimum)
        create = (token_out,) if wrap is None or target != wrap.address else ()
        price = r.choice((0, 1, 1_000, 10**6))
        limit = r.choice((150_000, 200_000))
        return SwapPlan(wallet, "", limit, price, latch, create, wrap, (swap,))

    def account(self, key: bytes) -> Account:
        state = self.accounts[key]
        return Account(Pubkey.from_bytes(state.owner), state.lamports, state.data)

    def message(self, plan: SwapPlan, spoil: Callable[[list[Instruction]], None]) -> Message:
        """The plan's message after something was done to its instructions."""
        instructions = [step.instruction for step in steps(plan)]
        spoil(instructions)
        made = compile_template(plan.wallet, (), [Step(one) for one in instructions])
        raw = made.fill([bytes(range(32))])
        if self.spoils_headers and self.random.random() < 0.1:
            with contextlib.suppress(MalformedTransaction):
                return parse_message(raw[:1] + self._header(raw[1:4]) + raw[4:])
        return parse_message(raw)

    def _header(self, counts: bytes) -> bytes:
        """Another count of signatures, of read-only ones among them, or of read-only others."""
        found, at = bytearray(counts), self.random.randrange(3)
        found[at] = max(0, found[at] + self.random.choice((-2, -1, 1, 2)))
        return bytes(found)

    # -- what can be wrong with the instructions ---------------------------------------------------

    def spoil_instructions(self, found: list[Instruction]) -> None:
        """One thing at random."""
        r = self.random
        # The largest is the swap.
        swap = max(range(len(found)), key=lambda at: len(found[at].accounts))
        at = r.choice((swap, r.randrange(len(found))))
        rare = (self._length, self._order, self._limit, self._seed, self._second, self._second)
        r.choice((self._byte, *[self._meta] * 5, r.choice(rare)))(found, at)

    def _byte(self, found: list[Instruction], at: int) -> None:
        r, one = self.random, found[at]
        data = bytearray(one.data)
        if data:
            place = r.choice((0, r.randrange(len(data)), r.randrange(len(data))))
            data[place] = r.choice((0, 1, 2, 3, 9, 18, 255, data[place] ^ 1, r.randrange(256)))
        found[at] = Instruction(one.program_id, bytes(data), one.accounts)

    def _length(self, found: list[Instruction], at: int) -> None:
        r, one = self.random, found[at]
        data = one.data
        data = r.choice((data + b"\0", data[:-1], data[: r.randrange(len(data) + 1)]))
        found[at] = Instruction(one.program_id, data, one.accounts)

    def _seed(self, found: list[Instruction], at: int) -> None:
        """A latch whose seed may be no text, or too long."""
        r, one = self.random, found[0]
        seed = r.randbytes(r.choice((0, 5, 32))) if r.random() < 0.5 else b"e" * r.randrange(40)
        wallet = one.data[4:36]
        address = hashlib.sha256(wallet + seed + SYSTEM_PROGRAM).digest()
        data = one.data[:36] + len(seed).to_bytes(8, "little") + seed + one.data[-48:]
        metas = [one.accounts[0], AccountMeta(Pubkey.from_bytes(address), False, True)]
        found[0] = Instruction(one.program_id, data, metas)

    def _meta(self, found: list[Instruction], at: int) -> None:
        """Another account, in another's place or with other rights."""
        r, one = self.random, found[at]
        metas = one.accounts
        if not metas:
            return
        place, other = r.randrange(len(metas)), r.randrange(len(metas))
        old = metas[place]
        known = [meta.pubkey for each in found for meta in each.accounts]
        known += [Pubkey.from_bytes(r.choice(list(self.accounts))) for _ in known[:10]]
        match r.randrange(5):
            case 0:
                metas[place], metas[other] = metas[other], metas[place]
            case 1:
                metas[place] = AccountMeta(r.choice(known), False, old.is_writable)
            case 2:
                metas[place] = AccountMeta(metas[other].pubkey, False, old.is_writable)
            case 3:
                # All of the instructions name it, or it would stay writable.
                for i, each in enumerate(found):
                    its = [
                        AccountMeta(m.pubkey, False, False) if m.pubkey == old.pubkey else m
                        for m in each.accounts
                    ]
                    found[i] = Instruction(each.program_id, each.data, its)
                return
            case _:
                del metas[place]
        found[at] = Instruction(one.program_id, one.data, metas)

    def _second(self, found: list[Instruction], at: int) -> None:
        """Another account of the wallet's in the place of one, here or everywhere."""
        r = self.random
        new = {
            associated_address(wallet, token.mint): second_account(wallet, token.mint)
            for wallet in self.wallets
            for token in TOKENS
        }
        if r.random() < 0.3:
            new[associated_address(self.wallets[0], USDC.mint)] = RESERVED
        for i in r.choice((range(len(found)), (r.randrange(len(found)),))):
            metas = [
                AccountMeta(
                    Pubkey.from_bytes(new.get(bytes(m.pubkey), bytes(m.pubkey))),
                    m.is_signer,
                    m.is_writable,
                )
                for m in found[i].accounts
            ]
            found[i] = Instruction(found[i].program_id, found[i].data, metas)

    def _order(self, found: list[Instruction], at: int) -> None:
        match self.random.randrange(3):
            case 0:
                del found[at]
            case 1:
                found.append(found[at])
            case _:
                found.insert(self.random.randrange(len(found)), found.pop(at))

    def _limit(self, found: list[Instruction], at: int) -> None:
        limit = self.random.choice((0, 100, 23_000, 60_000, 70_000, 80_000, 2_000_000))
        found[1] = Instruction(found[1].program_id, b"\x02" + limit.to_bytes(4, "little"), [])

    # -- what can be wrong with the accounts -------------------------------------------------------

    def spoil_accounts(self, message: Message) -> Mapping[bytes, AccountState]:
        """The accounts with one of the message's changed."""
        r = self.random
        size = {key: len(self.accounts.get(key, EMPTY).data) for key in message.keys}
        tokens = [key for key in message.keys if size[key] == 165]
        # Pool, config, observation.
        others = [key for key in message.keys if size[key] > 200]
        key = r.choice(r.choice((tokens, others, message.keys)) or message.keys)
        state = self.accounts.get(key, EMPTY)
        changed = {**self.accounts}
        how = r.choice((self._lamports, self._data, self._data, self._amount, self._delegate))
        if len(state.data) == POOL_SIZE and r.random() < 0.1:
            how = self._limiter
        found = r.choice((how, how, how, how, self._owner, self._missing))(state)
        if found is None:
            changed.pop(key, None)
        else:
            changed[key] = found
        return changed

    def _lamports(self, state: AccountState) -> AccountState:
        r = self.random
        near = r.choice((0, 5_000, rent_minimum(0), rent_minimum(len(state.data)), TOKEN_RENT))
        lamports = r.choice((near, near + r.randrange(10**7), state.lamports - 1, 1, 2**63))
        return msgspec.structs.replace(state, lamports=max(0, lamports))

    def _data(self, state: AccountState) -> AccountState:
        r, data = self.random, bytearray(state.data)
        if not data or r.random() < 0.1:
            return msgspec.structs.replace(state, data=bytes(data[:-1]) or bytes(165))
        known = r.choice(OFFSETS.get(len(data), VENUE_OFFSETS)) % len(data)
        place = r.choice((known, known, r.randrange(len(data))))
        if r.random() < 0.1:
            data += b"\0"
        data[place] = r.choice((0, 1, 2, 3, 255, r.randrange(256)))
        return msgspec.structs.replace(state, data=bytes(data))

    def _amount(self, state: AccountState) -> AccountState:
        r, data = self.random, state.data
        amount = r.choice((0, 1, 10**6, r.randrange(10**9), 2**63, 2**64 - 1 - r.randrange(10**9)))
        return msgspec.structs.replace(
            state, data=data[:64] + amount.to_bytes(8, "little") + data[72:]
        )

    def _delegate(self, state: AccountState) -> AccountState:
        r, data = self.random, state.data
        key = some_key(r.choice((*self.wallets, TREASURY)))
        allowed = r.choice((0, 1, 10**6, 2**63)).to_bytes(8, "little")
        return msgspec.structs.replace(state, data=data[:72] + key + data[108:121] + allowed)

    def _limiter(self, state: AccountState) -> AccountState:
        """A DAMM v2 pool that limits how fast it is bought from."""
        fee = (2).to_bytes(6, "little") + (10).to_bytes(2, "little") + b"\xff" * 4
        fee += (5_000).to_bytes(4, "little") + (10**6).to_bytes(8, "little")
        return msgspec.structs.replace(state, data=state.data[:16] + fee + state.data[40:])

    def _owner(self, state: AccountState) -> AccountState:
        r = self.random
        owners = (SYSTEM_PROGRAM, TOKEN_PROGRAM, *[one.owner for one in self.accounts.values()])
        return msgspec.structs.replace(state, owner=r.choice(owners))

    def _missing(self, state: AccountState) -> None:
        return None
