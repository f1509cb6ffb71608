"""Says from a proof bundle alone whether an order's end is proven: `proofcheck.py bundle.json`.

Nothing but the standard library and solders is imported. What it shows: docs/proof.md."""

import base64
import hashlib
import json
import re
import struct
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

NOTHING_SIGNED = "nothing was ever signed, says the store"
NOT_PROVEN, REFUSED = "not proven", "refused"
Json = dict[str, Any]
# Every field of version 1: text, or n a number, a atoms in decimals, ? or null, * a list of these.
_FORM = {
    "bundle": "version=n order=order attempts=*attempt events=*event digest",
    "order": "orderId type status wallet tokenIn tokenOut amountInAtoms=a exactOutAtoms=a?"
    " minimumOutAtoms=a? amountOutAtoms=a? txSignature=?",
    "attempt": "number=n signature raw blockhash blockhashSlot=n blockhashHeight=n state error=?"
    " lastValidBlockHeight=n computeUnitLimit=n computeUnitPriceMicroLamports=n tipLamports=n"
    " feeLamports=n latch=? latchGeneration=n minimumOutAtoms=a legs=*leg slot=n? evidence=proof?",
    "leg": "program pool tokenIn tokenOut vaultIn vaultOut",
    "proof": "proof deathHeight=n? answers=*answer",
    "answer": "provider question answer slot=n? blockHeight=n?",
    "event": "sequence=n event status txSignature=? slot=n? proof=?",
}
# Event:statuses>status after it. What is not here cannot happen.
_FLIGHT, _UNSENT = "routing,building,submitted", "pending,open,routing,building"
_LEADS = f"""accepted:none>pending rested:pending>open claimed:pending,open>routing
    routed:routing>building submitted:building>submitted attempt_replaced:submitted>=
    fee_raised:submitted>= confirmed:submitted,cancelling>confirmed finalized:confirmed>=
    dropped:confirmed>submitted cancel_sent:cancelling>= round_failed:{_FLIGHT}>routing
    reopened:{_FLIGHT}>open failed:{_FLIGHT}>failed cancel_requested:{_FLIGHT},confirmed>cancelling
    expiry_reached:{_FLIGHT},confirmed>cancelling cancelled:{_UNSENT},cancelling>cancelled
    expired:{_UNSENT},cancelling>expired taken_over:routing,building>routing
    taken_over:submitted,confirmed,cancelling>= still_proving:{_FLIGHT},confirmed,cancelling>="""
TRANSITIONS = {
    (status, event): status if after == "=" else after
    for event, before, after in (re.split("[:>]", lead) for lead in _LEADS.split())
    for status in before.split(",")
}
_TOKEN = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"  # noqa: S105
_BUDGET, _ATA = "ComputeBudget" + "1" * 30, "ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL"
_SYSTEM, _DAMM_V1 = "1" * 32, "Eo7WjKq67rjJQSZxS6z3YkapzY3eMj6Xy8X5EQVn5UaB"
# Swaps of an exact output begin with these; or with these and a flag at the end, their most last.
_OUT = (b"\x0b", b"\x11", bytes.fromhex("37d96256a34ab4ad"), bytes.fromhex("2bd7f784893cf351"))
_FLAGS = {b"AK?L\xeb[[\x88": (24, b"\2"), b"+\4\xed\x0b\x1a\xc9\x1eb": (40, b"\0")}
# Chains of questions to one provider, in the order asked, that can prove a death, and a landing.
_ABSENT, _UNHEARD = ("height", "latch"), ("status", "after", "first")
_DEATH = {_ABSENT, (*_ABSENT, *_UNHEARD), (*_ABSENT, "takers", *_UNHEARD), ("height", *_UNHEARD)}
_LANDED = {("status",), ("status", "shown"), ("height", "status"), ("height", "status", "shown")}


class Wrong(Exception):
    """Verdict and reason: a piece is missing or contradicts another, or all are not enough."""


