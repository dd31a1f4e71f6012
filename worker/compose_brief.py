"""Rows → what a Compose application's deploy, Plan and build take: its files, images, variables with their secrets opened."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings as configured

from deployments import clock, releases, stalls
from deployments.compose_settings import defaults
from deployments.models import Host, PlacementHost, Plan, Release, SecretVersion, Target
from deployments.sealing import open_sealed
from deployments.yaml_lines import YamlError
from worker.brief import (
    NO_TARGET,
    CannotBrief,
    HostConnection,
    host_connection,
    identity_of,
    kept_of,
    secrets_of,
    with_registries,
)
from worker.connections.compose_yaml import read_document
from worker.engine.compose.spec import ComposeSpec, Composition
from worker.engine.spec import Secret
from worker.redact import MARK

Variables = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class ComposeBrief:
    """One deploy Target's work. `secrets` are for the Masker."""

    spec: ComposeSpec
    connection: HostConnection
    secrets: tuple[Secret, ...] = field(default=())
    image_from: HostConnection | None = None  # who has the images that are in no registry


def compose_brief(target_id: int, fence: int) -> ComposeBrief:
    """Everything about one Target, with its secrets opened. `CannotBrief` when something is missing."""
    target = Target.objects.select_related(
        "deployment__release", "placement__application", "placement__environment", "host"
    ).get(pk=target_id)
    seat = PlacementHost.objects.select_related("running_release").get(placement=target.placement, host=target.host)
    release, running = target.deployment.release, previous_of(seat)
    opened = open_variables([release.variables, *([running.variables] if running else [])])
    wanted = composition(release.number, release.source, release.variables, opened, images_of(release))
    if wanted.lost:
        raise CannotBrief(
            f"The value of {', '.join(wanted.lost)} was deleted after this Release was recorded.",
            "Set it again and deploy, or roll back with today's secret values.",
        )
    settings = {**defaults(), **release.source["compose"]}
    spec = ComposeSpec(
        identity=identity_of(target.placement, release.number, target.deployment, target.pk, fence, seat),
        project=releases.project_name(target.placement),
        wanted=wanted,
        previous=recorded(running, opened) if running else None,
        wait_seconds=settings["wait_seconds"],
        settle_seconds=settings["settle_seconds"],
        keep_releases=kept_of(target, release.number),
        allowed_binds=tuple(configured.ESTIVA_ALLOWED_BINDS),
        host_name=target.host_name,
        touched=target.touched,
        begun_ago=_begun_ago(target),
        give_up=stalls.is_last_attempt(target),
        approved=approved(release.source.get("powers", [])),
        left=left_there(seat),
        left_key=left_key(),
    )
    pinned = [image for each in (spec.wanted, spec.previous) if each is not None for _, image in each.images]
    connection = with_registries(host_connection(target.host), pinned)
    image_from = built_elsewhere(target.host_id, [release, *([running] if running else [])])
    logins = [*secrets_of(connection), *(secrets_of(image_from) if image_from else ())]
    return ComposeBrief(spec, connection, (*opened.values(), *logins), image_from)


def _begun_ago(target: Target) -> float:
    """How many seconds ago its first attempt began; 0.0 where this is it."""
    if target.attempts < 2 or target.started_at is None:
        return 0.0
    return max(0.0, (clock.now() - target.started_at).total_seconds())


def plan_spec(
    plan: Plan, host: Host, wanted: Composition, opened: Mapping[int, Secret], settings: Mapping[str, Any], builder: str
) -> ComposeSpec:
    """What would be deployed, for preflight. `builder` names where what has no image yet is built."""
    placement = plan.placement
    seat = PlacementHost.objects.select_related("running_release").get(placement=placement, host=host)
    running = previous_of(seat)
    return ComposeSpec(
        identity=identity_of(placement, wanted.release, None, NO_TARGET, seat.fence + 1, seat),
        project=releases.project_name(placement),
        wanted=wanted,
        previous=recorded(running, opened) if running else None,
        wait_seconds=settings["wait_seconds"],
        settle_seconds=settings["settle_seconds"],
        allowed_binds=tuple(configured.ESTIVA_ALLOWED_BINDS),
        host_name=host.name,
        builder=builder,
        left=left_there(seat),
        left_key=left_key(),
    )


