"""What proves an order's end is enough for a checker that knows nothing else, and whatever is
changed in it is found."""

import ast
import copy
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import solders

from fairlead import proofcheck
from fairlead.orders.lifecycle import TRANSITIONS
from fairlead.proofcheck import NOT_PROVEN, REFUSED, check
from tests.workers.proofs import LIVES, Json, lived, signed_again

CHECKER = Path(proofcheck.__file__)
BAD = (NOT_PROVEN, REFUSED)
Place = tuple[str | int, ...]

# Many attempts of one kind, which another life has too: left out where every leaf is tried.
LONG = ("blockhash died",)

# What may differ though whoever changed it made a new digest. Numbers as providers told them and
# names bear on nothing else in the bundle as long as they fit: docs/proof.md says so.
RECORDED = {
    "order.orderId": "a name",
    "attempts.*.blockhashSlot": "as told with the blockhash; bears on rule 15 alone",
    "attempts.*.blockhashHeight": "as told with the blockhash; a death must be past it",
    "attempts.*.lastValidBlockHeight": "as told with the blockhash; a death must be past it",
    "attempts.*.latchGeneration": "a number of the store's; the address decides",
    "attempts.*.evidence.deathHeight": "past the blockhash's last block, and reached: nothing more",
    "attempts.*.evidence.answers.*.slot": "as the provider told it, where no other slot must equal",
    "attempts.*.evidence.answers.*.blockHeight": "as the provider told it, at least deathHeight",
}
# The same of one question only.
RECORDED_OF = {
    ("getSignaturesForAddress", "answer"): "who took a latch: any stranger, as the provider told",
    ("getEpochInfo", "provider"): "of a success its providers' heights prove nothing",
    ("getEpochInfo", "answer"): "the epoch, on which no rule rests",
}


def leaves(piece: Any, place: Place = ()) -> Iterator[Place]:
    if isinstance(piece, dict | list) and piece:
        parts = piece.items() if isinstance(piece, dict) else enumerate(piece)
        for name, inner in parts:
            yield from leaves(inner, (*place, name))
    else:
        yield place


def at(piece: Any, place: Place) -> Any:
    for name in place:
        piece = piece[name]
    return piece


def changed(bundle: Json, place: Place, value: Any) -> Json:
    found = copy.deepcopy(bundle)
    at(found, place[:-1])[place[-1]] = value
    return found


def without(bundle: Json, place: Place) -> Json:
    found = copy.deepcopy(bundle)
    del at(found, place[:-1])[place[-1]]
    return found


def others(value: Any) -> list[Any]:
    """Values that it might be changed to: near, far, of another kind, none."""
    match value:
        case int():
            near: list[Any] = [value + 1, value - 1, 10**12, str(value), float(value), None]
        case None:
            near = [0, 1, "1", "x"]
        case str() if value.isdecimal():
            near = [str(int(value) + 1), str(int(value) - 1), "0", f"0{value}", int(value), None]
        case str():
            near = [f"{value}x", f"x{value}", value[:-1], value.swapcase(), "", 0, None]
        case _:
            near = [None, "", 1, [None], {"x": 1}]
    return [each for each in near if (type(each), each) != (type(value), value)]


def path_of(place: Place) -> str:
    return ".".join("*" if isinstance(name, int) else name for name in place)


def is_recorded(bundle: Json, place: Place, value: Any) -> bool:
    """Whether it may be changed to this, for a reason of the lists above."""
    if isinstance(at(bundle, place), str) and not isinstance(value, str):
        return False
    if path_of(place) in RECORDED:
        return True
    if place[-1] == "provider" and value.lower() == at(bundle, place).lower():
        return True  # Hosts are the same in capitals.
    if "answers" in place and len(place) == 6:
        question = at(bundle, (*place[:-1], "question"))
        return (question.split()[0], place[-1]) in RECORDED_OF
    # Nothing that was signed shows what the order was.
    return not bundle["attempts"] and path_of(place) in (
        "order.wallet",
        "order.tokenIn",
        "order.tokenOut",
        "order.amountInAtoms",
        "order.exactOutAtoms",
    )


# --- what is true is accepted


@pytest.mark.parametrize("name", LIVES)
def test_an_order_that_ended_is_proven_by_its_bundle_alone(name: str) -> None:
    verdict, why = check(lived(name))
    assert LIVES[name][2] == verdict, why


def test_the_bundle_holds_no_secret_and_no_key() -> None:
    bundle = json.loads(lived("raised"))
    names = {name for place in leaves(bundle) for name in place}
    assert not {n for n in names if isinstance(n, str) and ("secret" in n or "key" in n.lower())}


# --- what is changed is refused


@pytest.mark.parametrize("name", ["finalized", "cancelled by proof", "never signed"])
def test_whatever_is_changed_is_found_by_the_digest(name: str) -> None:
    bundle = json.loads(lived(name))
    for place in leaves(bundle):
        for value in others(at(bundle, place)):
            verdict, _ = check(json.dumps(changed(bundle, place, value)).encode())
            assert REFUSED == verdict, (place, value)


