"""Another key for a server, in stages: asked for, tried and taken over, the old one gone. Both stay sealed until the end."""

from datetime import timedelta
from typing import Final

from django.db import transaction
from django.utils.translation import gettext as _

from deployments import audit, queue
from deployments.actors import ESTIVA, Actor
from deployments.errors import Refused
from deployments.inventory import ssh_keys
from deployments.inventory.beside import check_over_ssh
from deployments.models import Host, Operation, User
from deployments.operations import request_operation
from deployments.sealing import seal
from deployments.states import OPERATION_OPEN, HostState

DEADLINE: Final = timedelta(minutes=3)


def rotate_key(*, actor: Actor, host: Host) -> Operation:
    """Ask for another key; one that was begun and not ended is taken up again, with the keys that it began with."""
    with transaction.atomic():
        host = Host.objects.select_for_update(no_key=True).get(pk=host.pk)
        _check(host)
        if not host.key_stage:
            pair = ssh_keys.generate()
            host.spare_public_key = f"{pair.public} estiva-{host.name}"
            host.spare_private_key, host.key_stage = seal(pair.private), Host.KeyStage.NEXT
            host.save(update_fields=("spare_public_key", "spare_private_key", "key_stage"))
        operation = request_operation(
            actor=actor, kind=Operation.Kind.ROTATE, host=host, deadline_seconds=DEADLINE.total_seconds()
        )
        before, after = {"public_key": host.public_key}, {"public_key": host.spare_public_key}
        if host.key_stage == Host.KeyStage.OLD:
            before, after = after, before
        audit.record(actor, "host.rotate_key", host, before=before, after=after)
    return operation


def _check(host: Host) -> None:
    check_over_ssh(host)
    if host.retired_at is not None:
        raise Refused(_("%(server)s is retired.") % {"server": host.name})
    if not host.is_trusted or host.state == HostState.KEY_CHANGED:
        raise Refused(_("%(server)s is not trusted.") % {"server": host.name}, remedy=_("Confirm its host key first."))
    if host.operations.filter(kind=Operation.Kind.ROTATE, status__in=OPERATION_OPEN).exists():
        raise Refused(_("The key of %(server)s is being replaced already.") % {"server": host.name})


def moved(host_id: int, *, old: str, new: str) -> bool:
    """The new key was tried: it is the record's from now on, and the old one the spare; False where that is done, or void."""
    with transaction.atomic():
        host = Host.objects.select_for_update(no_key=True).get(pk=host_id)
        if (host.key_stage, host.public_key, host.spare_public_key) != (Host.KeyStage.NEXT, old, new):
            return False
        host.public_key, host.spare_public_key = new, old
        host.private_key, host.spare_private_key = host.spare_private_key, host.private_key
        host.passphrase, host.key_stage = None, Host.KeyStage.OLD
        host.save(
            update_fields=(
                *("public_key", "spare_public_key", "private_key", "spare_private_key"),
                *("passphrase", "key_stage"),
            )
        )
        queue.changed_on_commit("host", host.pk)
    return True


def ended(host_id: int, *, public_key: str, actor_id: int | None) -> bool:
    """The server knows the old key no more: it is forgotten here too. False where that is done, or void."""
    with transaction.atomic():
        host = Host.objects.select_for_update(no_key=True).get(pk=host_id)
        if host.key_stage != Host.KeyStage.OLD or host.public_key != public_key:
            return False
        before = {"public_key": host.spare_public_key}
        forget_spare(host)
        host.save(update_fields=("spare_public_key", "spare_private_key", "key_stage"))
        queue.changed_on_commit("host", host.pk)
        user = User.objects.filter(pk=actor_id).first() if actor_id is not None else None
        actor = Actor.of(user) if user is not None else ESTIVA
        audit.record(actor, "host.key_rotated", host, before=before, after={"public_key": host.public_key})
    return True


def forget_spare(host: Host) -> None:
    """No rotation is under way on this row any more; the caller saves it."""
    host.spare_public_key, host.spare_private_key, host.key_stage = "", None, ""
