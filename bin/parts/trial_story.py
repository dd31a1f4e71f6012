"""What the trial goes through: install, use, move a worker, upgrade, back up, restore; by the commands of the docs, and by pages."""

from __future__ import annotations

import http.client
import re
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from parts.processes import PartError, free_port
from parts.secret_files import KEYS
from parts.trial_acts import Acts, Deployed, check
from parts.trial_machine import WorkerMachine
from parts.trial_person import Person
from parts.trial_server import TrialServer, shown
from parts.trial_stack import SERVICES, URL, Stack, announce

_LINK = re.compile(r"https://\S+/account/link/\S+")
SLOW = ("SAMPLE_BEHAVIOUR=slow_start", "SAMPLE_SECONDS=20")
RUNNING_DEPLOYS = 3


class Story:
    """Chapters in order; each adds to `figures`, and raises PartError where something isn't as promised."""

    def __init__(
        self, stack: Stack, other: Stack, server: TrialServer, figures: dict[str, Any], *, old: str, new: str
    ) -> None:
        self.stack, self.other, self.server, self.figures = stack, other, server, figures
        self.old, self.new = old, new
        self.password = secrets.token_urlsafe(16)
        self.secret = f"sealed-{secrets.token_hex(6)}"
        self.backup = stack.folder / "estiva.backup"

    def go(self) -> None:
        """All chapters."""
        chapters: dict[str, Callable[[], None]] = {
            "install": self.install,
            "first_admin": self.first_admin,
            "server": self.register_server,
            "deploy": self.deploy,
            "upgrade_with_deploys_running": self.upgrade,
            "worker_on_another_machine": self.move_worker,
            "back_up": self.back_up,
            "restore": self.restore,
            "after_restore": self.after_restore,
        }
        for name, chapter in chapters.items():
            announce(name.replace("_", " "))
            began = time.monotonic()
            try:
                chapter()
            except PartError as error:
                raise PartError(f"{name}: {error}") from error
            self.figures[f"{name}_seconds"] = round(time.monotonic() - began, 1)

    def install(self) -> None:
        """The earlier version, with two workers."""
        self.stack.make_secrets()
        self.stack.up(scale={"worker": 2})
        self.figures["containers"] = {name: len(self.stack.containers(name)) for name in SERVICES}
        self.figures["users"] = self.stack.users()
        check(self.stack.refuses_writes("web"), "the web's file system can be written to")

    def first_admin(self) -> None:
        """By the setup link that the docs' command prints."""
        link = _LINK.search(self.stack.manage("setup_link"))
        if link is None:
            raise PartError("manage.py setup_link printed no link")
        self.acts = Acts(Person(URL, self.stack.ports["https"], self.stack.authority()), self.server)
        self.acts.become_admin(link[0], self.password)

    def register_server(self) -> None:
        """The server that all is deployed to."""
        self.acts.register_server()

    def deploy(self) -> None:
        """The first application, with a secret; its log read live."""
        self.sample = self.acts.create("sample", f"SAMPLE_GREETING={self.secret}", secret=True)
        self.acts.deploy(self.sample)
        self._serves("1")
        self.first = Deployed("sample", self.sample.port, self.sample.deployment)
        self.first_lines = self.figures["log_lines"] = self.acts.log(self.first)

    def upgrade(self) -> None:
        """Another image while deploys run: each ends well, with every line, once."""
        slow = [self.acts.create(f"slow-{number}", *SLOW) for number in range(1, RUNNING_DEPLOYS + 1)]
        for each in slow:
            self.acts.deploy(each, wait=False)
        for each in slow:
            self.acts.person.wait_for(f"/deployments/{each.deployment}/", "Running", timeout=30)
        self.stack.settle(self.new)
        with self._measuring_absence():
            self.stack.up(scale={"worker": 2})
        for each in slow:
            self.acts.finished(each)
            self.figures["log_lines"] += self.acts.log(each)
            check(shown(each.port)[0] == "1", f"{each.name} does not answer")
        self.figures["deploys_over_upgrade"] = len(slow)
        self._serves("1")
        self.stack.manage("audit", "verify")

    def move_worker(self) -> None:
        """The deploying worker runs on another machine, and none here; database and Redis are published for it."""
        ports = {"postgres": free_port(), "redis": free_port()}
        self.stack.publish(self.server.address, ports)
        self.stack.up(scale={"worker": 2})
        self.stack.compose("stop", "worker")
        number = int(self.server.address.split(".")[2])
        machine = WorkerMachine(self.stack.folder / "machine", self.stack.tree, number)
        moved = {
            "ESTIVA_DATABASE_URL": self.stack.secret("ESTIVA_DATABASE_URL").replace(
                "@postgres:5432", f"@{self.server.address}:{ports['postgres']}"
            ),
            "ESTIVA_REDIS_URL": self.stack.secret("ESTIVA_REDIS_URL").replace(
                "@redis:6379", f"@{self.server.address}:{ports['redis']}"
            ),
        }
        try:
            machine.start(self.stack.secrets, moved, self.stack.plain(), self.server.address)
            announce(f"the worker's machine: {' '.join(machine.addresses().split())}")
            self.acts.set_version(self.sample, "2")
            self.acts.deploy(self.sample)
            self._serves("2")
        finally:
            machine.stop()
        self.stack.compose("start", "worker")

    def back_up(self) -> None:
        """While everything runs; then the servers learn of a deploy that the backup doesn't know."""
        self.figures["memory"] = self.stack.memory()
        began = time.monotonic()
        with self.backup.open("wb") as file:
            self.stack.manage("backup", "-", output=file)
        self.figures["backup_seconds"] = round(time.monotonic() - began, 1)
        self.figures["backup_bytes"] = self.backup.stat().st_size
        self.head = self.stack.manage("audit", "head")
        self.acts.set_version(self.sample, "1")
        self.acts.deploy(self.sample)
        self._refused(self.stack, "in use")

    def restore(self) -> None:
        """Into an empty stack: refused with other keys, done with the copy that was kept."""
        self.stack.compose("stop")
        self.other.settle(self.new)
        self.other.make_secrets()
        self.other.up("postgres", "redis")
        self.other.compose("run", "--rm", "--no-TTY", "migrate")
        self._refused(self.other, "other keys")
        for name in KEYS:
            (self.other.secrets / name).unlink()
            shutil.copy(self.stack.secrets / name, self.other.secrets / name)
        with self.backup.open("rb") as file:
            announce(self.other.manage("restore", "-", source=file))
        self.other.up()

    def after_restore(self) -> None:
        """History, log and secrets are there again, and work goes on."""
        self.acts = Acts(Person(URL, self.other.ports["https"], self.other.authority()), self.server)
        self.acts.sign_in(self.password)
        self.acts.person.wait_for(f"/deployments/{self.first.deployment}/", "Succeeded", timeout=5)
        lines = self.acts.log(self.first)
        check(lines == self.first_lines, f"the first deployment has {lines} lines, not {self.first_lines}")
        self.other.manage("audit", "verify", "--noted", self.head)
        before = self.sample.deployment
        self.acts.deploy(self.sample)
        self._serves("2")  # what was set when the backup was made
        self.figures["log_lines"] += self.acts.log(self.sample)
        check(
            self.sample.deployment > before,
            f"deployment #{self.sample.deployment} bears a number that was given before",
        )

    def _serves(self, version: str) -> None:
        found = shown(self.sample.port)
        check(found == (version, self.secret), f"the application shows {found}, not version {version} and its secret")

    def _refused(self, stack: Stack, why: str) -> None:
        with self.backup.open("rb") as file:
            try:
                stack.manage("restore", "-", source=file)
            except PartError as error:
                check(why in str(error), str(error))
                return
        raise PartError(f"a restore was not refused ({why})")

    @contextmanager
    def _measuring_absence(self) -> Iterator[None]:
        """How long /healthz did not answer, in steps of 50 ms."""
        over, away = threading.Event(), [0.0]

        def look() -> None:
            before = time.monotonic()
            while not over.wait(0.05):
                now = time.monotonic()
                away[0] += 0 if answers(self.stack.ports["web"]) else now - before
                before = now

        looking = threading.Thread(target=look, daemon=True)
        looking.start()
        try:
            yield
        finally:
            over.set()
            looking.join()
        self.figures["web_away_seconds"] = round(away[0], 1)


def answers(port: int) -> bool:
    """Whether the web behind this port says that it lives."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
