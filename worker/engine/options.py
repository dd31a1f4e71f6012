"""What a container may be told beyond its image, ports, volumes and command: everything defaults to what Docker does by itself.

Names are those of the domain's settings. Sizes are bytes, -1 stands for no limit, `NAME=value` entries stay as one text.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class VolumeOptionSpec:
    """How a named volume is made where it doesn't exist. `options` are NAME=value, separated by blanks."""

    name: str
    driver: str = "local"
    options: str = ""
    no_copy: bool = False

    @property
    def is_plain(self) -> bool:
        """Docker's own driver, told nothing."""
        return self.driver == "local" and not self.options


@dataclass(frozen=True, slots=True)
class BindSpec:
    """A folder or file of the server; it has to exist."""

    source: str
    path: str
    read_only: bool = False
    propagation: str = "rprivate"


@dataclass(frozen=True, slots=True)
class TmpfsSpec:
    """A folder in memory. `mode` is octal digits."""

    path: str
    size: int | None = None
    mode: str = ""
    exec: bool = False


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """A network of the server that is joined."""

    name: str
    aliases: tuple[str, ...] = ()
    ipv4: str = ""
    ipv6: str = ""


@dataclass(frozen=True, slots=True)
class UlimitSpec:
    """A limit of its processes."""

    name: str
    soft: int
    hard: int


@dataclass(frozen=True, slots=True)
class RateSpec:
    """At most so many bytes (`read_bps`, `write_bps`) or operations (`read_iops`, `write_iops`) a second on a device."""

    source: str
    kind: str
    rate: int


@dataclass(frozen=True, slots=True)
class DeviceSpec:
    """A device of the server; an empty `path` is the same in the container."""

    source: str
    path: str = ""
    permissions: str = "rwm"


@dataclass(frozen=True, slots=True)
class Options:
    """See `deployments.container_options` for what each means to people."""

    working_dir: str = ""
    init: bool = False
    stop_signal: str = ""
    platform: str = ""
    anonymous_volumes: tuple[str, ...] = ()
    volume_options: tuple[VolumeOptionSpec, ...] = ()
    binds: tuple[BindSpec, ...] = ()
    tmpfs: tuple[TmpfsSpec, ...] = ()
    shm_size: int | None = None
    read_only: bool = False
    storage_options: tuple[str, ...] = ()
    network_mode: str = ""
    networks: tuple[NetworkSpec, ...] = ()
    hostname: str = ""
    domainname: str = ""
    extra_hosts: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_options: tuple[str, ...] = ()
    mac_address: str = ""
    memory_reservation: int | None = None
    memory_swap: int | None = None
    memory_swappiness: int | None = None
    pids_limit: int | None = None
    cpu_shares: int | None = None
    cpu_quota: int | None = None
    cpu_period: int | None = None
    cpuset_cpus: str = ""
    cpuset_mems: str = ""
    blkio_weight: int | None = None
    ulimits: tuple[UlimitSpec, ...] = ()
    device_rates: tuple[RateSpec, ...] = ()
    oom_score_adj: int | None = None
    oom_kill_disable: bool = False
    gpus: str = ""
    group_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    cap_add: tuple[str, ...] = ()
    security_opt: tuple[str, ...] = ()
    sysctls: tuple[str, ...] = ()
    privileged: bool = False
    devices: tuple[DeviceSpec, ...] = ()
    device_cgroup_rules: tuple[str, ...] = ()
    pid_mode: str = ""
    ipc_mode: str = ""
    uts_mode: str = ""
    userns_mode: str = ""
    cgroupns_mode: str = ""
    cgroup_parent: str = ""
    runtime: str = ""
    log_driver: str = ""
    log_options: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    annotations: tuple[str, ...] = ()
