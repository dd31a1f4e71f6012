"""Servers whose engine can't ask a registry (podman's service): the worker asks in their place, where it may."""

from collections.abc import Sequence
from typing import Protocol

from deployments import image_reference
from deployments.builds import builder_of
from deployments.errors import Refused
from deployments.models import Host, Placement
from worker.engine.container_host import EngineFacts, Platform
from worker.engine.events import Finding
from worker.engine.podman import podman_builder
from worker.engine.preflight import platform_finding
from worker.engine.spec import DeploySpec
from worker.operations.tags import one_tag
from worker.registries.client import RegistryRefused


class Looked(Protocol):
    """A server that was looked at for a Plan."""

    host: Host
    spec: DeploySpec
    facts: EngineFacts | None
    findings: list[Finding]


def can_build(placement: Placement, looks: Sequence[Looked]) -> None:
    """What is built on one of these servers needs an engine that can: else a finding says so."""
    found = [each for each in looks if each.spec.image.arrives and not each.spec.image.image_id]
    try:
        builder = builder_of(placement, [each.host for each in looks]) if found else None
    except Refused:
        return  # the click says so, with its reason
    for each in found:
        if each.host == builder and each.facts is not None:
            each.findings += podman_builder(each.facts, each.host.name)


def see_for(looks: Sequence[Looked], digest: str) -> str:
    """The digest for servers that can't find it out, `digest` where it is known already; "" where nobody knows. What was found
    out, or couldn't be, is among each one's findings.
    """
    blind = [each for each in looks if each.facts is not None and "distribution" in each.facts.lacks]
    blind = [each for each in blind if not (each.spec.image.image_id or each.spec.image.arrives)]
    if not blind:
        return digest
    wanted = image_reference.parse(blind[0].spec.image.reference)
    try:
        seen = one_tag(wanted)
    except RegistryRefused as refused:
        if not digest:
            for each in blind:
                said = f"What {wanted.familiar} stands for is not known. {refused.message} {refused.why}".rstrip()
                each.findings.append(Finding("image", "bad", said, refused.remedy or "Name the image by its digest."))
        return digest
    platforms = tuple(Platform(*each.split("/", 2)) for each in seen.platforms if "/" in each)
    for each in blind:
        if each.facts is not None:
            chosen = each.spec.container.options.platform
            each.findings.append(platform_finding(platforms, each.facts, wanted.familiar, each.host.name, chosen))
    return digest or seen.digest
