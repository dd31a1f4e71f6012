"""Whether something may be planned or deployed now: every reason against it, as Refused."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Final

from django.utils.translation import gettext as _

from deployments import permissions, power, releases, sources
from deployments import plan as plans
from deployments.actors import Actor
from deployments.errors import FieldErrors, PlanChanged, Refused
from deployments.models import Application, Host, Placement, PlacementHost, Plan, Release
from deployments.states import HostState

_CLOSED_HOSTS: Final = frozenset({HostState.RETIRED, HostState.KEY_CHANGED, HostState.NEW, HostState.UNTRUSTED})


def check_in_use(placement: Placement) -> None:
    """An archived Application is only looked at."""
    if Application.objects.filter(pk=placement.application_id, archived_at__isnull=False).exists():
        raise Refused(_("%(name)s is archived.") % {"name": placement.application.name})


def content_asked(
    placement: Placement, of_release: Release | None, secrets_of_release: bool, wanted: Mapping[str, str]
) -> releases.Content:
    """What a Plan is to be about: what is set, overlaid with what is `wanted`, or an earlier Release of the same Placement."""
    if of_release is None:
        return sources.overlaid(releases.content_now(placement), wanted)
    if of_release.placement_id != placement.pk:
        raise Refused(_("That Release belongs to something else."))
    return releases.content_of(of_release, secrets_as_they_were=secrets_of_release)


def host_ids(placement: Placement) -> list[int]:
    """Its servers in the order of their names, those that are retired or drained left out."""
    seats = PlacementHost.objects.filter(
        placement=placement, is_active=True, host__retired_at=None, host__drained_at=None
    )
    return list(seats.order_by("host__name").values_list("host_id", flat=True))


def is_drained(placement: Placement) -> bool:
    """Some of its servers are drained."""
    return PlacementHost.objects.filter(placement=placement, is_active=True, host__drained_at__isnull=False).exists()


def hosts_to_plan(placement: Placement) -> list[int]:
    """As `host_ids`; Refused where there is none."""
    hosts = host_ids(placement)
    if hosts:
        return hosts
    if is_drained(placement):
        raise Refused(
            _("All of its servers are drained."), "hosts", _("Choose another in the settings, or take one in use.")
        )
    raise Refused(_("This has no server yet."), "hosts", _("Choose one in the settings."))


def check_unchanged(placement: Placement, plan: Plan, content: releases.Content, fingerprint: str) -> None:
    """PlanChanged, with what differs, when a click would not bring what the Plan showed."""
    if not plan.is_ready:
        raise Refused(_("This plan has not been worked out yet."), remedy=_("Wait for it, or plan again."))
    planned = as_planned(plan, content)
    now = plans.fingerprint(placement.pk, planned, plan.digest, host_ids(placement), placement.rollout)
    if fingerprint == plan.fingerprint == now:
        return
    shown = releases.Content(plan.image, plan.settings, plan.variables, plan.digest, plan.tag, source=plan.source)
    intended = replace(planned, digest=plan.digest, tag=plan.tag)
    raise PlanChanged(
        _("The settings changed after this plan was made. Nothing was deployed; look at the new plan."),
        plans.differences(shown, intended),
    )


def as_planned(plan: Plan, content: releases.Content) -> releases.Content:
    """What is set now, with what the Plan had found out; where that doesn't fit any more, without it: a change, then."""
    try:
        return sources.resolved(content, {name: plan.source[name] for name in sources.FOUND if name in plan.source})
    except FieldErrors:
        return content


def check_source(placement: Placement, content: releases.Content) -> None:
    """There is something to deploy, and it is of the kind that runs."""
    if content.source.get("kind") == Placement.Source.GIT and not content.source["url"]:
        raise Refused(_("This has no repository yet."), "source", _("Name one on the application's page."))
    if sources.is_compose(content.source) and not (content.source["url"] or content.source["compose"].get("text")):
        raise Refused(
            _("This has no Compose file yet."),
            "source",
            _("Paste one in the settings, or name the repository on the application's page."),
        )
    if not content.source and not content.image:
        raise Refused(_("This has no image yet."), "image", _("Name one in the settings."))
    running = releases.running_release(placement.pk)
    if running is not None and sources.is_compose(running.source) != sources.is_compose(content.source):
        raise Refused(
            _("What runs is %(running)s, and this would be %(planned)s: one would run beside the other.")
            % {"running": _manner(running.source), "planned": _manner(content.source)},
            "source",
            _("Make another application for it, or put it in another environment."),
        )


def _manner(source: Mapping[str, object]) -> str:
    return _("a Compose application") if sources.is_compose(source) else _("a single container")


def new_powers(planned: Plan | Release, hosts: Collection[int]) -> list[list[str]]:
    """What it gives power to over one of these servers (ids) that what runs there doesn't have."""
    if not planned.source.get("powers"):
        return []
    seats = PlacementHost.objects.filter(placement=planned.placement_id, host__in=hosts)
    running = [
        seat.running_release.source if seat.running_release else None
        for seat in seats.select_related("running_release")
    ]
    found = [each for source in running for each in plans.new_powers(planned.source, source)]
    return [list(each) for each in dict.fromkeys(map(tuple, found))]


def check_powers(actor: Actor, planned: Plan | Release, hosts: Collection[Host]) -> None:
    """What gives power over a server needs an admin, but for what an admin let run on that very server already."""
    ids = [host.pk for host in hosts]
    power.check_deploy(actor=actor, planned=planned.settings, placement_id=planned.placement_id, host_ids=ids)
    powers = new_powers(planned, ids)
    if not powers or permissions.acts_as_admin(actor):
        return
    named = "; ".join(f"{service}: {key} ({reason})" for service, key, reason in powers)
    raise Refused(
        _("Only an admin may deploy what gives power over the server: %(powers)s.") % {"powers": named},
        remedy=_("Ask an admin to deploy it once, or take it out of the Compose file."),
    )


def chosen_hosts(plan: Plan, leave_out: set[int]) -> tuple[list[Host], list[Host]]:
    """The Plan's servers but those left out, and those that are away and catch up later; Refused when one of them can't
    be deployed to."""
    chosen = [row for row in plan.hosts if row["host"] not in leave_out]
    rows = [row for row in chosen if row.get("away") != "skip"]
    if not rows:
        raise Refused(_("Every server was left out, or is away."), "leave_out", _("Keep at least one."))
    hosts = Host.objects.in_bulk([row["host"] for row in chosen])
    for row in rows:
        host = hosts[row["host"]]
        if not (row["ready"] or row.get("away") == "wait") or host.state in _CLOSED_HOSTS:
            raise Refused(
                _("%(server)s can't be deployed to.") % {"server": host.name},
                "leave_out",
                _("Mend what the plan found there and plan again, or leave it out."),
            )
    return [hosts[row["host"]] for row in rows], [hosts[row["host"]] for row in chosen if row not in rows]
