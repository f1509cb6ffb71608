"""Records what compiled programs make of swaps, right and wrong, on pools of our own.

    FAIRLEAD_PROGRAMS_DIR=… python -m tests.ledger.record_swaps FOLDER

Of AMM v4 and DAMM v1: for each case the accounts before, the error, and every account after that
changed, as the programs left it. A second run writes the same files.
"""

import hashlib
import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path

from solders.pubkey import Pubkey

from fairlead.venues.meteora import damm_v1_accounts as damm_v1
from fairlead.venues.raydium import amm_v4_accounts as amm_v4
from fairlead.venues.venue import Account, Venue
from tests.ledger.both import Compiled, Outcome, encode
from tests.ledger.swap_cases import SwapCases
from tests.vectors import amm_v4_pools, damm_v1_pools, record_amm_v4, record_damm_v1

SEED = 20_261_120
FOLDER = "FAIRLEAD_PROGRAMS_DIR"
WANTED = {
    Venue.RAYDIUM_AMM_V4: {amm_v4.PROGRAM_ID: record_amm_v4.SHA256},
    Venue.METEORA_DAMM_V1: record_damm_v1.SHA256,
}
OFFSETS = {
    # The fee's denominator is left out: builds part over fees of less than an atom.
    amm_v4.POOL_SIZE: (0, 0, 8, 176, 192, 200, 224, 256, 288, 328, 336, 368, 400, 432, 736, 744),
    damm_v1.POOL_SIZE: (
        *(0, 8, 40, 72, 104, 136, 168, 200, 232, 233, 234, 266, 330, 338, 346, 354, 362, 363),
        *(403, 475, 874, 883, 891, 899, 900, 908, 916, 917),
    ),
    damm_v1.VAULT_SIZE: (0, 8, 9, 11, 19, 51, 83, 115, 147, 1_107, 1_203, 1_211, 1_219),
}
LEAST_ATOMS = {Venue.RAYDIUM_AMM_V4: 10**5, Venue.METEORA_DAMM_V1: 1}
EPOCH_AT = slice(736, 744)
"""Of an AMM v4 pool: sources since 2024-07 write the epoch there, the recorded build does not."""


def pool_cases(venue: Venue, number: int, seed: int) -> SwapCases:
    """Cases of one pool of the venue."""
    rng, label = random.Random(seed), f"swaps {venue.value} {number} {seed}"
    if venue is Venue.RAYDIUM_AMM_V4:
        status, owed = (6, 7)[number % 2], (rng.randrange(10**6), rng.randrange(10**6))
        pool = amm_v4_pools.make_pool(label, status=status, owed=owed)
    elif number % 2:
        pool = damm_v1_pools.make_pool(label, damm_v1_pools.random_shape(rng))
    else:
        shapes = damm_v1_pools.shapes_to_record(rng)
        pool = damm_v1_pools.make_pool(label, shapes[number % len(shapes)])
    return SwapCases(pool, seed, OFFSETS, LEAST_ATOMS[venue])


def compared(outcome: Outcome) -> Outcome:
    """Without what builds of a program write differently, and without the logs."""
    after = {}
    for key, account in outcome.after.items():
        data = account.data
        if account.owner == amm_v4.PROGRAM_ID and len(data) == amm_v4.POOL_SIZE:
            data = data[: EPOCH_AT.start] + bytes(8) + data[EPOCH_AT.stop :]
        after[key] = Account(account.owner, account.lamports, data)
    return Outcome(outcome.error, after, [])


def find_programs(folder: Path, venue: Venue) -> Compiled:
    """The venue's programs in a machine."""
    return Compiled(codes_of(folder, venue))


def codes_of(folder: Path, venue: Venue) -> dict[Pubkey, bytes]:
    """The venue's programs, found by their sha256; SystemExit names one that is missing."""
    by_hash = {
        hashlib.sha256(code).hexdigest(): code
        for code in (path.read_bytes() for path in folder.glob("*.so"))
    }
    programs: dict[Pubkey, bytes] = {}
    for program_id, sha256 in WANTED[venue].items():
        if sha256 not in by_hash:
            sys.exit(f"no file in {folder} has the sha256 {sha256} ({program_id})")
        programs[program_id] = by_hash[sha256]
    return programs


def recorded(venue: Venue, machine: Compiled) -> Iterator[tuple[str, str]]:
    """Names and texts of the venue's files: a pool each."""
    for number in range(2 if venue is Venue.RAYDIUM_AMM_V4 else 4):
        cases = pool_cases(venue, number * 2 if number < 2 else number * 2 + 1, SEED)
        runs = [(case, machine.run(case)) for case in cases.all(plain=16, spoilt=30)]
        yield f"{venue.value}_{number}.jsonl", encode(cases.pool.note, cases.base, runs)


def main() -> None:
    """Writes the files into the folder named."""
    folder = os.environ.get(FOLDER)
    if len(sys.argv) != 2 or folder is None:
        sys.exit(f"usage: {FOLDER}=… python -m tests.ledger.record_swaps FOLDER")
    for venue in WANTED:
        for name, text in recorded(venue, find_programs(Path(folder), venue)):
            (Path(sys.argv[1]) / name).write_text(text)
            print(f"{name}: {text.count(chr(10)) - 1} cases, {len(text)} bytes")


if __name__ == "__main__":
    main()
