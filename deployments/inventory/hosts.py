"""Servers: register, trust, change, retire. A server is reached only while it shows the key that an admin has trusted."""

from typing import Any, Final

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from deployments import audit, clock, fingerprints, queue
from deployments.actors import ESTIVA, Actor
from deployments.errors import Refused
from deployments.inventory import host_fields, jumping, ssh_keys
from deployments.inventory.beside import check_over_ssh
from deployments.inventory.rotation import forget_spare
from deployments.models import Environment, Host, Operation, PlacementHost
from deployments.operations import request_operation
from deployments.sealing import seal
from deployments.states import OPERATION_OPEN, HostState

_SHOWN: Final = ("name", "address", "port", "user", "docker_socket", "builds_at_once")
_PLACE: Final = frozenset({"address", "port", "via"})


def register_host(
    *,
    actor: Actor,
    name: str,
    address: str,
    port: int | str = 22,
    user: str = "root",
    docker_socket: str = "/var/run/docker.sock",
    via: Host | None = None,
    awaiting: bool = False,
    private_key: str = "",
    passphrase: str = "",
) -> tuple[Host, Operation]:
    """A new server and the Operation that gets to know it; a key pair is made unless one is pasted.

    `via` is the server from which the address is reached, and `awaiting` lets that one be trusted later. Raises
    FieldErrors or Refused. Nothing is sent to the server but what shows its host key.
    """
    given = host_fields.checked(
        None, {"name": name, "address": address, "port": port, "user": user, "docker_socket": docker_socket}
    )
    pair = ssh_keys.read(private_key, passphrase) if private_key.strip() else ssh_keys.generate()
    with transaction.atomic():
        jumping.check(None, via, trusted=not awaiting)
        host = Host.objects.create(
            **given,
            via=via,
            public_key=_commented(pair.public, given["name"]),
            private_key=seal(pair.private),
            state=HostState.NEW,
            state_since=clock.now(),
        )
        operation = _look(actor, host, Operation.Kind.MEET)
        after = {**given, **jumping.shown(via), "public_key": host.public_key}
        audit.record(actor, "host.register", host, after=after)
    return host, operation


def update_host(*, actor: Actor, host: Host, **changes: Any) -> tuple[Host, Operation | None]:
    """Change name, address, port, user, via, docker_socket or builds_at_once.

    Another address or port, or the same as seen from another server, is another server: trust and credential are
    cleared, a new key pair is made, and it has to be met again (the Operation returned). Another user or socket is
    looked at again.
    """
    with transaction.atomic():
        host = _locked(host)
        check_over_ssh(host)
        via = changes.pop("via", host.via)
        given = host_fields.checked(host, {**{name: getattr(host, name) for name in _SHOWN}, **changes})
        if via != host.via:
            jumping.check(host, via)
        given["via"] = via
        changed = {name for name in (*_SHOWN, "via") if getattr(host, name) != given[name]}
        if not changed:
            return host, None
        before = {name: jumping.said(getattr(host, name)) for name in changed}
        after = {name: jumping.said(given[name]) for name in changed}
        for name in changed:
            setattr(host, name, given[name])
        moved = bool(changed & _PLACE)
        if moved:
            _forget(host)
            after |= {"trust": "cleared", "credential": "replaced"}
        host.save()
        operation = _look(actor, host, Operation.Kind.MEET) if moved else None
        if not moved and changed & {"user", "docker_socket"} and host.is_trusted:
            operation = _look(actor, host, Operation.Kind.CHECK)
        _announce(host)
        audit.record(actor, "host.update", host, before=before, after=after)
    return host, operation


def trust_host(*, actor: Actor, host: Host, key: str, pasted: str = "") -> Operation:
    """Pin the key that the server offered; `key` is the one that the admin saw (base64, or its SHA-256 fingerprint).

    Refused when the server has offered another one since, and when `pasted` (see `fingerprints`) speaks of another.
    Returns the check that follows.
    """
    return _pin(actor, host, key, pasted, again=False)


