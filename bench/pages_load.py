"""`bin/bench pages`' data set, in a process with Estiva's settings whose database is migrated and empty."""

import time
from datetime import timedelta
from typing import Any

import django

django.setup()

from django.db import transaction  # noqa: E402 - Django has to be set up first

from bench import pages_history, pages_world  # noqa: E402
from bench.pages_beside import write_beside  # noqa: E402
from bench.pages_copy import after_loading  # noqa: E402
from bench.stage import answer  # noqa: E402
from deployments.models import AuditEntry, Deployment, HostSample, LogChunk, Operation, Release, Target  # noqa: E402

SEED = 20
COUNTED = {
    "deployments": Deployment,
    "targets": Target,
    "releases": Release,
    "chunks": LogChunk,
    "entries": AuditEntry,
    "operations": Operation,
    "samples": HostSample,
}


def load(told: dict[str, Any]) -> dict[str, Any]:
    """Everything; how many rows there are, and how long it took."""
    begun = time.monotonic()
    with transaction.atomic():
        world = pages_world.make(SEED)
    _say(begun, "what is deployed, where and by whom")
    pages_history.write(world, told["deployments"])
    _say(begun, "its history")
    write_beside(world, told["deployments"])
    _say(begun, "operations, plans, runs, terminals and the servers' health")
    after_loading([Deployment, Target, Release])
    _say(begun, "statistics")
    seconds = timedelta(seconds=round(time.monotonic() - begun))
    return {
        **{name: model._default_manager.count() for name, model in COUNTED.items()},
        "seconds": seconds.total_seconds(),
    }


def _say(begun: float, what: str) -> None:
    print(f"{time.monotonic() - begun:6.0f} s: {what}", flush=True)


if __name__ == "__main__":
    raise SystemExit(answer(load))
