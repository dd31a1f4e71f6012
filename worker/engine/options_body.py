"""A container's options as the Engine API's JSON. Pure; what isn't set isn't sent."""

from collections.abc import Iterable, Mapping
from typing import Any

from worker.engine.options import NetworkSpec, Options, TmpfsSpec
from worker.engine.spec import ContainerSpec, HealthSpec

_NANO = 1_000_000_000
_RETRIES = 3

CONFIG_KEYS = {
    "working_dir": "WorkingDir",
    "stop_signal": "StopSignal",
    "hostname": "Hostname",
    "domainname": "Domainname",
    "mac_address": "MacAddress",
}
HOST_CONFIG_KEYS = {
    "init": "Init",
    "shm_size": "ShmSize",
    "read_only": "ReadonlyRootfs",
    "extra_hosts": "ExtraHosts",
    "dns": "Dns",
    "dns_search": "DnsSearch",
    "dns_options": "DnsOptions",
    "memory_reservation": "MemoryReservation",
    "memory_swap": "MemorySwap",
    "memory_swappiness": "MemorySwappiness",
    "pids_limit": "PidsLimit",
    "cpu_shares": "CpuShares",
    "cpu_quota": "CpuQuota",
    "cpu_period": "CpuPeriod",
    "cpuset_cpus": "CpusetCpus",
    "cpuset_mems": "CpusetMems",
    "blkio_weight": "BlkioWeight",
    "oom_score_adj": "OomScoreAdj",
    "oom_kill_disable": "OomKillDisable",
    "group_add": "GroupAdd",
    "cap_drop": "CapDrop",
    "cap_add": "CapAdd",
    "security_opt": "SecurityOpt",
    "privileged": "Privileged",
    "device_cgroup_rules": "DeviceCgroupRules",
    "network_mode": "NetworkMode",
    "pid_mode": "PidMode",
    "ipc_mode": "IpcMode",
    "uts_mode": "UTSMode",
    "userns_mode": "UsernsMode",
    "cgroupns_mode": "CgroupnsMode",
    "cgroup_parent": "CgroupParent",
    "runtime": "Runtime",
}
_RATES = {
    "read_bps": "BlkioDeviceReadBps",
    "write_bps": "BlkioDeviceWriteBps",
    "read_iops": "BlkioDeviceReadIOps",
    "write_iops": "BlkioDeviceWriteIOps",
}
_PAIRS = {"storage_options": "StorageOpt", "sysctls": "Sysctls", "annotations": "Annotations"}


def config(container: ContainerSpec) -> dict[str, Any]:
    """What stands beside the image in the create request."""
    body = _named(container.options, CONFIG_KEYS)
    check = healthcheck(container.health)
    return body if check is None else body | {"Healthcheck": check}


def labels(options: Options) -> dict[str, str]:
    """The person's own."""
    return _pairs(options.labels)


def host_config(options: Options) -> dict[str, Any]:
    """What stands in its HostConfig, but for ports, volumes and restart."""
    body = _named(options, HOST_CONFIG_KEYS)
    for name, key in _PAIRS.items():
        if entries := getattr(options, name):
            body[key] = _pairs(entries)
    if options.tmpfs:
        body["Tmpfs"] = {each.path: _tmpfs(each) for each in options.tmpfs}
    if options.ulimits:
        body["Ulimits"] = [{"Name": each.name, "Soft": each.soft, "Hard": each.hard} for each in options.ulimits]
    if options.devices:
        body["Devices"] = [
            {
                "PathOnHost": each.source,
                "PathInContainer": each.path or each.source,
                "CgroupPermissions": each.permissions,
            }
            for each in options.devices
        ]
    for rate in options.device_rates:
        body.setdefault(_RATES[rate.kind], []).append({"Path": rate.source, "Rate": rate.rate})
    if options.gpus:
        body["DeviceRequests"] = [_gpus(options.gpus)]
    if options.log_driver:
        body["LogConfig"] = {"Type": options.log_driver, "Config": _pairs(options.log_options)}
    return body


def mounts(options: Options, carried: Iterable[str]) -> list[dict[str, Any]]:
    """Folders of the server, and nameless volumes that aren't carried over from the version before."""
    found: list[dict[str, Any]] = [
        {
            "Type": "bind",
            "Source": each.source,
            "Target": each.path,
            "ReadOnly": each.read_only,
            "BindOptions": {"Propagation": each.propagation},
        }
        for each in options.binds
    ]
    known = set(carried)
    found += [{"Type": "volume", "Target": path} for path in options.anonymous_volumes if path not in known]
    return found


def volume_mount_options(container: ContainerSpec, name: str, labelled: Mapping[str, str]) -> dict[str, Any]:
    """For the mount of a named volume: how it is made where it doesn't exist."""
    wanted = next((each for each in container.options.volume_options if each.name == name), None)
    if wanted is None:
        return {}
    body: dict[str, Any] = {"NoCopy": True} if wanted.no_copy else {}
    if not wanted.is_plain:
        body["Labels"] = dict(labelled)
        body["DriverConfig"] = {"Name": wanted.driver, "Options": _pairs(wanted.options.split())}
    return {"VolumeOptions": body} if body else {}


def endpoint(network: NetworkSpec, *, with_aliases: bool) -> dict[str, Any]:
    """Its place in a network."""
    body: dict[str, Any] = {"Aliases": list(network.aliases) if with_aliases else []}
    fixed = {key: value for key, value in (("IPv4Address", network.ipv4), ("IPv6Address", network.ipv6)) if value}
    return body | {"IPAMConfig": fixed} if fixed else body


def healthcheck(health: HealthSpec) -> dict[str, Any] | None:
    """Docker's own check by a command, its words as they are: no shell reads them; or that there is to be none. None where the
    image decides.
    """
    if health.kind != "command":
        return {"Test": ["NONE"]} if health.no_image_check and health.kind != "image" else None
    return {
        "Test": ["CMD", *health.command],
        "Interval": round(health.interval * _NANO),
        "Timeout": round(health.timeout * _NANO),
        "StartPeriod": round(health.start_period * _NANO),
        "Retries": health.retries or _RETRIES,
    }


def _named(options: Options, names: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, key in names.items():
        value = getattr(options, name)
        if value is not None and value is not False and value not in ("", ()):
            found[key] = list(value) if isinstance(value, tuple) else value
    return found


def _pairs(entries: Iterable[str]) -> dict[str, str]:
    return {name: value for name, _equals, value in (each.partition("=") for each in entries)}


def _tmpfs(tmpfs: TmpfsSpec) -> str:
    words = ["rw", "nosuid", "nodev", "exec" if tmpfs.exec else "noexec"]
    words += [f"size={tmpfs.size}"] if tmpfs.size else []
    words += [f"mode={tmpfs.mode}"] if tmpfs.mode else []
    return ",".join(words)


def _gpus(wanted: str) -> dict[str, Any]:
    request: dict[str, Any] = {"Driver": "", "Capabilities": [["gpu"]]}
    if wanted.startswith("device="):
        return request | {"Count": 0, "DeviceIDs": wanted.removeprefix("device=").split(",")}
    return request | {"Count": -1 if wanted == "all" else int(wanted)}
