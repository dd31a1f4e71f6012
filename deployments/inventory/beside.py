"""Engines beside workers as servers: added by an admin's click, changed, and which of them may serve together."""

from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from deployments import audit, clock, engines, queue
from deployments.actors import Actor
from deployments.errors import Refused
from deployments.inventory import host_fields
from deployments.models import Host, Operation
from deployments.operations import request_operation
from deployments.states import HostState


def add_engine(*, actor: Actor, engine_id: str, name: str) -> tuple[Host, Operation]:
    """A server for an engine that a living worker has announced, and the Operation that looks at it. FieldErrors, Refused."""
    found = next((each for each in engines.offered() if each.engine_id == engine_id), None)
    if found is None:
        raise Refused(
            _("No worker that has this engine is running, or it is a server already."),
            remedy=_("Look at the list of servers."),
        )
    checked = host_fields.checked_name(None, name)
    try:
        with transaction.atomic():
            host = Host.objects.create(
                name=checked,
                way=Host.Way.BESIDE,
                engine_id=engine_id,
                builds_only=not found.whole,
                address="",
                port=0,
                user="",
                docker_socket=found.socket,
                state=HostState.NEW,
                state_text=_("Being looked at."),
                state_since=clock.now(),
            )
            operation = request_operation(actor=actor, kind=Operation.Kind.CHECK, host=host)
            after = {"name": checked, "engine": engine_id, "socket": found.socket, "workers": list(found.workers)}
            audit.record(actor, "host.add_engine", host, after=after)
    except IntegrityError as error:
        raise Refused(_("Somebody else added this engine, or took this name, just now.")) from error
    return host, operation


def update_engine(*, actor: Actor, host: Host, name: str, builds_at_once: int | str) -> Host:
    """All that can be changed of one: what it is and how it is reached says the worker."""
    with transaction.atomic():
        host = Host.objects.select_for_update(no_key=True).get(pk=host.pk)
        if not host.is_beside or host.retired_at is not None:
            raise Refused(_("%(server)s changed meanwhile.") % {"server": host.name}, remedy=_("Look at it again."))
        given: dict[str, Any] = {
            "name": host_fields.checked_name(host, name),
            "builds_at_once": host_fields.checked_builds(builds_at_once),
        }
        before = {key: getattr(host, key) for key, value in given.items() if getattr(host, key) != value}
        if not before:
            return host
        for key in before:
            setattr(host, key, given[key])
        host.save(update_fields=tuple(before))
        queue.changed_on_commit("host", host.pk)
        audit.record(actor, "host.update", host, before=before, after={key: given[key] for key in before})
    return host


def check_over_ssh(host: Host) -> None:
    """Refused for one that has no address, key or login."""
    if host.is_beside:
        raise Refused(
            _("%(server)s is the engine beside a worker: there is no address, key or login.") % {"server": host.name}
        )
