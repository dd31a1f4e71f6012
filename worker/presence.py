"""Which processes of the worker's side are alive: one row each, beaten every few seconds by the database's clock."""

from dataclasses import asdict

from django.conf import settings
from django.db.models.functions import Now

from deployments.models import WorkerProcess
from worker.connections.beside import LocalEngine
from worker.measured import measured


def beat(name: str, role: str, *, busy: int = 0, capacity: int = 0, engine: LocalEngine | None = None) -> None:
    """This process is alive. `role` is deploy, look or reconciler; `engine` is the one beside it that it may use."""
    changes = {
        "role": role,
        "version": settings.VERSION,
        "beat_at": Now(),
        "busy": busy,
        "capacity": capacity,
        "engine_id": engine.identity if engine else "",
        "engine": {**asdict(engine), "socket": settings.ESTIVA_LOCAL_ENGINE} if engine else {},
        "measured": measured.as_json(),
    }
    if not WorkerProcess.objects.filter(name=name).update(**changes):
        WorkerProcess.objects.update_or_create(
            name=name, defaults=changes, create_defaults={**changes, "started_at": Now()}
        )


def forget(name: str) -> None:
    """This process ends in order."""
    WorkerProcess.objects.filter(name=name).delete()