def record_spec(seat: PlacementHost, release: Release) -> ComposeSpec:
    """A Release as it was deployed there, to compare with what is. `CannotBrief` where its files can't be read any more."""
    settings = {**defaults(), **release.source["compose"]}
    return ComposeSpec(
        identity=identity_of(seat.placement, release.number, None, NO_TARGET, seat.fence, seat),
        project=releases.project_name(seat.placement),
        wanted=recorded(release, open_variables([release.variables])),
        wait_seconds=settings["wait_seconds"],
        settle_seconds=settings["settle_seconds"],
        allowed_binds=tuple(configured.ESTIVA_ALLOWED_BINDS),
        host_name=seat.host.name,
    )


def approved(powers: Sequence[Sequence[str]]) -> tuple[tuple[str, str, str], ...]:
    """As the Plan recorded them; a reason in which something was masked stands for any."""
    return tuple((service, key, "" if MARK in reason else reason) for service, key, reason in powers)


def left_there(seat: PlacementHost) -> dict[str, list[Mapping[str, Any]]]:
    """How the last deploy left each service's containers, where that is on record."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for each in seat.observed.get("containers", []):
        if each.get("left"):
            found.setdefault(each["service"], []).append(each["left"])
    return found


def left_key() -> Secret:
    """Keys the hashes of how containers were left: whoever reads the database alone can't try values on them."""
    purpose = b"estiva: how containers were left"
    return Secret(hmac.new(configured.SECRET_KEY.encode(), purpose, hashlib.sha256).hexdigest())


def previous_of(seat: PlacementHost) -> Release | None:
    """What serves there, where that is a Compose application too."""
    running = seat.running_release
    return running if running is not None and running.source.get("kind") == "compose" else None


def recorded(release: Release, opened: Mapping[int, Secret]) -> Composition:
    """A Release as it was deployed."""
    return composition(release.number, release.source, release.variables, opened, images_of(release))


def images_of(release: Release) -> dict[str, str]:
    """Service → image: as it was pinned, or as it was built."""
    built = {name: each["image_id"] for name, each in release.built.get("services", {}).items()}
    return {**release.source.get("images", {}), **built}


def composition(
    number: int,
    source: Mapping[str, Any],
    variables: Variables,
    opened: Mapping[int, Secret],
    images: Mapping[str, str],
) -> Composition:
    """From what a Release's source holds. `CannotBrief` where its files can't be read any more."""
    files: dict[str, str] = dict(source.get("files", []))
    try:
        documents = tuple(read_document(name, files[name]) for name in source["documents"])
    except YamlError as error:
        raise CannotBrief(f"A Compose file of release {number} can't be read: {error}") from error
    environment = tuple(
        (each["name"], opened[each["secret"]] if "secret" in each else str(each["value"]))
        for each in variables
        if "secret" not in each or each["secret"] in opened
    )
    lost = tuple(each["name"] for each in variables if "secret" in each and each["secret"] not in opened)
    return Composition(
        number,
        documents,
        tuple(files.items()),
        environment,
        tuple(source["compose"].get("profiles", ())),
        tuple(images.items()),
        folder_of(source["compose"]),
        lost,
    )


def folder_of(settings: Mapping[str, Any]) -> str:
    """Where in the repository the first file lies, "" at its top; all paths of a source's files begin there."""
    named = [] if settings.get("text") else settings.get("files") or []
    return str(named[0]).rpartition("/")[0] if named else ""


def open_variables(several: Sequence[Variables]) -> dict[int, Secret]:
    """SecretVersion id → value, for all of these; those destroyed since are left out."""
    wanted = {each["secret"] for variables in several for each in variables if "secret" in each}
    versions = SecretVersion.objects.filter(pk__in=wanted, sealed__isnull=False)
    return {each.pk: Secret(open_sealed(each.sealed)) for each in versions if each.sealed is not None}


def built_elsewhere(host_id: int, several: Sequence[Release]) -> HostConnection | None:
    """A server that has the images that were built: one that runs them, else the one that built them."""
    for release in several:
        if not release.built.get("services"):
            continue
        running = Host.objects.filter(seats__running_release=release).order_by("pk")
        built = Host.objects.filter(pk=release.built.get("host"))
        for host in (*running, *built):
            if host.pk == host_id:
                continue
            try:
                return host_connection(host)
            except CannotBrief:
                continue  # the next one may be usable; if none is, the server says that it lacks the image
    return None
