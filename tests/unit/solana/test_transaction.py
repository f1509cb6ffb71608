"""A plan's message as solders reads it: its instructions, in order, signed by one key."""

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.system_program import (
    CreateAccountWithSeedParams,
    TransferWithSeedParams,
    create_account_with_seed,
    transfer_with_seed,
)
from solders.transaction import VersionedTransaction

from fairlead.solana import latch as latches
from fairlead.solana.accounts import TOKEN_2022_PROGRAM, TOKEN_PROGRAM, WSOL_MINT
from fairlead.solana.latch import Latch, latch_address, latch_seed, wrap_address, wrap_seed
from fairlead.solana.transaction import (
    MAX_TRANSACTION_BYTES,
    UNSIGNED,
    SwapPlan,
    Tip,
    TokenMint,
    TransactionTooLarge,
    Wrap,
    assemble,
    create_ata_instruction,
    reclaim_message,
    steps,
    swap_message,
    user_account,
)

WALLET = Keypair.from_seed(bytes(range(32)))
KEYS = [Pubkey.from_bytes(bytes([n]) * 32) for n in range(40, 60)]
SECRET = bytes(range(32))


def plain_message(plan: SwapPlan) -> MessageV0:
    """The same plan through solders alone."""
    instructions = [step.instruction for step in steps(plan)]
    blockhash = Hash.from_string(plan.blockhash)
    return MessageV0.try_compile(plan.wallet, instructions, [], blockhash)


Written = tuple[Pubkey, bytes, list[tuple[Pubkey, bool, bool]]]


def read(message: MessageV0) -> list[Written]:
    """(program, data, [(account, is_signer, is_writable)]) of each instruction."""
    keys = message.account_keys
    return [
        (
            keys[one.program_id_index],
            bytes(one.data),
            [(keys[i], message.is_signer(i), message.is_maybe_writable(i)) for i in one.accounts],
        )
        for one in message.instructions
    ]


def parsed(message: bytes) -> MessageV0:
    found = VersionedTransaction.from_bytes(assemble(message, [UNSIGNED])).message
    assert isinstance(found, MessageV0)
    assert message == b"\x80" + bytes(found)[-len(message) + 1 :]
    return found


def latch(generation: int = 0) -> Latch:
    seed = latch_seed(SECRET, generation)
    return Latch(latch_address(WALLET.pubkey(), seed), seed, 890_880)


def wrap(attempt: int, lamports: int = 2_039_280) -> Wrap:
    seed = wrap_seed(SECRET, attempt)
    return Wrap(wrap_address(WALLET.pubkey(), seed), seed, lamports)


u64 = st.integers(0, 2**64 - 1)
keys = st.sampled_from(KEYS)


@st.composite
def swaps(draw: st.DrawFn, used: Wrap | None) -> Instruction:
    """A venue's instruction: any accounts, the wallet and its temporary account among them."""
    metas = [AccountMeta(draw(keys), False, draw(st.booleans())) for _ in range(draw(u64) % 9)]
    metas.append(AccountMeta(WALLET.pubkey(), True, draw(st.booleans())))
    if used is not None:
        metas.append(AccountMeta(used.address, False, True))
    return Instruction(draw(keys), draw(st.sampled_from([0, 24, 25])) * b"%", metas)


tokens = st.builds(TokenMint, keys, st.sampled_from([TOKEN_PROGRAM, TOKEN_2022_PROGRAM]))


@st.composite
def plans(draw: st.DrawFn) -> SwapPlan:
    used = draw(st.builds(wrap, st.integers(1, 5), u64) | st.none())
    return SwapPlan(
        WALLET.pubkey(),
        str(Hash(draw(st.binary(min_size=32, max_size=32)))),
        draw(st.integers(1, 1_400_000)),
        draw(u64),
        draw(st.builds(latch, st.integers(0, 3)) | st.none()),
        tuple(draw(st.lists(tokens, max_size=2))),
        used,
        tuple(draw(swaps(used)) for _ in range(draw(st.integers(0, 2)))),
        draw(st.builds(Tip, keys, u64) | st.none()),
    )


@given(plans())
def test_message_says_the_same_as_solders_own(plan: SwapPlan) -> None:
    try:
        found = parsed(swap_message(plan))
    except TransactionTooLarge:
        # Of a plan that fits no packet there is no message to compare.
        reject()
    expected = plain_message(plan)
    assert read(expected) == read(found)
    assert expected.recent_blockhash == found.recent_blockhash
    assert sorted(map(bytes, expected.account_keys)) == sorted(map(bytes, found.account_keys))
    assert len(bytes(expected)) == len(bytes(found))


