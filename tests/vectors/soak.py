"""Random swaps of one venue in its compiled program, on pools that evolve; counts by mode.

    FAIRLEAD_PROGRAMS_DIR=… python -m tests.vectors.soak VENUE EXECUTED SEED

Runs until the program has executed so many swaps; refused ones come on top. What a swap leaves in
the accounts is what the next one starts from: nothing is put back but the user's own balances. Each
quote is held against the balances that the program left, each refusal against its number. Prints a
table of the executed ones by mode, kind and direction (→ is the pool's first token for its second)
and why others were not. Stops at the pool where something differs, and ends with status 1 then.
"""

import random
import sys
from collections import Counter
from collections.abc import Mapping

import msgspec
from solders.pubkey import Pubkey
from solders.transaction_metadata import FailedTransactionMetadata

from fairlead.amounts import U64_MAX
from fairlead.venues import check
from fairlead.venues.meteora.damm_v1_accounts import PROGRAM_ID as DAMM_V1
from fairlead.venues.meteora.dlmm_accounts import PROGRAM_ID as DLMM
from fairlead.venues.raydium.amm_v4_accounts import PROGRAM_ID as AMM_V4
from fairlead.venues.raydium.amm_v4_accounts import STATUS_ORDER_BOOK_ONLY
from fairlead.venues.raydium.clmm_accounts import PROGRAM_ID as CLMM
from fairlead.venues.token2022 import TOKEN_PROGRAM, amount_of, encode_token_account
from fairlead.venues.vectors import Vector
from fairlead.venues.venue import Account, ChainTime, SwapQuote, Venue, VenueError
from tests.vectors import record, record_amm_v4, record_clmm, record_damm_v1, record_dlmm
from tests.vectors.pools import key, rent
from tests.vectors.soak_pools import MAKERS, SoakPool, Wanted, modes, wanted
from tests.vectors.trials import Programs, open_machine

SWAPS_PER_POOL = 40
WAITS_S = (0, 0, 1, 7, 40, 600)
OLD_DIVISION = (Venue.RAYDIUM_CPMM, Venue.RAYDIUM_AMM_V4)
"""Their compiled builds are from before the ceiling divisions were made to round up always."""
_NAMES = {"raydium_cpmm": 0, "meteora_damm_v2": 1}
_OF_RECORD = list(record.PROGRAMS.items())

WANTED: Mapping[Venue, Mapping[Pubkey, str]] = {
    Venue.RAYDIUM_CPMM: dict([_OF_RECORD[_NAMES["raydium_cpmm"]]]),
    Venue.METEORA_DAMM_V2: dict([_OF_RECORD[_NAMES["meteora_damm_v2"]]]),
    Venue.RAYDIUM_CLMM: {CLMM: record_clmm.PROGRAM_SHA256},
    Venue.METEORA_DLMM: {DLMM: record_dlmm.SHA256},
    Venue.RAYDIUM_AMM_V4: {AMM_V4: record_amm_v4.SHA256},
    Venue.METEORA_DAMM_V1: record_damm_v1.SHA256,
}
assert DAMM_V1 in WANTED[Venue.METEORA_DAMM_V1]


class Seen(msgspec.Struct):
    """What came of the swaps."""

    executed: int = 0
    pools: int = 0
    # By mode, and by what came of it.
    by_mode: Counter[tuple[str, str]] = msgspec.field(default_factory=Counter)
    refused: Counter[str] = msgspec.field(default_factory=Counter)
    differences: list[str] = msgspec.field(default_factory=list)


