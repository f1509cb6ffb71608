"""Settings: read once from the environment and `.env`, frozen, unknown names refused."""

from fairlead.config.load import load_settings, read_environment
from fairlead.config.settings import (
    ApiSettings,
    ChainSettings,
    ClientSettings,
    FaultRates,
    LandingSettings,
    LogSettings,
    NodeSettings,
    OrderSettings,
    PaperSettings,
    Secret,
    Settings,
    StoreSettings,
    WorkerSettings,
    without_password,
)

__all__ = [
    "Settings",
    "load_settings",
    "read_environment",
    # Groups
    "ChainSettings",
    "StoreSettings",
    "ApiSettings",
    "OrderSettings",
    "WorkerSettings",
    "LandingSettings",
    "PaperSettings",
    "FaultRates",
    "NodeSettings",
    "LogSettings",
    "ClientSettings",
    # Secrets
    "Secret",
    "without_password",
]
