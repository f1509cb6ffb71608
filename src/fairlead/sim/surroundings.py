"""What the parts of a simulated world know of each other."""

from typing import Protocol

from fairlead.ports import Balances, Wallet
from fairlead.sim.clock import VirtualClock
from fairlead.sim.cluster import Cluster
from fairlead.sim.faults import Dice
from fairlead.sim.process import Process


class Scene(Protocol):
    """The world, for those who play in it."""

    clock: VirtualClock
    cluster: Cluster
    dice: Dice
    # Those that live, or died and are not buried yet; none only while nobody is `reachable`.
    processes: list[Process]

    @property
    def wallet(self) -> Wallet: ...
    @property
    def balances(self) -> Balances: ...

    def is_lost(self, order_id: str) -> bool: ...
    async def reachable(self) -> None: ...
    def fail(self, rule: str, text: str, order_id: str = "") -> None: ...
