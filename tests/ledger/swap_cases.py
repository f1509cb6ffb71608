"""Seeded swaps of a pool, and one thing wrong with most: an account, its bytes, the data."""

import random
from collections.abc import Iterator

from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from fairlead.venues import pools
from fairlead.venues.token2022 import TOKEN_2022_PROGRAM, TOKEN_PROGRAM, encode_token_account
from fairlead.venues.venue import Account, ChainTime, LoadedPool, VenueError
from tests.ledger.both import NOTHING, Case
from tests.vectors.pools import PoolOfOurs, key, rent

USER, PAYER, STRANGER = key("cases user"), key("cases payer"), key("cases stranger")
USER_ATOMS = 2**60
# Byte 109 is left out: nothing says that it is wrapped SOL and has no lamports for it.
TOKEN_OFFSETS = (0, 31, 32, 63, 64, 71, 72, 73, 74, 108, 108, 110, 121, 129, 130)
MINT_OFFSETS = (0, 4, 36, 43, 44, 45, 46)


class SwapCases:
    """Cases of one pool. `offsets`: bytes of its own accounts with a meaning of their own, by
    size; `floor`: the least amount, so that what builds part over does not matter."""

    def __init__(
        self, pool: PoolOfOurs, seed: int, offsets: dict[int, tuple[int, ...]], floor: int = 1
    ) -> None:
        self.random = random.Random(seed)
        self.pool, self.time, self.floor = pool, pool.time, floor
        self.offsets = {165: TOKEN_OFFSETS, 82: MINT_OFFSETS, **offsets}
        self.base: dict[Pubkey, Account] = {**pool.accounts}
        for who in (USER, PAYER):
            self.base[who] = Account(Pubkey.default(), 10**12, b"")
        for side in (0, 1):
            data = encode_token_account(pool.mints[side], USER, USER_ATOMS)
            self.base[wallet(side)] = Account(TOKEN_PROGRAM, rent(165), data)

    def loaded(self, accounts: dict[Pubkey, Account]) -> LoadedPool:
        address = self.pool.address
        return pools.decode_pool(address, accounts[address]).load(accounts)

    def plain(self, label: str = "plain") -> Case:
        """A swap that mostly succeeds."""
        r, pool = self.random, self.pool
        loaded, side = self.loaded(self.base), r.randrange(2)
        names = ["swap_exact_in", "swap_exact_in", "swap_exact_out"]
        name = r.choice(names)
        size = pool.depth[1 - side if name == "swap_exact_out" else side]
        amount = max(self.floor, int(size * 10 ** r.uniform(-5, -0.3)))
        limit = 0
        try:
            if name == "swap_exact_out":
                quote = loaded.quote_exact_out(pool.mints[side], amount, self.time)
                limit = min(2**64 - 1, quote.amount_in_atoms + r.choice((0, 0, -1, 10**6)))
            else:
                quote = loaded.quote_exact_in(pool.mints[side], amount, self.time)
                limit = max(0, quote.amount_out_atoms + r.choice((0, 0, 1, -(10**6))))
        except VenueError:
            pass
        tokens = wallet(side), wallet(1 - side)
        sent = getattr(loaded, name)(USER, pool.mints[side], *tokens, amount, max(0, limit))
        return Case(label, self.time, PAYER, sent, dict(self.base))

    def every_account(self) -> Iterator[Case]:
        """Each account of the instruction gone, a stranger's, another's, and read-only."""
        for index in range(len(self.plain().sent.accounts)):
            for what in ("stranger", "another", "read-only", "elsewhere"):
                case = self.plain(f"account {index}: {what}")
                metas = list(case.sent.accounts)
                found = metas[index]
                if what == "read-only":
                    # Everywhere: an account named twice may be written if one of them says so.
                    metas = [
                        AccountMeta(
                            m.pubkey, m.is_signer, m.is_writable and m.pubkey != found.pubkey
                        )
                        for m in metas
                    ]
                else:
                    key = STRANGER
                    if what == "another":
                        key = self.random.choice(metas).pubkey
                    if what == "elsewhere":
                        key = self._copied(case, found.pubkey)
                    metas[index] = AccountMeta(key, found.is_signer, found.is_writable)
                case.sent = Instruction(case.sent.program_id, case.sent.data, metas)
                yield case

    def _copied(self, case: Case, of: Pubkey) -> Pubkey:
        """The same bytes at another address."""
        place = key("cases copy")
        case.accounts = {**case.accounts, place: case.accounts.get(of, NOTHING)}
        return place

    def every_form(self) -> Iterator[Case]:
        """The user's signature missing, accounts missing or too many, data of other lengths."""
        case = self.plain("unsigned")
        metas = [AccountMeta(m.pubkey, False, m.is_writable) for m in case.sent.accounts]
        case.sent = Instruction(case.sent.program_id, case.sent.data, metas)
        yield case
        for count in range(len(metas) + 3):
            case = self.plain(f"{count} accounts")
            given = list(case.sent.accounts) + [AccountMeta(STRANGER, False, False)] * 3
            case.sent = Instruction(case.sent.program_id, case.sent.data, given[:count])
            yield case
        data = bytes(case.sent.data)
        for changed in (b"", data[:1], data[:7], data[:8], data[:-1], data + b"\1", b"\xee" * 30):
            case = self.plain(f"data of {len(changed)} bytes")
            case.sent = Instruction(case.sent.program_id, changed, list(case.sent.accounts))
            yield case

    def spoilt(self, number: int) -> Case:
        """One byte, number or owner of one account changed."""
        r = self.random
        case = self.plain(f"spoilt {number}")
        # A stake pool's account is left alone: what it lacks ends in other ways for each kind.
        may_be = {*self.pool.changing, wallet(0), wallet(1)}
        keys = [m.pubkey for m in case.sent.accounts if m.pubkey in may_be]
        place = r.choice(keys)
        account = case.accounts[place]
        case.accounts = {**case.accounts, place: self._spoilt(account)}
        return case

    def _spoilt(self, account: Account) -> Account:
        r, data = self.random, bytearray(account.data)
        how = r.random()
        if how < 0.08:
            owners = (
                TOKEN_PROGRAM,
                TOKEN_2022_PROGRAM,
                self.pool.accounts[self.pool.address].owner,
            )
            return Account(r.choice((Pubkey.default(), *owners)), account.lamports, account.data)
        if how < 0.12:
            return NOTHING
        if how < 0.16 and data:
            return Account(
                account.owner, 10**9, bytes(data[:-1] if r.random() < 0.5 else data + b"\0")
            )
        known = [at for at in self.offsets.get(len(data), ()) if at < len(data)]
        if not known:
            return account
        at = r.choice(known)
        if r.random() < 0.4 and at + 8 <= len(data):
            # No mint issues as much as a u64 holds: what goes beyond is refused here, not wrapped.
            most = 2**62 if len(data) == 165 else 2**64
            numbers = (0, 1, most // 2, most - 1, r.randrange(most), r.randrange(10**6))
            number = r.choice(numbers)
            data[at : at + 8] = number.to_bytes(8, "little")
        else:
            data[at] = r.choice((0, 1, 2, 3, 255, r.randrange(256)))
        return Account(account.owner, account.lamports, bytes(data))

    def all(self, plain: int, spoilt: int) -> Iterator[Case]:
        """Everything, with so many plain swaps and spoilt accounts."""
        for _ in range(plain):
            yield self.plain()
        yield from self.every_account()
        yield from self.every_form()
        for number in range(spoilt):
            yield self.spoilt(number)

    def wait(self, seconds: int) -> None:
        """Moves the clock of the cases to come."""
        slot = self.time.slot + seconds * 5 // 2
        self.time = ChainTime(slot, self.time.unix_timestamp + seconds, slot // 432_000)


def wallet(side: int) -> Pubkey:
    return key(f"cases wallet {side}")
