"""What the workers saw of a server, written down. A changed host key raises an alarm; a state's change is announced.

`where` is the address and port that were looked at: what was seen elsewhere than the server is now doesn't count.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from deployments import audit, drifting, engines, fingerprints, queue
from deployments.actors import ESTIVA
from deployments.models import AuditEntry, Host, PlacementHost, Target
from deployments.states import TARGET_HELD, HostState

FACTS: Final = (
    "engine_version",
    "api_version",
    "os_type",
    "architecture",
    "disk_free",
    "disk_total",
    "clock_skew",
    "builds_only",
)
"""What a check may learn; what is missing keeps its last value."""


Where = tuple[str, int] | tuple[str, int, str]
"""Address, port, and the name of the server that they were seen from, unless that was the worker."""


def where(host: Host) -> Where:
    """Where it is now: what is seen counts for that place only."""
    return (host.address, host.port, host.via.name) if host.via else (host.address, host.port)


def host_offered_key(host_id: int, where: Where, key_type: str, key: str) -> HostState:
    """A server showed its key before anybody logged in: it waits for the admin, unless it is the trusted one."""
    with transaction.atomic():
        host = Host.objects.select_for_update(no_key=True).get(pk=host_id)
        if not _is_at(host, where) or host.state == HostState.RETIRED:
            return HostState(host.state)
        if host.is_trusted and (host.host_key_type, host.host_key) != (key_type, key):
            return _raise_alarm(host, key_type, key)
        if host.is_trusted and host.state != HostState.KEY_CHANGED:
            return HostState(host.state)
        changes: dict[str, Any] = {"offered_key_type": key_type, "offered_key": key, "checked_at": Now()}
        if host.is_trusted:
            # The trusted key is back. The alarm stays until an admin has said so, by trusting it again.
            text = "It shows its trusted host key again. Trust it again to end the alarm."
            return _move(host, HostState.KEY_CHANGED, text, changes)
        return _move(host, HostState.UNTRUSTED, "Confirm its host key.", changes)


def host_key_changed(host_id: int, where: Where, key_type: str, key: str) -> HostState:
    """A trusted server showed another key: everything for it stops until an admin has trusted it again.

    What a worker saw before the key was trusted again, or the server moved or retired, raises no alarm any more.
    """
    with transaction.atomic():
        host = Host.objects.select_for_update(no_key=True).get(pk=host_id)
        if not host.is_trusted or host.state == HostState.RETIRED or host.host_key == key or not _is_at(host, where):
            return HostState(host.state)
        return _raise_alarm(host, key_type, key)


def host_seen(
    host_id: int, where: Where, state: HostState, text: str = "", facts: Mapping[str, Any] | None = None
) -> HostState:
    """A check's result: READY, UNREACHABLE or UNSUPPORTED, with what was learned (`FACTS`). An alarm is not overwritten."""
    with transaction.atomic():
        host = Host.objects.select_for_update(no_key=True).get(pk=host_id)
        alarmed = host.state in {HostState.KEY_CHANGED, HostState.RETIRED}
        if alarmed or not host.is_trusted or not _is_at(host, where):
            return HostState(host.state)
        changes: dict[str, Any] = {name: value for name, value in (facts or {}).items() if name in FACTS}
        return _move(host, state, text, {**changes, "checked_at": Now()})


def containers_seen(host_id: int, where: Where, containers: Sequence[Mapping[str, Any]]) -> bool:
    """What of ours runs there, as `Host.containers` documents it; False when the server is elsewhere by now."""
    host = Host.objects.filter(pk=host_id, address=where[0], port=where[1])
    host = host.filter(via__name=where[2]) if len(where) == 3 else host.filter(via=None)
    if host.filter(~Q(containers=list(containers))).update(containers=list(containers)):
        queue.changed_on_commit("host", host_id)
        return True
    return host.exists()