@given(plans(), plans())
def test_a_remembered_shape_carries_nothing_over(first: SwapPlan, second: SwapPlan) -> None:
    try:
        alone = swap_message(second)
        swap_message(first)
    except TransactionTooLarge:
        reject()
    assert alone == swap_message(second)


def a_swap(size: int = 8, data: bytes = b"swap") -> Instruction:
    metas = [AccountMeta(WALLET.pubkey(), True, True)]
    metas += [AccountMeta(Pubkey.from_bytes(n.to_bytes(32)), False, True) for n in range(1, size)]
    return Instruction(KEYS[0], data, metas)


def test_latch_is_instruction_0_and_the_first_account_after_the_wallet() -> None:
    plan = SwapPlan(WALLET.pubkey(), str(Hash.default()), 200_000, 5, latch(), swaps=(a_swap(),))
    message = parsed(swap_message(plan))
    program, data, accounts = read(message)[0]
    assert Pubkey.default() == program
    assert bytes([3, 0, 0, 0]) == data[:4]
    assert [WALLET.pubkey(), latch().address] == [account for account, _, _ in accounts]
    assert [WALLET.pubkey(), latch().address] == message.account_keys[:2]


def test_signed_message_verifies() -> None:
    message = swap_message(SwapPlan(WALLET.pubkey(), str(Hash.default()), 200_000, 0, latch()))
    raw = assemble(message, [bytes(WALLET.sign_message(message))])
    assert [True] == VersionedTransaction.from_bytes(raw).verify_with_results()


def test_too_many_accounts_are_refused_with_the_size() -> None:
    plan = SwapPlan(WALLET.pubkey(), str(Hash.default()), 200_000, 0, latch(), swaps=(a_swap(34),))
    with pytest.raises(TransactionTooLarge) as caught:
        swap_message(plan)
    assert caught.value.size > MAX_TRANSACTION_BYTES


def test_sol_is_swapped_through_the_temporary_account_and_others_through_the_associated_one() -> (
    None
):
    wallet, used = WALLET.pubkey(), wrap(1)
    token = TokenMint(KEYS[1], TOKEN_2022_PROGRAM)
    assert used.address == user_account(wallet, TokenMint(WSOL_MINT), used)
    associated = create_ata_instruction(wallet, token).accounts[1].pubkey
    assert associated == user_account(wallet, token, used)


def test_latch_seed_is_a_function_of_secret_and_generation() -> None:
    assert 32 == len(latch_seed(SECRET, 0))
    assert latch_seed(SECRET, 0) == latch_seed(SECRET, 0)
    seeds = {latch_seed(SECRET, 0), latch_seed(SECRET, 1), latch_seed(bytes(32), 0)}
    assert 3 == len(seeds)
    assert wrap_seed(SECRET, 0) != latch_seed(SECRET, 0)[: latches.WRAP_SEED_CHARACTERS]


def test_reclaim_moves_each_latch_back() -> None:
    message = parsed(
        reclaim_message(WALLET.pubkey(), str(Hash.default()), 10_000, 0, [latch(0), latch(1)])
    )
    reclaims = read(message)[2:]
    assert [latch(0).address, latch(1).address] == [accounts[0][0] for _, _, accounts in reclaims]
    assert [890_880, 890_880] == [int.from_bytes(data[4:12], "little") for _, data, _ in reclaims]


def test_system_instructions_are_those_that_solders_builds() -> None:
    wallet, one = WALLET.pubkey(), latch()
    create = CreateAccountWithSeedParams(
        from_pubkey=wallet,
        to_pubkey=one.address,
        base=wallet,
        seed=one.seed,
        lamports=one.lamports,
        space=0,
        owner=Pubkey.default(),
    )
    assert create_account_with_seed(create) == latches.take_instruction(wallet, one)
    transfer = TransferWithSeedParams(
        from_pubkey=one.address,
        from_base=wallet,
        from_seed=one.seed,
        from_owner=Pubkey.default(),
        to_pubkey=wallet,
        lamports=one.lamports,
    )
    assert transfer_with_seed(transfer) == latches.reclaim_instruction(wallet, one)
