"""What in a container's settings gives power over the server: only an admin sets it. The one rule for pages, imports and files.

What is there already may stay while somebody else edits the rest; on a server more, or in an environment more, it is new.
"""

import json
import posixpath
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings as configured
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from deployments import container_options, permissions
from deployments.actors import ESTIVA, Actor
from deployments.errors import FieldErrors, Refused
from deployments.models import Placement

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

_SOCKETS: Final = ("docker.sock", "containerd.sock", "podman.sock", "crio.sock")
_HARMLESS_SECURITY: Final = frozenset(
    {"no-new-privileges", "no-new-privileges:true", "no-new-privileges=true", "no-new-privileges:1"}
)


@dataclass(frozen=True, slots=True)
class Power:
    """Something that needs an admin: `path` of the setting, what it says there (`value`), and why."""

    path: str
    value: str
    reason: str


Rule = Callable[[Any, Mapping[str, Any], Sequence[str]], "Iterator[tuple[str, Any, StrPromise]]"]
"""(value, all settings, allowed folders) → what below the setting's name, the value that counts, and why."""


def powers(settings: Mapping[str, Any], allowed_binds: Sequence[str] | None = None) -> list[Power]:
    """Everything in normalised settings that needs an admin; `allowed_binds` are ESTIVA_ALLOWED_BINDS unless given."""
    allowed = configured.ESTIVA_ALLOWED_BINDS if allowed_binds is None else allowed_binds
    return [
        Power(f"{name}{below}", f"{name} {json.dumps(value, sort_keys=True)}", str(reason))
        for name, rule in RULES.items()
        if settings.get(name)
        for below, value, reason in rule(settings[name], settings, allowed)
    ]


def check_power(*, actor: Actor, before: Mapping[str, Any], after: Mapping[str, Any], beside: bool = False) -> None:
    """FieldErrors under `settings.` where `after` has power that `before` hasn't and the actor is no admin.

    `beside`: one of the servers is the engine beside a worker.
    """
    found = [*powers(after), *(_named_volumes(after) if beside else ())]
    if not found or _is_admin(actor):
        return
    had = {each.value for each in (*powers(before), *_named_volumes(before))}
    errors: dict[str, list[str | StrPromise]] = {}
    for each in found:
        if each.value not in had:
            said = _t("Only an admin may set this: %(reason)s.") % {"reason": each.reason}
            errors.setdefault(f"settings.{each.path}", []).append(said)
    if errors:
        raise FieldErrors(errors)


def check_deploy(*, actor: Actor, planned: Mapping[str, Any], placement_id: int, host_ids: Collection[int]) -> None:
    """Refused where the planned settings, of an earlier Release say, have power over one of these servers that neither the
    Placement as it is set now has nor what runs there, and the actor is no admin.
    """
    found, volumes = powers(planned), _named_volumes(planned)
    if not (found or volumes) or _is_admin(actor):
        return
    placement = Placement.objects.get(pk=placement_id)
    set_now = {each.value for each in (*powers(placement.settings), *_named_volumes(placement.settings))}
    for seat in placement.seats.filter(host__in=host_ids).select_related("host", "running_release"):
        was = seat.running_release.settings if seat.running_release else {}
        known = set_now | {each.value for each in (*powers(was), *_named_volumes(was))}
        here = [*found, *volumes] if seat.host.is_beside else found
        new = [f"{each.value} ({each.reason})" for each in here if each.value not in known]
        if new:
            raise Refused(
                _t("Only an admin may deploy what gives power over %(server)s: %(powers)s.")
                % {"server": seat.host.name, "powers": "; ".join(new)},
                remedy=_("Ask an admin to deploy it, or deploy without it."),
            )


def _named_volumes(settings: Mapping[str, Any]) -> list[Power]:
    """Power where a worker runs: its database, and what it keeps, may lie in volumes there, and Docker knows no owners."""
    reason = str(_("the machine is a worker's, and volumes of Estiva itself may be there"))
    return [
        Power(f"volumes.{number}.name", f"volume {row['name']}", reason)
        for number, row in enumerate(settings.get("volumes") or ())
    ]


def _is_admin(actor: Actor) -> bool:
    return actor == ESTIVA or permissions.acts_as_admin(actor)


