"""Another machine for one worker: a network namespace of its own, joined to this one by a cable, with what docs/systemd starts there."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from pathlib import Path

from parts.part import remember
from parts.processes import PartError, Process, run

UNIT = Path("docs/systemd/estiva-worker@.service")
INSTALLED = "/opt/estiva/.venv/bin/"
READY = "ready."


class WorkerMachine:
    """The worker `estiva-worker@deploy`, as its unit has it, from the source in `tree`; what systemd would do is done here by hand."""

    def __init__(self, folder: Path, tree: Path, number: int) -> None:
        self.folder, self._tree = folder, tree
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._name = f"estiva-trial-{number}"
        self._cable = (f"estt{number}a", f"estt{number}b")
        self._addresses = (f"10.215.{number}.1", f"10.215.{number}.2")
        self._log = folder / "worker.log"
        self._process = Process(["ip"], log=self._log)

    def start(self, secrets: Path, moved: dict[str, str], plain: dict[str, str], reach: str) -> None:
        """Start it with these secrets, some of them with another content (`moved`), and wait until it takes work.

        `reach` is the one address of production that this machine has a way to.
        """
        self._connect(reach)
        run(["cp", "--recursive", "--no-target-directory", str(secrets), str(self.folder / "secrets")])
        for name, content in moved.items():
            (self.folder / "secrets" / name).unlink()
            (self.folder / "secrets" / name).write_text(content)
        argv, environment = self._unit(plain)
        self._process = Process(
            ["ip", "netns", "exec", self._name, *argv], log=self._log, env=environment, cwd=self._tree
        )
        self._process.start()
        remember(self.folder, self._process.pid)
        self._process.wait_ready(lambda: READY in self._log.read_text(errors="replace"), timeout=60)

    def stop(self) -> None:
        """End the worker as systemd would, then the machine."""
        if self._process.alive:
            self._process.stop(number=signal.SIGTERM, timeout=15)
        self._remove()

    def _remove(self) -> None:
        if self._name in run(["ip", "netns", "list"]).split():
            run(["ip", "netns", "delete", self._name])

    def addresses(self) -> str:
        """What the machine knows of networks, for the record."""
        return run(["ip", "-netns", self._name, "-4", "-brief", "address"])

    def _connect(self, reach: str) -> None:
        ours, theirs = self._cable
        self._remove()  # what a run that was killed left
        run(["ip", "netns", "add", self._name])
        run(["ip", "link", "add", ours, "type", "veth", "peer", "name", theirs, "netns", self._name])
        run(["ip", "address", "add", f"{self._addresses[0]}/30", "dev", ours])
        run(["ip", "link", "set", ours, "up"])
        inside = ["ip", "-netns", self._name]
        run([*inside, "link", "set", "lo", "up"])
        run([*inside, "address", "add", f"{self._addresses[1]}/30", "dev", theirs])
        run([*inside, "link", "set", theirs, "up"])
        run([*inside, "route", "add", f"{reach}/32", "via", self._addresses[0]])

    def _unit(self, plain: dict[str, str]) -> tuple[list[str], dict[str, str]]:
        """The unit's command and environment, its specifiers replaced as systemd does."""
        unit = _Unit(self._tree / UNIT, {"%i": "deploy", "%d": str(self.folder / "secrets"), "%%": "%"})
        argv = shlex.split(unit.one("ExecStart"))
        if not argv[0].startswith(INSTALLED):
            raise PartError(f"{UNIT} starts {argv[0]}, which is not below {INSTALLED}.")
        program = str(Path(sys.executable).parent / argv[0].removeprefix(INSTALLED))
        given = dict(word.split("=", 1) for line in unit.all("Environment") for word in shlex.split(line))
        given |= {"ESTIVA_VAR": str(self.folder / "var")}
        names = {line.split(":")[0] for line in unit.all("LoadCredential")}
        missing = [name for name in names if not (self.folder / "secrets" / name).exists()]
        if missing:
            raise PartError(f"{UNIT} loads {', '.join(missing)}, which bin/secrets doesn't write.")
        (self.folder / "var").mkdir(exist_ok=True)
        return [program, *argv[1:]], {"PATH": os.environ["PATH"], **plain, **given}


class _Unit:
    """The [Service] section of a unit; a key may stand there several times."""

    def __init__(self, file: Path, specifiers: dict[str, str]) -> None:
        text = file.read_text()
        self._pairs: list[tuple[str, str]] = []
        for line in text.partition("[Service]")[2].partition("\n[")[0].splitlines():
            name, equals, value = line.partition("=")
            if equals and not name.startswith("#"):
                for written, meant in specifiers.items():
                    value = value.replace(written, meant)
                self._pairs.append((name, value))

    def all(self, name: str) -> list[str]:
        """Every value of this key."""
        return [value for each, value in self._pairs if each == name]

    def one(self, name: str) -> str:
        """The value of this key."""
        return self.all(name)[0]
