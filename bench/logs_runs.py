"""`bin/bench logs`' runs, in a process with Estiva's settings: what to use is told as JSON on standard input."""

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import django

django.setup()

from bench import processes  # noqa: E402 - Django has to be set up first
from bench.seats import CLIENT, Login  # noqa: E402
from bench.stage import answer  # noqa: E402
from bench.viewer import Heard, Viewer  # noqa: E402
from deployments import requests  # noqa: E402
from deployments.accounts import people  # noqa: E402
from deployments.actors import ESTIVA  # noqa: E402
from deployments.inventory import placements, variables  # noqa: E402
from deployments.models import Deployment, Placement, PlacementHost, Plan, Target  # noqa: E402
from deployments.states import DEPLOYMENT_OPEN  # noqa: E402
from parts.processes import run, wait_until  # noqa: E402
from parts.sshd import SshServer  # noqa: E402
from parts.story_acts import admin, await_operation, check  # noqa: E402
from parts.story_browser import Browser  # noqa: E402

RATE = 1000  # lines a second
TICK = 0.01
CHATTY, SAID = "chatty", "record"


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

    def raw(self, lines: int) -> float:
        """Seconds from the first line to the last that `docker logs --follow` brings over ssh, of a container that begins to talk."""
        told = ["--env", f"SAMPLE_BEHAVIOUR={CHATTY}", "--env", f"SAMPLE_LINES={lines}"]
        run([*self._docker, "rm", "--force", "raw"])
        run([*self._docker, "run", "--detach", "--name", "raw", *told, f"{self._told['image']}:1"])
        first = 0.0
        with subprocess.Popen(
            [*self._ssh, *self._docker, "logs", "--follow", "raw"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as reading:
            assert reading.stdout is not None
            for line in reading.stdout:
                if SAID.encode() in line:
                    first = first or time.monotonic()
                    if f"{SAID} {lines} ".encode() in line:
                        break
            spent = time.monotonic() - first
            reading.kill()
        run([*self._docker, "rm", "--force", "raw"])
        return spent


def _has(heard: Heard, last: str) -> bool:
    return any(last in text for text in heard.texts[-500:])


def _burst(stage: Stage, lines: int, talks: int) -> dict[str, float]:
    """Everything at once, as an application that says a lot while it starts."""
    raw = stage.raw(lines)
    stage.say(SAMPLE_BEHAVIOUR=CHATTY, SAMPLE_LINES=str(lines))
    target = stage.begin({"health": {**stage.health, "kind": "running", "run_seconds": talks, "deadline": 300}})
    viewer = stage.watch(target, f"{SAID} {lines} ", 300)
    stage.ended(target, 300)
    viewer.stop(20)
    heard = viewer.heard
    at = [moment for moment, text in zip(heard.at, heard.texts, strict=True) if SAID in text]
    check("burst", not viewer.problem, f"{len(at)} of {lines} lines came: {viewer.problem}")
    lost, doubled = heard.judge()
    missing = lines - len({text for text in heard.texts if SAID in text})
    print(f"burst: {lines} lines, {at[-1] - at[0]:.2f} s, ssh and docker logs {raw:.2f} s", flush=True)
    return {"raw_seconds": raw, "seconds": at[-1] - at[0], "lost": lost + missing, "doubled": doubled}


@contextmanager
def _feed(fifo: Path, seconds: int) -> Iterator[None]:
    """Write RATE lines a second into the pipe, each with the moment of its writing."""
    os.mkfifo(fifo)

    def write() -> None:
        with fifo.open("w", buffering=1) as pipe:  # waits for the reader
            begun, number = time.monotonic(), 0
            while number < RATE * seconds:
                due = min(RATE * seconds, int((time.monotonic() - begun) * RATE))
                now = time.time()
                pipe.write("".join(f"line {each} at {now:.4f} .\n" for each in range(number + 1, due + 1)))
                number = due
                time.sleep(TICK)

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    yield
    writer.join()
    fifo.unlink()


def _steady(stage: Stage, folder: Path, seconds: int) -> dict[str, Any]:
    """A thousand lines a second, each of which bears when it was written."""
    folder.mkdir()
    said = re.compile(r"line (\d+) at ([0-9.]+) \.")
    settings = {
        "entrypoint": ["/bin/busybox"],
        "command": ["cat", "/feed/pipe"],
        "binds": [{"source": str(folder), "path": "/feed"}],
        "health": {**stage.health, "kind": "running", "run_seconds": seconds - 2, "deadline": seconds + 60},
    }
    with _feed(folder / "pipe", seconds):
        target = stage.begin(settings)
        viewer = stage.watch(target, f"line {RATE * (seconds - 3)} at", seconds + 60)
        stage.ended(target, seconds + 60)
        viewer.stop(20)
    heard = viewer.heard
    met = [(said.fullmatch(text), at) for text, at in zip(heard.texts, heard.at, strict=True)]
    came = [(int(match[1]), (at - float(match[2])) * 1000) for match, at in met if match]
    check("steady", not viewer.problem, f"{len(came)} lines came: {viewer.problem}")
    numbers = [number for number, _ in came]
    lost, doubled = heard.judge()
    return {
        "seconds": heard.at[-1] - heard.at[0],
        "lines": len(came),
        "latencies_ms": [latency for _, latency in came],
        "lost": lost + max(numbers) - len(set(numbers)),
        "doubled": doubled + len(numbers) - len(set(numbers)),
    }


def _measure(told: dict[str, Any]) -> dict[str, Any]:
    stage, folder = Stage(told), Path(told["folder"])
    _burst(stage, told["lines"] // 10, told["talks"])  # a warm-up
    before = {role: processes.taken(folder, role).memory_mb for role in ("worker", "web")}
    bursts = [_burst(stage, told["lines"], told["talks"]) for _ in range(told["rounds"])]
    steady = _steady(stage, folder / "feed", told["seconds"])
    grew = {role: processes.taken(folder, role).memory_mb - before[role] for role in before}
    return {"bursts": bursts, "steady": steady, "grew": grew}


if __name__ == "__main__":
    sys.exit(answer(_measure))
