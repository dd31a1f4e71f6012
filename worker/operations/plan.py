"""PLAN: what a click would change, looked up on every server at once. Changes nothing.

The result: `{"digest", "tag", "hosts": [rows as `deployments.plan` documents, without "ready" and "gap"], "source", "commits"}`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from deployments import image_reference, operations, releases
from deployments.errors import FieldErrors
from deployments.models import Host, Placement, Plan
from deployments.states import OperationStatus
from worker.brief import HostConnection, plan_spec
from worker.connections.signals import Signals
from worker.engine.errors import HostError, HostLost
from worker.engine.events import Finding
from worker.engine.preflight import Preflight, preflight
from worker.engine.spec import DeploySpec
from worker.logs import open_secrets
from worker.operations import compose_plan
from worker.operations.blind import can_build, see_for
from worker.operations.looks import Look, look_everywhere, reachable, secrets_of_looks
from worker.operations.source import ESTIVA_FILE, STEP, Found, find
from worker.operations.steps import Looking, Outcome
from worker.redact import Masker
from worker.servers import open_server


@dataclass(slots=True)
class ImageLook(Look):
    """One server, and how one container would fare there."""

    spec: DeploySpec = field(kw_only=True)
    found: Preflight | None = None

    @property
    def digest(self) -> str:
        """What the reference stands for, as this server's engine sees it."""
        return (self.found.digest if self.found else None) or ""

    def as_row(self) -> dict[str, Any]:
        """For `deployments.plan`."""
        return {
            **Look.as_row(self),
            "strategy": self.found.strategy if self.found else "",
            "reasons": list(self.found.reasons) if self.found else [],
            "first": self.found is not None and self.found.inventory.incumbent is None,
        }


def plan(looking: Looking) -> Outcome:
    """Look at all servers, eight at a time, and agree on what each of them gets."""
    row = Plan.objects.select_related(
        "of_release", "placement__application", "placement__environment__builder", "operation"
    ).get(operation=looking.operation)
    if row.source.get("kind") == Placement.Source.COMPOSE:
        return compose_plan.plan(looking, row)
    found = Found()
    if row.source.get("kind") == Placement.Source.GIT:
        looking.plan_steps([(STEP, "Repository")])
        found = find(looking, row)
    content = plan_content(row, found)
    looks = _looks(row, content, looking.operation.request.get("hosts", []))
    masker = Masker(secrets_of_looks(looks))
    for each in looks:
        each.mask = masker.mask
    with open_secrets.using(masker):
        look_everywhere(looking, looks, _look)
        can_build(row.placement, looks)
        digest = see_for(looks, row.digest or next((each.digest for each in looks if each.digest), ""))
        _agree(looking.signals, looks, digest)
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


def _looks(row: Plan, content: releases.Content, host_ids: Iterable[int]) -> list[ImageLook]:
    hosts = Host.objects.in_bulk(list(host_ids))
    looks = []
    for host in (hosts[each] for each in host_ids if each in hosts):
        spec = plan_spec(row, host, content)
        look = ImageLook(host, spec=spec)
        look.connect_for([spec.image.reference])
        looks.append(look)
    return looks


def _look(look: ImageLook, connection: HostConnection, signals: Signals) -> None:
    with open_server(connection, signals) as server:
        look.findings.append(reachable(look))
        look.found = look.take(preflight(look.spec, server))
        look.about(server, look.found.facts)


def _agree(signals: Signals, looks: list[ImageLook], digest: str) -> None:
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
            why = each.mask(error.message)
            each.findings.append(Finding("image", "bad", f"{said} It can't get that one: {why}", error.remedy))
        else:
            each.findings.append(Finding("image", "warn", f"{said} The latter is deployed."))
