"""The Engine API's JSON as the contract's dataclasses. Pure; a missing field is its empty value."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from worker.engine.container_host import (
    Container,
    EngineFacts,
    LocalImage,
    Mount,
    Platform,
    PublishedPort,
    RemoteImage,
)

Json = Mapping[str, Any]
_HEALTH_LINES = 5
_ABILITIES = ("MemoryLimit", "SwapLimit", "OomKillDisable", "CpuCfsQuota", "CPUShares", "CPUSet", "PidsLimit")


def facts(version: Json, info: Json) -> EngineFacts:
    """From `/version` and `/info`."""
    return EngineFacts(
        engine_version=str(version.get("Version", "")),
        api_version=str(version.get("ApiVersion", "")),
        os_type=str(info.get("OSType") or version.get("Os", "")),
        architecture=str(version.get("Arch") or info.get("Architecture", "")),
        root_folder=str(info.get("DockerRootDir", "")),
        server_time=str(info.get("SystemTime", "")),
        containers_running=int(info.get("ContainersRunning") or 0),
        images=int(info.get("Images") or 0),
        live_restore=bool(info.get("LiveRestoreEnabled")),
        absent=_absent(info),
        runtimes=tuple(sorted(info.get("Runtimes") or ())),
        log_drivers=tuple(sorted((info.get("Plugins") or {}).get("Log") or ())),
        rootless="name=rootless" in (info.get("SecurityOptions") or ()),
    )


def _absent(info: Json) -> frozenset[str]:
    """What the server's kernel can't, as far as the engine says so before a container is made."""
    missing = {each for each in _ABILITIES if info.get(each) is False}
    if str(info.get("CgroupVersion", "")) == "2":
        missing.add("Swappiness")
    return frozenset(missing)


def local_image(found: Json) -> LocalImage:
    """From `/images/{name}/json`."""
    config = found.get("Config") or found.get("ContainerConfig") or {}
    test = (config.get("Healthcheck") or {}).get("Test") or []
    return LocalImage(
        id=str(found["Id"]),
        repo_digests=tuple(_digests(found)),
        repo_tags=tuple(familiar(each) for each in found.get("RepoTags") or ()),
        size=int(found.get("Size") or 0),
        os=str(found.get("Os", "")),
        architecture=str(found.get("Architecture", "")),
        volumes=tuple(sorted(config.get("Volumes") or ())),
        exposed_ports=tuple(sorted(config.get("ExposedPorts") or ())),
        has_healthcheck=bool(test) and test[0] != "NONE",
        tagged_at=_tagged_at(found),
        config=config,
    )


def listed_image(found: Json) -> dict[str, Any]:
    """One of `/images/json`. Podman puts names by digest among the tags."""
    tags = [familiar(each) for each in found.get("RepoTags") or () if "@" not in each]
    return {**found, "RepoTags": tags, "RepoDigests": _digests(found)}


def _digests(found: Json) -> list[str]:
    """As what it was pulled. Podman gives a digest to local tags too; ours are never pulled."""
    return [name for each in found.get("RepoDigests") or () if not (name := familiar(each)).startswith("estiva/")]


def familiar(reference: str) -> str:
    """Docker's own form; podman shows Docker Hub's name, under which it keeps local tags too."""
    return (
        reference.removeprefix("docker.io/").removeprefix("library/")
        if reference.startswith("docker.io/")
        else reference
    )


def _tagged_at(found: Json) -> str:
    tagged = str((found.get("Metadata") or {}).get("LastTagTime") or "")
    never = not tagged or tagged.startswith("0001-")  # Go's zero time
    return str(found.get("Created") or "") if never else tagged


def remote_image(found: Json) -> RemoteImage:
    """From `/distribution/{name}/json`."""
    platforms = tuple(
        Platform(str(each.get("os", "")), str(each.get("architecture", "")), str(each.get("variant") or ""))
        for each in found.get("Platforms") or ()
    )
    return RemoteImage(digest=str(found["Descriptor"]["digest"]), platforms=platforms)


def container(found: Json) -> Container:
    """From `/containers/{name}/json`."""
    state, host, config = found.get("State") or {}, found.get("HostConfig") or {}, found.get("Config") or {}
    health, policy = state.get("Health") or {}, host.get("RestartPolicy") or {}
    settings = found.get("NetworkSettings") or {}
    networks: Json = settings.get("Networks") or {}
    status = str(health.get("Status") or "")
    return Container(
        id=str(found["Id"]),
        name=str(found["Name"]).removeprefix("/"),
        image_id=str(found["Image"]),
        image=str(config.get("Image", "")),
        labels=dict(config.get("Labels") or {}),
        status=str(state.get("Status", "")),
        running=bool(state.get("Running")),
        exit_code=int(state.get("ExitCode") or 0),
        oom_killed=bool(state.get("OOMKilled")),
        error=str(state.get("Error") or ""),
        health="" if status == "none" else status,
        restart_count=int(found.get("RestartCount") or 0),
        restart_policy=str(policy.get("Name") or "no"),
        restart_retries=int(policy.get("MaximumRetryCount") or 0),
        started_at=str(state.get("StartedAt", "")),
        finished_at=str(state.get("FinishedAt", "")),
        networks={name: _address(each) for name, each in networks.items()},
        network_aliases={name: tuple((each or {}).get("Aliases") or ()) for name, each in networks.items()},
        network_mode=str(host.get("NetworkMode", "")),
        published=_published(settings.get("Ports") or {}),
        mounts=tuple(_mount(each) for each in found.get("Mounts") or ()),
        environment=tuple(config.get("Env") or ()),
        health_log=tuple(str(each.get("Output", "")).strip() for each in (health.get("Log") or ())[-_HEALTH_LINES:]),
        created_at=str(found.get("Created", "")),
        passed_at=next((str(each.get("End", "")) for each in health.get("Log") or () if each.get("ExitCode") == 0), ""),
        inspected=found,
    )


def _address(network: Json | None) -> str:
    found = network or {}
    return str(found.get("IPAddress") or found.get("GlobalIPv6Address") or "")


def _published(ports: Json) -> tuple[tuple[str, int, int, str], ...]:
    return tuple(
        sorted(
            (str(each.get("HostIp", "")), int(each["HostPort"]), int(inner.partition("/")[0]), inner.partition("/")[2])
            for inner, bindings in ports.items()
            for each in bindings or ()
        )
    )


def _mount(found: Json) -> Mount:
    kinds: dict[str, Literal["volume", "bind", "tmpfs"]] = {"volume": "volume", "bind": "bind", "tmpfs": "tmpfs"}
    return Mount(
        kind=kinds.get(str(found.get("Type", "")), "other"),
        name=str(found.get("Name") or ""),
        source=str(found.get("Source", "")),
        path=str(found.get("Destination", "")),
        read_only=not found.get("RW", True),
    )


def own_name(listed: Json) -> str:
    """From `/containers/json`: the name that isn't one of a link to it; "" where the list gives none."""
    names = (str(each).removeprefix("/") for each in listed.get("Names") or ())
    return next((name for name in names if name and "/" not in name), "")