def need(is_so: object, told: str, verdict: str = REFUSED) -> None:
    if not is_so:
        raise Wrong(verdict, told)


def digest(bundle: Json) -> str:
    """SHA-256 of all but the digest, as JSON with sorted names and no spaces."""
    pieces = {name: bundle[name] for name in bundle if name != "digest"}
    text = json.dumps(pieces, sort_keys=True, separators=(",", ":")).encode()
    return hashlib.sha256(text).hexdigest()


def _fits(value: Any, kind: str, path: str) -> None:
    if kind.startswith("*"):
        need(type(value) is list, f"{path} is no list")
        for index, each in enumerate(value):
            _fits(each, kind[1:], f"{path}[{index}]")
    elif type(value) is dict and kind.rstrip("?") in _FORM:
        form = [field.partition("=") for field in _FORM[kind.rstrip("?")].split()]
        need({*value} == {name for name, _, _ in form}, f"{path} has other fields")
        for name, _, inner in form:
            _fits(value[name], inner, f"{path}.{name}")
    elif value is not None or not kind.endswith("?"):
        text = {"n": "[0-9]+", "a": "0|[1-9][0-9]{0,19}", "": "(?s:.*)"}.get(kind.rstrip("?"), "")
        is_kind = type(value) is (int if kind[:1] == "n" else str)
        need(is_kind and re.fullmatch(text, str(value)), f"{path} has another form")


def _seeded(accounts: list[str], data: bytes, wallet: str) -> tuple[str, int, str]:
    """Seed, space and owner of a createAccountWithSeed; its address is derived again."""
    base, (size,) = str(Pubkey(data[4:36])), struct.unpack_from("<Q", data, 36)
    seed, rest = data[44 : 44 + size].decode(), struct.unpack("<QQ32s", data[44 + size :])
    made = str(Pubkey.create_with_seed(Pubkey.from_string(wallet), seed, Pubkey(rest[2])))
    need((data[:4], base, accounts) == (b"\3\0\0\0", wallet, [wallet, made]), "another seed")
    return seed, rest[1], str(Pubkey(rest[2]))


