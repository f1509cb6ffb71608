"""Counters and histograms that cost a tenth of a microsecond, read by prometheus-client.

prometheus-client's own take a lock and walk the buckets one by one (1 to 2 µs an observation). Ours
are updated on the event loop's thread, where += needs no lock. Nothing of it is imported here:
`exposition` is, when the metrics are first asked for.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from prometheus_client.core import Metric

# More label values than this come from outside (a reason nobody foresaw): they share one.
MAX_CHILDREN = 256
OTHER = "other"


class Count:
    """Grows."""

    __slots__ = ("value",)
    exposed_as = "counter"

    def __init__(self) -> None:
        self.value = 0

    def inc(self, by: int = 1) -> None:
        self.value += by

    def add_to(self, metric: "Metric", labels: dict[str, str]) -> None:
        metric.add_sample(f"{metric.name}_total", labels, self.value)


class Level:
    """Goes up and down."""

    __slots__ = ("value",)
    exposed_as = "gauge"

    def __init__(self) -> None:
        self.value: float = 0

    def set(self, value: float) -> None:
        self.value = value

    def inc(self, by: float = 1) -> None:
        self.value += by

    def dec(self, by: float = 1) -> None:
        self.value -= by

    def add_to(self, metric: "Metric", labels: dict[str, str]) -> None:
        metric.add_sample(metric.name, labels, self.value)


class Spread:
    """How often which size was seen. `bounds` are inclusive upper ends, ascending."""

    __slots__ = ("bounds", "counts", "sum")
    exposed_as = "histogram"

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def add_to(self, metric: "Metric", labels: dict[str, str]) -> None:
        """The exposition has cumulative counts by upper end."""
        seen = 0
        ends = [*(repr(float(bound)) for bound in self.bounds), "+Inf"]
        for end, count in zip(ends, self.counts, strict=True):
            seen += count
            metric.add_sample(f"{metric.name}_bucket", {**labels, "le": end}, seen)
        metric.add_sample(f"{metric.name}_sum", labels, self.sum)
        metric.add_sample(f"{metric.name}_count", labels, seen)


T = TypeVar("T", Count, Level, Spread)


class Family(Generic[T]):
    """Instruments of one name, told apart by labels. Bind a child once and keep it."""

    def __init__(
        self, make: Callable[[], T], name: str, meaning: str, labels: Sequence[str] = ()
    ) -> None:
        self.name = name
        self.meaning = meaning
        self.labels = tuple(labels)
        self.children: dict[tuple[str, ...], T] = {}
        self._make: Callable[[], T] = make
        self._exposed_as = make().exposed_as

    def child(self, *values: str) -> T:
        found = self.children.get(values)
        if found is not None:
            return found
        assert len(values) == len(self.labels), f"{self.name} has the labels {self.labels}"
        if len(self.children) >= MAX_CHILDREN:
            values = (OTHER,) * len(values)
        return self.children.setdefault(values, self._make())

    def metric(self, new: Callable[[str, str, str], "Metric"]) -> "Metric":
        """The family as it stands, as a metric made by `new(name, meaning, kind)`."""
        metric = new(self.name, self.meaning, self._exposed_as)
        for values, child in self.children.items():
            child.add_to(metric, dict(zip(self.labels, values, strict=True)))
        return metric


class Families:
    """All families of one object, in the order of their making."""

    def __init__(self) -> None:
        self.all: list[Family[Count] | Family[Level] | Family[Spread]] = []

    def add(self, family: Family[T]) -> Family[T]:
        self.all.append(family)
        return family