@pytest.mark.parametrize("name", [name for name in LIVES if name not in LONG])
def test_who_makes_a_new_digest_can_change_only_what_rests_on_somebodys_word(name: str) -> None:
    bundle = json.loads(lived(name))
    for place in leaves(bundle):
        if place == ("digest",):
            continue
        for value in others(at(bundle, place)):
            verdict, _ = check(signed_again(changed(bundle, place, value)))
            assert verdict in BAD or is_recorded(bundle, place, value), (place, value)


@pytest.mark.parametrize("name", [name for name in LIVES if name not in LONG])
def test_every_piece_is_needed(name: str) -> None:
    bundle = json.loads(lived(name))
    places = {place[:size] for place in leaves(bundle) for size in range(1, len(place) + 1)}
    for place in places - {("digest",)}:
        gone = without(bundle, place)
        # Of one that landed the heights beside it prove nothing.
        is_beside = place[-2:-1] == ("answers",) and (
            at(bundle, place)["question"].startswith("getEpochInfo")
            and at(bundle, place[:2])["state"] == "succeeded"
        )
        # A failure is settled by its status alone.
        is_beside |= place[-2:-1] == ("answers",) and (
            at(bundle, place)["question"].startswith("getTransaction")
            and at(bundle, place[:2])["state"] == "errored"
        )
        assert is_beside or check(signed_again(gone))[0] in BAD, place


@pytest.mark.parametrize("name", ["raised", "expired", "failed on chain"])
def test_nothing_may_be_there_twice(name: str) -> None:
    bundle = json.loads(lived(name))
    lists = {
        place[: index + 1]
        for place in leaves(bundle)
        for index, step in enumerate(place)
        if isinstance(step, int)
    }
    for place in lists:
        twice = copy.deepcopy(bundle)
        at(twice, place[:-1]).append(copy.deepcopy(at(bundle, place)))
        assert check(signed_again(twice))[0] in BAD, place


# --- contradictions


def _second_winner(bundle: Json) -> None:
    loser, winner = bundle["attempts"]
    loser["state"], loser["slot"] = "succeeded", winner["slot"]
    loser["evidence"] = json.loads(
        json.dumps(winner["evidence"]).replace(winner["signature"], loser["signature"])
    )


def _answers(bundle: Json, number: int = 0) -> list[Json]:
    found: list[Json] = bundle["attempts"][number]["evidence"]["answers"]
    return found


def _status_before_height(bundle: Json) -> None:
    height, status, *rest = _answers(bundle)
    _answers(bundle)[:] = [status, height, *rest]


def _latch_before_height(bundle: Json) -> None:
    _answers(bundle)[:2] = _answers(bundle)[1::-1]


def _height_at_confirmed(bundle: Json) -> None:
    _answers(bundle)[0]["question"] = "getEpochInfo confirmed"


def _height_too_low(bundle: Json) -> None:
    _answers(bundle)[0]["blockHeight"] = bundle["attempts"][0]["evidence"]["deathHeight"] - 1


def _latch_read_too_early(bundle: Json) -> None:
    _answers(bundle)[1]["slot"] = _answers(bundle)[0]["slot"] - 1


def _recent_cache(bundle: Json) -> None:
    status = next(a for a in _answers(bundle) if a["question"].startswith("getSignatureSt"))
    status["question"] = status["question"].removesuffix(" searchTransactionHistory")


def _short_history(bundle: Json) -> None:
    first = _answers(bundle)[-1]
    first["slot"] = bundle["attempts"][0]["blockhashSlot"] + 1
    first["answer"] = str(first["slot"])


def _one_provider_as_two(bundle: Json) -> None:
    for answer in _answers(bundle):
        answer["provider"] = answer["provider"].replace("two", "one")


def _one_provider_in_two_spellings(bundle: Json) -> None:
    for answer in _answers(bundle):
        answer["provider"] = answer["provider"].replace("two", "ONE")


def _second_provider_unheard(bundle: Json) -> None:
    _answers(bundle)[:] = [a for a in _answers(bundle) if a["provider"] == "one.example"]


def _second_provider_disagrees(bundle: Json) -> None:
    for answer in _answers(bundle):
        if answer["provider"] == "two.example" and answer["question"].startswith("getMultiple"):
            answer["answer"] = "present"


def _confirmed_only(bundle: Json) -> None:
    status = next(a for a in _answers(bundle) if a["question"].startswith("getSignatureSt"))
    status["answer"] = status["answer"].replace("finalized", "confirmed")


def _excluded_by_nothing(bundle: Json) -> None:
    bundle["attempts"][0]["state"], bundle["attempts"][0]["evidence"] = "excluded", None


def _latch_absent_after_it_was_taken(bundle: Json) -> None:
    loser, winner = bundle["attempts"]
    low, slot, who = loser["lastValidBlockHeight"] + 1, winner["slot"] + 50, "paper"
    read = f"getMultipleAccounts {loser['latch']} finalized minContextSlot {slot}"
    height: Json = {"provider": who, "question": "getEpochInfo finalized", "answer": "epoch 0"}
    told = [
        {**height, "slot": slot, "blockHeight": low},
        {"provider": who, "question": read, "answer": "absent", "slot": slot, "blockHeight": None},
    ]
    loser["state"] = "dead"
    loser["evidence"] = {"proof": "single-source", "deathHeight": low, "answers": told}


