"""What servers hold, as their last look said."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from deployments.models import Host, Operation, Placement
from deployments.states import OperationStatus


def container(named: str, placement: Placement | None = None, **more: Any) -> dict[str, Any]:
    """A container as `worker.room.reading` describes it."""
    return {
        "id": named.encode().hex().ljust(64, "0")[:64],
        "name": named,
        "image": "registry.test/shop:1",
        "image_id": "sha256:1",
        "state": "running",
        "status": "Up 3 hours",
        "health": "healthy",
        "ports": ["8080 → 80"],
        "networks": ["bridge"],
        "created": 1_700_000_000,
        "ours": placement is not None,
        "placement": placement.pk if placement else None,
        "release": "1" if placement else "",
        "service": "",
        **more,
    }


def seen(host: Host, *containers: dict[str, Any], **more: Any) -> Operation:
    """A look that has ended well."""
    now = timezone.now()
    image = {
        "id": "sha256:1",
        "name": "shop:1",
        "tags": ["shop:1"],
        "digests": [],
        "size": 70_000_000,
        "shared": 10_000_000,
        "created": 1_700_000_000,
        "used_by": ["web"],
        "ours": False,
    }
    volume = {"name": "pgdata", "driver": "local", "created": "", "size": 9_000_000, "used_by": [], "ours": False}
    network = {"name": "bridge", "driver": "bridge", "scope": "local", "subnets": [], "predefined": True, "used_by": []}
    found = {
        "containers": list(containers),
        "images": [image],
        "volumes": [volume],
        "networks": [{**network, "ours": False}],
        "disk": {"images": 70_000_000, "containers": 0, "volumes": 9_000_000, "cache": 0},
        "left_out": {},
        **more,
    }
    return Operation.objects.create(
        kind=Operation.Kind.ROOM,
        host=host,
        status=OperationStatus.SUCCEEDED,
        result=found,
        requested_at=now,
        ended_at=now,
        deadline_at=now,
    )


def follow(host: Host, placement: Placement | None) -> Operation:
    """Somebody follows a container's log; without a Placement, what all of the server's take."""
    now = timezone.now()
    what = {"what": "log", **{key: container("web", placement)[key] for key in ("id", "name", "placement", "release")}}
    return Operation.objects.create(
        kind=Operation.Kind.FOLLOW,
        host=host,
        placement=placement,
        status=OperationStatus.RUNNING,
        request=what if placement else {"what": "usage"},
        requested_at=now,
        deadline_at=now + timedelta(hours=1),
    )
