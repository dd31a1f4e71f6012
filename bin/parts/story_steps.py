"""The demo's story in a process of its own with Estiva's settings: `python -m parts.story_steps admin|first|walk URL [server…]`.

Everything goes the ordinary way: the domain's functions write rows, the workers act, this waits for the rows to say so.
The last line is `RESULT ` and JSON; a failure is said in words and ends with exit code 1.
"""

from __future__ import annotations

import http.client
import json
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import django

django.setup()

from deployments import fingerprints  # noqa: E402 - Django has to be set up first
from deployments.accounts import people  # noqa: E402
from deployments.actors import ESTIVA, Actor  # noqa: E402
from deployments.container_settings import defaults  # noqa: E402
from deployments.errors import Refused  # noqa: E402
from deployments.inventory import applications, hosts, placements  # noqa: E402
from deployments.models import (  # noqa: E402
    Application,
    Environment,
    Host,
    Placement,
    PlacementHost,
)
from deployments.states import OPERATION_OPEN, HostState  # noqa: E402
from parts.processes import PartError, wait_until  # noqa: E402
from parts.sshd import SshServer  # noqa: E402
from parts.story_acts import admin, check, deploy  # noqa: E402
from parts.story_browser import Browser  # noqa: E402

_VERSION = re.compile("<title>Sample application, version ([^<]+)</title>")
SERVER, APPLICATION, ENVIRONMENT = "sample-1", "sample", "production"


@dataclass(frozen=True)
class Sample:
    """The sample server as the demo started it."""

    sshd: SshServer
    socket: str
    image: str
    port: int

    @property
    def url(self) -> str:
        """Where the sample application answers."""
        return f"http://127.0.0.1:{self.port}/"

    def version(self) -> str:
        """The version that answers now, from its page; "" when nothing does."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=3)
        try:
            connection.request("GET", "/")
            answer = connection.getresponse()
            found = _VERSION.search(answer.read().decode())
            return found.group(1) if found and answer.status == 200 else ""
        except (OSError, http.client.HTTPException):
            return ""
        finally:
            connection.close()


def first(sample: Sample | None, url: str) -> dict[str, Any]:
    """The demo's first chapter; on a second start it finds everything as it was."""
    user, actor = admin()
    if sample is not None:
        placement = _placement(actor, _host(actor, sample), sample)
        if not _comes_up(sample):
            deploy(actor, placement)
        print(f"the sample application answers version {sample.version()}", flush=True)
    token = people.issue_sign_in_token(actor=ESTIVA, user=user)
    return {"sign_in": f"{url}/account/link/{token}", "application": sample.url if sample else ""}


def walk(sample: Sample, url: str) -> dict[str, Any]:
    """Deploy 1, then 2, roll back to 1, try what is never healthy; then read the last log as a browser does."""
    user, actor = admin()
    figures: dict[str, Any] = {}
    placement = _placement(actor, _host(actor, sample), sample)
    for step, tag, release, expected in (
        ("deploy_1", "1", None, "1"),
        ("deploy_2", "2", None, "2"),
        ("rollback", "2", 1, "1"),
        ("never_healthy", "never-healthy", None, "1"),
    ):
        placement = save(actor, placement, sample, tag) if release is None else placement
        began = time.monotonic()
        target = deploy(actor, placement, release)
        wanted = "failed_restored" if step == "never_healthy" else "succeeded"
        check(step, target.status == wanted, f"ended as {target.status}: {target.outcome}")
        check(step, sample.version() == expected, f"version {sample.version()!r} answers, not {expected}")
        figures[f"{step}_seconds"] = round(time.monotonic() - began, 2)
        figures[f"{step}_gap_seconds"] = round(target.gap_seconds or 0.0, 2)
        print(f"{step}: {target.status}, version {expected} answers", flush=True)
    browser = Browser(url)
    browser.sign_in(people.issue_sign_in_token(actor=ESTIVA, user=user))
    numbers = browser.log_lines(target.deployment_id, target.pk, target.last_line)
    check("events", numbers == list(range(1, target.last_line + 1)), f"lines {numbers[:5]}… of {target.last_line}")
    figures["log_lines"] = len(numbers)
    return figures