def published_ports(listed: Sequence[Json]) -> list[PublishedPort]:
    """From `/containers/json`."""
    found = [
        PublishedPort(
            str(port.get("IP", "")),
            int(port["PublicPort"]),
            str(port["Type"]),
            str(each["Names"][0]).removeprefix("/"),
            each.get("Labels") or {},
        )
        for each in listed
        for port in each.get("Ports") or ()
        if port.get("PublicPort")
    ]
    return sorted(found, key=lambda each: each[:4])


def disk_free(said: bytes) -> tuple[int, int] | None:
    """From the output of `df -Pk PATH`: (free, total) in bytes; None when it isn't that."""
    found = _df(said)
    return (found[0] * 1024, found[1] * 1024) if found else None


def files_free(said: bytes) -> tuple[int, int] | None:
    """From the output of `df -Pi PATH`: (free, total) inodes; None when it isn't that, and where they aren't counted."""
    found = _df(said)
    return found if found and found[1] else None


def _df(said: bytes) -> tuple[int, int] | None:
    """The free and the total of the last line."""
    lines = said.decode("utf-8", "replace").splitlines()
    # the file system's name may hold blanks: the numbers are counted from the percentage, which can't
    words = lines[-1].split() if len(lines) > 1 else []
    percent = next((index for index, word in enumerate(words) if index >= 4 and word.endswith("%")), None)
    if percent is None or not (words[percent - 1].lstrip("-").isdigit() and words[percent - 3].isdigit()):
        return None
    return max(0, int(words[percent - 1])), int(words[percent - 3])
