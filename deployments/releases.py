"""Releases: what a Placement would be deployed as, what it was deployed as, and what runs of it."""

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from django.db.models import F, Q

from deployments.actors import Actor
from deployments.models import Placement, PlacementHost, Release, Repository, SecretVersion, SharedVariable, Variable

_LONGEST_PROJECT: Final = 63  # so that it is a host name too


@dataclass(frozen=True, slots=True)
class Content:
    """Everything that makes a Release but its digest. `variables` as `Release.variables` has them, `source` as `sources`.

    `lost_secrets` names the secrets whose value was destroyed and that therefore can't be deployed.
    """

    image: str
    settings: dict[str, Any]
    variables: list[dict[str, Any]]
    digest: str = ""
    tag: str = ""
    lost_secrets: list[str] = field(default_factory=list)
    source: dict[str, Any] = field(default_factory=dict)


def content_now(placement: Placement) -> Content:
    """The Placement's source, settings and variables as they are now."""
    source = _source_now(placement)
    image = "" if source else placement.image
    return Content(image, dict(placement.settings), variables_now(placement.pk), source=source)


def variables_now(placement_id: int) -> list[dict[str, Any]]:
    """What a container gets, as `Release.variables` has it: of the sets used the later ones over the earlier, the
    Placement's own over all. Values are never interpolated."""
    variables: list[Variable | SharedVariable] = [*shared_variables(placement_id)]
    variables.extend(Variable.objects.filter(placement=placement_id).select_related("secret_version"))
    found: dict[str, dict[str, Any]] = {}
    for variable in variables:
        found.pop(variable.name, None)
        found[variable.name] = _as_recorded(variable)
    return list(found.values())


def shared_variables(placement_id: int) -> list[SharedVariable]:
    """Those of the sets that a Placement uses, the weakest set first."""
    used = SharedVariable.objects.filter(variable_set__uses__placement=placement_id)
    ordered = used.order_by("variable_set__uses__position", "variable_set__uses__id", "position", "id")
    return list(ordered.select_related("secret_version", "variable_set"))


def content_of(release: Release, *, secrets_as_they_were: bool = False) -> Content:
    """A Release's content again: by default with today's values of its secrets, else with those it had."""
    recorded = [dict(variable) for variable in release.variables]
    ids = [variable["secret"] for variable in recorded if "secret" in variable]
    alive = set(SecretVersion.objects.filter(pk__in=ids, sealed__isnull=False).values_list("pk", flat=True))
    today = {} if secrets_as_they_were else _secrets_today(release.placement_id)
    variables, lost = [], []
    for variable in recorded:
        if "secret" in variable:
            if variable["secret"] not in alive and variable["name"] not in today:
                lost.append(variable["name"])
            variable = dict(today.get(variable["name"], variable))
        variables.append(variable)
    return Content(release.image, dict(release.settings), variables, release.digest, release.tag, lost, release.source)


def content_as_recorded(release: Release) -> Content:
    """A Release's content exactly as it was, for comparing."""
    return Content(
        release.image, release.settings, release.variables, release.digest, release.tag, source=release.source
    )


def running_release(placement_id: int) -> Release | None:
    """The Release that most of the Placement's servers run, the newer one where two are even; None when none runs."""
    seats = PlacementHost.objects.filter(placement=placement_id, is_active=True, running_release__isnull=False)
    running = [seat.running_release for seat in seats.select_related("running_release")]
    counted = Counter(release for release in running if release is not None)
    if not counted:
        return None
    return max(counted, key=lambda release: (counted[release], release.number))


def by_number(placement_id: int, number: int) -> Release | None:
    """The Placement's Release with that number."""
    return Release.objects.filter(placement=placement_id, number=number).first()


def brought_by(placement_id: int, number: int, target_id: int) -> Release | None:
    """The Release that a container's labels tell of: the one with that number, if the Target they name brought it.

    A number alone may be that of a Release which only the server remembers, from before a backup was restored.
    """
    return Release.objects.filter(placement=placement_id, number=number, deployments__targets=target_id).first()


def record_release(*, actor: Actor, placement: Placement, content: Content, repeats: Release | None = None) -> Release:
    """The Release with exactly this content: the newest (or repeated) one where it is the same, else a new number.

    Needs the Placement's lock, since the number is counted there.
    """
    for candidate in (repeats, placement.releases.order_by("-number").first()):
        if candidate is not None and _same(candidate, content):
            return candidate
    placement.refresh_from_db(fields=("next_release",))
    release = Release.objects.create(
        placement=placement,
        number=placement.next_release,
        image=content.image,
        tag=content.tag,
        settings=content.settings,
        variables=content.variables,
        source=content.source,
        **(_built_as(repeats, content) if content.source else {"digest": content.digest}),
        repeats=repeats,
        created_by_id=actor.user_id,
        created_by_name=actor.name,
    )
    Placement.objects.filter(pk=placement.pk).update(next_release=F("next_release") + 1)
    return release


def _built_as(repeats: Release | None, content: Content) -> dict[str, Any]:
    """The image of a Release that is repeated with other values of its secrets is the same."""
    if repeats is None or repeats.source != content.source:
        return {}
    return {"image_id": repeats.image_id, "digest": repeats.digest, "built": repeats.built}


def told_apart(variables: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Variables without the names of the sets that they are from: a set that is called otherwise is the same."""
    return [{key: value for key, value in each.items() if key != "set"} for each in variables]


def kept_releases(placement: Placement) -> list[Release]:
    """The Releases whose images stay on the servers, so that they can be rolled back to: those deployed last."""
    was_there = Q(deployments__status="succeeded") | ~Q(adopted={})
    deployed = placement.releases.filter(was_there).distinct().order_by("-number")
    return list(deployed[: placement.keep_releases])


def placement_name(placement: Placement) -> str:
    """`app-environment`: what containers and kept images are named after. Unique among Placements."""
    return f"{placement.application.name}-{placement.environment.name}"


def project_name(placement: Placement) -> str:
    """What Compose calls the application on a server. Two long names that begin alike differ in what stands for the rest."""
    name = placement_name(placement)
    if len(name) <= _LONGEST_PROJECT:
        return name
    return f"{name[: _LONGEST_PROJECT - 9]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _as_recorded(variable: Variable | SharedVariable) -> dict[str, Any]:
    """Numbers count within an owner, so a secret names the set that it comes from."""
    if variable.secret_version is None:
        return {"name": variable.name, "value": variable.value}
    version = variable.secret_version
    recorded = {"name": variable.name, "secret": version.pk, "number": version.number}
    return {**recorded, "set": variable.variable_set.name} if isinstance(variable, SharedVariable) else recorded


def _secrets_today(placement_id: int) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in variables_now(placement_id) if "secret" in each}


def _source_now(placement: Placement) -> dict[str, Any]:
    if placement.source == Placement.Source.IMAGE:
        return {}
    repository = Repository.objects.filter(application=placement.application_id).first()
    url = repository.url if repository else ""
    if placement.source == Placement.Source.GIT:
        return {"kind": "git", "url": url, "build": dict(placement.build)}
    is_pasted = bool(placement.compose.get("text"))
    return {"kind": "compose", "url": "" if is_pasted else url, "compose": dict(placement.compose)}


def _same(release: Release, content: Content) -> bool:
    """What a source was built to is not compared: it follows from the source."""
    digest = release.digest if not release.source else content.digest
    return (release.image, digest, release.settings, told_apart(release.variables), release.source) == (
        content.image,
        content.digest,
        content.settings,
        told_apart(content.variables),
        content.source,
    )
