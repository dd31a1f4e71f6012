"""A container as it is, read back as settings: so that what somebody changed by hand can be told, and taken over.

Two readings of the same engine are compared with each other (after the deploy, and now), never one with what was asked for:
each engine writes down what it was told in words of its own. Pure.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from worker.engine.container_host import Container, LocalImage
from worker.engine.options_body import CONFIG_KEYS, HOST_CONFIG_KEYS

Json = Mapping[str, Any]
ENGINE: Final = "engine:"
"""Begins the name of what the engine says and no setting does."""

_NANO: Final = 1_000_000_000
_STOP_SECONDS: Final = 10
_NO_NETWORK: Final = frozenset({"bridge", "host", "none", "podman", "pasta", "slirp4netns"})
_MODES: Final = ("none", "host")
# Said elsewhere, made by the engine itself, or of no weight
_READ: Final = frozenset(
    {
        "PortBindings", "PublishAllPorts", "RestartPolicy", "Memory", "NanoCpus", "Binds", "Mounts", "Sysctls", "Ulimits",
        "Devices", "LogConfig", "NetworkMode", "ContainerIDFile", "ConsoleSize", "MaskedPaths", "ReadonlyPaths", "Isolation",
        "CgroupManager", "CgroupMode", "Cgroup", "Runtime", "LogPath",
    }
)  # fmt: skip


def found_settings(container: Container, image: LocalImage | None) -> dict[str, Any]:
    """By the names of settings, as JSON; what no setting says by `engine:` and the engine's own name. {} where it can't be told.

    Environment variables are left out: they may be secrets.
    """
    raw = container.inspected
    if not raw:
        return {}
    config, host = raw.get("Config") or {}, raw.get("HostConfig") or {}
    own = image.config if image is not None else {}
    found = {
        **_process(config, own, container),
        **_storage(container),
        **_limits(host),
        **_networks(raw, container),
        **{name: _plain(host.get(key)) for name, key in HOST_CONFIG_KEYS.items() if key not in _READ},
        **{f"{ENGINE}{key}": value for key, value in host.items() if key not in _READ | set(HOST_CONFIG_KEYS.values())},
    }
    if (config.get("Healthcheck") or None) != (own.get("Healthcheck") or None):
        found[f"{ENGINE}Healthcheck"] = config.get("Healthcheck")
    return {name: value for name, value in found.items() if value not in (None, "", [], {}, False, 0)}


def changed(before: Json, now: Json) -> dict[str, Any]:
    """What is not as it was, as it is now; None for what isn't set any more."""
    names = [*now, *(name for name in before if name not in now)]
    return {name: now.get(name) for name in names if before.get(name) != now.get(name)}


def environment_given(container: Container, image: LocalImage | None) -> dict[str, str]:
    """The variables that it has beyond its image's own. They may be secrets."""
    own = set((image.config.get("Env") if image is not None else None) or ())
    return dict(_pair(each) for each in container.environment if each not in own)


def _process(config: Json, own: Json, container: Container) -> dict[str, Any]:
    """What runs in it, and how it ends."""
    seconds = config.get("StopTimeout")
    named = {name: _unless_own(config, own, key) for name, key in CONFIG_KEYS.items()}
    if container.id.startswith(str(named.get("hostname") or "-")):
        named["hostname"] = ""  # Docker's own
    labels = config.get("Labels") or {}
    inherited = (own.get("Labels") or {}).items()
    return {
        **named,
        "command": _unless_own(config, own, "Cmd"),
        "entrypoint": _unless_own(config, own, "Entrypoint"),
        "user": _unless_own(config, own, "User"),
        "stop_timeout": str(_STOP_SECONDS if seconds is None else seconds),
        "labels": [
            f"{name}={value}"
            for name, value in sorted(labels.items())
            if not name.startswith("estiva.") and (name, value) not in inherited
        ],
        "restart": container.restart_policy,
        "restart_retries": container.restart_retries,
    }


def _unless_own(config: Json, own: Json, key: str) -> Any:
    value = config.get(key)
    return None if value == own.get(key) else _plain(value)


