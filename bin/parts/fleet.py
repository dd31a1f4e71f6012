"""Many servers at once: each an sshd on port 22 and a Docker Engine in a network namespace of its own, behind one bridge with a registry."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from parts.faults.images import WorldRegistry
from parts.machine import Machine
from parts.namespaces import Network
from parts.part import Part
from parts.processes import free_port, kill_all, process_ids

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
            kill_all(self._signalled())
            _each(self.machines, Machine.stop)
        finally:
            self.machines = []
            self.registry.stop()
            self.network.stop()

    def _signalled(self) -> list[int]:
        """The engines' processes and their containers', SIGKILLed: found by one look for all, where each engine looks by itself."""
        runs = tuple(f"{each.engine.socket.parent}/" for each in self.machines)
        found = [pid for pid in process_ids() if self._is_of(pid, runs)]
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return found

    def _is_of(self, pid: int, runs: tuple[str, ...]) -> bool:
        try:
            command, group = (Path(f"/proc/{pid}/{name}").read_text(errors="replace") for name in ("cmdline", "cgroup"))
        except (FileNotFoundError, ProcessLookupError):
            return False
        return f":/{self.network.bridge}-" in group or any(each in command for each in runs)


def _each(machines: list[Machine], act: Callable[[Machine], None]) -> None:
    """All have their turn, also behind one that fails; the first failure is raised."""
    with ThreadPoolExecutor(AT_ONCE) as threads:
        done = [threads.submit(act, each) for each in machines]
    for each in done:
        each.result()
