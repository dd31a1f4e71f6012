"""Builds: the Target of a Deployment that makes the image on a builder, before the others bring it to their servers."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from django.utils.translation import gettext as _

from deployments import engines, hints
from deployments.errors import Refused
from deployments.models import Deployment, Host, Placement, Release, Target
from deployments.states import HostState, TargetStatus

NOT_BUILT: Final = "Not begun: the image was not built."
_UNUSABLE: Final = frozenset({HostState.RETIRED, HostState.KEY_CHANGED, HostState.NEW, HostState.UNTRUSTED})


def builder_of(placement: Placement, hosts: Sequence[Host]) -> Host:
    """Where its images are built: the Environment's builder, else the first of these servers. Refused when that can't be."""
    builder = placement.environment.builder or next((each for each in hosts if each.state == HostState.READY), hosts[0])
    if builder.state in _UNUSABLE:
        raise Refused(
            _("%(server)s, which builds for %(environment)s, can't be used.")
            % {"server": builder.name, "environment": placement.environment.name},
            remedy=_("Look at its page, or choose another builder for the environment."),
        )
    if problem := engines.problem_of(hosts, builder):
        raise Refused(
            problem,
            remedy=_("Build where it runs, choose another builder for the environment, or other servers."),
        )
    return builder


def queue_build(deployment: Deployment, builder: Host) -> Target:
    """The Target that builds; needs the transaction that makes its Deployment."""
    target = Target.objects.create(
        deployment=deployment,
        role=Target.Role.BUILD,
        placement_id=deployment.placement_id,
        host=builder,
        host_name=builder.name,
    )
    hints.target_on_commit(target.pk)
    return target


def lock_builder(target_id: int) -> Host | None:
    """Lock the builder of a Target that builds, None for any other: builds on one server are counted under this lock."""
    row = Target.objects.filter(pk=target_id, role=Target.Role.BUILD).values_list("host_id", flat=True).first()
    return Host.objects.select_for_update(no_key=True).get(pk=row) if row is not None else None


def is_free(builder: Host) -> bool:
    """One more build may run there. Needs its lock. One that stalled runs no more: it ended with its worker's connection."""
    running = Target.objects.filter(host=builder, role=Target.Role.BUILD, status=TargetStatus.RUNNING)
    return running.count() < builder.builds_at_once


def record_built(release_id: int, built: Mapping[str, Any]) -> None:
    """Write once what a Release's source was built to.

    Of a Compose application `built` has `services` (service → the first of these, `size`, `platform`, `base_images`, `reused`),
    `host` and `host_name`; else it has `image_id`, `digest` ("" unless it was pushed), `repository` (where it was pushed to), `size` (bytes),
    `platform`, `base_images` (`[[reference, digest]]`), `reused`, `host` (id), `host_name`.
    """
    unbuilt = Release.objects.filter(pk=release_id, image_id="", digest="", built={})
    unbuilt.update(image_id=built.get("image_id", ""), digest=built.get("digest", ""), built=dict(built))


def unbegun(deployment: Deployment) -> list[Target]:
    """The Targets that waited for the build, locked."""
    waiting = Target.objects.select_for_update(no_key=True).filter(
        deployment=deployment, role=Target.Role.DEPLOY, status=TargetStatus.QUEUED
    )
    return list(waiting.order_by("pk"))


def hint_after(target: Target) -> None:
    """On commit hint whom the end of a build lets begin: its own Deployment's Targets, and the next build there."""
    if target.role != Target.Role.BUILD:
        return
    begin = Target.objects.filter(
        deployment=target.deployment_id, role=Target.Role.DEPLOY, wave=0, status=TargetStatus.QUEUED
    )
    queued = Target.objects.filter(host=target.host_id, role=Target.Role.BUILD, status=TargetStatus.QUEUED)
    for target_id in [*begin.values_list("pk", flat=True), *queued.order_by("pk").values_list("pk", flat=True)[:5]]:
        hints.target_on_commit(target_id)


def waiting_reason(target: Target) -> str:
    """Why a queued Target that builds has not begun, in words; "" when nothing is known to be in its way."""
    if target.role != Target.Role.BUILD or target.status != TargetStatus.QUEUED:
        return ""
    before = Target.objects.filter(host=target.host_id, role=Target.Role.BUILD, status=TargetStatus.RUNNING).exclude(
        deployment=target.deployment_id
    )
    busy = ", ".join(f"#{number}" for number in before.values_list("deployment_id", flat=True))
    return _("%(server)s builds %(others)s first.") % {"server": target.host_name, "others": busy} if busy else ""
