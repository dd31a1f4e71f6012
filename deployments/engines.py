"""Engines beside workers: which work only a worker that has one can do, who has it, and what an admin may add.

A worker whose operator lets it use the engine of its own machine says so with every beat. The engine is known by its own
account of itself (`WorkerProcess.engine_id`), never by an address; nobody can name one that no worker has announced.
"""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from deployments.models import Host, Operation, PlacementHost, Release, Target, WorkerProcess
from deployments.states import TargetStatus

SILENT_SECONDS: Final = 45
"""A worker that hasn't reported for this long counts as gone."""
_SHORT: Final = 12
_MOST_KEPT: Final = 2000  # rows looked through for what servers keep


@dataclass(frozen=True, slots=True)
class Offered:
    """An engine beside a worker that no server stands for yet. `whole`: something may be deployed to it, not only built."""

    engine_id: str
    name: str
    version: str
    socket: str
    whole: bool
    workers: tuple[str, ...]

    @property
    def short(self) -> str:
        """Names it in an address of ours."""
        return short(self.engine_id)


def short(engine_id: str) -> str:
    """The same for the same engine, and fit for a queue's name."""
    return hashlib.sha256(engine_id.encode()).hexdigest()[:_SHORT]


def queue_of(base: str, needed: Collection[str]) -> str:
    """Where work goes that needs these engines; the common queue where it needs none."""
    return f"{base}.{short(min(needed))}" if needed else base


def living(engine_id: str = "") -> "QuerySet[WorkerProcess]":
    """The workers that have this engine, or any, and reported lately."""
    alive = WorkerProcess.objects.filter(beat_at__gt=Now() - timedelta(seconds=SILENT_SECONDS)).order_by("name")
    return alive.filter(engine_id=engine_id) if engine_id else alive.exclude(engine_id="")


def offered() -> list[Offered]:
    """What an admin may add, by the machine's name."""
    taken = Host.objects.filter(way=Host.Way.BESIDE, retired_at=None).values("engine_id")
    found: dict[str, list[WorkerProcess]] = defaultdict(list)
    for each in living().exclude(engine_id__in=taken):
        found[each.engine_id].append(each)
    rows = [
        Offered(
            engine_id,
            str(workers[0].engine.get("name", "")),
            str(workers[0].engine.get("version", "")),
            str(workers[0].engine.get("socket", "")),
            all(each.engine.get("whole") is True for each in workers),
            tuple(each.name for each in workers),
        )
        for engine_id, workers in found.items()
    ]
    return sorted(rows, key=lambda row: (row.name, row.engine_id))


def can_only_build(engine_id: str) -> bool:
    """Not every living worker that has it reaches what runs there, and any of them may take a Target."""
    return any(each.engine.get("whole") is not True for each in living(engine_id))


def needed_by_targets(target_ids: Iterable[int]) -> dict[int, frozenset[str]]:
    """Target → the engines that a worker must have to take it; those that need none are left out.

    That is its own server's, and the builder's where the image has to come from there.
    """
    beside = _beside()
    if not beside:
        return {}
    rows = Target.objects.filter(pk__in=list(target_ids)).select_related("deployment__release", "placement")
    targets = list(rows)
    sent = _sent_from(targets, beside)
    found = {}
    for target in targets:
        servers = {target.host_id, sent.get(target.pk, target.host_id)}
        if needed := frozenset(beside[each] for each in servers if each in beside):
            found[target.pk] = needed
    return found


def needed_by_operations(operation_ids: Iterable[int]) -> dict[int, frozenset[str]]:
    """As `needed_by_targets`. A Plan looks at many servers: where nobody has the engine of one, that is one of its findings."""
    beside = _beside()
    if not beside:
        return {}
    known = set(living().values_list("engine_id", flat=True))
    rows = Operation.objects.filter(pk__in=list(operation_ids)).values_list("pk", "kind", "host_id", "request")
    found = {}
    for operation_id, kind, host_id, request in rows:
        if kind == Operation.Kind.PLAN:
            needed = {beside[each] for each in request.get("hosts", []) if each in beside} & known
            needed = needed if len(needed) == 1 else set()
        else:
            needed = {beside[host_id]} if host_id in beside else set()
        if needed:
            found[operation_id] = frozenset(needed)
    return found