def _storage(container: Container) -> dict[str, Any]:
    """Nameless volumes and folders in memory are told by their paths alone."""
    named = [each for each in container.mounts if each.kind == "volume" and not _is_nameless(each.name)]
    binds = [each for each in container.inspected.get("Mounts") or () if each.get("Type") == "bind"]
    return {
        "volumes": _rows({"name": each.name, "path": each.path, "read_only": each.read_only} for each in named),
        "binds": _rows(
            {
                "source": str(each.get("Source", "")),
                "path": str(each.get("Destination", "")),
                "read_only": not each.get("RW", True),
                "propagation": each.get("Propagation") or "rprivate",
            }
            for each in binds
        ),
        f"{ENGINE}Volumes": sorted(
            each.path for each in container.mounts if each.kind == "volume" and _is_nameless(each.name)
        ),
    }


def _is_nameless(name: str) -> bool:
    return len(name) == 64 and all(each in "0123456789abcdef" for each in name)


def _limits(host: Json) -> dict[str, Any]:
    log = host.get("LogConfig") or {}
    return {
        "memory": host.get("Memory"),
        "cpus": round((host.get("NanoCpus") or 0) / _NANO, 9),
        "ports": _rows(_ports(host.get("PortBindings") or {})),
        "sysctls": sorted(f"{name}={value}" for name, value in (host.get("Sysctls") or {}).items()),
        "ulimits": _rows(
            {"name": each.get("Name"), "soft": each.get("Soft"), "hard": each.get("Hard")}
            for each in host.get("Ulimits") or ()
        ),
        "devices": _rows(
            {
                "source": each.get("PathOnHost"),
                "path": each.get("PathInContainer"),
                "permissions": each.get("CgroupPermissions"),
            }
            for each in host.get("Devices") or ()
        ),
        "log_driver": log.get("Type"),
        "log_options": sorted(f"{name}={value}" for name, value in (log.get("Config") or {}).items()),
        "runtime": host.get("Runtime"),
    }


def _ports(bindings: Json) -> Iterable[dict[str, Any]]:
    for inner, listed in bindings.items():
        number, _slash, protocol = inner.partition("/")
        given: list[Json] = list(listed or ({},))
        for each in given:
            yield {
                "container_port": int(number),
                "host_port": int(each.get("HostPort") or 0) or None,
                "host_address": each.get("HostIp") or "0.0.0.0",  # noqa: S104 - Docker's own default
                "protocol": protocol or "tcp",
            }


def _networks(raw: Json, container: Container) -> dict[str, Any]:
    """Those that it joined by name; the Environment's own tells its names there."""
    mode = str((raw.get("HostConfig") or {}).get("NetworkMode") or "")
    joined = (raw.get("NetworkSettings") or {}).get("Networks") or {}
    installation = container.labels.get("estiva.installation", "")
    ours = f"estiva-{installation}-"
    rows, aliases = [], None
    for name, each in sorted(joined.items()):
        given = sorted(alias for alias in (each or {}).get("Aliases") or () if not container.id.startswith(alias))
        fixed = (each or {}).get("IPAMConfig") or {}
        if name.startswith(ours):
            aliases = given
        elif name not in _NO_NETWORK:
            row = {"name": name, "aliases": ",".join(given)}
            rows.append(row | {"ipv4": fixed.get("IPv4Address") or "", "ipv6": fixed.get("IPv6Address") or ""})
    return {
        "network_mode": mode if mode in _MODES else "",
        "networks": rows,
        "network_aliases": aliases,
        f"{ENGINE}Networks": sorted(name for name in joined if name in _NO_NETWORK),
        f"{ENGINE}NetworkMode": mode if mode.startswith(("container:", "ns:")) else "",
    }


def _rows(rows: Iterable[Json]) -> list[dict[str, Any]]:
    return sorted((dict(each) for each in rows), key=lambda row: [str(value) for value in row.values()])


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _pair(text: str) -> tuple[str, str]:
    name, _equals, value = text.partition("=")
    return name, value