def _never_confirmed(bundle: Json) -> None:
    bundle["order"]["status"] = bundle["events"][-1]["status"] = "expired"
    bundle["events"][-1]["event"] = "expired"


def _bytes_of_the_other(bundle: Json) -> None:
    first, second = bundle["attempts"]
    first["raw"], second["raw"] = second["raw"], first["raw"]


def _attempt_forgotten(bundle: Json) -> None:
    """With its event, and all numbers made to fit."""
    gone = bundle["attempts"].pop(0)
    bundle["attempts"][0]["number"] = 1
    events = [e for e in bundle["events"] if e["txSignature"] != gone["signature"]]
    bundle["events"][:] = [{**e, "sequence": n} for n, e in enumerate(events, 1)]


CONTRADICTIONS: list[tuple[str, Callable[[Json], None]]] = [
    ("raised", _second_winner),
    ("raised", _latch_absent_after_it_was_taken),
    ("raised", _never_confirmed),
    ("raised", _bytes_of_the_other),
    ("raised", _attempt_forgotten),
    ("cancelled in flight", _second_winner),
    ("cancelled by proof", _excluded_by_nothing),
    ("cancelled by proof", _latch_before_height),
    ("cancelled by proof", _height_at_confirmed),
    ("cancelled by proof", _height_too_low),
    ("cancelled by proof", _latch_read_too_early),
    ("expired without a latch", _status_before_height),
    ("expired without a latch", _height_at_confirmed),
    ("expired without a latch", _height_too_low),
    ("expired without a latch", _recent_cache),
    ("expired without a latch", _short_history),
    ("expired", _one_provider_as_two),
    ("expired", _one_provider_in_two_spellings),
    ("expired", _second_provider_unheard),
    ("expired", _second_provider_disagrees),
    ("failed on chain", _one_provider_as_two),
    ("failed on chain", _confirmed_only),
    ("agreed", _one_provider_as_two),
    ("agreed", _second_provider_unheard),
    ("finalized", _confirmed_only),
    ("finalized", _never_confirmed),
]


@pytest.mark.parametrize(
    ("name", "contradict"),
    CONTRADICTIONS,
    ids=[f"{name}:{contradict.__name__}" for name, contradict in CONTRADICTIONS],
)
def test_contradictions_are_refused(name: str, contradict: Callable[[Json], None]) -> None:
    bundle = json.loads(lived(name))
    before = copy.deepcopy(bundle)
    contradict(bundle)
    assert before != bundle
    assert check(signed_again(bundle))[0] in BAD


def test_a_field_that_is_given_twice_is_refused() -> None:
    text = lived("finalized").decode()
    assert REFUSED == check(text.replace('"version":1', '"version":1,"version":1').encode())[0]


@pytest.mark.parametrize("data", [b"", b"{", b"null", b"[]", b"{}", b"\xff", b'{"version":NaN}'])
def test_what_is_no_bundle_is_refused(data: bytes) -> None:
    assert REFUSED == check(data)[0]


# --- the checker alone


def test_the_checker_knows_the_lifecycle() -> None:
    known = {(before or "none", event): after for (before, event), after in TRANSITIONS.items()}
    assert known == proofcheck.TRANSITIONS


def test_the_checker_can_be_read_in_one_sitting() -> None:
    assert len(CHECKER.read_text("utf-8").splitlines()) <= 300


def test_the_checker_runs_where_there_is_nothing_but_solders(tmp_path: Path) -> None:
    shutil.copy(CHECKER, tmp_path / "proofcheck.py")
    assert solders.__file__ is not None
    # With what it needs itself, and nothing else that is installed beside it.
    site, installed = tmp_path / "site", Path(solders.__file__).parents[1]
    for package in ("solders", "jsonalias"):
        shutil.copytree(installed / package, site / package)
    shutil.copy(installed / "typing_extensions.py", site)
    start = f"import sys, runpy; sys.path.append({str(site)!r}); del sys.argv[0]; "
    start += "runpy.run_path('proofcheck.py', run_name='__main__'); "

    def run(bundle: bytes) -> "subprocess.CompletedProcess[str]":
        (tmp_path / "bundle.json").write_bytes(bundle)
        command = [sys.executable, "-I", "-S", "-c", start, "proofcheck.py", "bundle.json"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)

    found = run(lived("agreed"))
    assert (0, "") == (found.returncode, found.stderr)
    assert found.stdout.startswith("proven (agreed): ")
    refused = run(lived("agreed").replace(b'"agreed"', b'"agree"'))
    assert 1 == refused.returncode
    assert refused.stdout.startswith("refused: ")


def test_the_checker_names_nothing_but_the_standard_library_and_solders() -> None:
    tree = ast.parse(CHECKER.read_text("utf-8"))
    named = {
        (node.module if isinstance(node, ast.ImportFrom) else alias.name) or ""
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    roots = {name.split(".")[0] for name in named}
    assert roots - sys.stdlib_module_names == {"solders"}
