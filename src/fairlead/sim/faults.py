"""What can go wrong in a simulated world, how often, and how that is spelled in a command."""

import random
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

Per = Literal[
    "send", "signature", "read", "wait", "write", "flush", "slot", "minute", "order", "world"
]


class Kind(msgspec.Struct, frozen=True):
    """A kind of fault."""

    # How often where nothing else is said: of so many sends, reads …, or times in a minute.
    rate: float
    per: Per
    about: str
    # What the engine lacks to stand it: never among "all" until then, only by name.
    lacks: str = ""


KINDS: dict[str, Kind] = {
    "send_lost": Kind(0.1, "send", "accepted, and seen by nobody"),
    "send_refused": Kind(0.05, "send", "answered with an error, and not taken"),
    "send_unheard": Kind(0.1, "send", "taken, though the answer is an error"),
    "send_timeout": Kind(0.03, "send", "taken, and no answer until a time-out"),
    "send_doubled": Kind(0.05, "send", "arrives twice"),
    "send_slow": Kind(0.2, "send", "arrives some slots later, after others that left later"),
    "send_late": Kind(0.04, "signature", "arrives in the last block that may hold it"),
    "send_doomed": Kind(0.06, "signature", "no block ever takes it, however often it is sent"),
    "swap_failed": Kind(0.08, "signature", "the price moves as it lands: it fails, and pays"),
    "rpc_busy": Kind(0.02, "read", "HTTP 429"),
    "rpc_broken": Kind(0.01, "read", "HTTP 502"),
    "rpc_garbage": Kind(0.01, "read", "an answer that cannot be read"),
    "rpc_timeout": Kind(0.005, "read", "no answer until a time-out"),
    "read_slow": Kind(0.03, "read", "the answer is old when it comes"),
    "search_slow": Kind(0.03, "read", "a search of the whole history: the answer is old"),
    "status_missing": Kind(0.03, "read", "null from the recent cache"),
    "transaction_missing": Kind(0.03, "read", "a transaction not shown yet"),
    "hint_lost": Kind(0.1, "wait", "a subscription that stays silent"),
    "hint_doubled": Kind(0.1, "wait", "a notification without news"),
    "write_refused": Kind(0.004, "write", "the store does not answer, nothing was written"),
    "write_lost": Kind(0.004, "write", "the outcome is unknown: it was not made"),
    "write_unheard": Kind(0.004, "write", "the outcome is unknown: it was made"),
    "write_deaf": Kind(0.001, "write", "made, and not a word for long"),
    "write_mute": Kind(0.001, "write", "not made, and not a word for long"),
    "write_late": Kind(0.002, "write", "the outcome is unknown: it is made a moment later"),
    "claim_lost": Kind(0.002, "write", "a claim of unknown outcome: it took nothing"),
    "claim_unheard": Kind(0.002, "write", "a claim of unknown outcome: it took orders"),
    "flush_rolled_back": Kind(0.004, "flush", "a commit fails with all that it took along"),
    "flush_void": Kind(0.003, "flush", "a commit that is not made, of which nobody hears"),
    "flush_unheard": Kind(0.003, "flush", "a commit that is made, of which nobody hears"),
    "crash_commit": Kind(0.004, "write", "a process dies right after a commit"),
    "crash_send": Kind(0.008, "send", "a process dies right after a send"),
    "crash": Kind(1.0, "minute", "a process dies anywhere"),
    "stop": Kind(1.0, "minute", "a worker is asked to stop, and another begins"),
    "hang": Kind(1.5, "minute", "a process does nothing, perhaps past its lease, and goes on"),
    "declared_dead": Kind(1.0, "minute", "a living worker is taken for dead"),
    "clock_jump": Kind(2.0, "minute", "the wall clock of a host is set"),
    "backup": Kind(6.0, "minute", "the store is copied"),
    "restore": Kind(1.2, "minute", "all processes end, and the last copy takes the store's place"),
    "chain_outage": Kind(1.0, "minute", "no provider of a process answers for a while"),
    "store_outage": Kind(1.0, "minute", "the store does not answer a process for a while"),
    "lag": Kind(2.0, "minute", "a provider falls behind by some blocks"),
    "silence": Kind(1.0, "minute", "the subscriptions of a provider say nothing for a while"),
    "history_short": Kind(0.5, "minute", "a provider forgets old transactions"),
    "skip": Kind(0.08, "slot", "slots without a block"),
    "halt": Kind(0.5, "minute", "no blocks for a while"),
    "fork": Kind(2.0, "minute", "blocks that were not final never were"),
    "fork_replay": Kind(2.0, "minute", "a fork that takes the same transactions in another order"),
    "window": Kind(1.0, "minute", "the cluster changes for how long a blockhash lives"),
    "slot_time": Kind(1.0, "minute", "the cluster changes how long a slot takes"),
    "market": Kind(8.0, "minute", "prices jump"),
    "stranger": Kind(4.0, "minute", "somebody pays into a latch"),
    "cancel": Kind(0.12, "order", "the client cancels, sooner or later"),
    "expiry": Kind(0.15, "order", "the order expires soon"),
    "key_repeated": Kind(0.1, "order", "the client sends the same order again"),
    "key_misused": Kind(0.03, "order", "the client uses a key for other terms"),
    "lie_null": Kind(0.2, "read", "one of three says null of a transaction that landed"),
    "lie_error": Kind(0.2, "read", "one of three says that a success failed"),
    "lie_success": Kind(0.1, "read", "one of three says that a transaction landed that did not"),
    "lie_height": Kind(0.1, "read", "one of three tells a height that is far off"),
    "lie_absent": Kind(0.1, "read", "one of three says that accounts are not there"),
    "lie_blockhash": Kind(
        0.3, "read", "one of three says the opposite of isBlockhashValid", "code that asks for it"
    ),
    "three_providers": Kind(0.4, "world", "three providers, one of which may lie, and not one"),
    "latch_off": Kind(0.15, "world", "the operator has switched the latch off"),
}
"""Every kind, in the order of reports."""