def _whole(reason: "StrPromise") -> Rule:
    """Any value but an empty one."""

    def rule(
        value: Any, settings: Mapping[str, Any], allowed: Sequence[str]
    ) -> "Iterator[tuple[str, Any, StrPromise]]":
        yield "", value, reason

    return rule


def _each(reason: "StrPromise", column: str = "") -> Rule:
    """Each entry by itself, so that those which were there may stay."""

    def rule(
        value: Any, settings: Mapping[str, Any], allowed: Sequence[str]
    ) -> "Iterator[tuple[str, Any, StrPromise]]":
        for number, each in enumerate(value):
            yield f".{number}{column}", each, reason

    return rule


def _host(reason: "StrPromise") -> Rule:
    """The server's own."""

    def rule(
        value: Any, settings: Mapping[str, Any], allowed: Sequence[str]
    ) -> "Iterator[tuple[str, Any, StrPromise]]":
        if value == "host":
            yield "", value, reason

    return rule


def _binds(value: Any, settings: Mapping[str, Any], allowed: Sequence[str]) -> "Iterator[tuple[str, Any, StrPromise]]":
    for number, row in enumerate(value):
        path = f".{number}.source"
        if posixpath.basename(row["source"]) in _SOCKETS:
            yield path, row, _("it is the engine itself, and whoever has it owns the server")
        elif row["source"] not in {posixpath.normpath(each) for each in allowed}:
            # Not what lies in them: whoever writes there could put a link to any folder, and the engine follows it
            yield path, row, _("it is a folder or file of the server, and none of the allowed ones")
        elif row["propagation"] in {"shared", "rshared"}:
            yield f".{number}.propagation", row, _("what is mounted in the container would be mounted on the server")


def _volume_options(
    value: Any, settings: Mapping[str, Any], allowed: Sequence[str]
) -> "Iterator[tuple[str, Any, StrPromise]]":
    for number, row in enumerate(value):
        if row["driver"] != "local" or row["options"]:
            column = "options" if row["options"] else "driver"
            yield f".{number}.{column}", row, _("a volume's driver and its options can reach any folder of the server")


def _security(
    value: Any, settings: Mapping[str, Any], allowed: Sequence[str]
) -> "Iterator[tuple[str, Any, StrPromise]]":
    for number, each in enumerate(value):
        if each not in _HARMLESS_SECURITY:
            yield f".{number}", each, _("it changes what protects the server from the container")


def _log_driver(
    value: Any, settings: Mapping[str, Any], allowed: Sequence[str]
) -> "Iterator[tuple[str, Any, StrPromise]]":
    if value not in container_options.PLAIN_LOGS:
        said = [value, *(settings.get("log_options") or ())]
        yield "", said, _("it sends from the server what the container says")


_DEVICES: Final = _("the container gets devices of the server")
_ENDED: Final = _("other processes of the server are ended before it")
RULES: Final[Mapping[str, Rule]] = {
    "volume_options": _volume_options,
    "binds": _binds,
    "storage_options": _whole(_("the engine's storage is told what to do")),
    "network_mode": _host(_("the container reaches and holds the server's own network")),
    "networks": _each(_("the container reaches containers of others"), ".name"),
    "oom_score_adj": _whole(_ENDED),
    "oom_kill_disable": _whole(_ENDED),
    "gpus": _whole(_DEVICES),
    "cap_add": _each(_("the container gets rights that containers don't have")),
    "security_opt": _security,
    "sysctls": _each(_("settings of the kernel are changed")),
    "privileged": _whole(_("the container gets every right on the server")),
    "devices": _each(_DEVICES, ".source"),
    "device_cgroup_rules": _each(_DEVICES),
    "pid_mode": _host(_("the container sees the server's processes")),
    "ipc_mode": _host(_("the container shares the server's memory")),
    "uts_mode": _host(_("the container shares the server's host name")),
    "userns_mode": _host(_("the container's users become the server's")),
    "cgroupns_mode": _host(_("the container sees the server's control groups")),
    "cgroup_parent": _whole(_("the container leaves its place among the server's processes")),
    "runtime": _whole(_("another program runs the container")),
    "log_driver": _log_driver,
    "annotations": _whole(_("they tell the runtime what to do")),
}