def drift_seen(
    looked_at: PlacementHost,
    drift: str,
    difference: Mapping[str, Any] | None = None,
    baseline: Mapping[str, Any] | None = None,
) -> None:
    """How a server differs from the record, in words; "" when it doesn't, and piece by piece as `drifting` documents it.

    `looked_at` is the record as it was before the look. `baseline` are the settings of what serves, as first seen, where its deploy
    has not written them down. Nothing is written where a deploy is at work, or where one began or ended, or something was
    adopted, since the look began: what was seen then is no news of what serves.
    """
    rows = PlacementHost.objects.filter(
        pk=looked_at.pk,
        fence=looked_at.fence,  # each claim of a deploy there raises it
        running_target=looked_at.running_target_id,
        running_release=looked_at.running_release_id,
    )
    seat = rows.first()
    if seat is None or (not baseline and not _news(seat, drift, difference)):
        return
    with transaction.atomic():
        now = rows.select_for_update(no_key=True).first()
        if now is None or now.observed != looked_at.observed or _is_at_work(now):
            return
        changes = _news(now, drift, difference)
        if baseline:
            changes["observed"] = {**now.observed, "settings": dict(baseline)}
        if changes.get("drift", now.drift) != now.drift:
            changes["drift_at"] = Now()
        if changes:
            rows.update(**changes)
            queue.changed_on_commit("placement", now.placement_id, now.placement_id)


def _is_at_work(seat: PlacementHost) -> bool:
    held = Target.objects.filter(placement=seat.placement_id, host=seat.host_id, status__in=TARGET_HELD)
    return held.exists()


def _news(seat: PlacementHost, drift: str, difference: Mapping[str, Any] | None) -> dict[str, Any]:
    """The columns that a look changes."""
    columns = drifting.seen(seat, drift, difference or {})
    return {name: value for name, value in columns.items() if getattr(seat, name) != value}


def engines_absent() -> list[int]:
    """Servers beside workers that are all gone can't be reached: their ids, where that is news."""
    present = engines.living().values("engine_id")
    absent = Host.objects.filter(way=Host.Way.BESIDE, retired_at=None).exclude(engine_id__in=present)
    found = absent.exclude(state=HostState.UNREACHABLE).order_by("pk")
    return [host_id for host_id in list(found.values_list("pk", flat=True)) if _absent(host_id)]


def _absent(host_id: int) -> bool:
    with transaction.atomic():
        host = Host.objects.select_for_update(no_key=True).get(pk=host_id)
        text = engines.absent_reason(host)
        if not text or host.state == HostState.RETIRED:
            return False
        _move(host, HostState.UNREACHABLE, text, {})
    return True


def _is_at(host: Host, seen: Where) -> bool:
    return where(host) == seen


def _raise_alarm(host: Host, key_type: str, key: str) -> HostState:
    before = fingerprints.fingerprint(host.host_key)
    after = fingerprints.fingerprint(key) if key else ""
    again = host.state == HostState.KEY_CHANGED and host.offered_key == key
    text = f"It shows another host key than the trusted one: {key_type} {after}. Nothing was sent to it."
    _move(host, HostState.KEY_CHANGED, text, {"offered_key_type": key_type, "offered_key": key, "checked_at": Now()})
    if not again:
        audit.record(
            ESTIVA,
            "host.key_changed",
            host,
            before={"key": f"{host.host_key_type} {before}"},
            after={"key": f"{key_type} {after}"},
            outcome=AuditEntry.Outcome.FAILED,
            message=text,
        )
    return HostState.KEY_CHANGED


def _move(host: Host, state: HostState, text: str, changes: dict[str, Any]) -> HostState:
    """Write state and facts. A state only changes its date when it moves."""
    if host.state != state:
        changes["state_since"] = Now()
    moved = host.state != state or host.state_text != text
    Host.objects.filter(pk=host.pk).update(state=state, state_text=text, **changes)
    if moved:
        queue.changed_on_commit("host", host.pk)
    return state
