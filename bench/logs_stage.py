"""`bin/bench logs`' stage, in a process with Estiva's settings: an application that is told to talk, and whoever follows what it says."""

import subprocess
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.feed import SAID
from bench.seats import CLIENT, Login
from bench.viewer import Heard, Viewer
from deployments import requests
from deployments.accounts import people
from deployments.actors import ESTIVA
from deployments.inventory import placements, variables
from deployments.models import Deployment, Placement, PlacementHost, Plan, Target
from deployments.states import DEPLOYMENT_OPEN
from parts.processes import PartError, run, wait_until
from parts.sshd import SshServer
from parts.story_acts import admin, await_operation, check
from parts.story_browser import Browser

CHATTY, RECORD = "chatty", "record"
DEADLINE = 300  # seconds in which a burst must have come


@dataclass(frozen=True, slots=True)
class Burst:
    """Seconds until the last line of a burst was at its reader: since the container started, by its `State.StartedAt` on this machine's
    own clock, and since the first line was there."""

    since_start: float
    since_first_line: float


class Stage:
    """The sample application as it is told to talk, and somebody who watches it being deployed."""

    def __init__(self, told: dict[str, Any]) -> None:
        self._told = told
        user, self._actor = admin()
        self._placement = Placement.objects.get()
        self._browser = Browser(told["url"])
        self._browser.sign_in(people.issue_sign_in_token(actor=ESTIVA, user=user))
        folder, port = told["sshd"]
        sshd = SshServer(Path(folder), port)
        place = Path(folder) / "peers"
        place.mkdir()
        login = Login.make(place, [sshd])
        self._ssh = ["ssh", *login.options(place), "-p", str(sshd.port), f"{sshd.user}@{sshd.address}"]
        self._docker = [CLIENT, "--host", f"unix://{told['socket']}"]

    @property
    def health(self) -> dict[str, Any]:
        """How the application is judged."""
        return dict(self._placement.settings["health"])

    def say(self, **values: str) -> None:
        """Set variables of the application."""
        for name, value in values.items():
            variables.set_variable(
                actor=self._actor, placement=self._placement, name=name, value=value, is_secret=False
            )

    def begin(self, settings: dict[str, Any]) -> Target:
        """Plan and click; the Target that a worker takes up now."""
        seats = PlacementHost.objects.filter(placement=self._placement, is_active=True)
        self._placement = placements.save_placement(
            actor=self._actor,
            placement=self._placement,
            application=self._placement.application,
            environment=self._placement.environment,
            image=f"{self._told['image']}:1",
            settings={**self._placement.settings, **settings},
            host_ids=list(seats.values_list("host_id", flat=True)),
        )
        plan = requests.request_plan(actor=self._actor, placement=self._placement)
        await_operation(plan.operation, "the plan was not worked out")
        plan = Plan.objects.get(pk=plan.pk)
        check("plan", plan.is_ready, f"{plan.operation.result}")
        deployment = requests.request_deployment(actor=self._actor, plan=plan, fingerprint=plan.fingerprint)
        return deployment.targets.get()

    def watch(self, target: Target, last: str, deadline: float) -> Viewer:
        """Somebody who looks at it from the first line until one ends with this."""
        viewer = Viewer(self._browser, target.deployment_id, target.pk, lambda heard: _has(heard, last), deadline)
        viewer.start()
        return viewer

    def ended(self, target: Target, timeout: float) -> None:
        """Wait for its end, which must be a good one."""
        wait_until(
            lambda: Deployment.objects.get(pk=target.deployment_id).status not in DEPLOYMENT_OPEN,
            f"deployment #{target.deployment_id} did not end",
            timeout=timeout,
        )
        target.refresh_from_db()
        check("deploy", target.status == "succeeded", f"{target.status}: {target.outcome}")

    def raw(self, amount: int) -> Burst:
        """What `docker logs --follow` brings over ssh, asked for as soon as `docker run` has started the container."""
        told = ["--env", f"SAMPLE_BEHAVIOUR={CHATTY}", "--env", f"SAMPLE_LINES={amount}"]
        run([*self._docker, "rm", "--force", "raw"])
        run([*self._docker, "run", "--detach", "--name", "raw", *told, f"{self._told['image']}:1"])
        with self.follow("raw", DEADLINE) as lines:
            first, last = first_and_last(lines, amount)
        started = self.started("raw")
        run([*self._docker, "rm", "--force", "raw"])
        return Burst(last - started, last - first)

    @contextmanager
    def follow(self, container: str, deadline: float) -> Iterator[Iterator[bytes]]:
        """The lines that `docker logs --follow` brings over ssh; they end after so many seconds, whatever has come."""
        argv = [*self._ssh, *self._docker, "logs", "--follow", container]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as reading:
            assert reading.stdout is not None
            end = threading.Timer(deadline, reading.kill)
            end.start()
            try:
                yield iter(reading.stdout)
            finally:
                end.cancel()
                reading.kill()

    def started(self, container: str) -> float:
        """When the engine started it, in seconds of the wall clock."""
        told = run([*self._docker, "inspect", "--format", "{{.State.StartedAt}}", container])
        return datetime.fromisoformat(told.strip()).timestamp()

    def container(self, target: Target) -> str:
        """The id of a Target's container, once there is one."""
        listing = [*self._docker, "ps", "--quiet", "--no-trunc", "--filter", f"label=estiva.target={target.pk}"]
        found: list[str] = []

        def is_there() -> bool:
            found[:] = run(listing).split()
            return bool(found)

        wait_until(is_there, f"{target} has no container", timeout=60)
        return found[0]


class Beside(threading.Thread):
    """Somebody who follows a Target's container over ssh, as its viewer does, for so many seconds at most: how late each line came to
    him (ms), and whether the last one did."""

    def __init__(self, stage: Stage, target: Target, last: str, deadline: float) -> None:
        super().__init__(daemon=True)
        self._stage, self._target, self._last, self._deadline = stage, target, last, deadline
        self.has_last = False
        self.latencies: list[float] = []

    def run(self) -> None:
        """Follow it to the last line."""
        container = self._stage.container(self._target)
        began = time.time()
        with self._stage.follow(container, self._deadline) as lines:
            for line in lines:
                if (said := SAID.search(line.decode())) and float(
                    said[2]
                ) > began:  # what was said before waited for him
                    self.latencies.append((time.time() - float(said[2])) * 1000)
                if self._last.encode() in line:
                    self.has_last = True
                    return


def first_and_last(lines: Iterable[bytes], amount: int) -> tuple[float, float]:
    """When the first of so many lines of a burst came and when the last (seconds of the wall clock); PartError where that didn't come."""
    first, met = 0.0, 0
    for line in lines:
        if RECORD.encode() in line:
            first, met = first or time.time(), met + 1
            if f"{RECORD} {amount} ".encode() in line:
                return first, time.time()
    raise PartError(f"ssh host docker logs ended after {met} of {amount} lines.")


def _has(heard: Heard, last: str) -> bool:
    return any(last in text for text in heard.texts[-500:])
