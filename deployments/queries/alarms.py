"""What burns: servers out of reach or changed, servers that need somebody, stalled work, no worker or another version's."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.conf import settings
from django.db.models import Exists, OuterRef
from django.utils.translation import gettext as _

from deployments.figures import living_workers
from deployments.models import Deployment, Host, PlacementHost, Target, User
from deployments.permissions import sees_everything, visible_deployments, visible_hosts, visible_placements
from deployments.queries.attention_page import Doubt
from deployments.queries.drift_page import unknown_containers
from deployments.queries.health import warnings
from deployments.rollout_settings import first_words
from deployments.states import DEPLOYMENT_OPEN, HostState, TargetStatus

MOST = 20
_LOUD = (HostState.KEY_CHANGED, HostState.UNREACHABLE, HostState.UNSUPPORTED)


@dataclass(frozen=True, slots=True)
class Alarm:
    """One thing somebody should look at. `tone` is bad or warn; the page leads to the Host or Deployment that it is about."""

    tone: str
    title: str
    text: str = ""
    host: Host | None = None
    deployment: int | None = None


def alarms_for(user: User, doubts: Iterable[Doubt]) -> list[Alarm]:
    """Loudest first, in a constant number of queries; `doubts` are those of the visible Placements, that are shown anyway."""
    return [
        *_host_alarms(user),
        *_target_alarms(user, doubts),
        *_health_alarms(user),
        *_gate_alarms(user),
        *_behind_alarms(user),
        *_unknown_alarms(user),
        *_worker_alarm(user),
    ]


def _host_alarms(user: User) -> list[Alarm]:
    hosts = visible_hosts(user).filter(state__in=_LOUD, retired_at=None).order_by("name")
    words = {
        HostState.KEY_CHANGED: _("%(server)s shows another host key."),
        HostState.UNREACHABLE: _("%(server)s can't be reached."),
        HostState.UNSUPPORTED: _("%(server)s can't be deployed to."),
    }
    found = [
        Alarm(
            "warn" if host.state == HostState.UNSUPPORTED else "bad",
            words[HostState(host.state)] % {"server": host.name},
            host.state_text,
            host,
        )
        for host in hosts
    ]
    return sorted(found, key=lambda alarm: alarm.host is not None and alarm.host.state != HostState.KEY_CHANGED)


def _health_alarms(user: User) -> list[Alarm]:
    """Servers that run out of disk or memory."""
    hosts = visible_hosts(user).filter(state=HostState.READY, retired_at=None)
    found = [Alarm(each.tone, each.title, each.text, each.host) for each in warnings(hosts)]
    return sorted(found, key=lambda alarm: alarm.tone != "bad")


def _target_alarms(user: User, doubts: Iterable[Doubt]) -> list[Alarm]:
    """What stalls, and what a Deployment left in doubt as long as nobody has dealt with it."""
    later = Target.objects.filter(
        placement=OuterRef("placement"),
        host=OuterRef("host"),
        role=OuterRef("role"),
        pk__gt=OuterRef("pk"),
        status=TargetStatus.SUCCEEDED,
    )
    stalled = Target.objects.filter(~Exists(later), status=TargetStatus.STALLED)
    stalled = stalled.filter(placement__application__archived_at=None).select_related("deployment").order_by("-pk")
    if not sees_everything(user):
        stalled = stalled.filter(deployment__in=visible_deployments(user))
    rows = [*stalled[:MOST], *(each.row.target for each in doubts)]
    return [_of_target(each) for each in sorted(rows, key=lambda row: -row.pk)[:MOST]]


def _gate_alarms(user: User) -> list[Alarm]:
    waiting = visible_deployments(user).filter(status__in=sorted(DEPLOYMENT_OPEN), gate="person")
    found = []
    for each in waiting.filter(cancel_requested_at=None).order_by("pk")[:20]:
        title = _("%(application)s → %(environment)s waits for somebody's word before it goes on.") % {
            "application": each.application_name,
            "environment": each.environment_name,
        }
        found.append(Alarm("warn", title, each.gate_text, deployment=each.pk))
    return found


def _behind_alarms(user: User) -> list[Alarm]:
    behind = PlacementHost.objects.filter(
        owed__isnull=False,
        is_active=True,
        placement__in=visible_placements(user),
        placement__application__archived_at=None,
    ).select_related("host", "owed", "placement__application", "placement__environment")
    found = []
    for seat in behind.order_by("host__name", "pk")[:20]:
        title = _("%(server)s is behind: it was away when %(application)s → %(environment)s was deployed.") % {
            "server": seat.host.name,
            "application": seat.placement.application.name,
            "environment": seat.placement.environment.name,
        }
        text = _("Release %(number)s is to come.") % {"number": seat.owed.number if seat.owed else ""}
        found.append(Alarm("warn", title, text, seat.host))
    return found


_LOOKED_AT = ("name", "containers", "ignored_containers")


def _unknown_alarms(user: User) -> list[Alarm]:
    """Containers of ours that no record knows: for those who see every server."""
    if not sees_everything(user):
        return []
    hosts = list(visible_hosts(user).filter(retired_at=None).exclude(containers=[]).order_by("name").only(*_LOOKED_AT))
    found = []
    for host, rows in zip(hosts, unknown_containers(hosts).values(), strict=True):
        names = [each.row["name"] for each in rows if not each.ignored]
        if names:
            title = _("%(server)s runs containers of Estiva's that are on no record.") % {"server": host.name}
            found.append(Alarm("warn", title, ", ".join(names[:5]), host))
    return found


def _of_target(target: Target) -> Alarm:
    deployment = target.deployment
    where = {
        "server": target.host_name,
        "application": deployment.application_name,
        "environment": deployment.environment_name,
    }
    if target.status == TargetStatus.STALLED:
        title = _("%(application)s → %(environment)s stalled on %(server)s.") % where
        return Alarm("warn", title, target.stalled_reason, deployment=deployment.pk)
    title = _("%(application)s → %(environment)s needs you on %(server)s.") % where
    text = " ".join(str(target.outcome.get(part, "")) for part in ("what", "remedy")).strip()
    return Alarm("bad", title, text, deployment=deployment.pk)


def _worker_alarm(user: User) -> list[Alarm]:
    """None is there that deploys, or not all are of this page's version: what only one of the two knows waits for that one."""
    workers = list(living_workers().order_by("name").values_list("name", "role", "version"))
    others = [f"{name} ({version})" for name, _role, version in workers if version not in ("", settings.VERSION)]
    found = [_of_other_workers(others)] if others else []
    if any(role == "deploy" for _name, role, _version in workers):
        return found
    if workers:
        title = _("No worker for deploys is running.")
        text = _("Nothing is deployed until one starts; what is asked for meanwhile waits and isn't lost.")
    else:
        title = _("No worker is running.")
        text = _(
            "Nothing is deployed and no server is looked at until one starts; what is asked for meanwhile waits and isn't lost."
        )
    waiting = Deployment.objects.filter(status__in=sorted(DEPLOYMENT_OPEN)).exists()
    return [Alarm("bad" if waiting else "warn", title, text), *found]


def _of_other_workers(others: Sequence[str]) -> Alarm:
    text = _(
        "%(workers)s; this page is of %(version)s. What such a worker does not know waits for one that does: "
        "upgrade whichever is older."
    ) % {"workers": first_words(others), "version": settings.VERSION}
    return Alarm("warn", _("Workers of another version are running."), text)
