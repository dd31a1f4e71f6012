"""Where a Plan's images would be built, or which Release has them already."""

from dataclasses import dataclass, field
from typing import Any

from django.utils.text import get_text_list
from django.utils.translation import gettext as _

from deployments import builds, sources
from deployments.errors import Refused
from deployments.models import Host, Plan, Release


@dataclass(frozen=True, slots=True)
class Build:
    """Where the image comes from: `builder` makes it, unless it is `reused` from a Release; `refusal` says why none can.

    `receivers` get it from the builder; where it is pushed (`push_to`) they pull it. `services` are those of a Compose
    application that are built.
    """

    builder: Host | None = None
    reused: Release | None = None
    refusal: Refused | None = None
    receivers: list[str] = field(default_factory=list)
    push_to: str = ""
    services: list[str] = field(default_factory=list)

    @property
    def services_text(self) -> str:
        """`api and web`."""
        return str(get_text_list(self.services, _("and")))

    @property
    def receivers_text(self) -> str:
        """`web-2 and web-3`."""
        return str(get_text_list(self.receivers, _("and")))


def build_of(plan: Plan, chosen: list[dict[str, Any]]) -> Build | None:
    """Where a source would be built if these servers (rows of the Plan) were deployed to; None for an image, and while nothing is known."""
    services = [str(each) for each in plan.source.get("builds", [])]
    is_built = bool(services) if sources.is_compose(plan.source) else bool(plan.source.get("commit"))
    if not is_built or not chosen:
        return None
    reused = _built_already(plan)
    if reused is not None:
        return Build(reused=reused, services=services)
    hosts = Host.objects.in_bulk([row["host"] for row in chosen])
    try:
        builder = builds.builder_of(plan.placement, [hosts[row["host"]] for row in chosen])
    except Refused as refusal:
        return Build(refusal=refusal, services=services)
    receivers = [row["name"] for row in chosen if row["host"] != builder.pk]
    push_to = str(plan.source.get("build", {}).get("push_to", ""))
    return Build(builder, receivers=receivers, push_to=push_to, services=services)


def _built_already(plan: Plan) -> Release | None:
    """The Release whose image a click would bring: the repeated one, or the newest with exactly this content."""
    repeated = plan.of_release
    if repeated is not None and repeated.source == plan.source and not sources.needs_build(repeated):
        return repeated
    newest = Release.objects.filter(placement=plan.placement_id).first()
    if newest is None or sources.needs_build(newest):
        return None
    same = (newest.source, newest.settings, newest.variables) == (plan.source, plan.settings, plan.variables)
    return newest if same else None