def retrust_host(*, actor: Actor, host: Host, key: str, pasted: str = "") -> Operation:
    """As `trust_host`, after the key changed: an act of its own on the record."""
    return _pin(actor, host, key, pasted, again=True)


def refuse_host_key(*, actor: Actor, host: Host) -> Host:
    """The offered key is not the server's: it's forgotten. A server that was trusted keeps its alarm and its pinned key."""
    with transaction.atomic():
        host = _locked(host)
        if not host.offered_key:
            raise Refused(_("%(server)s has not offered a key.") % {"server": host.name})
        before = {"key": _shown_key(host.offered_key_type, host.offered_key)}
        host.offered_key = host.offered_key_type = ""
        if not host.is_trusted:
            _move(host, HostState.NEW, _("The key it showed was refused."))
        host.save()
        _announce(host)
        audit.record(actor, "host.refuse_key", host, before=before)
    return host


def replace_credential(*, actor: Actor, host: Host, private_key: str = "", passphrase: str = "") -> Host:
    """Another key pair to log in with: made, or pasted. The new public line has to be put on the server."""
    pair = ssh_keys.read(private_key, passphrase) if private_key.strip() else ssh_keys.generate()
    with transaction.atomic():
        host = _locked(host)
        check_over_ssh(host)
        before = {"public_key": host.public_key}
        host.public_key, host.private_key = _commented(pair.public, host.name), seal(pair.private)
        host.passphrase = None
        forget_spare(host)
        host.save()
        _announce(host)
        audit.record(actor, "host.replace_credential", host, before=before, after={"public_key": host.public_key})
    return host


def retire_host(*, actor: Actor, host: Host) -> Host:
    """Take a server out of use for good: its credential is destroyed, its history stays. Refused while something depends on it."""
    with transaction.atomic():
        host = _locked(host)
        seats = list(dependents(host))
        if seats:
            names = ", ".join(str(seat.placement) for seat in seats)
            raise Refused(
                _("%(server)s still serves: %(names)s.") % {"server": host.name, "names": names},
                remedy=_("Take it out of their servers first."),
            )
        built_for = Environment.objects.filter(builder=host).values_list("name", flat=True)
        if built_for:
            raise Refused(
                _("%(server)s builds for: %(names)s.") % {"server": host.name, "names": ", ".join(built_for)},
                remedy=_("Choose another builder there first."),
            )
        behind = host.behind.filter(retired_at=None).values_list("name", flat=True)
        if behind:
            raise Refused(
                _("The way to %(names)s leads through %(server)s.") % {"names": ", ".join(behind), "server": host.name},
                remedy=_("Choose another way for them first."),
            )
        if host.targets.filter(status__in=("queued", "running", "stalled")).exists():
            raise Refused(
                _("A deployment to %(server)s is still open.") % {"server": host.name},
                remedy=_("Wait for it, or cancel it."),
            )
        host.private_key = host.passphrase = None
        forget_spare(host)
        host.host_key = host.host_key_type = host.offered_key = host.offered_key_type = ""
        host.retired_at = clock.now()
        _move(host, HostState.RETIRED, "")
        host.save()
        _announce(host)
        audit.record(actor, "host.retire", host)
    return host


def dependents(host: Host) -> "QuerySet[PlacementHost]":
    """What is placed on this server now."""
    seats = host.seats.filter(is_active=True, placement__application__archived_at=None)
    return seats.select_related("placement__application", "placement__environment").order_by("placement_id")


def meet(*, actor: Actor, host: Host) -> Operation:
    """Get to know a server: resolve its name, reach its port, read its host key. No credential is sent."""
    check_over_ssh(host)
    with transaction.atomic():
        operation = _look(actor, host, Operation.Kind.MEET)
        audit.record(actor, "host.meet", host)
    return operation


