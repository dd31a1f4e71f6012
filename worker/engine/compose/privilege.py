"""What in a resolved model gives power over the server: such a thing needs an admin. Pure."""

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
}
_MODES = {
    "network_mode": "the container shares the network",
    "pid": "the container sees processes",
    "ipc": "the container shares memory",
    "uts": "the container shares the host name",
    "cgroup": "the container shares the control groups",
}
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
                found.append(Power(name, kind, "its text comes from the server"))
    return found


def _service(body: Mapping[str, Any], allowed: Sequence[str]) -> Iterable[tuple[str, str]]:
    for key, reason in _ALWAYS.items():
        if body.get(key) and not (key == "security_opt" and set(body[key]) <= _HARMLESS_SECURITY):
            yield key, reason
    for key, reason in _MODES.items():
        mode = str(body.get(key) or "")
        if mode == "host" or mode.startswith("container:"):
            yield key, f"{reason} of {'the server' if mode == 'host' else 'a container of others'}"
    for mount in body.get("volumes") or []:
        yield from _mount(mount, allowed)
    logging = str((body.get("logging") or {}).get("driver") or "")
    if logging not in _PLAIN_LOGGING:
        yield "logging", f"the driver {logging} sends what the container says elsewhere"
    if _reserved_devices(body):
        yield "deploy", "the container gets devices of the server"
    yield from _build(body.get("build"))


def _mount(mount: Mapping[str, Any], allowed: Sequence[str]) -> Iterable[tuple[str, str]]:
    kind, source = mount.get("type"), str(mount.get("source") or "")
    if kind == "bind":
        yield from _bind("volumes", source, allowed)
    elif kind not in ("volume", "tmpfs", "image"):
        yield "volumes", f"a mount of the kind {kind}"


def _bind(key: str, source: str, allowed: Sequence[str]) -> Iterable[tuple[str, str]]:
    path = posixpath.normpath(source)
    if posixpath.basename(path) in ("docker.sock", "containerd.sock", "podman.sock"):
        yield key, f"{path} is the engine itself: whoever has it owns the server"
    elif source != path or not any(path == root or path.startswith(root.rstrip("/") + "/") for root in allowed):
        yield key, f"{path} is a folder or file of the server"


def _reserved_devices(body: Mapping[str, Any]) -> bool:
    resources = (body.get("deploy") or {}).get("resources") or {}
    reserved = resources.get("reservations") or {}
    return bool(reserved.get("devices") or reserved.get("generic_resources"))


def _build(build: Any) -> Iterable[tuple[str, str]]:
    if not isinstance(build, dict):
        return
    contexts = [str(build.get("context") or "."), *map(str, (build.get("additional_contexts") or {}).values())]
    for context in contexts:
        if repository_path(context, "") is None:
            yield "build", f"the context {context} is not in the repository"
    for key in ("privileged", "entitlements", "ssh", "network", "extra_hosts"):
        if build.get(key) and not (key == "network" and build[key] in ("default", "none")):
            yield "build", f"{key} gives the build more than its own files"


def _resource(kind: str, body: Mapping[str, Any], allowed: Sequence[str]) -> Iterable[tuple[str, str]]:
    if body.get("external"):
        yield kind, f"{body.get('name')} was made by others"
    driver = body.get("driver")
    if driver and driver not in ("local", "bridge"):
        yield kind, f"the driver {driver} reaches beyond the server's containers"
    options = body.get("driver_opts") or {}
    if options and kind == "networks":
        yield kind, "the server's network is told what to do"
    if options and kind == "volumes":
        yield from _bind(kind, str(options.get("device") or "?"), allowed if "bind" in str(options.get("o")) else ())