def _comes_up(sample: Sample) -> bool:
    """Whether the application answers by itself: an engine that restarts brings it back within moments."""
    if not PlacementHost.objects.filter(running_release__isnull=False).exists():
        return False
    try:
        wait_until(lambda: bool(sample.version()), "the sample application did not come back", timeout=5)
    except PartError:
        return False
    return True


def _host(actor: Actor, sample: Sample) -> Host:
    given: dict[str, Any] = {"address": "127.0.0.1", "port": sample.sshd.port, "user": sample.sshd.user}
    host = Host.objects.filter(name=SERVER).first()
    if host is None:
        host = hosts.register_host(actor=actor, name=SERVER, docker_socket=sample.socket, **given)[0]
    else:
        host = hosts.update_host(actor=actor, host=host, docker_socket=sample.socket, **given)[0]
    sample.sshd.authorize(host.public_key)
    if not host.is_trusted:
        _await_look(host)
        host.refresh_from_db()
        shown = fingerprints.fingerprint(host.offered_key) if host.offered_key else "no key"
        print(f"{SERVER} shows {shown}; its own sshd says {sample.sshd.fingerprint()}", flush=True)
        hosts.trust_host(actor=actor, host=host, key=host.offered_key, pasted=sample.sshd.fingerprint())
        host.refresh_from_db()
    else:
        hosts.check(actor=actor, host=host)
    _await_look(host)
    host.refresh_from_db()
    check("server", host.state == HostState.READY, f"{host.get_state_display()}: {host.state_text}")
    print(f"{SERVER} is ready: Docker {host.engine_version}, {host.os_type}/{host.architecture}", flush=True)
    return host


def _await_look(host: Host) -> None:
    def is_over() -> bool:
        latest = host.operations.order_by("-pk").first()
        return latest is not None and latest.status not in OPERATION_OPEN

    wait_until(is_over, f"{host.name} was not looked at", timeout=60)


def _placement(actor: Actor, host: Host, sample: Sample) -> Placement:
    environment = Environment.objects.filter(name=ENVIRONMENT).first()
    if environment is None:
        applications.create_environment(actor=actor, name="staging", position=1)
        environment = applications.create_environment(actor=actor, name=ENVIRONMENT, is_production=True, position=2)
    application = Application.objects.filter(name=APPLICATION).first() or applications.create_application(
        actor=actor, name=APPLICATION, description="What the demo deploys"
    )
    placement = Placement.objects.filter(application=application, environment=environment).first()
    if placement is not None:
        moved = placement.settings["ports"] != _settings(sample)["ports"]
        return save(actor, placement, sample, placement.image.rpartition(":")[2]) if moved else placement
    return placements.save_placement(
        actor=actor,
        placement=None,
        application=application,
        environment=environment,
        image=f"{sample.image}:1",
        settings=_settings(sample),
        host_ids=[host.pk],
        url=sample.url,
    )


def save(actor: Actor, placement: Placement, sample: Sample, tag: str, **health: Any) -> Placement:
    """The placement with this tag; `health` overrides how it is judged."""
    seats = PlacementHost.objects.filter(placement=placement, is_active=True)
    return placements.save_placement(
        actor=actor,
        placement=placement,
        application=placement.application,
        environment=placement.environment,
        image=f"{sample.image}:{tag}",
        settings=_settings(sample, **health),
        host_ids=list(seats.values_list("host_id", flat=True)),
        url=sample.url,
    )


def _settings(sample: Sample, **health: Any) -> dict[str, Any]:
    settings = defaults()
    settings["ports"] = [
        {"container_port": 5000, "host_port": sample.port, "host_address": "127.0.0.1", "protocol": "tcp"}
    ]
    settings["health"] = {
        **settings["health"],
        "kind": "http",
        "path": "/healthz",
        "port": 5000,
        "deadline": 10,
        **health,
    }
    return settings


def main(arguments: list[str]) -> int:
    """Tell the chapter; the exit code."""
    chapter, url, *rest = arguments
    sample, result = None, dict[str, Any]()
    if rest:
        folder, port, socket, image, application_port = rest
        sample = Sample(SshServer(Path(folder), int(port)), socket, image, int(application_port))
    try:
        if chapter == "admin":
            admin()
        else:
            result = walk(sample, url) if chapter == "walk" and sample is not None else first(sample, url)
    except (PartError, Refused) as error:
        print(f"{error}", flush=True)
        return 1
    print(f"RESULT {json.dumps(result)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
