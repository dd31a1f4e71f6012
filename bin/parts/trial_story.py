"""What the trial goes through: install, use, move a worker, upgrade, back up, restore; by the commands of the docs, and by pages."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from parts import trial_backup
from parts.faults.events import Watch
from parts.processes import PartError, free_port
from parts.secret_files import KEYS
from parts.trial_acts import SERVER, Deployed, check
from parts.trial_machine import WorkerMachine
from parts.trial_reconciled import LATER, UNWANTED, Cases, Reconciled, check_open
from parts.trial_record import StackRecord
from parts.trial_server import TrialServer, shown
from parts.trial_stack import SERVICES, Stack, announce
from parts.trial_upgrade import Upgrade, Upgraded, busy


class Story(Upgraded):
    """Chapters in order; each adds to `figures`, and raises PartError where something isn't as promised.

    `stack` begins with the earlier version; `tree` and `image` are the new one's.
    """

    def __init__(
        self, stack: Stack, other: Stack, server: TrialServer, figures: dict[str, Any], tree: Path, image: str
    ) -> None:
        super().__init__(stack, server, figures)
        self.other, self.tree, self.image = other, tree, image
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
            "reconcile": self.reconcile,
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
        self.begin()
        self.figures["containers"] = {name: len(self.stack.containers(name)) for name in SERVICES}
        self.figures["users"] = self.stack.users()
        check(self.stack.refuses_writes("web"), "the web's file system can be written to")

    def deploy(self) -> None:
        """The first application, with a secret; its log read live."""
        self.sample = self.acts.create("sample", f"SAMPLE_GREETING={self.secret}", secret=True)
        self.acts.deploy(self.sample)
        self._serves("1")
        self.first = Deployed("sample", self.sample.port, self.sample.deployment)
        self.first_lines = self.figures["log_lines"] = self.acts.log(self.first)

    def upgrade(self) -> None:
        """Another version while deploys run: every click that was answered ended once, with every line, and nobody was left without an answer."""
        with busy(self, "life") as traffic:
            upgrade = Upgrade(self.stack, traffic, self.tree, self.image)
            told = upgrade.at_once()
            upgrade.check_all_new()
            self.settled("upgrade_at_once", upgrade, told)
        self._serves("1")

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
        """While deploys run; then the servers go on to what the backup doesn't know."""
        self.figures["memory"] = self.stack.memory()
        self.cases = Cases(self.acts)
        self.cases.bring_up()
        self.head = self.stack.manage("audit", "head")
        self.noted = self.record.now()
        self.history = self.record.history(self.noted)
        due = self.cases.open()
        began = time.monotonic()
        with self.backup.open("wb") as file:
            self.stack.manage("backup", "-", output=file)
        self.figures["backup_seconds"] = round(time.monotonic() - began, 1)
        self.figures["backup_bytes"] = self.backup.stat().st_size
        self.tables = trial_backup.read(self.backup)
        self.opened = trial_backup.open_targets(self.tables)
        check_open(self.opened, due)
        self.cases.go_on()
        self.acts.set_version(self.sample, "1")
        self.acts.deploy(self.sample)
        self.later_head = self.stack.manage("audit", "head")
        self.placements = self.record.placements()
        self._refused(self.stack, "in use")

    def restore(self) -> None:
        """Into an empty stack: refused with other keys, done with the copy that was kept; then row for row what was backed up."""
        self.stack.compose("stop")
        self.other.settle(self.image)
        self.other.make_secrets()
        self.other.up("postgres", "redis")
        self.other.migrate()
        self._refused(self.other, "other keys")
        for name in KEYS:
            (self.other.secrets / name).unlink()
            shutil.copy(self.stack.secrets / name, self.other.secrets / name)
        with self.backup.open("rb") as file:
            announce(self.other.manage("restore", "-", source=file))
        self.restored = StackRecord(self.other.ask)
        wrong = self.restored.history(self.noted).differs_from(self.history)
        again = self.backup.with_suffix(".again")
        with again.open("wb") as file:
            self.other.manage("backup", "-", output=file)
        wrong += trial_backup.differing(trial_backup.as_restored(self.tables), trial_backup.read(again))
        check(not wrong, f"not the same after the restore: {'; '.join(wrong)}")
        self.figures["restored"] = {
            "history_compared": self.history.counts,
            "tables_compared": len(self.tables),
            "rows_compared": sum(len(each.rows) for each in self.tables.values()),
            "open_in_the_backup": trial_backup.by_status(self.opened),
        }

    def reconcile(self) -> None:
        """The pages first, where what isn't wanted any more is cancelled; then the workers, and what they make of what they find."""
        watch = Watch(SERVER, self.server.engine)
        watch.start()
        try:
            found = Reconciled(self.server, self.restored, self.opened, self.placements, watch.seen)
            self.other.up("web", "caddy")
            self.acts = self.somebody(self.other)
            self.acts.cancel(self.cases.opened[UNWANTED])
            self.other.up()
            self.figures["restored"] |= found.judged(self.acts, self.cases.applications)
        finally:
            watch.stop()
        self.figures["restored"]["audit"] = self.other.manage("audit", "verify", "--noted", self.head)
        self._missing_entries_show()

    def after_restore(self) -> None:
        """History, log and secrets are there again, and work goes on."""
        self.acts.person.wait_for(f"/deployments/{self.first.deployment}/", "Succeeded", timeout=5)
        lines = self.acts.log(self.first)
        check(lines == self.first_lines, f"the first deployment has {lines} lines, not {self.first_lines}")
        before = max(self.sample.deployment, self.cases.applications[LATER].deployment)
        self.acts.deploy(self.sample)
        self._serves("2")  # what was set when the backup was made
        self.figures["log_lines"] += self.acts.log(self.sample)
        check(
            self.sample.deployment > before,
            f"deployment #{self.sample.deployment} bears a number that was given before",
        )

    def _missing_entries_show(self) -> None:
        """What was written after the backup is gone: a head that was noted then tells of it."""
        try:
            self.other.manage("audit", "verify", "--noted", self.later_head)
        except PartError as error:
            check("the noted head names" in str(error), str(error))
            return
        raise PartError("a head noted after the backup holds, though the entries that it covers are gone")

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
