"""Recorded swaps of the format swap-vectors/1: accounts before, the instruction, amounts after."""

import base64
import json
import zlib
from typing import Any

from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from fairlead.venues.record import Record
from fairlead.venues.venue import Account, ChainTime

FORMAT = "swap-vectors/1"


class Vector(Record, frozen=True):
    """One recorded swap with the whole state before it; without what answers it, one to try."""

    id: str
    venue: str
    category: str
    pool: Pubkey
    payer: Pubkey
    time: ChainTime
    accounts: dict[Pubkey, Account]
    # exact_in, exact_out or partial.
    instruction: str
    input_mint: Pubkey
    output_mint: Pubkey
    # Atoms: the input, of exact_out the output. The limit is a minimum output, of exact_out a
    # maximum input.
    amount: int
    limit: int
    user_input: Pubkey
    user_output: Pubkey
    # What left and reached the user's accounts; None where the program refused.
    amount_in: int | None = None
    amount_out: int | None = None
    # Of a refusal: the custom number (None for a panic), its name, and the innermost failing
    # program.
    error_code: int | None = None
    error_name: str | None = None
    failed_program: Pubkey | None = None
    # What was sent, and its name; None where nothing was executed.
    sent: Instruction | None = None
    sent_name: str = ""
    # "ceil_div" where the recorded build's older division matters.
    build_quirk: str | None = None
    # The price at which a CLMM swap may stop, partly filled; 0 for none.
    sqrt_price_limit_x64: int = 0

    @property
    def refused(self) -> bool:
        return self.error_name is not None


def parse(text: str | bytes) -> list[Vector]:
    """The vectors of one file; ValueError where it is of another format."""
    file = json.loads(text)
    if file.get("format") != FORMAT:
        raise ValueError(f"not a {FORMAT} file")
    base = decode_accounts(file["base"])
    return [_vector(file, base, raw) for raw in file["vectors"]]


def encode_account(account: Account) -> dict[str, Any]:
    """An account as the format writes it."""
    data = base64.b64encode(zlib.compress(account.data, 9)).decode()
    return {"owner": str(account.owner), "lamports": account.lamports, "data": data}


def decode_accounts(raw: dict[str, Any]) -> dict[Pubkey, Account]:
    """Accounts by their addresses, each as `encode_account` writes it."""
    return {
        Pubkey.from_string(address): Account(
            Pubkey.from_string(a["owner"]),
            a["lamports"],
            zlib.decompress(base64.b64decode(a["data"])),
        )
        for address, a in raw.items()
    }


def _vector(file: dict[str, Any], base: dict[Pubkey, Account], raw: dict[str, Any]) -> Vector:
    key = Pubkey.from_string
    result, clock, sent = raw["result"], raw["clock"], raw.get("ix")
    error = result.get("error")
    failed = error and error.get("failed_program")
    return Vector(
        id=raw["id"],
        venue=file["venue"],
        category=raw["category"],
        pool=key(file["pool"]),
        payer=key(file["payer"]),
        time=ChainTime(clock["slot"], clock["unix_timestamp"], clock["epoch"]),
        accounts={**base, **decode_accounts(raw["accounts"])},
        instruction=raw["instruction"],
        input_mint=key(raw["input_mint"]),
        output_mint=key(raw["output_mint"]),
        amount=raw["amount"],
        limit=raw["limit"],
        user_input=key(raw["user_input"]),
        user_output=key(raw["user_output"]),
        amount_in=result.get("amount_in"),
        amount_out=result.get("amount_out"),
        error_code=error and error["code"],
        error_name=error and error["name"],
        failed_program=key(failed) if failed else None,
        sent=_instruction(sent) if sent else None,
        sent_name=sent["name"] if sent else "",
        build_quirk=raw.get("build_quirk"),
        sqrt_price_limit_x64=int(raw.get("params", {}).get("sqrt_price_limit_x64", 0)),
    )


def _instruction(raw: dict[str, Any]) -> Instruction:
    metas = [
        AccountMeta(Pubkey.from_string(m["pubkey"]), m["is_signer"], m["is_writable"])
        for m in raw["accounts"]
    ]
    return Instruction(Pubkey.from_string(raw["program_id"]), bytes.fromhex(raw["data"]), metas)
