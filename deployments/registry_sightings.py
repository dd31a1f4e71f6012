"""What the workers saw of a registry, written down. A test of what stood there before a change doesn't count."""

from django.db import transaction
from django.db.models.functions import Now

from deployments import queue
from deployments.models import Registry
from deployments.states import RegistryState


def seen(
    registry_id: int, revision: int, state: RegistryState, text: str, remedy: str = "", *, through: str = ""
) -> bool:
    """A test's result; False, and nothing written, when the registry was changed or removed since."""
    with transaction.atomic():
        moved = Registry.objects.filter(pk=registry_id, revision=revision).update(
            state=state, state_text=text, remedy=remedy, checked_through=through, checked_at=Now()
        )
        if moved:
            queue.changed_on_commit("registry", registry_id)
    return bool(moved)
