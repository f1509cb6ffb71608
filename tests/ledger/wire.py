"""Small builders for tests: keys, instructions and signed transactions on a bank."""

from solders.address_lookup_table_account import AddressLookupTableAccount
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from fairlead.ledger.account import SYSTEM_PROGRAM, AccountState
from fairlead.ledger.bank import Bank
from fairlead.ledger.blocks import LedgerParams
from fairlead.ledger.programs import BASE_PROGRAMS
from fairlead.ledger.programs.compute_budget import COMPUTE_BUDGET_PROGRAM
from fairlead.ledger.programs.system import address_with_seed
from fairlead.ledger.records import genesis

LATCH_LAMPORTS = 890_880


def keypair(number: int) -> Keypair:
    return Keypair.from_seed(number.to_bytes(32, "big"))


def key_of(pair: Keypair) -> bytes:
    return bytes(pair.pubkey())


ALICE, BOB = keypair(1), keypair(2)
ALICE_KEY, BOB_KEY = key_of(ALICE), key_of(BOB)


def bank(params: LedgerParams | None = None, seed: int = 1, **options: bool) -> Bank:
    """Alice has 100 SOL, Bob 1 SOL."""
    accounts = {
        ALICE_KEY: AccountState(100 * 10**9, b"", SYSTEM_PROGRAM),
        BOB_KEY: AccountState(10**9, b"", SYSTEM_PROGRAM),
    }
    start = genesis(seed, accounts, params or LedgerParams(), 1_000_000, slot=1_000, height=900)
    return Bank(BASE_PROGRAMS, start, **options)


def blocks(ledger: Bank, count: int) -> None:
    """So many blocks later."""
    for _ in range(count):
        now_ms = ledger.block(ledger.epoch_info("processed").slot, "processed")
        assert now_ms is not None
        ledger.produce_slot(now_ms.time_ms + 400)


def instruction(program: bytes, data: bytes, *metas: tuple[bytes, str]) -> Instruction:
    accounts = [AccountMeta(Pubkey.from_bytes(k), "s" in f, "w" in f) for k, f in metas]
    return Instruction(Pubkey.from_bytes(program), data, accounts)


def transfer(source: bytes, target: bytes, lamports: int) -> Instruction:
    data = b"\x02\x00\x00\x00" + lamports.to_bytes(8, "little")
    return instruction(SYSTEM_PROGRAM, data, (source, "sw"), (target, "w"))


def latch(wallet: bytes, seed: str, lamports: int = LATCH_LAMPORTS) -> Instruction:
    text = seed.encode()
    address = address_with_seed(wallet, text, SYSTEM_PROGRAM)
    data = b"\x03\x00\x00\x00" + wallet + len(text).to_bytes(8, "little") + text
    data += lamports.to_bytes(8, "little") + bytes(8) + SYSTEM_PROGRAM
    return instruction(SYSTEM_PROGRAM, data, (wallet, "sw"), (address, "w"))


def unit_limit(units: int) -> Instruction:
    return instruction(COMPUTE_BUDGET_PROGRAM, b"\x02" + units.to_bytes(4, "little"))


def unit_price(micro_lamports: int) -> Instruction:
    return instruction(COMPUTE_BUDGET_PROGRAM, b"\x03" + micro_lamports.to_bytes(8, "little"))


def signed(
    blockhash: bytes,
    *instructions: Instruction,
    signers: tuple[Keypair, ...] = (ALICE,),
    tables: tuple[AddressLookupTableAccount, ...] = (),
) -> bytes:
    message = MessageV0.try_compile(
        signers[0].pubkey(), list(instructions), list(tables), Hash.from_bytes(blockhash)
    )
    needed = message.account_keys[: message.header.num_required_signatures]
    by_key = {pair.pubkey(): pair for pair in signers}
    return bytes(VersionedTransaction(message, [by_key[key] for key in needed]))


def newest(ledger: Bank) -> bytes:
    return ledger.latest_blockhash("processed").blockhash
