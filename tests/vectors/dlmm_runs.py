"""Random DLMM swaps on the ledger's program and on the compiled one, compared byte for byte.

    FAIRLEAD_PROGRAMS_DIR=… python -m tests.vectors.dlmm_runs SEED SWAPS [SPOILED_PERCENT]

Pairs are those of the recorder, worn: with fees earned, rewards running, an oracle begun. Compared
is what `swap_runs.compared` compares.
"""

import random
import sys
from collections.abc import Iterator

import msgspec
from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from fairlead.amounts import U64_MAX
from fairlead.venues.meteora import dlmm, dlmm_accounts, dlmm_arrays
from fairlead.venues.token2022 import TOKEN_2022_PROGRAM, TOKEN_PROGRAM
from fairlead.venues.vectors import Vector
from fairlead.venues.venue import Account
from tests.vectors import clmm_spoilt
from tests.vectors.clmm_spoilt import STRANGER
from tests.vectors.dlmm_pools import make_pool, random_shape
from tests.vectors.dlmm_worn import worn
from tests.vectors.pools import PoolOfOurs, key, rent
from tests.vectors.record import USER_BALANCE, Machine, Recording
from tests.vectors.record_dlmm import _any_amount, find_program
from tests.vectors.swap_runs import Run, compared, report

SWAPS_PER_PAIR = 30
HOST_PLACE, SLICES_AT = 9, 24
Accounts = dict[Pubkey, Account]


class Runs:
    """Swaps of one pair, each from the state that the last one left."""

    def __init__(
        self,
        machine: Machine,
        name: str,
        pool: PoolOfOurs,
        rng: random.Random,
        *,
        spoiled: float,
        is_chain: bool = False,
    ) -> None:
        """In a chain nothing but swaps changes an account, so nothing is patched or filled up."""
        self.rng, self.spoiled, self.is_chain = rng, spoiled, is_chain
        self.recording = Recording(machine, name, pool, rng)
        self.hosts = [key(f"{name} host {side}") for side in (0, 1)]
        for side, host in enumerate(self.hosts):
            self.recording.state[host] = self.recording.holding(side, 0)
            wallet = self.recording.wallet(side)
            self.recording.state[wallet] = self.recording.holding(side, USER_BALANCE)

    def swap(self) -> Run:
        """A random swap, perhaps a spoilt one."""
        recording, rng = self.recording, self.rng
        vector = self._vector()
        before = vector.accounts
        if rng.random() < self.spoiled:
            vector = signed_by_payer(spoilt(vector, rng, patches=not self.is_chain))
        run = compared(recording.machine, vector)
        if run.is_compared and run.error is None and vector.accounts == before:
            for address in recording.state:
                if address != vector.payer:
                    recording.state[address] = recording.machine.account(address)
        recording.wait(rng.choice((0, 0, 1, 7, 40, 119, 120, 400, 5_000)))
        return run

    def _vector(self) -> Vector:
        recording, rng, pool = self.recording, self.rng, self.recording.pool
        loaded = dlmm.decode(pool.address, recording.state[pool.address]).load(recording.state)
        side, kind = rng.randrange(2), rng.choice(("exact_in", "exact_out"))
        amount = _any_amount(rng, loaded, side, kind)
        if not self.is_chain:
            self._fill_wallet(side, U64_MAX - loaded.reserves[side])
        limit = U64_MAX if kind == "exact_out" else 0
        if rng.random() < 0.4:
            limit = int(10 ** rng.uniform(0, 19))
        vector = recording._vector(dict(recording.state), kind, side, amount, limit)
        is_v1 = pool_is_plain(pool) and rng.random() < 0.3
        build = loaded.swap_exact_in if kind == "exact_in" else loaded.swap_exact_out
        wallets = (vector.user_input, vector.user_output)
        arrays = rng.choice((None, None, None, 1, 2, 8))
        sent = build(
            vector.payer, vector.input_mint, *wallets, amount, limit, arrays=arrays, v1=is_v1
        )
        if rng.random() < 0.25:
            # Sometimes of the token that no fee is in.
            host = self.hosts[0 if rng.random() < 0.5 else 1]
            sent = with_meta(sent, HOST_PLACE, AccountMeta(host, False, True))
        return msgspec.structs.replace(vector, sent=sent)

    def _fill_wallet(self, side: int, atoms: int) -> None:
        """As much of the input as there can be, and no output, so that no sum overflows."""
        recording = self.recording
        recording.state[recording.wallet(side)] = recording.holding(side, atoms)
        recording.state[recording.wallet(1 - side)] = recording.holding(1 - side, 0)
        recording.state[self.hosts[side]] = recording.holding(side, 0)


def pool_is_plain(pool: PoolOfOurs) -> bool:
    """Whether both tokens are SPL Tokens, as the older instructions want."""
    return all(pool.accounts[mint].owner == TOKEN_PROGRAM for mint in pool.mints)


def signed_by_payer(vector: Vector) -> Vector:
    """The swap without signatures that nobody can make, of pools' own accounts."""
    sent = vector.sent
    assert sent is not None
    metas = [
        AccountMeta(m.pubkey, m.is_signer and m.pubkey == vector.payer, m.is_writable)
        for m in sent.accounts
    ]
    signed = Instruction(sent.program_id, bytes(sent.data), metas)
    return msgspec.structs.replace(vector, sent=signed)


