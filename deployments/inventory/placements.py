"""A Placement: an Application in an Environment, its servers, image and settings. One function saves it, new or not."""

from collections.abc import Collection, Mapping
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext as _

from deployments import audit, engines, queue, releases
from deployments.actors import Actor
from deployments.errors import FieldErrors, Refused
from deployments.inventory import placement_words
from deployments.inventory.placement_fields import Origin, checked
from deployments.inventory.sharing import check_sharing
from deployments.leases import lock_placement
from deployments.models import Application, Environment, Host, Placement, PlacementHost
from deployments.power import check_power
from deployments.states import HostState


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
    values = checked(image, settings, url, keep_releases, Origin(source, build or {}, compose or {}), rollout)
    with transaction.atomic():
        hosts = _checked_hosts(host_ids, placement)
        if placement is not None:
            placement = _locked(placement, version)
            _check_manner(placement, source)
        beside = any(host.is_beside for host in hosts)
        check_power(actor=actor, before=_powers_kept(placement, hosts), after=values["settings"], beside=beside)
        check_sharing(actor=actor, placement=placement, environment=environment, settings=values["settings"])
        if placement is None:
            placement = _create(application, environment, values)
            before: dict[str, Any] = {}
        else:
            before = placement_words.shown(placement)
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
    checked(image, settings, url, keep_releases, Origin(source, build or {}, compose or {}), rollout)


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
    if problem := engines.problem_of(hosts, None):
        raise FieldErrors({"hosts": [problem]})
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
    after = placement_words.shown(placement)
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
