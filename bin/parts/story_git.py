"""The demo's story of an application built from Git, in a process of its own: `python -m parts.story_git first|walk URL`.

As `parts.story_steps` does, it goes the ordinary way and ends with `RESULT ` and JSON. The repository is told as JSON on
standard input: its password belongs on no command line.
"""

from __future__ import annotations

import http.client
import json
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import django

django.setup()

from deployments import build_settings  # noqa: E402 - Django has to be set up first
from deployments.actors import Actor  # noqa: E402
from deployments.container_settings import defaults  # noqa: E402
from deployments.errors import Refused  # noqa: E402
from deployments.inventory import applications, placements, repositories  # noqa: E402
from deployments.models import Application, Environment, Host, Placement, PlacementHost, Repository, Target  # noqa: E402
from deployments.states import RepositoryState  # noqa: E402
from parts import flask_sample  # noqa: E402
from parts.git_repo import AUTHOR, git  # noqa: E402
from parts.processes import PartError, wait_until  # noqa: E402
from parts.sample_repository import NAME, SampleRepository  # noqa: E402
from parts.story_acts import admin, await_operation, check, deploy  # noqa: E402
from parts.story_steps import ENVIRONMENT, SERVER  # noqa: E402

_PAGE = re.compile(r"python-web-app (\S+)")
_BUILD_SECONDS = 300.0


def first(sample: SampleRepository) -> dict[str, Any]:
    """Register and deploy it, unless an earlier run did and it answers."""
    _user, actor = admin()
    placement = placed(actor, sample)
    if not _comes_up(placement, sample):
        _deployed(actor, placement, sample, "first deploy")
    print(f"the application built from Git answers version {version(sample)}", flush=True)
    return {}


def walk(sample: SampleRepository) -> dict[str, Any]:
    """Deploy the first commit, push a second and deploy it, push one that can't be built: the second goes on serving."""
    _user, actor = admin()
    placement = placed(actor, sample)
    figures: dict[str, Any] = {"git_deploy_seconds": _deployed(actor, placement, sample, "git_deploy", "1")}
    push(sample, flask_sample.files("2", base=sample.base), "Say two")
    figures["git_second_seconds"] = _deployed(actor, placement, sample, "git_second", "2")
    push(sample, flask_sample.files("3", base=sample.base, fault="build"), "Break the build")
    broken = deploy(actor, placement, timeout=_BUILD_SECONDS).deployment
    build = broken.targets.get(role=Target.Role.BUILD)
    check("git_broken", broken.status == "failed", f"ended as {broken.status}: {build.outcome}")
    check("git_broken", version(sample) == "2", f"version {version(sample)!r} answers, not 2")
    print(f"git_broken: failed at {build.outcome.get('failed_step')}, version 2 answers", flush=True)
    return figures


def version(sample: SampleRepository) -> str:
    """The version that answers now; "" when nothing does."""
    connection = http.client.HTTPConnection("127.0.0.1", sample.application_port, timeout=3)
    try:
        connection.request("GET", "/")
        answer = connection.getresponse()
        found = _PAGE.match(answer.read().decode())
        return found.group(1) if found and answer.status == 200 else ""
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        connection.close()


def push(sample: SampleRepository, files: dict[str, str], message: str) -> None:
    """As a person does it, with the address the demo prints: clone, change, commit, push."""
    with tempfile.TemporaryDirectory(prefix="estiva-clone-") as name:
        folder = Path(name)
        git("clone", "--quiet", sample.clone_url, name)
        for path, content in files.items():
            (folder / path).write_text(content)
        git("add", "--all", cwd=folder)
        git("commit", "--quiet", f"--author={AUTHOR}", f"--message={message}", cwd=folder)
        git("push", "--quiet", "origin", "main", cwd=folder)


def _deployed(actor: Actor, placement: Placement, sample: SampleRepository, what: str, expected: str = "") -> float:
    """Plan, build and deploy the branch's newest commit; how many seconds that took."""
    began = time.monotonic()
    target = deploy(actor, placement, timeout=_BUILD_SECONDS)
    seconds = round(time.monotonic() - began, 2)
    outcomes = [each.outcome for each in target.deployment.targets.all()]
    check(what, target.deployment.status == "succeeded", f"ended as {target.deployment.status}: {outcomes}")
    answers = version(sample)
    check(what, answers == expected or (not expected and bool(answers)), f"version {answers!r} answers")
    print(f"{what}: {target.status} in {seconds} s, version {answers} answers", flush=True)
    return seconds


def _comes_up(placement: Placement, sample: SampleRepository) -> bool:
    """Whether it answers by itself: an engine that restarts brings it back within moments."""
    if not PlacementHost.objects.filter(placement=placement, running_release__isnull=False).exists():
        return False
    try:
        wait_until(lambda: bool(version(sample)), "the application did not come back", timeout=10)
    except PartError:
        return False
    return True


def placed(actor: Actor, sample: SampleRepository, **health: Any) -> Placement:
    """The application in production, built from the repository; made the first time, and moved if its port is another now.

    `health` replaces settings of its health check where it is made or moved.
    """
    application = Application.objects.filter(name=NAME).first() or applications.create_application(
        actor=actor, name=NAME, description="Built from the demo's Git repository"
    )
    _repository(actor, application, sample)
    environment = Environment.objects.get(name=ENVIRONMENT)
    placement = Placement.objects.filter(application=application, environment=environment).first()
    settings = placement.settings if placement else defaults()
    port = {
        "container_port": 5000,
        "host_port": sample.application_port,
        "host_address": "127.0.0.1",
        "protocol": "tcp",
    }
    if placement is not None and settings["ports"] == [port]:
        return placement
    health = {"kind": "http", "path": "/healthz", "port": 5000, "interval": 0.2, "deadline": 20, **health}
    hosts = PlacementHost.objects.filter(placement=placement, is_active=True).values_list("host_id", flat=True)
    return placements.save_placement(
        actor=actor,
        placement=placement,
        application=application,
        environment=environment,
        image="",
        settings={**settings, "ports": [port], "health": {**settings["health"], **health}},
        host_ids=list(hosts) if placement else [Host.objects.get(name=SERVER).pk],
        url=sample.application_url,
        source=Placement.Source.GIT,
        build=placement.build if placement else build_settings.defaults(),
    )


def _repository(actor: Actor, application: Application, sample: SampleRepository) -> None:
    row = Repository.objects.filter(application=application).first()
    if row is None or row.url != sample.url:
        row, operation = repositories.save_repository(
            actor=actor,
            application=application,
            url=sample.url,
            credential=Repository.Credential.TOKEN,
            username=sample.user,
            token=sample.password,
        )
        await_operation(operation, f"{sample.url} was not looked at")
        row.refresh_from_db()
    check("repository", row.state == RepositoryState.READY, f"{row.get_state_display()}: {row.state_text}")


def main(arguments: list[str]) -> int:
    """Tell the chapter; the exit code."""
    chapter = {"first": first, "walk": walk}[arguments[0]]
    try:
        result = chapter(SampleRepository(**json.load(sys.stdin)))
    except (PartError, Refused) as error:
        print(f"{error}", flush=True)
        return 1
    print(f"RESULT {json.dumps(result)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