def waiting_reasons(targets: Iterable[Target]) -> dict[int, str]:
    """Target → why nobody takes it, in words, of those whose engine no living worker has."""
    needed = needed_by_targets([each.pk for each in targets])
    if not needed:
        return {}
    present = set(living().filter(role="deploy").values_list("engine_id", flat=True))
    beside = Host.objects.filter(way=Host.Way.BESIDE, retired_at=None)
    names = dict(beside.values_list("engine_id", "name"))
    said = {}
    for target_id, engines in needed.items():
        if len(engines) > 1:
            both = " + ".join(sorted(names[each] for each in engines))
            said[target_id] = _("No worker can have both engines beside it: %(servers)s.") % {"servers": both}
        elif absent := engines - present:
            name = names[next(iter(absent))]
            text = _("Waits for the worker that has the engine of %(server)s beside it; none is running.")
            said[target_id] = text % {"server": name}
    return said


def absent_reason(host: Host) -> str:
    """What is wrong where a server's worker is away; "" where it isn't, or it is reached over SSH."""
    if not host.is_beside or living(host.engine_id).exists():
        return ""
    return _("No worker that has this engine beside it is running.")


def problem_of(hosts: Collection[Host], builder: Host | None) -> str:
    """Why these servers, built for by that one, can't be worked on; "" when they can."""
    for host in hosts:
        if host.is_beside and host.builds_only:
            return _(
                "%(server)s can only build: its worker runs in a container, and health checks would not reach what runs "
                "there. A worker that runs on that machine itself can deploy to it."
            ) % {"server": host.name}
    everyone = {each.pk: each for each in (*hosts, *([builder] if builder is not None else [])) if each.is_beside}
    if len(everyone) > 1:
        names = ", ".join(sorted(each.name for each in everyone.values()))
        return _("%(servers)s are beside different workers, and no worker has more than one.") % {"servers": names}
    return ""


def _beside() -> dict[int, str]:
    rows = Host.objects.filter(way=Host.Way.BESIDE, retired_at=None)
    return dict(rows.values_list("pk", "engine_id"))


def _sent_from(targets: Iterable[Target], beside: Mapping[int, str]) -> dict[int, int]:
    """Target → the builder beside a worker that has to send it the image; without those whose image is in a registry,
    there already, or runs on a server that any worker reaches. In a constant number of queries."""
    asked = {}
    for target in targets:
        release = target.deployment.release
        builder = release.built.get("host")
        if target.role == Target.Role.DEPLOY and builder in beside and builder != target.host_id and _is_sent(release):
            asked[target.pk] = target
    if not asked:
        return {}
    releases = {each.deployment.release_id for each in asked.values()}
    seats = PlacementHost.objects.filter(running_release__in=releases).exclude(host__in=beside)
    runs = set(seats.values_list("running_release_id", "host_id"))
    done = _kept(asked.values())
    return {
        target.pk: target.deployment.release.built["host"]
        for target in asked.values()
        if not any(release == target.deployment.release_id and host != target.host_id for release, host in runs)
        and not _has_image(done[target.placement_id, target.host_id], target.deployment.release)
    }


def _is_sent(release: Release) -> bool:
    """An image of it was built, and pushed nowhere."""
    built: Mapping[str, Any] = release.built
    parts = built.get("services", {}).values() if "services" in built else [built] if built else []
    return any(not each.get("digest") for each in parts)


def _kept(targets: Iterable[Target]) -> defaultdict[tuple[int, int], dict[int, str]]:
    """(Placement, server) → the Releases that it keeps, each with its image's ID."""
    keep = {each.placement_id: max(1, each.placement.keep_releases) for each in targets}
    ended = Target.objects.filter(
        placement__in=keep,
        host__in={each.host_id for each in targets},
        role=Target.Role.DEPLOY,
        status=TargetStatus.SUCCEEDED,
    )
    found: defaultdict[tuple[int, int], dict[int, str]] = defaultdict(dict)
    rows = ended.order_by("-pk").values_list(
        "placement_id", "host_id", "deployment__release_id", "deployment__release__image_id"
    )
    for placement, host, release, image_id in rows[:_MOST_KEPT]:
        kept = found[placement, host]
        if release in kept or len(kept) < keep[placement]:
            kept[release] = image_id
    return found


def _has_image(kept: Mapping[int, str], release: Release) -> bool:
    return release.pk in kept or (release.image_id != "" and release.image_id in kept.values())
