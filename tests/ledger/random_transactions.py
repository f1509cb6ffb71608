"""Seeded random transactions over System, Token, ATA, Compute Budget and Memo, right and wrong."""

import random
from collections.abc import Callable

from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.message import Message, MessageV0
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from fairlead.ledger.account import SYSTEM_PROGRAM, AccountState, rent_minimum
from fairlead.ledger.programs.associated_token import ATA_PROGRAM, associated_address
from fairlead.ledger.programs.compute_budget import COMPUTE_BUDGET_PROGRAM
from fairlead.ledger.programs.memo import MEMO_PROGRAM
from fairlead.ledger.programs.system import address_with_seed
from fairlead.ledger.programs.token_data import (
    MINT_SIZE,
    NATIVE_MINT,
    TOKEN_PROGRAM,
    mint,
    some_key,
    token_account,
)

SEEDS = ("latch-a", "latch-b", "x" * 32)
RENT_SYSVAR = bytes(Pubkey.from_string("SysvarRent111111111111111111111111111111111"))
TOKEN_RENT = rent_minimum(165)


def u32(value: int) -> bytes:
    return value.to_bytes(4, "little")


def u64(value: int) -> bytes:
    return value.to_bytes(8, "little")


def text(value: str) -> bytes:
    return u64(len(value.encode())) + value.encode()


