"""A changed host key, put down to the server that showed it: the one that was asked for, or one on the way there."""

from deployments import sightings
from deployments.models import Host
from deployments.sightings import Where
from worker.engine.errors import HostKeyChanged


def sound_alarm(host_id: int, where: Where, error: HostKeyChanged) -> None:
    """Raise the alarm of the server that showed another key; `host_id` and `where` are the one that was asked for."""
    if error.host_name and error.where is not None:
        hop = Host.objects.filter(name=error.host_name, retired_at=None).first()
        if hop is None:
            return  # renamed or retired meanwhile: its own next check tells
        host_id, where = hop.pk, error.where
    sightings.host_key_changed(host_id, where, error.offered_type, error.offered_key)
