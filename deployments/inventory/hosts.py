"""Servers: register, trust, change, retire. A server is reached only while it shows the key that an admin has trusted."""

import ipaddress
import re
from typing import Any, Final

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from deployments import audit, clock, fingerprints, queue
from deployments.actors import Actor
from deployments.errors import FieldErrors, Refused
from deployments.inventory import ssh_keys
from deployments.models import Host, Operation, PlacementHost
from deployments.operations import request_operation
from deployments.sealing import seal
from deployments.states import HostState

_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?")
_DNS: Final = re.compile(r"(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,62}))*\.?")
_USER: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,63}")
_RESERVED_NAMES: Final = frozenset({"new"})  # an address of a page
_SHOWN: Final = ("name", "address", "port", "user", "docker_socket")


def register_host(
    *,
    actor: Actor,
    name: str,
    address: str,
    port: int = 22,
    user: str = "root",
    docker_socket: str = "/var/run/docker.sock",
    private_key: str = "",
    passphrase: str = "",
) -> tuple[Host, Operation]:
    """A new server and the Operation that gets to know it; a key pair is made unless one is pasted.

    Raises FieldErrors or Refused. Nothing is sent to the server but what shows its host key.
    """
    given = _checked(
        None, {"name": name, "address": address, "port": port, "user": user, "docker_socket": docker_socket}
    )
    pair = ssh_keys.read(private_key, passphrase) if private_key.strip() else ssh_keys.generate()
    with transaction.atomic():
        host = Host.objects.create(
            **given,
            public_key=_commented(pair.public, given["name"]),
            private_key=seal(pair.private),
            state=HostState.NEW,
            state_since=clock.now(),
        )
        operation = meet(actor=actor, host=host)
        audit.record(actor, "host.register", host, after={**given, "public_key": host.public_key})
    return host, operation


def update_host(*, actor: Actor, host: Host, **changes: Any) -> tuple[Host, Operation | None]:
    """Change name, address, port, user or docker_socket.

    Another address or port is another server: trust and credential are cleared, a new key pair is made, and it has to be
    met again (the Operation returned). Another user or socket is looked at again.
    """
    with transaction.atomic():
        host = _locked(host)
        given = _checked(host, {**{name: getattr(host, name) for name in _SHOWN}, **changes})
        changed = {name for name in _SHOWN if getattr(host, name) != given[name]}
        if not changed:
            return host, None
        before = {name: getattr(host, name) for name in changed}
        after = {name: given[name] for name in changed}
        for name in changed:
            setattr(host, name, given[name])
        moved = bool(changed & {"address", "port"})
        if moved:
            _forget(host)
            after |= {"trust": "cleared", "credential": "replaced"}
        host.save()
        operation = meet(actor=actor, host=host) if moved else None
        if not moved and changed & {"user", "docker_socket"} and host.is_trusted:
            operation = check(actor=actor, host=host)
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
        before = {"public_key": host.public_key}
        host.public_key, host.private_key = _commented(pair.public, host.name), seal(pair.private)
        host.passphrase = None
        host.save(update_fields=("public_key", "private_key", "passphrase"))
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
        if host.targets.filter(status__in=("queued", "running", "stalled")).exists():
            raise Refused(
                _("A deployment to %(server)s is still open.") % {"server": host.name},
                remedy=_("Wait for it, or cancel it."),
            )
        host.private_key = host.passphrase = None
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
    return request_operation(actor=actor, kind=Operation.Kind.MEET, host=host, request=_where(host))


def check(*, actor: Actor, host: Host) -> Operation:
    """Log in and look: socket, engine, disk, clock. Refused for a server that isn't trusted."""
    if not host.is_trusted:
        raise Refused(
            _("%(server)s is not trusted yet.") % {"server": host.name}, remedy=_("Confirm its host key first.")
        )
    return request_operation(actor=actor, kind=Operation.Kind.CHECK, host=host, request=_where(host))


def _pin(actor: Actor, host: Host, key: str, pasted: str, *, again: bool) -> Operation:
    with transaction.atomic():
        host = _locked(host)
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
        operation = check(actor=actor, host=host)
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
    host.engine_version = host.api_version = host.os_type = host.architecture = ""
    host.disk_free = host.disk_total = host.clock_skew = host.checked_at = None
    host.containers = []
    _move(host, HostState.NEW, _("Its address changed: it has to be trusted again."))


def _checked(host: Host | None, given: dict[str, Any]) -> dict[str, Any]:
    """The fields as they are kept; FieldErrors where they can't be."""
    clean = {name: str(value).strip() for name, value in given.items() if name != "port"}
    clean["name"], clean["address"] = clean["name"].lower(), clean["address"].strip("[]")
    errors: dict[str, list[Any]] = {}
    if not _NAME.fullmatch(clean["name"]) or clean["name"] in _RESERVED_NAMES:
        errors["name"] = [_("Use lowercase letters, digits, “-” and “.”, such as web-1.")]
    elif Host.objects.filter(name=clean["name"]).exclude(pk=host.pk if host else 0).exists():
        errors["name"] = [_("Another server has this name.")]
    if not _is_address(clean["address"]):
        errors["address"] = [_("Write a name or address, such as web-1.example.com or 203.0.113.24.")]
    if not str(given["port"]).isdecimal() or not 1 <= int(given["port"]) <= 65535:
        errors["port"] = [_("Use a number from 1 to 65535.")]
    if not _USER.fullmatch(clean["user"]):
        errors["user"] = [_("Write the name of a user on the server, such as deploy.")]
    if not clean["docker_socket"].startswith("/") or not clean["docker_socket"].isprintable():
        errors["docker_socket"] = [_("Write a full path, such as /var/run/docker.sock.")]
    if errors:
        raise FieldErrors(errors)
    return {**clean, "port": int(given["port"])}


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return bool(_DNS.fullmatch(text)) and not text.replace(".", "").isdecimal()
    return True


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


def _where(host: Host) -> dict[str, Any]:
    """Where the Operation was meant to look: its answer counts for that address only."""
    return {"address": host.address, "port": host.port}


def _commented(public: str, name: str) -> str:
    return f"{public} estiva-{name}"


def _shown_key(key_type: str, key: str) -> str:
    return f"{key_type} {fingerprints.fingerprint(key)}"
