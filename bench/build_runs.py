"""`bin/bench build`'s runs, in a process with Estiva's settings: what to use is told as JSON on standard input."""

import sys
import time
import urllib.request
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import django

django.setup()

from bench.pairs import take_turns  # noqa: E402 - Django has to be set up first
from bench.seats import CLIENT, Login  # noqa: E402
from bench.stage import answer, between  # noqa: E402
from deployments.actors import Actor  # noqa: E402
from deployments.models import Placement, Target  # noqa: E402
from parts import flask_sample  # noqa: E402
from parts.processes import run, wait_until  # noqa: E402
from parts.sample_repository import SampleRepository  # noqa: E402
from parts.sshd import SshServer  # noqa: E402
from parts.story_acts import admin, check, deploy  # noqa: E402
from parts.story_git import placed, push, version  # noqa: E402

CONTAINER, IMAGE = "by-hand", "python-web-app"


class ByHand:
    """What a person types at home, each line a command over ssh; the connection is kept between them."""

    def __init__(self, sshd: SshServer, socket: str, clone_url: str, port: int) -> None:
        folder = sshd.folder / "by-hand"
        folder.mkdir()
        options = Login.make(folder, [sshd]).options(folder)
        self._ssh = ["ssh", *options, "-p", str(sshd.port), f"{sshd.user}@{sshd.address}"]
        self._docker = ["env", "DOCKER_BUILDKIT=1", CLIENT, "--host", f"unix://{socket}"]
        self._clone_url, self._port = clone_url, port
        self._clone = sshd.folder / "clone"
        self.parts: dict[str, list[float]] = defaultdict(list)

    def deploy(self, *, anew: bool) -> None:
        """Clone, build, replace the container, and wait until it answers."""
        self._make(anew=anew)
        self._on_server("stop", *self._docker, "stop", CONTAINER)
        self._on_server("rm", *self._docker, "rm", CONTAINER)
        self._start()

    def prepare(self) -> None:
        """A version that runs, so that there is one to replace."""
        self._make(anew=False)
        self._start()

    def _make(self, *, anew: bool) -> None:
        self._on_server("clone", "git", "clone", "--quiet", self._clone_url, str(self._clone))
        cache = ["--no-cache"] if anew else []
        self._on_server("build", *self._docker, "build", *cache, "-t", IMAGE, str(self._clone))

    def _start(self) -> None:
        published = f"127.0.0.1:{self._port}:{flask_sample.PORT}"
        self._on_server("run", *self._docker, "run", "--detach", "--name", CONTAINER, "--publish", published, IMAGE)
        begun = time.monotonic()
        wait_until(lambda: "web-app" in self.page(), "the container started by hand did not answer", timeout=30)
        self.parts["answers"].append(time.monotonic() - begun)

    def page(self) -> str:
        """What it answers; "" if it doesn't."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/", timeout=5) as answer:
                return str(answer.read().decode())
        except OSError:
            return ""

    def forget_clone(self) -> None:
        """Not timed: the next clone is a whole one."""
        run(["rm", "-rf", str(self._clone)])

    def _on_server(self, part: str, *words: str) -> None:
        begun = time.monotonic()
        run([*self._ssh, *words], timeout=300)
        self.parts[part].append(time.monotonic() - begun)


class Race:
    """The two ways taking turns, on the same commits."""

    def __init__(self, sample: SampleRepository, by_hand: ByHand) -> None:
        self._sample, self._by_hand = sample, by_hand
        self._actor: Actor = admin()[1]
        # By hand one answer is waited for, so here too.
        self._placement: Placement = placed(self._actor, sample, interval=0.1, passes=1)
        self._version = 1

    def run(self, runs: int) -> dict[str, Any]:
        """Seconds of each round, by kind and way."""
        self._by_hand.prepare()
        self._by_hand.forget_clone()
        check("warm-up", deploy(self._actor, self._placement).deployment.status == "succeeded", "it failed")
        return {kind: self._kind(runs, anew=kind == "build") for kind in ("build", "cached")}

    def _kind(self, rounds: int, *, anew: bool) -> dict[str, Any]:
        parts: dict[str, list[float]] = defaultdict(list)
        pushed: set[int] = set()

        def turn(number: int, way: Callable[[], None], answers: Callable[[str], bool]) -> float:
            if number not in pushed:  # whoever comes first in a round
                self._push()
                pushed.add(number)
            begun = time.monotonic()
            way()
            spent = time.monotonic() - begun
            check("the page", answers(str(self._version)), f"another version than {self._version} answers")
            return spent

        def by_hand(number: int) -> float:
            if number == 0:
                self._by_hand.parts.clear()  # the round before wasn't counted
            spent = turn(number, lambda: self._by_hand.deploy(anew=anew), lambda said: said in self._by_hand.page())
            self._by_hand.forget_clone()
            return spent

        def estiva(number: int) -> float:
            noted = parts if number >= 0 else defaultdict(list)
            return turn(number, lambda: self._deploy(noted, anew=anew), lambda said: version(self._sample) == said)

        seconds = take_turns({"by_hand": by_hand, "estiva": estiva}, rounds)
        return {**seconds, "parts": {"by_hand": dict(self._by_hand.parts), "estiva": parts}}

    def _push(self) -> None:
        """The next commit, which both ways build."""
        self._version += 1
        push(self._sample, flask_sample.files(str(self._version), base=self._sample.base), f"Say {self._version}")

    def _deploy(self, parts: dict[str, list[float]], *, anew: bool) -> None:
        target = deploy(self._actor, self._placement, anew=anew, timeout=300)
        deployment = target.deployment
        check("Estiva", deployment.status == "succeeded", f"ended as {deployment.status}: {target.outcome}")
        if deployment.plan is not None:
            operation = deployment.plan.operation
            parts["plan: waited"].append(between(operation.requested_at, operation.started_at))
            parts["plan: worked"].append(between(operation.started_at, operation.ended_at))
        before: datetime | None = deployment.requested_at
        for each in (deployment.targets.get(role=Target.Role.BUILD), target):
            parts[f"{each.role}: waited"].append(between(before, each.started_at))
            for step in each.steps.order_by("pk"):
                parts[f"{each.role}: {step.key}"].append(between(step.started_at, step.ended_at))
            parts[f"{each.role}: all"].append(between(each.started_at, each.ended_at))
            before = each.ended_at


def _race(told: dict[str, Any]) -> dict[str, Any]:
    folder, port = told["sshd"]
    sample = SampleRepository(**told["repository"])
    by_hand = ByHand(SshServer(Path(folder), port), told["socket"], sample.clone_url, told["port"])
    return Race(sample, by_hand).run(told["runs"])


if __name__ == "__main__":
    sys.exit(answer(_race))
