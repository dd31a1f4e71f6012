"""The part of the screenshots' fleet that is made up: an earlier fortnight, times moved back, addresses of machines that aren't there."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any, Final

from django.apps import apps
from django.db import models
from django.db.models import F
from django.utils import timezone

from deployments.live import decode_lines, encode_lines
from deployments.models import (
    AuditEntry,
    AuditHead,
    Deployment,
    Host,
    LogChunk,
    Placement,
    PlacementHost,
    Release,
    WorkerProcess,
)
from deployments.states import DEPLOYMENT_OPEN, DeploymentStatus
from tests import factories

BUSY: Final = (5, 4, 8, 2, 3, 6, 7, 7, 4, 5, 2, 6, 4)  # deploys a day, thirteen days ago first
AGES: Final = (
    timedelta(days=20, hours=2),
    timedelta(days=20, hours=1),
    timedelta(days=16, hours=3),
    timedelta(hours=17),
    timedelta(hours=16),
    timedelta(hours=14),
    timedelta(hours=3),
    timedelta(hours=1, minutes=48),
    timedelta(minutes=31),
    timedelta(minutes=9),
)
NOTES: Final = ("", "", "Nightly build", "Faster start", "Fix the rounding, BIL-58", "", "Smaller image", "SHOP-287")


def count_from(first: int) -> None:
    """The next deployment's number."""
    placement = Placement.objects.all()[0]
    release = factories.release(placement)
    factories.deployment(release, id=first - 1).delete()
    release.delete()
    Placement.objects.filter(pk=placement.pk).update(next_release=1)


def invent_history(*names: str) -> None:
    """A fortnight of deploys of these applications; nothing of it was ever run."""
    chance = random.Random(7)
    places = list(Placement.objects.filter(application__name__in=names).select_related("application", "environment"))
    for day, count in enumerate(BUSY):
        for hour in sorted(chance.sample(range(8, 18), count)):
            placement = chance.choice(places)
            fields: dict[str, Any] = {
                "ago": timedelta(days=len(BUSY) - day, hours=-hour + 12, minutes=chance.randrange(60)),
                "seconds": chance.uniform(9, 34),
                "note": chance.choice(NOTES),
                "requested_by_name": chance.choice(("Ana Prado", "Bruno Lima", "Bruno Lima", "Carla Nunes")),
            }
            release = factories.release(placement, tag=f"1.{day}.{hour}", created_by_name=fields["requested_by_name"])
            ran = (factories.failed if chance.random() < 0.08 else factories.ran)(release, **fields)
            Release.objects.filter(pk=release.pk).update(created_at=ran.requested_at)
    PlacementHost.objects.filter(placement__in=places).update(
        running_release=None, running_target=None, running_since=None
    )


def move_back() -> None:
    """What ran first is oldest; what still runs stays as it is."""
    ran = list(
        Deployment.objects.filter(targets__last_line__gt=0)
        .exclude(status__in=DEPLOYMENT_OPEN)
        .distinct()
        .order_by("pk")
    )
    for deployment, age in zip(ran, AGES, strict=True):
        assert deployment.ended_at is not None
        _shift(deployment, deployment.ended_at, timezone.now() - age)
    early = timezone.now() - timedelta(days=41, hours=5)
    Host.objects.exclude(trusted_at=None).update(created_at=early, trusted_at=early, state_since=early)
    Host.objects.filter(disk_free__gt=0).update(disk_free=F("disk_total") * 3 / 5)
    WorkerProcess.objects.update(beat_at=timezone.now() + timedelta(hours=1))
    seat = PlacementHost.objects.get(placement__application__name="billing-api", host__name="web-2")
    seat.drift, seat.drift_at = "LOG_LEVEL was changed by hand.", timezone.now()
    seat.save(update_fields=("drift", "drift_at"))


def rename(replace: dict[str, str]) -> None:
    """Replace these words in every text of ours, but not in the audit trail, whose chain would break."""
    for model in apps.get_app_config("deployments").get_models():
        if model in (AuditEntry, AuditHead):
            continue
        names = [
            each.name
            for each in model._meta.fields
            if isinstance(each, models.TextField | models.CharField | models.JSONField)
        ]
        for row in model._default_manager.all():
            before = {name: getattr(row, name) for name in names}
            after = {name: _replaced(value, replace) for name, value in before.items()}
            if changed := {name: value for name, value in after.items() if value != before[name]}:
                model._default_manager.filter(pk=row.pk).update(**changed)
    for host in Host.objects.all():
        Host.objects.filter(pk=host.pk).update(
            address=f"{host.name}.harbour.example", port=22, user="deploy", docker_socket="/var/run/docker.sock"
        )


def _replaced(value: Any, replace: dict[str, str]) -> Any:
    if isinstance(value, str):
        for old, new in replace.items():
            value = value.replace(old, new)
        return value
    if isinstance(value, list):
        return [_replaced(each, replace) for each in value]
    if isinstance(value, dict):
        return {key: _replaced(each, replace) for key, each in value.items()}
    return value


def _shift(deployment: Deployment, ended: datetime, wanted: datetime) -> None:
    by = wanted - ended
    for row in (deployment, *deployment.targets.all()):
        _move(row, by, "requested_at", "started_at", "ended_at")
        if row is deployment:
            continue
        for step in row.steps.all():  # type: ignore[attr-defined]
            _move(step, by, "started_at", "ended_at")
        for chunk in LogChunk.objects.filter(target=row.pk):
            lines = [
                each._replace(time_ms=each.time_ms + int(by.total_seconds() * 1000))
                for each in decode_lines(chunk.lines)
            ]
            LogChunk.objects.filter(pk=chunk.pk).update(lines=encode_lines(lines))
        PlacementHost.objects.filter(running_target=row.pk).update(running_since=F("running_since") + by)
    if deployment.status in {DeploymentStatus.SUCCEEDED, DeploymentStatus.FAILED}:
        _move(deployment.release, by, "created_at")


def _move(row: models.Model, by: timedelta, *names: str) -> None:
    values = {name: getattr(row, name) + by for name in names if getattr(row, name, None) is not None}
    type(row)._default_manager.filter(pk=row.pk).update(**values)