def check_signed(attempt: Json, order: Json) -> tuple[str | None, int]:
    """The seed of its latch, and the most that it takes. `Wrong` where its row says otherwise."""
    wallet, legs, seed = order["wallet"], attempt["legs"], None
    raw = base64.b64decode(attempt["raw"], validate=True)
    signed = VersionedTransaction.from_bytes(raw)
    message, keys = signed.message, [str(key) for key in signed.message.account_keys]
    is_whole = (base64.b64encode(raw).decode(), bytes(signed)) == (attempt["raw"], raw)
    need(is_whole and signed.version() == 0, "its bytes are no transaction of version 0")
    is_signed = keys[: message.header.num_required_signatures] == [wallet]
    need(is_signed and signed.verify_with_results() == [True], "it is not the wallet's signature")
    named = str(signed.signatures[0]), str(message.recent_blockhash)
    need(named == (attempt["signature"], attempt["blockhash"]), "it is another transaction")
    budget, swaps, tip = [], [], 0
    for index, step in enumerate(message.instructions):
        program, data = keys[step.program_id_index], bytes(step.data)
        accounts = [keys[at] for at in step.accounts]
        if not index and attempt["latch"] is not None:
            seed, *made = _seeded(accounts, data, wallet)
            is_latch = (program, len(seed), *made) == (_SYSTEM, 32, 0, _SYSTEM)
            need(is_latch and accounts[1] == attempt["latch"], "instruction 0 takes another latch")
        elif program == _BUDGET:
            budget.append((data[0], int.from_bytes(data[1:], "little")))
        elif program in [leg["program"] for leg in legs]:
            swaps.append((program, accounts, data))
        elif program == _SYSTEM and data[:4] == b"\2\0\0\0":
            tip += int.from_bytes(data[4:], "little")
        else:
            makes = program == _SYSTEM and _seeded(accounts, data, wallet)[2] == _TOKEN
            wraps = program == _TOKEN and data[0] in (18, 9)
            need(legs and (makes or wraps or (program, data) == (_ATA, b"\1")), "it does more")
    units, price = attempt["computeUnitLimit"], attempt["computeUnitPriceMicroLamports"]
    need(sorted(budget) == [(2, units), (3, price)], "its compute budget is another one")
    fees = [tip, 5_000 - (-units * price // 1_000_000) + tip]
    need([attempt["tipLamports"], attempt["feeLamports"]] == fees, "its fee is another one")
    # Each leg is one instruction, and together they are the order's swap (rule 6).
    least, gave, out, exact = int(attempt["minimumOutAtoms"]), 0, 0, order["exactOutAtoms"]
    need([leg["program"] for leg in legs] == [swap[0] for swap in swaps], "it has other legs")
    for leg, (_, accounts, data) in zip(legs, swaps, strict=True):
        pool = {leg["pool"], leg["vaultIn"], leg["vaultOut"]}
        need(len(pool) == 3 and pool <= {*accounts}, "a leg goes through another pool")
        amount, minimum = struct.unpack_from("<QQ", data, 1 if len(data) == 17 else 8)  # AMM v4: 1
        is_last = data[(end := _FLAGS.get(data[:8], (0, b"")))[0] :] == end[1]
        amount, minimum = (minimum, amount) if is_last else (amount, minimum)
        need((is_last or data.startswith(_OUT)) == bool(exact), "its other side is exact")
        gave += amount if leg["tokenIn"] == order["tokenIn"] else 0
        out += minimum if leg["tokenOut"] == order["tokenOut"] else 0
    # DAMM v1 compares before its last rounding: its instruction asks for more than is promised.
    is_least = out > least and _DAMM_V1 in [leg["program"] for leg in legs]
    need(out == least or is_least, "its minimum is another one")
    terms = [order["tokenIn"], order["tokenOut"], exact or order["amountInAtoms"]]
    its = [legs[0]["tokenIn"], legs[-1]["tokenOut"], str(out if exact else gave)] if legs else terms
    need(its == terms, "it is not the swap of the order")
    kept = 0 < least >= int(order["minimumOutAtoms"] or 0) and gave <= int(order["amountInAtoms"])
    need(not legs or attempt["state"] == "errored" or kept, "it undercuts the order (rule 6)")
    return seed, gave


def hear(answers: list[Json], attempt: Json, own: Json) -> tuple[Any, ...] | None:
    """What one provider's answers prove by themselves: state, slot, and error or fill."""
    mine, latch, text = attempt["signature"], attempt["latch"], {}
    slots: Json = {}
    for told in answers:
        latest = f"finalized minContextSlot {slots.get('height')}"
        name, form = {
            "getEpochInfo finalized": ("after" if "status" in text else "height", r"epoch \d+"),
            f"getMultipleAccounts {latch} {latest}": ("latch", "present|absent"),
            f"getSignaturesForAddress {latch} finalized": ("takers", ".+"),
            f"getSignatureStatuses {mine} searchTransactionHistory": ("status", ".+"),
            f"getTransaction {mine} finalized": ("shown", ".+"),
            "getFirstAvailableBlock": ("first", str(told["slot"])),
        }.get(told["question"], ("", ""))
        is_proof = name and name not in text and re.fullmatch(form, told["answer"])
        need(is_proof, f"{told['question']} proves nothing, or is asked twice of one provider")
        shape = told["slot"] is not None, told["blockHeight"] is not None
        right = name != "takers" and told["answer"] != "null", name in ("height", "after")
        need(shape == right, f"{told['question']}: slot or height is missing, or too much")
        text[name], slots[name] = told["answer"], told["slot"]
    chain, last = tuple(text), attempt["evidence"]["deathHeight"]
    need(chain in _DEATH | _LANDED | {("height",)}, "answers are missing, or out of order")
    if text.get("status", "null") != "null":
        (level, _, outcome), shown = text["status"].partition(" "), text.get("shown", "")
        if level != "finalized" or slots.get("shown", slots["status"]) != slots["status"]:
            return None
        fill = re.fullmatch(r"success in (\d+) out (\d+) atoms", shown)
        if outcome == "success":
            return "succeeded", slots["status"], fill and (int(fill[1]), int(fill[2]))
        return ("errored", slots["status"], outcome) if shown in ("", outcome) else None
    if chain not in _DEATH or last is None or answers[0]["blockHeight"] < last:
        return None
    is_proven = slots.get("latch", slots["height"]) >= slots["height"]
    if chain == _ABSENT:
        won = [a["slot"] for a in own.values() if a["state"] == "succeeded" and a["latch"] == latch]
        is_proven &= text["latch"] == "absent" and (not won or won[0] > slots["latch"])
    else:
        # Unless a stranger or our winner is named, "never heard of" contradicts a latch in place.
        named, is_there = {*text.get("takers", "").split(" ")}, text.get("latch") == "present"
        states = {own[each]["state"] for each in named & own.keys()} | (named & {"success"})
        is_proven &= ("takers" in text, "latch" in text) == (is_there, latch is not None)
        is_proven &= states <= {"succeeded"} and slots["after"] >= slots["height"]
        is_proven &= slots["first"] <= attempt["blockhashSlot"]
    return ("dead", None, None) if is_proven else None


def check_settled(attempt: Json, own: Json) -> tuple[int, int]:
    """The fill of a success. What enough providers prove alike must be what the row says."""
    kept, state, heard = attempt["evidence"], attempt["state"], defaultdict(list)
    need(state in ("succeeded", "errored", "dead") and kept, "nothing settles it", NOT_PROVEN)
    for answer in kept["answers"]:
        heard[answer["provider"].lower()].append(answer)
    needed = {"single-source": 1, "agreed": 2}.get(kept["proof"], 0)
    need(needed == min(len(heard), 2) > 0, "its providers are more or fewer than it says")
    last = max(attempt["lastValidBlockHeight"], attempt["blockhashHeight"])
    need(state != "dead" or (kept["deathHeight"] or 0) > last, "it may land later (rule 13)")
    told = Counter(filter(None, [hear(each, attempt, own) for each in heard.values()]))
    enough = [one for one, count in told.items() if count >= needed]
    others = [one for one in told.elements() if one[0] != state]
    is_one = len(enough) == 1 and len(others) < needed and (state != "succeeded" or enough[0][2])
    need(is_one, "too few providers prove the same of it", NOT_PROVEN)
    (_, slot, more), row = enough[0], (attempt["slot"], attempt["error"])
    need(row == (slot, more if state == "errored" else None), "its providers say otherwise")
    return more if state == "succeeded" else (0, 0)


def check_events(order: Json, events: list[Json], own: Json) -> Json:
    """The last. None is missing, each may follow the one before, and their attempts are there."""
    status, sent = "none", []
    for sequence, event in enumerate(events, 1):
        name, at = event["event"], own.get(event["txSignature"], {})
        status = TRANSITIONS[status, name]
        need((event["sequence"], event["status"]) == (sequence, status), "an event is missing")
        is_last = name in ("finalized", "failed", "cancelled", "expired")
        need(is_last == (sequence == len(events)), "the end is missing, or is not the last event")
        sends = name in ("submitted", "attempt_replaced", "fee_raised", "cancel_sent")
        has_one = sends or name in ("confirmed", "finalized")
        need(at or (not has_one and event["txSignature"] is None), f"event {sequence}: no attempt")
        need(not has_one or (name == "cancel_sent") == (not at["legs"]), "swap and cancel differ")
        sent += [at["number"]] if sends else []
        need(is_last or event["slot"] is event["proof"] is None, f"event {sequence} is no end")
    need(sent == sorted(set(sent)), "an attempt is sent twice, or before another")
    need(status == order["status"], "the order's status is not that of its last event")
    return events[-1]


def decide(bundle: Json) -> tuple[str, str]:
    """The verdict and why; `Wrong` or any other error where the bundle is to be refused."""
    _fits(bundle, "bundle", "bundle")
    need(bundle["digest"] == digest(bundle) and bundle["version"] == 1, "a piece was changed")
    order, attempts = bundle["order"], bundle["attempts"]
    own: Json = {attempt["signature"]: attempt for attempt in attempts}
    need([a["number"] for a in own.values()] == [*range(1, len(attempts) + 1)], "one is missing")
    last = check_events(order, bundle["events"], own)
    won = [attempt for attempt in attempts if attempt["state"] == "succeeded"]
    need(len(won) < 2, "two attempts succeeded")
    latches, proofs, fill, takes = set(), set(), (0, 0), {}
    for attempt in attempts:
        seed, takes[attempt["number"]] = check_signed(attempt, order)
        latches |= {(attempt["latchGeneration"], attempt["latch"], seed)} if seed else set()
        if attempt["state"] != "excluded":
            fill = max(check_settled(attempt, own), fill)
            proofs.add(attempt["evidence"]["proof"])
            continue
        bare = attempt["slot"] is attempt["error"] is attempt["evidence"] is None
        need(bare and seed and won and won[0]["latch"] == attempt["latch"], "nothing excludes it")
    need(all(len({one[at] for one in latches}) == len(latches) for at in (0, 1)), "latches differ")
    minimums = {attempt["minimumOutAtoms"] for attempt in attempts if attempt["legs"]}
    is_set = order["minimumOutAtoms"] in (minimums or {None}) or order["type"] == "limit"
    is_set &= not minimums or int(order["amountInAtoms"]) in takes.values()
    need(order["type"] in ("market", "limit") and is_set, "no attempt set the order's limit")
    swap = won[0] if won and won[0]["legs"] else None
    ends = ["finalized"] if swap else ["cancelled", "expired", *([] if won else ["failed"])]
    need(last["event"] in ends, "its end is not what its attempts came to")
    told = [order["txSignature"], last["txSignature"], last["slot"], order["amountOutAtoms"]]
    named = [swap["signature"]] * 2 + [swap["slot"], str(fill[1])] if swap else [None] * 4
    need(told == named, "it tells another fill than its attempts")
    least, most = (int(swap["minimumOutAtoms"]), takes[swap["number"]]) if swap else (0, 0)
    is_all = fill[0] == most or (order["exactOutAtoms"] and 0 < fill[0] < most)
    need(fill[1] >= least and is_all, "it took or paid another amount")
    if not attempts and last["proof"] is None:
        return NOTHING_SIGNED, "no attempt is stored, and nothing else shows that there was none"
    kind = "single-source" if "single-source" in proofs else "agreed"
    need(last["proof"] == kind, "its last event names another kind of proof, or none")
    return f"proven ({kind})", f"the order is {order['status']}, and all attempts are settled"


def check(data: bytes) -> tuple[str, str]:
    """The verdict on a bundle, and why. What cannot be read is refused, not passed over."""
    try:
        # An object with a field that is given twice is read as False, which fits nothing.
        found = json.loads(data, object_pairs_hook=lambda f: len(f) == len(dict(f)) and dict(f))
        return decide(found)
    except Exception as error:
        told = error.args if isinstance(error, Wrong) else (REFUSED, f"malformed: {error!r}")
        return told[0], told[1]


if __name__ == "__main__":
    verdict, why = check(Path(sys.argv[1]).read_bytes())
    sys.stdout.write(f"{verdict}: {why}\n")
    sys.exit(verdict in (NOT_PROVEN, REFUSED))
