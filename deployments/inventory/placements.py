"""A Placement: an Application in an Environment, its servers, image and settings. One function saves it, new or not."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext as _

from deployments import (
    audit,
    build_settings,
    compose_settings,
    container_settings,
    image_reference,
    queue,
    releases,
    rollout_settings,
)
from deployments.actors import Actor
from deployments.errors import FieldErrors, Refused
from deployments.inventory.sharing import check_sharing
from deployments.leases import lock_placement
from deployments.models import Application, Environment, Host, Placement, PlacementHost
from deployments.power import check_power
from deployments.states import HostState

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

_MOST_KEPT: Final = 50
_MOST_DIGITS: Final = 9  # more are no number that anybody means, and Python refuses thousands of them
_is_url = URLValidator(schemes=("http", "https"))


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a Placement's images come from, as typed."""

    source: str
    build: Mapping[str, Any]
    compose: Mapping[str, Any]


def save_placement(
    *,
    actor: Actor,
    placement: Placement | None,
    application: Application,
    environment: Environment,
    image: str,
    settings: Mapping[str, Any],
    host_ids: Collection[int],
    url: str = "",
    keep_releases: int | str = 5,
    version: int | None = None,
    source: str = Placement.Source.IMAGE,
    build: Mapping[str, Any] | None = None,
    compose: Mapping[str, Any] | None = None,
    rollout: Mapping[str, Any] | None = None,
) -> Placement:
    """Save a Placement, a new one where `placement` is None; FieldErrors with dotted paths, settings' under `settings.`,
    the build's under `build.`, a Compose application's under `compose.`, the order's under `rollout.` (None keeps it).

    `version` is the one that was edited: Refused when somebody else has saved since.
    """
    values = _checked(image, settings, url, keep_releases, Origin(source, build or {}, compose or {}), rollout)
    with transaction.atomic():
        hosts = _checked_hosts(host_ids, placement)
        if placement is not None:
            placement = _locked(placement, version)
            _check_manner(placement, source)
        check_power(actor=actor, before=_powers_kept(placement, hosts), after=values["settings"])
        check_sharing(actor=actor, placement=placement, environment=environment, settings=values["settings"])
        if placement is None:
            placement = _create(application, environment, values)
            before: dict[str, Any] = {}
        else:
            before = _shown(placement)
            for name, value in values.items():
                setattr(placement, name, value)
            placement.save(update_fields=tuple(values))
        _seat(placement, hosts)
        _record(actor, placement, before)
    return placement


def check_placement(
    *,
    image: str,
    settings: Mapping[str, Any],
    url: str = "",
    keep_releases: int | str = 5,
    source: str = Placement.Source.IMAGE,
    build: Mapping[str, Any] | None = None,
    compose: Mapping[str, Any] | None = None,
    rollout: Mapping[str, Any] | None = None,
) -> None:
    """Raise what `save_placement` would about these values, so that a form says everything at once."""
    _checked(image, settings, url, keep_releases, Origin(source, build or {}, compose or {}), rollout)


def touch(placement: Placement) -> None:
    """Raise the version after a change, and tell the viewers. Needs a transaction."""
    Placement.objects.filter(pk=placement.pk).update(version=F("version") + 1)
    placement.refresh_from_db(fields=("version",))
    queue.changed_on_commit("placement", placement.pk, placement.pk)


def _powers_kept(placement: Placement | None, hosts: Collection[Host]) -> dict[str, Any]:
    """The settings whose power over its servers it has already; none of them over a server that is new to it."""
    if placement is None:
        return {}
    seated = set(placement.seats.filter(is_active=True).values_list("host_id", flat=True))
    return dict(placement.settings) if {host.pk for host in hosts} <= seated else {}


def _locked(placement: Placement, version: int | None) -> Placement:
    placement = lock_placement(placement.pk)
    if version is not None and placement.version != version:
        raise Refused(
            _("Somebody else saved these settings while you edited them."),
            remedy=_("Look at what they are now, and make your change again."),
        )
    return placement


def _create(application: Application, environment: Environment, values: dict[str, Any]) -> Placement:
    application = Application.objects.select_for_update(no_key=True).get(pk=application.pk)
    if application.archived_at is not None:
        raise Refused(_("%(name)s is archived.") % {"name": application.name})
    if Placement.objects.filter(application=application, environment=environment).exists():
        raise FieldErrors({"environment": [_("It is in this environment already.")]})
    placement = Placement(application=application, environment=environment, **values)
    name = releases.placement_name(placement)
    others = Placement.objects.select_related("application", "environment")
    same = next((each for each in others if releases.placement_name(each) == name), None)
    if same is not None:
        raise FieldErrors(
            {
                "environment": [
                    _("Its containers would be named %(name)s like those of %(other)s.") % {"name": name, "other": same}
                ]
            }
        )
    placement.save()
    return placement


