"""PLAN: what a click would change, looked up on every server at once. Changes nothing.

The result: `{"digest", "tag", "hosts": [rows as `deployments.plan` documents, without "ready" and "gap"], "source", "commits"}`.
"""

from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from deployments import image_reference, operations, releases, sightings
from deployments.errors import FieldErrors
from deployments.models import Host, Placement, Plan
from deployments.states import OperationStatus
from worker.brief import CannotBrief, HostConnection, host_connection, plan_spec, secrets_of, with_registries
from worker.connections.signals import Signals
from worker.engine.container_host import ContainerHost
from worker.engine.errors import HostError, HostKeyChanged, HostLost
from worker.engine.events import Finding
from worker.engine.preflight import Preflight, preflight
from worker.engine.spec import DeploySpec
from worker.logs import open_secrets
from worker.operations.source import ESTIVA_FILE, STEP, Found, find
from worker.operations.steps import Looking, Outcome, Step
from worker.redact import Masker
from worker.servers import open_server

AT_ONCE: Final = 8


@dataclass(slots=True)
class Look:
    """One server, and what was found there."""

    host: Host
    spec: DeploySpec
    connection: HostConnection | None = None
    findings: list[Finding] = field(default_factory=list)
    found: Preflight | None = None
    disk_free: int | None = None
    changed_key: HostKeyChanged | None = None

    @property
    def digest(self) -> str:
        """What the reference stands for, as this server's engine sees it."""
        return (self.found.digest if self.found else None) or ""

    def as_row(self) -> dict[str, Any]:
        """For `deployments.plan`."""
        facts = self.found.facts if self.found else None
        return {
            "host": self.host.pk,
            "name": self.host.name,
            "findings": [asdict(each) for each in self.findings],
            "engine": f"Docker {facts.engine_version}" if facts else "",
            "platform": f"{facts.os_type}/{facts.architecture}" if facts else "",
            "disk_free": self.disk_free,
            "strategy": self.found.strategy if self.found else "",
            "reasons": list(self.found.reasons) if self.found else [],
            "first": self.found is not None and self.found.inventory.incumbent is None,
        }


def plan(looking: Looking) -> Outcome:
    """Look at all servers, eight at a time, and agree on one digest."""
    row = Plan.objects.select_related("of_release", "placement__application", "placement__environment").get(
        operation=looking.operation
    )
    found = Found()
    if row.source.get("kind") == Placement.Source.GIT:
        looking.plan_steps([(STEP, "Repository")])
        found = find(looking, row)
    content = plan_content(row, found)
    looks = _looks(row, content, looking.operation.request.get("hosts", []))
    looking.add_steps([(f"host:{each.host.pk}", each.host.name) for each in looks])
    with open_secrets.using(Masker(_secrets(looks))):
        _look_everywhere(looking, looks)
        digest = row.digest or next((each.digest for each in looks if each.digest), "")
        _agree(looking.signals, looks, digest)
    for each in looks:
        if each.changed_key is not None:
            key, where = each.changed_key, (each.host.address, each.host.port)
            sightings.host_key_changed(each.host.pk, where, key.offered_type, key.offered_key)
    tag = row.tag or ((image_reference.parse(row.image).tag or "") if row.image else "")
    for each in looks:
        each.findings[:0] = found.findings
    rows = [each.as_row() for each in looks]
    result = {"digest": digest, "tag": tag, "hosts": rows, "source": found.source, "commits": found.commits}
    return Outcome(OperationStatus.SUCCEEDED, result)


def plan_content(row: Plan, found: Found) -> releases.Content:
    """The Plan's content with what was found; where the repository's own file doesn't fit the settings, that is a finding."""
    try:
        return operations.plan_content(row, found.source)
    except FieldErrors as refused:
        for path, messages in refused.errors.items():
            said = f"{ESTIVA_FILE} and the settings don't go together: {path}: {' '.join(map(str, messages))}"
            found.findings.append(Finding("file", "bad", said, "Change the one or the other, then plan again."))
        found.source.pop("file", None)
        return operations.plan_content(row, found.source)


def _looks(row: Plan, content: releases.Content, host_ids: Iterable[int]) -> list[Look]:
    hosts = Host.objects.in_bulk(list(host_ids))
    looks = [Look(hosts[each], plan_spec(row, hosts[each], content)) for each in host_ids if each in hosts]
    for each in looks:
        try:
            each.connection = with_registries(host_connection(each.host), [each.spec.image.reference])
        except CannotBrief as error:
            each.findings.append(Finding("trust", "bad", error.message, error.remedy))
    return looks


def _secrets(looks: Iterable[Look]) -> list[str]:
    return [secret.reveal() for each in looks if each.connection for secret in secrets_of(each.connection)]


def _look_everywhere(looking: Looking, looks: list[Look]) -> None:
    """Threads look, this one writes the steps: the looks need no database."""
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="plan") as executor:
        steps = {each.host.pk: looking.open(f"host:{each.host.pk}") for each in looks}
        running: dict[Future[None], Look] = {executor.submit(_look, each, looking.signals): each for each in looks}
        for done in as_completed(running):
            done.result()
            _close(steps[running[done].host.pk], running[done])
            looking.write()


def _close(step: Step, look: Look) -> None:
    bad = [each for each in look.findings if each.result == "bad"]
    if bad:
        step.finish(bad[0].message, status="bad", remedy=bad[0].remedy)
        return
    unsure = sum(each.result in ("warn", "unknown") for each in look.findings)
    step.finish(
        f"{len(look.findings)} checks" + (f", {unsure} to know about" if unsure else ", all good"),
        status="warn" if unsure else "good",
    )


def _look(look: Look, signals: Signals) -> None:
    if look.connection is None:
        return
    try:
        with open_server(look.connection, signals) as server:
            look.findings.append(
                Finding("reachable", "good", f"{look.host.name} answers, its host key is the trusted one.")
            )
            look.found = _preflight(look, server)
            space = server.disk_free(look.found.facts.root_folder)
            look.disk_free = space[0] if space else None
    except HostKeyChanged as error:
        look.changed_key = error
        look.findings.append(Finding("trust", "bad", f"{error.message} {error.why}".strip(), error.remedy))
    except (HostLost, HostError) as error:
        look.findings.append(Finding("reachable", "bad", f"{error.message} {error.why}".strip(), error.remedy))


def _preflight(look: Look, server: ContainerHost) -> Preflight:
    steps = preflight(look.spec, server)
    while True:
        try:
            event = next(steps)
        except StopIteration as end:
            found: Preflight = end.value
            return found
        if isinstance(event, Finding):
            look.findings.append(event)


def _agree(signals: Signals, looks: list[Look], digest: str) -> None:
    """The same digest everywhere: a server whose registry said otherwise must be able to get this one."""
    for each in looks:
        if not digest or not each.digest or each.digest == digest or each.connection is None:
            continue
        name = image_reference.parse(each.spec.image.reference).name
        said = f"On {each.host.name} the tag stands for {each.digest[:19]}…, elsewhere for {digest[:19]}…."
        try:
            with open_server(each.connection, signals) as server:
                server.remote_image(f"{name}@{digest}")
        except (HostLost, HostError) as error:
            each.findings.append(
                Finding("image", "bad", f"{said} It can't get that one: {error.message}", error.remedy)
            )
        else:
            each.findings.append(Finding("image", "warn", f"{said} The latter is deployed."))
