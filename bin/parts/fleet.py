"""Many servers at once: each an sshd on port 22 and a Docker Engine in a network namespace of its own, behind one bridge with a registry."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from parts.faults.images import WorldRegistry
from parts.machine import Machine
from parts.namespaces import Network
from parts.part import Part
from parts.processes import free_port

AT_ONCE = 4  # that start or stop beside each other


class Fleet(Part):
    """`count` servers named web-1, web-2, …: forty start in about eight seconds and take 1.5 GB.

    The servers lie beside the folder, not in it: `leftovers` finds them there after a run that was killed.
    """

    name = "fleet"

    def __init__(self, folder: Path, count: int) -> None:
        super().__init__(folder)
        self.network = Network(self.folder)
        self.registry = WorldRegistry(self.folder / "registry", self.network, free_port())
        self.machines: list[Machine] = []
        self._count = count

    def start(self) -> None:
        """Start them all; when one can't, none stays."""
        try:
            self.network.start()
            self.registry.host = self.network.gateway
            self.registry.start()
            for number in range(1, self._count + 1):
                folder = self.folder.with_name(f"{self.folder.name}-{number}")
                place = self.network.add()
                self.machines.append(Machine(f"web-{number}", folder, place, registries=self.registry.address))
            _each(self.machines, Machine.start)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End them all, and what they had of this machine."""
        try:
            _each(self.machines, Machine.stop)
        finally:
            self.machines = []
            self.registry.stop()
            self.network.stop()


def _each(machines: list[Machine], act: Callable[[Machine], None]) -> None:
    """All have their turn, also behind one that fails; the first failure is raised."""
    with ThreadPoolExecutor(AT_ONCE) as threads:
        done = [threads.submit(act, each) for each in machines]
    for each in done:
        each.result()
