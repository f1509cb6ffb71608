"""Wallets: what they sign, whom they stand for, and what they never show."""

import json
import pickle

import pytest
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.signature import Signature

from fairlead.chain.wallet import KeyWallet, PaperWallet
from fairlead.errors import ConfigError
from fairlead.solana import base58

KEYS = [Keypair.from_seed(bytes([n]) * 32) for n in (1, 2)]
STRANGER = str(Pubkey.from_bytes(bytes(31) + b"\x09"))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(list(bytes(KEYS[0]))))
    (tmp_path / "b.json").write_text(base58.encode(bytes(KEYS[1])) + "\n")
    return tmp_path


def is_signed(address: str, message: bytes, signature: bytes) -> bool:
    return Signature.from_bytes(signature).verify(Pubkey.from_string(address), message)


def test_key_files_in_both_forms_sign_for_their_addresses_only(folder):
    wallet = KeyWallet([folder])
    assert tuple(str(key.pubkey()) for key in KEYS) == wallet.addresses()
    assert str(KEYS[0].pubkey()) == wallet.default_address
    for key in KEYS:
        address = str(key.pubkey())
        assert address == wallet.held_address(address)
        assert is_signed(address, b"message", wallet.sign(address, b"message"))
    assert wallet.held_address(STRANGER) is None


@pytest.mark.parametrize("text", ["", "[1, 2]", "[256]", "hello 0", '{"a": 1}', "[" * 9_000])
def test_a_file_that_is_no_key_is_named_without_its_content(tmp_path, text):
    file = tmp_path / "secret-file.json"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        KeyWallet([file])
    assert "secret-file.json" in str(caught.value)
    assert not text or text not in str(caught.value)
    assert caught.value.__cause__ is None


def test_halves_that_do_not_match_are_refused(tmp_path):
    file = tmp_path / "key.json"
    file.write_text(json.dumps(list(bytes(KEYS[0])[:32] + bytes(KEYS[1])[32:])))
    with pytest.raises(ConfigError, match="do not match"):
        KeyWallet([file])


def test_an_address_is_mapped_to_a_wallet_of_its_own_always_the_same(tmp_path):
    file = tmp_path / "wallets"
    first = PaperWallet(b"seed", file)
    mapped = first.held_address(STRANGER)
    assert mapped not in (STRANGER, first.default_address)
    assert mapped == first.held_address(STRANGER) == first.held_address(mapped)
    # After a restart its own address is known again, though nothing but the file says so.
    second = PaperWallet(b"seed", file)
    assert mapped == second.held_address(mapped)
    assert is_signed(mapped, b"message", second.sign(mapped, b"message"))
    assert mapped != PaperWallet(b"other seed").held_address(STRANGER)


def test_a_wallet_mapped_in_another_process_signs_here(tmp_path):
    file = tmp_path / "wallets"
    here, there = PaperWallet(b"seed", file), PaperWallet(b"seed", file)
    mapped = there.held_address(STRANGER)
    assert is_signed(mapped, b"message", here.sign(mapped, b"message"))
    assert mapped in here.addresses()


def test_a_line_that_was_not_written_whole_is_left_alone(tmp_path):
    file = tmp_path / "wallets"
    mapped = PaperWallet(b"seed", file).held_address(STRANGER)
    with file.open("a") as opened:
        opened.write(STRANGER[:10])
    wallet = PaperWallet(b"seed", file)
    assert (wallet.default_address, mapped) == wallet.addresses()


def test_keys_are_never_shown(folder):
    wallet = KeyWallet([folder])
    keys = wallet._keys
    assert "<2 keys>" == repr(keys) == str(keys) == f"{keys}"
    with pytest.raises(TypeError):
        pickle.dumps(keys)
    secrets = [bytes(key)[:32] for key in KEYS]
    with pytest.raises(KeyError) as caught:
        wallet.sign(STRANGER, b"message")
    assert not any(str(secret) in repr(caught.value) for secret in secrets)
