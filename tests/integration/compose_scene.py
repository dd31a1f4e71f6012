"""A Compose application through the domain, with real workers: three services, one of them built from a repository."""

from __future__ import annotations

import urllib.request
from typing import Any

from deployments import releases, requests
from deployments.actors import Actor
from deployments.inventory import applications, placements, repositories, variables
from deployments.models import Deployment, Host, Placement, Plan
from parts.dockerd import DockerEngine
from parts.git_repo import Repo
from parts.git_server import GitServer
from parts.processes import free_port, wait_until
from tests.integration import harness
from tests.real_parts import SampleImages

PATIENCE = 90.0
SECRET = "correct-horse-battery"

FILE = """
services:
  web:
{web}
    env_file: web.env
    environment:
      TOKEN: ${{TOKEN}}
      PLAIN: ${{PLAIN:-}}
    ports: ["127.0.0.1:{port}:5000"]
    depends_on: [db]
    restart: unless-stopped
    stop_grace_period: 2s
  db:
    image: {db}
    volumes: [data:/data]
    restart: unless-stopped
    stop_grace_period: 2s
  cache:
    image: {db}
    restart: unless-stopped
    stop_grace_period: 2s
volumes:
  data:
"""


class Application:
    """What its repository or its text holds."""

    def __init__(self, images: SampleImages) -> None:
        self.images, self.port = images, free_port()
        self.base = images.push("1", name="team/base-web", healthcheck=True)
        self.db = images.push("db", name="team/db")

    def text(self, web: str = "    build: {context: ./web, args: {SAID: one}}", addition: str = "") -> str:
        """The Compose file."""
        return FILE.format(web=web, db=self.db.reference, port=self.port) + addition

    def files(self, version: str, *, behaviour: str = "", greeting: str = "hello") -> dict[str, str]:
        """The repository's."""
        lines = [f"FROM {self.base.reference}", "ARG SAID", f'ENV SAMPLE_VERSION={version} SAID="$SAID"']
        lines += [f"ENV SAMPLE_BEHAVIOUR={behaviour}"] if behaviour else []
        dockerfile = "\n".join([*lines, "COPY note /note", ""])
        return {
            "deploy/compose.yaml": self.text().replace("./web", "../web"),
            "deploy/web.env": f"SAMPLE_GREETING={greeting}\n",
            "web/Dockerfile": dockerfile,
            "web/note": version,
        }

    def pasted(self, version: str = "1", addition: str = "", web_too: str = "", **variant: Any) -> str:
        """A file without anything beside it; `web_too` is one more line for the service web."""
        web = self.images.push(version, name="team/web", **{"healthcheck": True, **variant})
        text = self.text("\n    ".join([f"    image: {web.reference}", *filter(None, [web_too])]), addition)
        return text.replace("    env_file: web.env\n", "")

    def page(self) -> str:
        """What web answers."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=5) as response:
            return str(response.read().decode())


def placed(
    machines: list[Host], server: GitServer | None = None, repo: Repo | None = None, **compose: Any
) -> Placement:
    """The application in production, with a secret."""
    application = applications.create_application(actor=harness.admin(), name="shop")
    environment = applications.create_environment(actor=harness.admin(), name="production")
    if server is not None and repo is not None:
        repository, operation = repositories.save_repository(
            actor=harness.admin(),
            application=application,
            url=repo.http_url,
            credential="token",
            username=server.user,
            token=server.password,
        )
        harness.finished(operation)
        repository.refresh_from_db()
        assert repository.state == "ready", repository.state_text
    place = placements.save_placement(
        actor=harness.admin(),
        placement=None,
        application=application,
        environment=environment,
        image="",
        settings={},
        host_ids=[each.pk for each in machines],
        source="compose",
        compose={"wait_seconds": 30, "settle_seconds": 0.5, **compose},
    )
    variables.set_variable(actor=harness.admin(), placement=place, name="TOKEN", value=SECRET, is_secret=True)
    return place


def changed(place: Placement, **compose: Any) -> None:
    """Other Compose settings."""
    place.refresh_from_db()
    placements.save_placement(
        actor=harness.admin(),
        placement=place,
        application=place.application,
        environment=place.environment,
        image="",
        settings=place.settings,
        host_ids=list(place.seats.filter(is_active=True).values_list("host_id", flat=True)),
        source="compose",
        compose={**place.compose, **compose},
    )


def planned(place: Placement, **asked: Any) -> Plan:
    """A Plan that was worked out."""
    place.refresh_from_db()
    plan = requests.request_plan(actor=harness.admin(), placement=place, **asked)
    operation = harness.finished(plan.operation)
    plan.refresh_from_db()
    assert plan.is_ready, operation.result
    return plan


def bad(plan: Plan) -> list[str]:
    """What stands in the way."""
    return [each["message"] for row in plan.hosts for each in row["findings"] if each["result"] == "bad"]


def clicked(plan: Plan, actor: Actor | None = None) -> Deployment:
    """Deploy what it shows."""
    assert not bad(plan), bad(plan)
    return requests.request_deployment(actor=actor or harness.admin(), plan=plan, fingerprint=plan.fingerprint)


def deployed(place: Placement, status: str = "succeeded", **asked: Any) -> Deployment:
    """Plan, click, and its end."""
    deployment = harness.ended(clicked(planned(place, **asked)), timeout=PATIENCE)
    assert deployment.status == status, told(deployment)
    return deployment


def told(deployment: Deployment) -> str:
    """All that is known of it."""
    ends = [(each.role, each.status, each.outcome) for each in deployment.targets.all()]
    return "\n".join([repr(ends), log_of(deployment)])


def log_of(deployment: Deployment) -> str:
    """Of all its Targets."""
    return "\n".join(line for each in deployment.targets.all() for line in harness.lines_of(each))


def containers(engine: DockerEngine) -> dict[str, dict[str, Any]]:
    """By service, inspected."""
    found = engine.api.json("GET", "/containers/json?all=1")
    inspected = [engine.api.json("GET", f"/containers/{each['Id']}/json") for each in found]
    return {each["Config"]["Labels"]["com.docker.compose.service"]: each for each in inspected}


def until_says(deployment: Deployment, words: str) -> None:
    """Wait until its log has these words."""
    wait_until(lambda: words in log_of(deployment), words, timeout=PATIENCE)


def running(place: Placement) -> int | None:
    """The number of the Release on record."""
    found = releases.running_release(place.pk)
    return found.number if found else None
