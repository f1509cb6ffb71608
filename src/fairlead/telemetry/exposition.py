"""Our instruments in Prometheus' text form, with what prometheus-client itself knows of a process.

Imported when the metrics are first asked for: the library would be a tenth of the start.
"""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from fairlead.telemetry.instruments import Families

CONTENT_TYPE = CONTENT_TYPE_LATEST


class _Collected(Collector):
    """The families, as prometheus-client reads them."""

    def __init__(self, families: Families) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        for family in self._families.all:
            yield family.metric(Metric)


def registry_of(families: Families) -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=False)
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    registry.register(_Collected(families))
    return registry


def rendered(registry: CollectorRegistry) -> bytes:
    return generate_latest(registry)
