"""`bin/bench overhead`'s runs, in a process with Estiva's settings: what to use is told as JSON on standard input."""

import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import django

django.setup()

from bench.pairs import take_turns  # noqa: E402 - Django has to be set up first
from bench.peers import Local, peers  # noqa: E402
from bench.seats import CLIENT, Login, Seat, Way  # noqa: E402
from bench.stage import answer, between  # noqa: E402
from bench.trace import traced  # noqa: E402
from deployments import requests  # noqa: E402
from deployments.models import Deployment, Placement, Plan, Target  # noqa: E402
from deployments.states import DEPLOYMENT_OPEN  # noqa: E402
from parts.processes import run, wait_until  # noqa: E402
from parts.sshd import SshServer  # noqa: E402
from parts.story_acts import admin, await_operation, check  # noqa: E402
from parts.story_steps import Sample, save  # noqa: E402
from worker.connections.docker import DockerHost  # noqa: E402
from worker.connections.pool import Pool  # noqa: E402
from worker.connections.signals import Signals  # noqa: E402
from worker.connections.ssh import HostKey, SshAddress, SshCredential  # noqa: E402
from worker.engine.events import Ended  # noqa: E402
from worker.engine.rollout import deploy  # noqa: E402
from worker.engine.spec import (  # noqa: E402
    ContainerSpec,
    DeploySpec,
    HealthSpec,
    Identity,
    ImageSpec,
    PortSpec,
    Secret,
)

# One answer is proof enough here, asked for often: the others don't ask at all.
HEALTH = HealthSpec(kind="http", port=5000, path="/healthz", interval=0.1, passes=1, deadline=20, timeout=2)


class Engine:
    """Estiva's engine alone: a connection of its own each time, no record."""

    def __init__(self, seat: Seat, key: str) -> None:
        self._seat, self._fence = seat, 0
        self._credential = SshCredential(Secret(key))

    def deploy(self, number: int, image: ImageSpec) -> None:
        """One deploy from the connect to the last look."""
        self._fence += 1
        seat = self._seat
        port = PortSpec(5000, seat.port, "127.0.0.1")
        before = self._fence - 1 or None
        identity = Identity("bench", 7, seat.name, self._fence, self._fence, self._fence, self._fence, before)
        container = ContainerSpec(ports=(port,), health=HEALTH, stop_timeout=2)
        spec = DeploySpec(identity, image, container, HEALTH, (self._fence,), host_name="bench")
        address = SshAddress("bench", seat.sshd.address, seat.sshd.port, seat.sshd.user)
        pool, signals = Pool(), Signals()
        try:
            with pool.session(
                address, self._credential, HostKey(*seat.sshd.host_key_line().split()), signals
            ) as session:
                last = list(deploy(spec, DockerHost(session, seat.socket, signals)))[-1]
        finally:
            pool.close()
        check("engine", isinstance(last, Ended) and last.verdict == "succeeded", f"round {number}: {last}")


class Pipeline:
    """A person's click after the plan was shown: a worker's claim, the engine, the record."""

    def __init__(self, sample: Sample) -> None:
        self._sample, self._actor = sample, admin()[1]
        self._placement = Placement.objects.get()
        self.parts: dict[str, list[float]] = defaultdict(list)
        self.plans: list[float] = []  # seconds of each, before the click

    def deploy(self, number: int, tag: str) -> float:
        """Seconds from just before the click until this connection, which is not the worker's, reads that it is over."""
        self._placement = save(self._actor, self._placement, self._sample, tag, interval=HEALTH.interval, passes=1)
        plan = requests.request_plan(actor=self._actor, placement=self._placement)
        await_operation(plan.operation, "the plan was not worked out")
        plan = Plan.objects.get(pk=plan.pk)
        begun = time.monotonic()
        deployment = requests.request_deployment(actor=self._actor, plan=plan, fingerprint=plan.fingerprint)
        wait_until(
            lambda: Deployment.objects.get(pk=deployment.pk).status not in DEPLOYMENT_OPEN,
            f"deployment #{deployment.pk} did not end",
            timeout=60,
        )
        spent = time.monotonic() - begun
        target = Target.objects.select_related("deployment").get(deployment=deployment)
        check("pipeline", target.status == "succeeded", f"round {number}: {target.status}, {target.outcome}")
        if number >= 0:
            self.plans.append(between(plan.operation.requested_at, plan.operation.ended_at))
            self._note(target)
        return spent

    def _note(self, target: Target) -> None:
        self.parts["waited for a worker"].append(between(target.deployment.requested_at, target.started_at))
        for step in target.steps.order_by("pk"):
            self.parts[step.key].append(between(step.started_at, step.ended_at))
        self.parts["claim to end"].append(between(target.started_at, target.ended_at))


def _race(told: dict[str, Any]) -> dict[str, Any]:
    folder, port = told["sshd"]
    sshd = SshServer(Path(folder), port)
    place = Path(folder) / "peers"
    place.mkdir()
    login = Login.make(place, [sshd])
    seats = {name: Seat(sshd, told["socket"], f"bench-{name}", port) for name, port in told["ports"].items()}
    tags = ("1", "2")  # a deploy changes the version each time
    images = {tag: f"{told['image']}:{tag}" for tag in tags}
    pinned = {tag: _pinned(seats["floor"], image) for tag, image in images.items()}
    engine = Engine(seats["engine"], login.key.read_text())
    pipeline = Pipeline(Sample(sshd, told["socket"], told["image"], told["ports"]["pipeline"]))
    all_ways: dict[str, Way] = {"floor": Local(), **peers(place, login)}
    ways = {name: way for name, way in all_ways.items() if name in told["ways"]}

    def by(name: str) -> Callable[[int], None]:
        return lambda number: ways[name].deploy([seats[name]], images[tags[number % 2]])

    turns: dict[str, Callable[[int], float | None]] = {name: by(name) for name in ways}
    turns["engine"] = lambda number: engine.deploy(number, pinned[tags[number % 2]])
    turns["pipeline"] = lambda number: pipeline.deploy(number, tags[number % 2])
    seconds = take_turns(turns, told["rounds"])
    with traced() as calls:
        engine.deploy(told["rounds"], pinned[tags[told["rounds"] % 2]])
    return {**seconds, "plan": pipeline.plans, "parts": pipeline.parts, "calls": calls}


def _pinned(seat: Seat, image: str) -> ImageSpec:
    """The digest that a plan would have found."""
    docker = [CLIENT, "--host", f"unix://{seat.socket}"]
    run([*docker, "pull", "--quiet", image])
    reference = run([*docker, "image", "inspect", "--format", "{{index .RepoDigests 0}}", image]).strip()
    return ImageSpec(reference, reference.partition("@")[2], image.rpartition(":")[2])


if __name__ == "__main__":
    sys.exit(answer(_race))
