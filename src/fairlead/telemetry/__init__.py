"""What fairlead says about itself: log lines, metrics, and the findings of its own checks.

The names load when first asked for: `fairlead doctor` needs a Check, not a metrics library.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fairlead.telemetry.checks import Check
    from fairlead.telemetry.logs import configure_logging, redact
    from fairlead.telemetry.metrics import Metrics

_HOMES = {
    "Check": "fairlead.telemetry.checks",
    "configure_logging": "fairlead.telemetry.logs",
    "redact": "fairlead.telemetry.logs",
    "Metrics": "fairlead.telemetry.metrics",
}

__all__ = ["Check", "Metrics", "configure_logging", "redact"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
