"""A chain file from when the market had two venues: what is in it stays, and the market grows."""

import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from solders.pubkey import Pubkey

from fairlead.chain.paper import PaperChain, open_paper_chain
from fairlead.clock import SystemClock
from fairlead.ledger import journal
from fairlead.ledger.market import KINDS, ON_EVERY_PAIR, PROGRAMS, all_pools
from fairlead.ledger.market_growth import missing_accounts
from fairlead.ledger.market_pool import Accounts, treasury_account
from fairlead.ledger.programs.associated_token import associated_address
from fairlead.ledger.programs.token_data import TOKEN_PROGRAM, amount_of
from fairlead.ledger.tokens import SOL, TOKENS
from fairlead.venues.pools import decode_pool
from fairlead.venues.venue import Account

OLD = gzip.decompress((Path(__file__).parent / "paper_of_two_venues.journal.gz").read_bytes())
WALLET = bytes([9]) * 32
"""Funded in the old file."""


@pytest.fixture
async def grown(tmp_path: Path) -> AsyncIterator[PaperChain]:
    (tmp_path / "paper-1.journal").write_bytes(OLD)
    chain = open_paper_chain(SystemClock(), seed=1, folder=tmp_path)
    yield chain
    await chain.stop()


def old_accounts() -> Accounts:
    records, size = journal.decode(OLD)
    assert size == len(OLD)
    return journal.recover(PROGRAMS, records).snapshot().accounts


def check_supplies(chain: PaperChain) -> None:
    """Each mint says what all its accounts hold together."""
    tokens = chain.bank.program_accounts(TOKEN_PROGRAM, data_size=165)
    for token in TOKENS:
        mint = chain.bank.account(token.mint)
        assert mint is not None
        held = sum(amount_of(state.data) for _, state in tokens if state.data[:32] == token.mint)
        assert token is SOL or held == int.from_bytes(mint.data[36:44], "little")


async def test_what_an_old_chain_has_stays_as_it_is(grown):
    mints = {token.mint for token in TOKENS}
    treasury = {treasury_account(token) for token in TOKENS}
    for key, state in old_accounts().items():
        if key not in mints | treasury:
            assert state == grown.bank.account(key, "finalized")
    for token in TOKENS:
        if token is not SOL:
            assert grown.bank.account(associated_address(WALLET, token.mint)) is not None
    records, _ = journal.decode(OLD)
    root = journal.recover(PROGRAMS, records).epoch_info("finalized")
    assert grown.bank.epoch_info("finalized").block_height >= root.block_height


async def test_it_gets_the_pools_that_it_lacks_and_its_books_close(grown):
    old = old_accounts()
    new = {pool for pool in all_pools() if pool.address not in old}
    assert {pool.venue for pool in new} == set(KINDS) - set(ON_EVERY_PAIR)
    for pool in all_pools():
        state = grown.bank.account(pool.address, "finalized")
        assert state is not None
        account = Account(Pubkey.from_bytes(state.owner), state.lamports, state.data)
        assert decode_pool(Pubkey.from_bytes(pool.address), account).venue is pool.venue
    check_supplies(grown)
    for _ in range(50):
        grown.tick()
    check_supplies(grown)


async def test_it_grows_once_and_keeps_what_it_got(grown, tmp_path):
    accounts = grown.bank.snapshot().accounts
    assert {} == missing_accounts(accounts, 1, grown.bank.clock.slot)
    await grown.stop()
    copy = tmp_path / "later"
    copy.mkdir()
    (newest,) = tmp_path.glob("*.journal")
    (copy / newest.name).write_bytes(newest.read_bytes())
    again = open_paper_chain(SystemClock(), seed=1, folder=copy)
    assert accounts == again.bank.snapshot().accounts
    await again.stop()


async def test_a_new_chain_lacks_nothing(tmp_path):
    chain = open_paper_chain(SystemClock(), seed=1, folder=tmp_path)
    found = chain.bank.snapshot().accounts
    assert {} == missing_accounts(found, 1, chain.bank.clock.slot)
    check_supplies(chain)
    await chain.stop()