def _checked(
    image: str,
    settings: Mapping[str, Any],
    url: str,
    keep_releases: int | str,
    origin: Origin,
    rollout: Mapping[str, Any] | None,
) -> dict[str, Any]:
    errors: dict[str, list[str | StrPromise]] = {}
    image, url = image.strip(), url.strip()
    kept = _checked_origin(origin, image, errors)
    if url:
        try:
            _is_url(url)
        except ValidationError:
            errors["url"] = [_("Write a web address, such as https://shop.example.com.")]
    digits = str(keep_releases)
    if not digits.isdecimal() or len(digits) > _MOST_DIGITS or not 1 <= int(digits) <= _MOST_KEPT:
        errors["keep_releases"] = [_("Use a number from 1 to %(most)s.") % {"most": _MOST_KEPT}]
    normal: dict[str, Any] = {}
    try:  # a Compose application's containers are as its file says: nothing typed beside it counts
        normal = container_settings.normalise({} if origin.source == Placement.Source.COMPOSE else settings)
    except FieldErrors as refused:
        errors.update({f"settings.{path}": messages for path, messages in refused.errors.items()})
    if rollout is not None:
        try:
            order = rollout_settings.normalise(rollout)
            kept["rollout"] = {} if order == rollout_settings.defaults() else order
        except FieldErrors as refused:
            errors.update({f"rollout.{path}": messages for path, messages in refused.errors.items()})
    if errors:
        raise FieldErrors(errors)
    return {**kept, "settings": normal, "url": url, "keep_releases": int(keep_releases)}


def _checked_origin(origin: Origin, image: str, errors: "dict[str, list[str | StrPromise]]") -> dict[str, Any]:
    """Only what belongs to the source is kept: an image's name, how it is built, or how it is brought up."""
    kept: dict[str, Any] = {"source": origin.source, "image": "", "build": {}, "compose": {}}
    try:
        if origin.source == Placement.Source.GIT:
            kept["build"] = build_settings.normalise(origin.build)
        elif origin.source == Placement.Source.COMPOSE:
            kept["compose"] = compose_settings.normalise(origin.compose)
        elif origin.source == Placement.Source.IMAGE:
            kept["image"] = image
            image_reference.parse(image)
        else:
            errors["source"] = [_("Choose where it comes from.")]
    except FieldErrors as refused:
        name = "build" if origin.source == Placement.Source.GIT else "compose"
        errors.update({f"{name}.{path}": messages for path, messages in refused.errors.items()})
    except image_reference.ImageReferenceError as error:
        errors["image"] = [error.message]
    return kept


def _check_manner(placement: Placement, source: str) -> None:
    """What Compose brings up and a single container don't take each other's place."""
    compose = str(Placement.Source.COMPOSE)
    if (placement.source == compose) == (source == compose) or releases.running_release(placement.pk) is None:
        return
    raise FieldErrors(
        {
            "source": [
                _("A Compose application and a single container would run beside each other. Make another application.")
            ]
        }
    )


def _checked_hosts(host_ids: Collection[int], placement: Placement | None) -> list[Host]:
    """The servers, locked, so that none is retired while it's being chosen."""
    hosts = list(Host.objects.select_for_update(no_key=True).filter(pk__in=host_ids).order_by("pk"))
    if len(hosts) != len(set(host_ids)):
        raise FieldErrors({"hosts": [_("One of these servers doesn't exist.")]})
    here = placement.seats.filter(is_active=True) if placement is not None else PlacementHost.objects.none()
    seated = set(here.values_list("host_id", flat=True))
    for host in hosts:
        if host.state == HostState.RETIRED:
            raise FieldErrors({"hosts": [_("%(server)s is retired.") % {"server": host.name}]})
        if host.drained_at is not None and host.pk not in seated:
            raise FieldErrors(
                {"hosts": [_("%(server)s is drained: nothing new is placed there.") % {"server": host.name}]}
            )
    return hosts


def _seat(placement: Placement, hosts: list[Host]) -> None:
    """Seats are never deleted, since their fence must only grow; a server taken out keeps an inactive one."""
    seats = PlacementHost.objects.filter(placement=placement)
    seats.exclude(host__in=hosts).filter(is_active=True).update(is_active=False)
    seats.filter(host__in=hosts, is_active=False).update(is_active=True)
    seated = set(seats.values_list("host_id", flat=True))
    PlacementHost.objects.bulk_create(
        PlacementHost(placement=placement, host=host) for host in hosts if host.pk not in seated
    )
    for host in hosts:
        queue.changed_on_commit("host", host.pk)


def _record(actor: Actor, placement: Placement, before: dict[str, Any]) -> None:
    """Raise the version and write the entry, if anything changed; nothing was `before` a new Placement."""
    after = _shown(placement)
    if before == after:
        return
    touch(placement)
    changed = {name for name in after if before.get(name) != after[name]}
    audit.record(
        actor,
        "placement.update" if before else "placement.create",
        placement,
        before={name: before[name] for name in changed if name in before},
        after={name: after[name] for name in changed},
    )


def _build_shown(placement: Placement) -> dict[str, str]:
    return build_settings.describe(placement.build) if placement.build else {}


def _compose_shown(placement: Placement) -> dict[str, str]:
    """A pasted file by what tells one from another: its text is on the Releases."""
    if not placement.compose:
        return {}
    text = placement.compose["text"].encode("utf-8", "surrogatepass")
    return {
        **compose_settings.describe(placement.compose),
        **({"SHA-256 of the file": hashlib.sha256(text).hexdigest()[:16]} if text else {}),
    }


def _rollout_shown(placement: Placement) -> dict[str, str]:
    return rollout_settings.describe(placement.rollout) if placement.rollout else {}


def _shown(placement: Placement) -> dict[str, Any]:
    """What the audit entry compares."""
    seats = placement.seats.filter(is_active=True).order_by("host__name")
    return {
        "source": placement.get_source_display(),
        "image": placement.image,
        **{f"Build: {name}": text for name, text in _build_shown(placement).items()},
        **{f"Compose: {name}": text for name, text in _compose_shown(placement).items()},
        "url": placement.url,
        "keep_releases": placement.keep_releases,
        **{f"Order: {name}": text for name, text in _rollout_shown(placement).items()},
        "servers": list(seats.values_list("host__name", flat=True)),
        **container_settings.describe(placement.settings),
    }
