"""What in a resolved model gives power over the server: such a thing needs an admin. Pure.

A reason names the value as well: an admin's word for one device or right is no word for another.
"""

import json
import posixpath
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from worker.engine.compose.model import Model
from worker.engine.compose.prepare_builds import repository_path

_ALWAYS = {
    "privileged": "the container gets every right on the server",
    "devices": "the container gets devices of the server",
    "device_cgroup_rules": "the container may use devices of the server",
    "gpus": "the container gets devices of the server",
    "cap_add": "the container gets rights that containers don't have",
    "security_opt": "the container's protection is changed",
    "cgroup_parent": "the container leaves its place among the server's processes",
    "sysctls": "settings of the kernel are changed",
    "volumes_from": "the container sees what others mount",
    "userns_mode": "the container's users become the server's",
    "runtime": "another program runs the container",
    "credential_spec": "a file of the server is read",
    "oom_kill_disable": "the server may run out of memory",
    "oom_score_adj": "other processes of the server are ended before it",
    "provider": "a program of the server is run",
    "post_start": "a program is run in the container, maybe with every right",
    "pre_stop": "a program is run in the container, maybe with every right",
    "external_links": "the container reaches containers of others",
    "use_api_socket": "the container gets the engine itself: whoever has it owns the server",
    "storage_opt": "the engine's storage is told what to do",
    "annotations": "they tell the runtime what to do",
}
_MODES = {
    "network_mode": "the container shares the network",
    "pid": "the container sees processes",
    "ipc": "the container shares memory",
    "uts": "the container shares the host name",
    "cgroup": "the container shares the control groups",
}
_OWN_NETWORKS = ("", "none", "bridge", "default")
_SHARED_PROPAGATION = ("shared", "rshared")
_BIND_OPTIONS = {"bind", "rbind", "ro", "rw", "private", "rprivate"}
_PLAIN_LOGGING = ("", "json-file", "local", "none", "journald")
_HARMLESS_SECURITY = {"no-new-privileges", "no-new-privileges:true", "no-new-privileges=true"}


@dataclass(frozen=True, slots=True)
class Power:
    """`key` of a service (or of a network or volume) and why it needs an admin."""

    service: str
    key: str
    reason: str


def privileged(model: Model, allowed_binds: Sequence[str] = ()) -> list[Power]:
    """Everything that needs an admin, on the model as Compose resolved it."""
    found: list[Power] = []
    for name, body in model.services.items():
        found += [Power(name, key, reason) for key, reason in _service(body, allowed_binds)]
    for kind in ("networks", "volumes"):
        for name, body in (model.tree.get(kind) or {}).items():
            found += [Power(name, key, reason) for key, reason in _resource(kind, body or {}, allowed_binds)]
    for kind in ("configs", "secrets"):
        for name, body in (model.tree.get(kind) or {}).items():
            if isinstance(body, dict) and ("file" in body or body.get("environment")):
                where = {each: body[each] for each in ("file", "environment") if each in body}
                found.append(Power(name, kind, _with_value("its text comes from the server", where)))
    return found


def _service(body: Mapping[str, Any], allowed: Sequence[str]) -> Iterable[tuple[str, str]]:
    for key, reason in _ALWAYS.items():
        if body.get(key) and not (key == "security_opt" and set(body[key]) <= _HARMLESS_SECURITY):
            yield key, _with_value(reason, body[key])
    for key, reason in _MODES.items():
        mode = str(body.get(key) or "")
        if mode == "host" or mode.startswith("container:"):
            yield key, f"{reason} of {'the server' if mode == 'host' else mode}"
    network = str(body.get("network_mode") or "")
    if network != "host" and network not in _OWN_NETWORKS and not network.startswith(("service:", "container:")):
        yield "network_mode", f"the container reaches containers of others in the network {network}"
    for mount in body.get("volumes") or []:
        yield from _mount(mount, allowed)
    logging = str((body.get("logging") or {}).get("driver") or "")
    if logging not in _PLAIN_LOGGING:
        options = (body.get("logging") or {}).get("options") or {}
        yield "logging", _with_value(f"the driver {logging} sends what the container says elsewhere", options)
    if reserved := _reserved_devices(body):
        yield "deploy", _with_value("the container gets devices of the server", reserved)
    yield from _build(body.get("build"))


def _mount(mount: Mapping[str, Any], allowed: Sequence[str]) -> Iterable[tuple[str, str]]:
    kind, source = mount.get("type"), str(mount.get("source") or "")
    if kind == "bind":
        yield from _bind("volumes", source, allowed)
        propagation = (mount.get("bind") or {}).get("propagation")
        if propagation in _SHARED_PROPAGATION:
            yield "volumes", f"what is mounted below {source} would be mounted on the server"
    elif kind not in ("volume", "tmpfs", "image"):
        yield "volumes", f"a mount of the kind {kind}"


def _bind(key: str, source: str, allowed: Sequence[str]) -> Iterable[tuple[str, str]]:
    path = posixpath.normpath(source)
    if posixpath.basename(path) in ("docker.sock", "containerd.sock", "podman.sock"):
        yield key, f"{path} is the engine itself: whoever has it owns the server"
    elif source != path or path not in {posixpath.normpath(root) for root in allowed}:
        # Not what lies in them: whoever writes there could put a link to any folder, and the engine follows it
        yield key, f"{path} is a folder or file of the server"


def _with_value(reason: str, value: Any) -> str:
    """`reason: value`, so that another value is another power."""
    return reason if value is True else f"{reason}: {json.dumps(value, sort_keys=True, ensure_ascii=False)}"


def _reserved_devices(body: Mapping[str, Any]) -> list[Any]:
    resources = (body.get("deploy") or {}).get("resources") or {}
    reserved = resources.get("reservations") or {}
    return [*(reserved.get("devices") or ()), *(reserved.get("generic_resources") or ())]


def _build(build: Any) -> Iterable[tuple[str, str]]:
    if not isinstance(build, dict):
        return
    contexts = [str(build.get("context") or "."), *map(str, (build.get("additional_contexts") or {}).values())]
    for context in contexts:
        if repository_path(context, "") is None:
            yield "build", f"the context {context} is not in the repository"
    for key in ("privileged", "entitlements", "ssh", "network", "extra_hosts"):
        if build.get(key) and not (key == "network" and build[key] in ("default", "none")):
            yield "build", _with_value(f"{key} gives the build more than its own files", build[key])


def _resource(kind: str, body: Mapping[str, Any], allowed: Sequence[str]) -> Iterable[tuple[str, str]]:
    if body.get("external"):
        yield kind, f"{body.get('name')} was made by others"
    driver = body.get("driver")
    if driver and driver not in ("local", "bridge"):
        yield kind, f"the driver {driver} reaches beyond the server's containers"
    options = body.get("driver_opts") or {}
    if options and kind == "networks":
        yield kind, _with_value("the server's network is told what to do", options)
    if options and kind == "volumes":
        yield from _volume(kind, options, allowed)


def _volume(kind: str, options: Mapping[str, Any], allowed: Sequence[str]) -> Iterable[tuple[str, str]]:
    """An allowed folder may be a volume, as it may be a mount; anything else that the server mounts needs an admin."""
    words = {each.strip() for each in str(options.get("o") or "").split(",")}
    plain = bool(words & {"bind", "rbind"}) and words <= _BIND_OPTIONS and options.get("type") in (None, "", "none")
    if not plain or set(options) - {"type", "o", "device"}:
        yield kind, _with_value("the server mounts something for it", options)
    else:
        yield from _bind(kind, str(options.get("device") or "?"), allowed)
