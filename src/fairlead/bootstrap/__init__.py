"""Puts the parts together: which adapters stand behind the ports in this process, by the settings.

The only folder that knows all shells. Adapters of servers are imported where they are chosen: a
start on the embedded store waits for none of their libraries.
"""

from fairlead.bootstrap.bounds import allows_unproven_modes
from fairlead.bootstrap.chains import chain_for
from fairlead.bootstrap.processes import run_api, run_migrate, run_node, run_serve, run_worker
from fairlead.bootstrap.storing import DATABASE_FILE, bus_for, open_store, postgres_address

__all__ = [
    # processes
    "run_serve",
    "run_api",
    "run_worker",
    "run_node",
    "run_migrate",
    # parts
    "DATABASE_FILE",
    "open_store",
    "postgres_address",
    "bus_for",
    "chain_for",
    "allows_unproven_modes",
]