def with_meta(sent: Instruction, place: int, meta: AccountMeta) -> Instruction:
    """The instruction with another account in this place."""
    metas = list(sent.accounts)
    metas[place] = meta
    return Instruction(sent.program_id, bytes(sent.data), metas)


# -- what can be wrong with a swap -----------------------------------------------------------------


def spoilt(vector: Vector, rng: random.Random, *, patches: bool) -> Vector:
    """The swap with one thing wrong, which may not matter; `patches` allows that in an account."""
    sent = vector.sent
    assert sent is not None
    data, metas = bytes(sent.data), list(sent.accounts)
    match rng.randrange(6 if patches else 4):
        case 0:
            # The arrays in another order, with some of them gone or twice.
            first = next((i for i, m in enumerate(metas) if _is_array(vector, m)), len(metas))
            rest = metas[first:]
            metas[first:] = rng.sample(rest * 2, rng.randint(0, len(rest)))
        case 1 if len(data) > SLICES_AT:
            slices = [(rng.randrange(4), rng.choice((0, 0, 1, 2, 40))) for _ in range(2)]
            data = data[:SLICES_AT] + rng.choice((1, 2)).to_bytes(4, "little")
            data += bytes(slices[0]) + bytes(slices[1])
        case 4 | 5:
            return _with_patch(vector, rng)
        case _:
            return clmm_spoilt.spoilt(vector, rng, patches=False)
    return msgspec.structs.replace(vector, sent=Instruction(sent.program_id, data, metas))


def _is_array(vector: Vector, meta: AccountMeta) -> bool:
    found = vector.accounts.get(meta.pubkey)
    return found is not None and len(found.data) == dlmm_arrays.ARRAY_SIZE


def _is_mint(account: Account) -> bool:
    is_token = account.owner in (TOKEN_PROGRAM, TOKEN_2022_PROGRAM)
    return is_token and len(account.data) not in (165, 178)


def _with_patch(vector: Vector, rng: random.Random) -> Vector:
    """Other bytes, size or owner of one account."""
    assert vector.sent is not None
    address = rng.choice(vector.sent.accounts).pubkey
    found = vector.accounts.get(address)
    if found is None or not found.data or _is_mint(found):
        # What no token program would leave is no concern of a swap's.
        return vector
    data, owner = bytearray(found.data), found.owner
    match rng.randrange(6):
        case 0:
            owners = (TOKEN_PROGRAM, TOKEN_2022_PROGRAM, dlmm_accounts.PROGRAM_ID, STRANGER)
            owner = rng.choice(owners)
        case 1:
            data[rng.randrange(8)] ^= 1
        case 2 if len(data) in (165, 178):
            # State, amount, owner, mint of a token account.
            data[rng.choice((108, 64, 71, 32, 0))] = rng.choice((0, 1, 2, 3))
        case 2 | 3 if len(data) == dlmm_accounts.PAIR_SIZE:
            _patch_pair(data, vector, rng)
        case 3 if len(data) == dlmm_arrays.ARRAY_SIZE:
            data[rng.choice((8, 16, 24))] ^= 1
        case 4 if owner == dlmm_accounts.PROGRAM_ID:
            data += bytes(rng.choice((1, 8)))
        case _:
            whole = owner == dlmm_accounts.PROGRAM_ID
            del data[rng.choice((0, 7, 8, len(data) - 1 if whole else 100)) :]
    account = Account(owner, rent(len(data)), bytes(data))
    return msgspec.structs.replace(vector, accounts={**vector.accounts, address: account})


def _patch_pair(data: bytearray, vector: Vector, rng: random.Random) -> None:
    """Status, or an opening that is to come, perhaps not for the user."""
    if rng.random() < 0.3:
        data[82] = rng.choice((1, 2))
        return
    by_time = rng.random() < 0.5
    data[75], data[86] = dlmm_accounts.CUSTOMIZABLE_PERMISSIONLESS, by_time
    opens = (vector.time.unix_timestamp if by_time else vector.time.slot) + rng.randrange(3)
    data[816:824] = opens.to_bytes(8, "little")
    data[824:832] = rng.randrange(3).to_bytes(8, "little")
    if rng.random() < 0.5:
        data[752:784] = bytes(vector.payer)


# -- many of them ----------------------------------------------------------------------------------


def runs(program: bytes, seed: int, swaps: int, spoiled: float) -> Iterator[Run]:
    """So many random swaps on random pairs that evolve."""
    machine = Machine(dlmm_accounts.PROGRAM_ID, program)
    rng = random.Random(seed)
    for number in range(0, swaps, SWAPS_PER_PAIR):
        name = f"runs {seed} {number}"
        pool = worn(make_pool(name, random_shape(rng), rng), rng)
        found = Runs(machine, name, pool, rng, spoiled=spoiled)
        for _ in range(min(SWAPS_PER_PAIR, swaps - number)):
            yield found.swap()


if __name__ == "__main__":
    report(sys.argv[1:], "dlmm_runs", find_program, runs)