class Course:
    """Swaps of one pool, each from what the last one left."""

    def __init__(self, venue: Venue, machine: Programs, pool: SoakPool, name: str) -> None:
        self.venue, self.machine, self.pool = venue, machine, pool
        self.payer = key(f"{name} user")
        self.wallets = (key(f"{name} wallet 0"), key(f"{name} wallet 1"))
        self.state = {**pool.accounts, self.payer: Account(Pubkey.default(), 10**12, b"")}
        self.time = pool.time

    def wait(self, seconds: int) -> None:
        """Moves the clock; two and a half slots a second."""
        slot = self.time.slot + seconds * 5 // 2
        self.time = ChainTime(slot, self.time.unix_timestamp + seconds, slot // 432_000)

    def loaded(self) -> check.AnyLoadedPool:
        return check.load_pool(self._vector(Wanted("exact_in", 0, 0), self.state))

    def swap(self, swap: Wanted, seen: Seen) -> None:
        """Makes it in the program and holds our quote against what came of it."""
        vector = self._vector(swap, self._funded(swap.side))
        loaded = check.load_pool(vector)
        sent = check.build(loaded, vector)
        ours = self._quoted(loaded, vector)
        answer = self.machine.send(vector.accounts, self.time, self.payer, sent)
        names = modes(loaded, swap, self.time)
        if isinstance(answer, FailedTransactionMetadata):
            error = record._error(answer)
            code, name = error["code"], error["name"]
            if self.venue is Venue.RAYDIUM_AMM_V4:
                # It writes no names.
                name = record_amm_v4.ERROR_NAMES.get(code, name)
            self._refused(vector, ours, code, name, seen)
            return
        paid = amount_of(vector.accounts[self.wallets[swap.side]].data) - self._atoms(swap.side)
        theirs = (paid, self._atoms(1 - swap.side))
        for meta in sent.accounts:
            if meta.is_writable and meta.pubkey not in (self.payer, *self.wallets):
                self.state[meta.pubkey] = self.machine.account(meta.pubkey)
        if isinstance(ours, VenueError):
            if ours.name == "compute_budget":
                seen.refused["we see no room for it in a transaction, the program just had"] += 1
                return
            if self._is_status_5(loaded, ours):
                seen.refused["status 5, which newer builds refuse"] += 1
                return
            seen.differences.append(f"{swap}: we refuse with {ours}, the program: {theirs}")
            return
        if (ours.amount_in_atoms, ours.amount_out_atoms) != theirs:
            said = (ours.amount_in_atoms, ours.amount_out_atoms)
            seen.differences.append(f"{swap}: we say {said}, the program: {theirs}")
            return
        seen.executed += 1
        direction = f"{swap.kind.replace('_', ' ')} {'→←'[swap.side]}"
        for name in names:
            seen.by_mode[name, direction] += 1

    def _refused(
        self,
        vector: Vector,
        ours: SwapQuote | VenueError,
        code: int | None,
        name: str,
        seen: Seen,
    ) -> None:
        balance = amount_of(vector.accounts[vector.user_input].data)
        asked = vector.amount if vector.instruction != "exact_out" else 0
        if isinstance(ours, SwapQuote):
            if ours.amount_in_atoms > balance:
                seen.refused["more than the user can have"] += 1
            elif ours.amount_out_atoms > self._vault_atoms(vector.output_mint):
                seen.refused["more than the vault of our pool was given"] += 1
            else:
                said = (ours.amount_in_atoms, ours.amount_out_atoms)
                seen.differences.append(f"{vector.instruction} {vector.amount}: {said}, {name}")
        elif ours.code == code:
            seen.refused[f"by the same number: {name}"] += 1
        elif asked > balance:
            seen.refused["more than the user can have"] += 1
        else:
            seen.refused[f"by both: {name} is {ours.name} to us"] += 1

    def _quoted(self, loaded: check.AnyLoadedPool, vector: Vector) -> SwapQuote | VenueError:
        try:
            return check._quote(loaded, vector)
        except VenueError as refused:
            return refused

    def _is_status_5(self, loaded: check.AnyLoadedPool, ours: VenueError) -> bool:
        pool = loaded.pool
        numbers = getattr(pool, "numbers", None)
        return (
            self.venue is Venue.RAYDIUM_AMM_V4
            and getattr(numbers, "status", None) == STATUS_ORDER_BOOK_ONLY
            and ours.name == "InvalidStatus"
        )

    def _funded(self, side: int) -> dict[Pubkey, Account]:
        """All there can be of the input, so that no sum in the token program overflows."""
        held = self._vault_atoms(self.pool.mints[side])
        return {
            **self.state,
            self.wallets[side]: self._holding(side, U64_MAX - held),
            self.wallets[1 - side]: self._holding(1 - side, 0),
        }

    def _vault_atoms(self, mint: Pubkey) -> int:
        """Of a venue whose quotes need no vault, made up pools may promise more than they have."""
        vaults = self.loaded().pool.vaults
        return amount_of(self.state[vaults[self.pool.mints.index(mint)]].data)

    def _holding(self, side: int, atoms: int) -> Account:
        mint = self.pool.mints[side]
        known = self.state.get(mint)
        program = TOKEN_PROGRAM if known is None else known.owner
        withheld = 0 if known is not None and len(known.data) > 82 else None
        data = encode_token_account(mint, self.payer, atoms, withheld_atoms=withheld)
        return Account(program, rent(len(data)), data)

    def _atoms(self, side: int) -> int:
        return amount_of(self.machine.account(self.wallets[side]).data)

    def _vector(self, swap: Wanted, accounts: dict[Pubkey, Account]) -> Vector:
        return Vector(
            id="",
            venue=self.venue.value,
            category="",
            pool=self.pool.address,
            payer=self.payer,
            time=self.time,
            accounts=accounts,
            instruction=swap.kind,
            input_mint=self.pool.mints[swap.side],
            output_mint=self.pool.mints[1 - swap.side],
            amount=swap.amount,
            limit=U64_MAX if swap.kind == "exact_out" else 0,
            user_input=self.wallets[swap.side],
            user_output=self.wallets[1 - swap.side],
            build_quirk=check.BUILD_QUIRK_CEIL_DIV if self.venue in OLD_DIVISION else None,
            sqrt_price_limit_x64=swap.sqrt_price_limit_x64,
        )


def soak(venue: Venue, executed: int, seed: int) -> Seen:
    """Swaps until so many were executed, or something differed."""
    machine, rng, seen = open_machine(WANTED[venue]), random.Random(seed), Seen()
    while seen.executed < executed and not seen.differences:
        pool = MAKERS[venue](seed * 7_919 + seen.pools, rng)
        seen.pools += 1
        course = Course(venue, machine, pool, f"soak {venue.value} {seed} {seen.pools}")
        for _ in range(SWAPS_PER_POOL):
            course.wait(rng.choice(WAITS_S))
            course.swap(wanted(course.loaded(), pool, rng), seen)
    return seen


def report(seen: Seen) -> list[str]:
    """The lines to print: a table of the executed ones, then the others."""
    kinds = sorted({direction for _, direction in seen.by_mode})
    lines = [f"{seen.executed:,} executed on {seen.pools} pools, {len(seen.differences)} different"]
    lines += ["", f"| mode | {' | '.join(kinds)} |", f"|---|{'---:|' * len(kinds)}"]
    for mode in sorted({mode for mode, _ in seen.by_mode}):
        counts = [f"{seen.by_mode[mode, kind]:,}" for kind in kinds]
        lines.append(f"| {mode} | {' | '.join(counts)} |")
    lines += ["", f"{seen.refused.total():,} not executed:"]
    lines += [f"- {count:,} {why}" for why, count in seen.refused.most_common()]
    return lines + seen.differences


def main(arguments: list[str]) -> None:
    venues = {venue.value: venue for venue in MAKERS}
    if len(arguments) != 3 or arguments[0] not in venues:
        sys.exit(f"usage: python -m tests.vectors.soak {'|'.join(venues)} EXECUTED SEED")
    seen = soak(venues[arguments[0]], int(arguments[1]), int(arguments[2]))
    print("\n".join(report(seen)))
    sys.exit(1 if seen.differences else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