class RandomTransactions:
    """A small world of wallets and tokens, and transactions in it."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.keypairs = [Keypair.from_seed(self.random.randbytes(32)) for _ in range(8)]
        self.by_key = {bytes(pair.pubkey()): pair for pair in self.keypairs}
        keys = list(self.by_key)
        self.wallets, self.spares = keys[:3], keys[3:]
        self.mints = [self.random.randbytes(32), self.random.randbytes(32), NATIVE_MINT]
        self.seeded = [
            address_with_seed(wallet, seed.encode(), owner)
            for wallet in self.wallets
            for seed in SEEDS
            for owner in (SYSTEM_PROGRAM, TOKEN_PROGRAM)
        ]
        self.token_accounts = [
            associated_address(wallet, mint_key)
            for wallet in self.wallets
            for mint_key in self.mints
        ]
        self.token_accounts += self.seeded[1::2]

    def accounts(self) -> dict[bytes, AccountState]:
        """What the world starts with."""
        rich, medium, poor = self.wallets
        freezable = mint(10**9, 6, rich)[:46] + some_key(rich)
        fixed = mint(10**9, 0, None)
        found = {
            rich: AccountState(10**12, b"", SYSTEM_PROGRAM),
            medium: AccountState(10**10, b"", SYSTEM_PROGRAM),
            poor: AccountState(3_000_000, b"", SYSTEM_PROGRAM),
            self.mints[0]: AccountState(rent_minimum(MINT_SIZE), freezable, TOKEN_PROGRAM),
            self.mints[1]: AccountState(rent_minimum(MINT_SIZE), fixed, TOKEN_PROGRAM),
            NATIVE_MINT: AccountState(rent_minimum(MINT_SIZE), mint(0, 9), TOKEN_PROGRAM),
        }
        for wallet in self.wallets:
            for key in self.mints[:2]:
                data = token_account(key, wallet, 10**8)
                account = associated_address(wallet, key)
                found[account] = AccountState(TOKEN_RENT, data, TOKEN_PROGRAM)
        data = token_account(NATIVE_MINT, rich, 5_000_000, TOKEN_RENT)
        account = associated_address(rich, NATIVE_MINT)
        found[account] = AccountState(TOKEN_RENT + 5_000_000, data, TOKEN_PROGRAM)
        return found

    def transaction(self, blockhash: bytes) -> bytes:
        """A signed transaction of one to four instructions, legacy or version 0."""
        instructions = [self.instruction() for _ in range(self.random.choice((1, 1, 1, 2, 3)))]
        if self.random.random() < 0.2:
            price = self.random.randrange(10**7)
            instructions.insert(0, self.program(COMPUTE_BUDGET_PROGRAM, b"\x03" + u64(price)))
        if self.random.random() < 0.2:
            limit = self.random.choice((100_000, 300_000, 5_000_000))
            instructions.insert(0, self.program(COMPUTE_BUDGET_PROGRAM, b"\x02" + u32(limit)))
        payer = self.random.choices(self.wallets, (8, 4, 1))[0]
        if self.random.random() < 0.3:
            key = Pubkey.from_bytes(payer)
            message: Message | MessageV0 = Message.new_with_blockhash(
                instructions, key, Hash.from_bytes(blockhash)
            )
        else:
            message = MessageV0.try_compile(
                Pubkey.from_bytes(payer), instructions, [], Hash.from_bytes(blockhash)
            )
        signers = message.account_keys[: message.header.num_required_signatures]
        pairs = [self.by_key[bytes(key)] for key in signers]
        return bytes(VersionedTransaction(message, pairs))

    def instruction(self) -> Instruction:
        """A random instruction; one in eight is damaged."""
        kinds: list[tuple[int, Callable[[], Instruction]]] = [
            (4, self.system), (8, self.token), (3, self.associated), (1, self.memo),
        ]  # fmt: skip
        kind = self.random.choices([k for _, k in kinds], [w for w, _ in kinds])[0]
        instruction = kind()
        return self.damaged(instruction) if self.random.random() < 0.06 else instruction

    def damaged(self, instruction: Instruction) -> Instruction:
        data, metas = bytes(instruction.data), list(instruction.accounts)
        what = self.random.randrange(4)
        if what == 0:
            data = data[: self.random.randrange(len(data) + 1)]
        elif what == 1 and metas:
            metas.pop(self.random.randrange(len(metas)))
        elif metas:
            at = self.random.randrange(len(metas))
            old = metas[at]
            if what == 2:
                metas[at] = AccountMeta(old.pubkey, False, old.is_writable)
            else:
                metas[at] = AccountMeta(old.pubkey, old.is_signer, False)
        return Instruction(instruction.program_id, data, metas)

    def program(self, program: bytes, data: bytes, *metas: tuple[bytes, str]) -> Instruction:
        """Flags: "s" asks for a signature, kept where we hold the key; "w" for write access."""
        accounts = [
            AccountMeta(Pubkey.from_bytes(key), "s" in flags and key in self.by_key, "w" in flags)
            for key, flags in metas
        ]
        return Instruction(Pubkey.from_bytes(program), data, accounts)

    def wallet(self) -> bytes:
        return self.random.choices(self.wallets, (12, 4, 1))[0]

    def lamports(self) -> int:
        r = self.random
        return r.choice(
            (0, 5_000, 890_880, 890_880, TOKEN_RENT, r.randrange(10**7), r.randrange(10**8), 10**13)
        )

    def atoms(self) -> int:
        r = self.random
        return r.choice((0, 1, r.randrange(1000), r.randrange(10**6), r.randrange(10**9), 2**63))

    def any_address(self) -> bytes:
        pools = (self.wallets, self.spares, self.seeded, self.token_accounts, self.mints)
        return self.random.choice(self.random.choice(pools))

    def system(self) -> Instruction:
        r = self.random
        base, seed = self.wallet(), r.choice(SEEDS)
        owner = r.choice((SYSTEM_PROGRAM, TOKEN_PROGRAM))
        derived = address_with_seed(base, seed.encode(), owner)
        if r.random() < 0.1:
            derived = r.choice(self.seeded)
        space = r.choice((0, 0, 165, 82, 10, 11 * 1024 * 1024))
        lamports = r.choice((rent_minimum(space % 1000), self.lamports()))
        spare, payer = r.choice(self.spares), self.wallet()
        choices: list[Callable[[], Instruction]] = [
            lambda: self.program(
                SYSTEM_PROGRAM, u32(2) + u64(self.lamports()),
                (r.choice((payer, payer, spare)), "sw"), (self.any_address(), "w"),
            ),
            lambda: self.program(
                SYSTEM_PROGRAM, u32(0) + u64(lamports) + u64(space) + owner,
                (payer, "sw"), (r.choice((spare, spare, payer)), "sw"),
            ),
            lambda: self.program(
                SYSTEM_PROGRAM,
                u32(3) + base + text(seed) + u64(lamports) + u64(space) + owner,
                (payer, "sw"), (derived, "w"), (base, "s"),
            ),
            lambda: self.program(SYSTEM_PROGRAM, u32(1) + owner, (spare, "sw")),
            lambda: self.program(SYSTEM_PROGRAM, u32(8) + u64(space), (spare, "sw")),
            lambda: self.program(
                SYSTEM_PROGRAM, u32(9) + base + text(seed) + u64(space) + owner,
                (derived, "w"), (base, "s"),
            ),
            lambda: self.program(
                SYSTEM_PROGRAM, u32(10) + base + text(seed) + owner, (derived, "w"), (base, "s")
            ),
            lambda: self.program(
                SYSTEM_PROGRAM, u32(11) + u64(self.lamports()) + text(seed) + owner,
                (derived, "w"), (base, "s"), (self.any_address(), "w"),
            ),
            lambda: self.program(SYSTEM_PROGRAM, u32(r.choice((4, 5, 13, 99)))),
        ]  # fmt: skip
        weights = (4, 2, 4, 1, 1, 1, 1, 3, 0.2)
        return r.choices(choices, weights)[0]()

    def token_account(self) -> bytes:
        if self.random.random() < 0.05:
            return self.any_address()
        if self.random.random() < 0.1:
            return self.random.choice(self.spares)
        return self.random.choice(self.token_accounts)

    def token(self) -> Instruction:
        r = self.random
        mint_key = r.choice(self.mints)
        owner = self.wallet()
        own, its = associated_address(owner, mint_key), associated_address(self.wallet(), mint_key)
        source = r.choice((own, own, own, self.token_account()))
        target = r.choice((its, its, its, self.token_account()))
        signer = (r.choice((*[owner] * 6, self.wallet())), "s")
        new, atoms, decimals = (
            r.choice(self.seeded[1::2] + self.spares),
            self.atoms(),
            r.choice((6, 6, 0, 9)),
        )
        checked = u64(atoms) + bytes((decimals,))
        some = r.choice((b"\x00", b"\x01" + self.wallet()))
        any_wallet = (self.wallet(), "")
        w = "w"
        choices: list[tuple[float, bytes, tuple[tuple[bytes, str], ...]]] = [
            (8, b"\x03" + u64(atoms), ((source, w), (target, w), signer)),
            (6, b"\x0c" + checked, ((source, w), (mint_key, ""), (target, w), signer)),
            (4, b"\x12" + owner, ((new, w), (mint_key, ""))),
            (1, b"\x10" + owner, ((new, w), (mint_key, ""), (RENT_SYSVAR, ""))),
            (1, b"\x01", ((new, w), (mint_key, ""), any_wallet, (RENT_SYSVAR, ""))),
            (4, b"\x09", ((source, w), (r.choice((owner, target)), w), signer)),
            (4, b"\x11", ((source, w),)),
            (3, b"\x07" + u64(atoms), ((mint_key, w), (target, w), signer)),
            (1, b"\x0e" + checked, ((mint_key, w), (target, w), signer)),
            (3, b"\x08" + u64(atoms), ((source, w), (mint_key, w), signer)),
            (1, b"\x0f" + checked, ((source, w), (mint_key, w), signer)),
            (2, b"\x04" + u64(atoms), ((source, w), any_wallet, signer)),
            (1, b"\x0d" + checked, ((source, w), (mint_key, ""), any_wallet, signer)),
            (1, b"\x05", ((source, w), signer)),
            (1, b"\x0a", ((source, w), (mint_key, ""), signer)),
            (2, b"\x0b", ((source, w), (mint_key, ""), signer)),
            (1, b"\x06" + bytes((r.randrange(4),)) + some, ((source, w), signer)),
            (0.3, b"\x06" + bytes((r.randrange(2),)) + some, ((mint_key, w), signer)),
            (1, b"\x14" + bytes((decimals,)) + owner + some, ((r.choice(self.spares), w),)),
            (0.3, b"\x15", ((mint_key, ""),)),
            (0.3, b"\x16", ((new, w),)),
            (0.2, bytes((r.choice((40, 99, 250)),)), ((source, w),)),
        ]
        _, data, metas = r.choices(choices, [weight for weight, _, _ in choices])[0]
        return self.program(TOKEN_PROGRAM, data, *metas)

    def associated(self) -> Instruction:
        r = self.random
        wallet, mint_key = self.wallet(), r.choice((*self.mints, self.any_address()))
        account = associated_address(wallet, mint_key)
        if r.random() < 0.1:
            account = self.token_account()
        return self.program(
            ATA_PROGRAM, r.choice((b"", b"\x00", b"\x01", b"\x01", b"\x01", b"\x07")),
            (self.wallet(), "sw"), (account, "w"), (wallet, ""), (mint_key, ""),
            (SYSTEM_PROGRAM, ""), (TOKEN_PROGRAM, ""),
        )  # fmt: skip

    def memo(self) -> Instruction:
        r = self.random
        data = r.choice((b"", b"hello", "grüße".encode(), b"\xff\xfe"))
        metas = [(self.wallet(), r.choice(("s", "s", "s", ""))) for _ in range(r.randrange(3))]
        return self.program(MEMO_PROGRAM, data, *metas)