def meet_behind(host: Host) -> None:
    """Now that this server can be passed through: get to know those behind it that nobody could reach yet."""
    for each in host.behind.filter(state=HostState.NEW, host_key="", offered_key="", retired_at=None):
        if not each.operations.filter(kind=Operation.Kind.MEET, status__in=OPERATION_OPEN).exists():
            _look(ESTIVA, each, Operation.Kind.MEET)


def check(*, actor: Actor, host: Host) -> Operation:
    """Log in and look: socket, engine, disk, clock. Refused for a server that isn't trusted."""
    if not host.is_trusted:
        raise Refused(
            _("%(server)s is not trusted yet.") % {"server": host.name}, remedy=_("Confirm its host key first.")
        )
    with transaction.atomic():
        operation = _look(actor, host, Operation.Kind.CHECK)
        audit.record(actor, "host.check", host)
    return operation


def _look(actor: Actor, host: Host, kind: Operation.Kind) -> Operation:
    """The request says where to look: what is seen counts for that address only."""
    return request_operation(actor=actor, kind=kind, host=host, request={"address": host.address, "port": host.port})


def _pin(actor: Actor, host: Host, key: str, pasted: str, *, again: bool) -> Operation:
    with transaction.atomic():
        host = _locked(host)
        check_over_ssh(host)
        if host.is_trusted is not again:
            raise Refused(_("%(server)s changed meanwhile.") % {"server": host.name}, remedy=_("Look at it again."))
        offered_type, offered = host.offered_key_type, host.offered_key
        if not offered or key.strip() not in {offered, fingerprints.fingerprint(offered)}:
            raise Refused(
                _("%(server)s shows another key now than the one you confirmed.") % {"server": host.name},
                remedy=_("Look at the key it shows now, and compare it again."),
            )
        if pasted.strip():
            found = fingerprints.matches(pasted, offered_type, offered)
            if isinstance(found, fingerprints.Mismatch):
                raise Refused(found.reason, "pasted")
        before = {"key": _shown_key(host.host_key_type, host.host_key)} if host.host_key else {}
        host.host_key_type, host.host_key = offered_type, offered
        host.offered_key_type = host.offered_key = ""
        host.trusted_at, host.trusted_by_name = clock.now(), actor.name
        _move(host, HostState.NEW, _("Trusted; being checked."))
        host.save()
        operation = _look(actor, host, Operation.Kind.CHECK)
        _announce(host)
        after = {"key": _shown_key(offered_type, offered), "compared": bool(pasted.strip())}
        audit.record(actor, "host.retrust" if again else "host.trust", host, before=before, after=after)
    return operation


def _forget(host: Host) -> None:
    """Nothing that was known of the server at the old address holds for the new one."""
    pair = ssh_keys.generate()
    host.public_key, host.private_key, host.passphrase = _commented(pair.public, host.name), seal(pair.private), None
    host.host_key = host.host_key_type = host.offered_key = host.offered_key_type = ""
    host.trusted_at, host.trusted_by_name = None, ""
    forget_spare(host)
    host.engine_version = host.api_version = host.os_type = host.architecture = ""
    host.disk_free = host.disk_total = host.clock_skew = host.checked_at = None
    host.containers = []
    _move(host, HostState.NEW, _("Its address changed: it has to be trusted again."))


def _locked(host: Host) -> Host:
    host = Host.objects.select_for_update(no_key=True).get(pk=host.pk)
    if host.retired_at is not None:
        raise Refused(_("%(server)s is retired.") % {"server": host.name})
    return host


def _move(host: Host, state: HostState, text: str) -> None:
    if host.state != state:
        host.state_since = clock.now()
    host.state, host.state_text = state, text


def _announce(host: Host) -> None:
    queue.changed_on_commit("host", host.pk)


def _commented(public: str, name: str) -> str:
    return f"{public} estiva-{name}"


def _shown_key(key_type: str, key: str) -> str:
    return f"{key_type} {fingerprints.fingerprint(key)}"