MAX_RATE = 0.9
"""Of a fault that may meet every operation: something must get through."""

SWARM = (0.0, 0.0, 0.3, 1.0, 3.0)
"""What the rate of a kind is multiplied with, drawn for each world: faults that hide each other
meet alone in some, and together in others."""


EVEN = "even"
"""Among the faults asked for: the rates hold in every world as they stand, without factors."""


class BadFaults(ValueError):
    """What was asked for cannot be read."""


def parse_faults(text: str) -> dict[str, float]:
    """Rates by kind. "all", "none", or names with commas: `fork,send_lost=0.5`, `all,-halt`.

    With `even` among them every world has just these rates.
    """
    items = [item.strip() for item in text.split(",") if item.strip()]
    rates: dict[str, float] = {}
    is_even = False
    if items and items[0].startswith("-"):
        items.insert(0, "all")
    for item in items:
        name, _, value = item.removeprefix("-").partition("=")
        if name in ("all", "none") and not value and not item.startswith("-"):
            rates = _usual() if name == "all" else {}
        elif item == EVEN:
            is_even = True
        elif name not in KINDS:
            raise BadFaults(f"there is no fault {name!r}: {', '.join(KINDS)}")
        elif item.startswith("-"):
            rates.pop(name, None)
        else:
            rates[name] = _rate(name, value)
    found = {name: rates[name] for name in KINDS if rates.get(name)}
    return {**found, EVEN: 1.0} if is_even else found


def _usual() -> dict[str, float]:
    return {name: kind.rate for name, kind in KINDS.items() if not kind.lacks}


def _rate(name: str, value: str) -> float:
    kind = KINDS[name]
    if not value:
        return kind.rate
    try:
        rate = float(value)
    except ValueError:
        rate = -1.0
    if not 0 <= rate <= (1_000 if kind.per == "minute" else 1):
        raise BadFaults(f"{name}={value} is no rate (per {kind.per})")
    return rate


def spell_faults(rates: Mapping[str, float]) -> str:
    """The shortest text that `parse_faults` reads as these rates."""
    usual = _usual()
    even = [EVEN] if EVEN in rates else []
    rates = {name: rate for name, rate in rates.items() if name != EVEN}

    def item(name: str) -> str:
        is_usual = rates[name] == _rate(name, "")
        return name if is_usual else f"{name}={rates[name]!r}"

    from_none = ",".join([*map(item, rates), *even]) or "none"
    changed = [item(name) for name in rates if usual.get(name) != rates[name]]
    from_all = ",".join(
        ["all", *changed, *(f"-{name}" for name in usual if name not in rates), *even]
    )
    return min((from_none, from_all), key=len)


class Dice:
    """The faults of one world: seeded, counted, and off once the trouble is over."""

    def __init__(self, seed: int, rates: Mapping[str, float]) -> None:
        self.random = random.Random(seed)
        self.is_over = False
        self.fired: Counter[str] = Counter()
        choice = self.random.choice
        # Every kind draws, so that leaving one out leaves the others' factors as they were.
        factors = {name: choice(SWARM) for name in KINDS}
        if EVEN in rates:
            factors = dict.fromkeys(KINDS, 1.0)
        factors.update((name, 1.0) for name, kind in KINDS.items() if kind.per == "world")
        self.rates = {name: rates[name] * factors[name] for name in KINDS if name in rates}

    def rate(self, name: str) -> float:
        """Of a kind in this world."""
        return self.rates.get(name, 0.0)

    @staticmethod
    def _most(name: str) -> float:
        return 1.0 if KINDS[name].per == "world" else MAX_RATE

    def hits(self, name: str, factor: float = 1.0) -> bool:
        """Whether this fault happens here, so many times likelier than usual; then it counts."""
        rate = self.rates.get(name)
        if not rate or self.is_over or self.random.random() >= min(rate * factor, self._most(name)):
            return False
        self.fired[name] += 1
        return True

    def table(self, names: Iterable[str]) -> "Table":
        """Several kinds of which at most one happens at a time."""
        return Table(self, names)


class Table:
    """Kinds that exclude each other, drawn with one number."""

    def __init__(self, dice: Dice, names: Iterable[str]) -> None:
        self._dice = dice
        self._ends: list[tuple[float, str]] = []
        self._total = 0.0
        for name in names:
            rate = dice.rate(name)
            if rate:
                self._total += min(rate, MAX_RATE)
                self._ends.append((self._total, name))
        self._scale = max(1.0, self._total / MAX_RATE)

    def draw(self) -> str | None:
        """The fault that happens, if one does; it counts."""
        dice = self._dice
        if dice.is_over or not self._total:
            return None
        drawn = dice.random.random() * self._scale
        if drawn >= self._total:
            return None
        name = next(name for end, name in self._ends if drawn < end)
        dice.fired[name] += 1
        return name
