"""What else `docker run` and Compose can say about one container: the options, by the section of the form they stand in.

They are part of `container_settings.FIELDS`, and sparse: what nobody sets is not stored, and Docker does as it does.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from django.utils.translation import gettext_lazy as _

from deployments import option_fields as read
from deployments import option_shapes as shapes
from deployments import setting_fields as fields
from deployments import setting_words as words
from deployments.setting_fields import Field, Reader

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

    Choices = tuple[tuple[str, str | StrPromise], ...]

SECTIONS: Final = {
    "ports": _("Ports"),
    "health": _("Health"),
    "lifecycle": _("Command and lifecycle"),
    "hooks": _("Before and after a deploy"),
    "storage": _("Storage"),
    "network": _("Network"),
    "resources": _("Resources"),
    "rights": _("Rights"),
    "logging": _("Logging and labels"),
}

_OURS: Final = ("", _("Docker's default"))
NETWORK_MODES: Final = (
    ("", _("A network of its own address")),
    ("none", _("None: nothing reaches it, it reaches nothing")),
    ("host", _("The server's own")),
)
PROPAGATIONS: Final = tuple((each, each) for each in ("rprivate", "private", "rshared", "shared", "rslave", "slave"))
_IPC: Final = (_OURS, ("private", _("Private")), ("shareable", _("Shareable")), ("none", _("None")), ("host", _("The server's own")))  # fmt: skip
_ON: Final = (("first", _("Once, on the first server")), ("each", _("On each server")))
_HOST: Final = (_OURS, ("host", _("The server's own")))
_CGROUPNS: Final = (_OURS, ("private", _("Private")), ("host", _("The server's own")))
PLAIN_LOGS: Final = ("json-file", "local", "none", "journald")
"""Drivers that keep what a container says on the server itself."""
_DRIVERS: Final = (_OURS, *((each, each) for each in (*PLAIN_LOGS, "syslog", "gelf", "fluentd", "awslogs", "gcplogs", "splunk", "logentries")))  # fmt: skip
RATES: Final = (
    ("read_bps", _("Bytes read")),
    ("write_bps", _("Bytes written")),
    ("read_iops", _("Reads")),
    ("write_iops", _("Writes")),
)
ULIMITS: Final = tuple(
    (each, each)
    for each in (
        "nofile", "nproc", "core", "memlock", "stack", "cpu", "data", "fsize", "locks", "msgqueue", "nice", "rss", "rtprio",
        "rttime", "sigpending",
    )
)  # fmt: skip


def _option(
    section: str,
    name: str,
    kind: str,
    label: "str | StrPromise",
    help: "str | StrPromise" = "",
    default: Any = None,
    reader: Reader = fields.toggle,
    *,
    admin: bool = False,
    choices: "Choices" = (),
    columns: tuple[Field, ...] = (),
    show: Callable[[Any], str] | None = None,
) -> Field:
    return Field(
        name, kind, label, help, default, reader, privileged=admin, choices=choices, columns=columns, show=show,
        sparse=True, section=section,
    )  # fmt: skip


_storage, _network, _resources = (partial(_option, each) for each in ("storage", "network", "resources"))
_rights, _logging, _lifecycle = (partial(_option, each) for each in ("rights", "logging", "lifecycle"))
_hooks = partial(_option, "hooks")


def _joined(*names: str) -> Callable[[Any], str]:
    """Rows in words: the columns' values one after another."""

    def show(rows: Any) -> str:
        return ", ".join(" ".join(str(row[name]) for name in names if row.get(name)) for row in rows or ())

    return show


def _binds_text(rows: Any) -> str:
    return ", ".join(_bind_text(row) for row in rows or ())


def _bind_text(row: Mapping[str, Any]) -> str:
    more = [*(["read only"] if row["read_only"] else []), *([row["propagation"]] if row["propagation"] != "rprivate" else [])]  # fmt: skip
    return f"{row['source']} → {row['path']}" + (f" ({', '.join(more)})" if more else "")


def _ulimits_text(rows: Any) -> str:
    return ", ".join(f"{row['name']}={row['soft']}:{row['hard']}" for row in rows or ())


def _limit_text(number: Any) -> str:
    return "unlimited" if number == read.UNLIMITED else words.size_text(number)


VOLUME_OPTION_COLUMNS: Final = (
    Field("name", "text", _("Volume"), _("One of the volumes above."), read=fields.volume_name, required=True),
    Field("driver", "text", _("Driver"), "", "local", shapes.DRIVER),
    Field("options", "text", _("Driver options"), _("NAME=value, separated by blanks."), "", shapes.DRIVER_OPTIONS),
    Field("no_copy", "toggle", _("Starts empty"), _("What the image has there isn't copied into a new volume."), False, fields.toggle),
)  # fmt: skip
BIND_COLUMNS: Final = (
    Field("source", "text", _("On the server"), _("A folder or file that exists."), read=read.server_path, required=True),
    Field("path", "text", _("Path in the container"), read=fields.container_path, required=True),
    Field("read_only", "toggle", _("Read only"), "", False, fields.toggle),
    Field("propagation", "choice", _("Propagation"), "", "rprivate", fields.choice, choices=PROPAGATIONS),
)  # fmt: skip
TMPFS_COLUMNS: Final = (
    Field("path", "text", _("Path in the container"), read=fields.container_path, required=True),
    Field("size", "size", _("Size"), _("Empty: half of the server's memory."), None, fields.size(4096)),
    Field("mode", "text", _("Mode"), _("Such as 1777."), "", shapes.MODE),
    Field("exec", "toggle", _("Programs run"), "", False, fields.toggle),
)  # fmt: skip
NETWORK_COLUMNS: Final = (
    Field("name", "text", _("Network"), _("By its name on the server; made where it doesn't exist."), read=read.network, required=True),
    Field("aliases", "text", _("Names in it"), _("Separated by commas."), "", read.words),
    Field("ipv4", "text", _("IPv4 address"), _("Needs a network with a subnet."), "", read.version(4)),
    Field("ipv6", "text", _("IPv6 address"), "", "", read.version(6)),
)  # fmt: skip
ULIMIT_COLUMNS: Final = (
    Field("name", "choice", _("Limit"), "", "nofile", fields.choice, choices=ULIMITS),
    Field("soft", "integer", _("Soft"), _("-1: none."), read=read.limit, required=True),
    Field("hard", "integer", _("Hard"), _("-1: none."), read=read.limit, required=True),
)  # fmt: skip
RATE_COLUMNS: Final = (
    Field("source", "text", _("Device"), _("Such as /dev/sda."), read=read.server_path, required=True),
    Field("kind", "choice", _("What"), "", "read_bps", fields.choice, choices=RATES),
    Field("rate", "size", _("A second"), _("Bytes, such as 10m, or operations."), read=fields.size(1), required=True),
)  # fmt: skip
DEVICE_COLUMNS: Final = (
    Field("source", "text", _("On the server"), _("Such as /dev/ttyUSB0."), read=read.server_path, required=True),
    Field("path", "text", _("In the container"), _("Empty: the same."), "", fields.container_path),
    Field("permissions", "text", _("Rights"), _("Of r, w, m."), "rwm", shapes.PERMISSIONS),
)  # fmt: skip

OPTIONS: Final = (
    _lifecycle("working_dir", "text", _("Working directory"), _("Empty: the image's own."), "", shapes.WORKING_DIR),
    _lifecycle("init", "toggle", _("A small init as first process"), _("Passes signals on and reaps children."), False),
    _lifecycle("stop_signal", "text", _("Stop signal"), _("Such as SIGINT; empty: the image's own."), "", shapes.SIGNAL),
    _lifecycle("platform", "text", _("Platform"), _("Such as linux/arm64; empty: the server's own."), "", shapes.PLATFORM),
    _hooks("before", "lines", _("Command before"), _("Such as a migration, one argument a line, in a container of its own. It has to end with 0."),
        None, fields.arguments, show=words.arguments_text),
    _hooks("before_on", "choice", _("Runs"), _("Once: the others follow when the first server is done."), "first", fields.choice, choices=_ON),
    _hooks("after", "lines", _("Command after"), _("On each server once the new version serves; its failure is said and fails nothing."),
        None, fields.arguments, show=words.arguments_text),
    _hooks("hook_deadline", "integer", _("Seconds for each command"), _("Then it is stopped."), 600, fields.whole(1, 6 * 3600)),
    _storage("anonymous_volumes", "lines", _("Nameless volumes"), _("Paths in the container, one a line; what is in them is carried over to the next version."),
        None, read.lines(read.path_line)),
    _storage("volume_options", "rows", _("Volume options"), _("Where a volume isn't Docker's plain kind, such as NFS; they matter when it is made."),
        (), fields.rows, admin=True, columns=VOLUME_OPTION_COLUMNS, show=_joined("name", "driver", "options")),
    _storage("binds", "rows", _("Folders of the server"), _("Outside the allowed folders an admin adds them."),
        (), fields.rows, admin=True, columns=BIND_COLUMNS, show=_binds_text),
    _storage("tmpfs", "rows", _("Folders in memory"), _("Empty with each start."), (), fields.rows, columns=TMPFS_COLUMNS, show=read.tmpfs_text),
    _storage("shm_size", "size", _("Size of /dev/shm"), _("Empty: 64m."), None, fields.size(4096), show=words.size_text),
    _storage("read_only", "toggle", _("The image's files are read only"), _("Only volumes and folders in memory can be written."), False),
    _storage("storage_options", "lines", _("Storage options"), _("Of the engine's storage driver, such as size=10g; one a line."),
        None, shapes.STORAGE_OPTION, admin=True),
    _network("network_mode", "choice", _("Network"), "", "", fields.choice, admin=True, choices=NETWORK_MODES),
    _network("networks", "rows", _("Other networks"), _("Of the server, joined besides; the first takes the place of Docker's bridge."),
        (), fields.rows, admin=True, columns=NETWORK_COLUMNS, show=_joined("name", "aliases", "ipv4", "ipv6")),
    _network("hostname", "text", _("Host name"), _("What it calls itself; empty: Docker's."), "", shapes.HOST_NAME),
    _network("domainname", "text", _("Domain name"), "", "", shapes.HOST_NAME),
    _network("extra_hosts", "lines", _("Extra hosts"), _("name:address, one a line; host-gateway stands for the server."),
        None, read.lines(read.extra_host)),
    _network("dns", "lines", _("DNS servers"), _("Addresses, one a line."), None, read.lines(read.address)),
    _network("dns_search", "lines", _("DNS search domains"), _("One a line; a dot alone: none."), None, shapes.SEARCH_DOMAIN),
    _network("dns_options", "lines", _("DNS options"), _("Such as ndots:2, one a line."), None, shapes.RESOLVER_OPTION),
    _network("mac_address", "text", _("MAC address"), "", "", shapes.MAC),
    _resources("memory_reservation", "size", _("Memory it should keep to"), _("Enforced only when the server runs short."),
        None, fields.size(6 * 1024**2), show=words.size_text),
    _resources("memory_swap", "size", _("Memory and swap together"), _("-1: swap without a limit; empty: twice the memory limit."),
        None, read.size_or_unlimited, show=_limit_text),
    _resources("memory_swappiness", "integer", _("Swappiness"), _("0 to 100."), None, fields.whole(0, 100)),
    _resources("pids_limit", "integer", _("Processes at most"), _("-1: no limit."), None, read.between(-1, 2**31 - 1)),
    _resources("cpu_shares", "integer", _("CPU shares"), _("Weight against others where CPUs are short; 1024 is usual."),
        None, fields.whole(2, 262144)),
    _resources("cpu_quota", "integer", _("CPU quota"), _("Microseconds in each period."), None, fields.whole(1000, 10**9)),
    _resources("cpu_period", "integer", _("CPU period"), _("Microseconds, 1000 to 1000000."), None, fields.whole(1000, 10**6)),
    _resources("cpuset_cpus", "text", _("CPUs it may use"), _("Such as 0-3 or 0,2."), "", shapes.CPUSET),
    _resources("cpuset_mems", "text", _("Memory nodes it may use"), _("Such as 0-3 or 0,2."), "", shapes.CPUSET),
    _resources("blkio_weight", "integer", _("Disk weight"), _("10 to 1000."), None, fields.whole(10, 1000)),
    _resources("ulimits", "rows", _("Process limits"), "", (), fields.rows, columns=ULIMIT_COLUMNS, show=_ulimits_text),
    _resources("device_rates", "rows", _("Disk rates"), "", (), fields.rows, columns=RATE_COLUMNS, show=_joined("source", "kind", "rate")),
    _resources("oom_score_adj", "integer", _("Preference when memory runs out"), _("-1000: ended last, 1000: first."),
        None, read.between(-1000, 1000), admin=True),
    _resources("oom_kill_disable", "toggle", _("Never ended for want of memory"), "", False, admin=True),
    _resources("gpus", "text", _("Graphics cards"), _("all, a number, or device=0,1."), "", read.gpus, admin=True),
    _rights("group_add", "lines", _("Further groups"), _("Of the user in the container, one a line."), None, shapes.GROUP),
    _rights("cap_drop", "lines", _("Capabilities taken"), _("Such as NET_RAW or ALL, one a line."), None, shapes.CAPABILITY),
    _rights("cap_add", "lines", _("Capabilities given"), _("Such as NET_ADMIN, one a line."), None, shapes.CAPABILITY, admin=True),
    _rights("security_opt", "lines", _("Security options"), _("Such as no-new-privileges:true, one a line."),
        None, shapes.SECURITY_OPTION, admin=True),
    _rights("sysctls", "lines", _("Kernel settings"), _("NAME=value, such as net.core.somaxconn=1024; one a line."), None, shapes.SYSCTL, admin=True),
    _rights("privileged", "toggle", _("Privileged"), _("Every right on the server."), False, admin=True),
    _rights("devices", "rows", _("Devices"), "", (), fields.rows, admin=True, columns=DEVICE_COLUMNS, show=_joined("source", "path", "permissions")),
    _rights("device_cgroup_rules", "lines", _("Device rules"), _("Such as c 189:* rmw, one a line."), None, shapes.DEVICE_RULE, admin=True),
    _rights("pid_mode", "choice", _("Processes seen"), "", "", fields.choice, admin=True, choices=_HOST),
    _rights("ipc_mode", "choice", _("Shared memory"), "", "", fields.choice, admin=True, choices=_IPC),
    _rights("uts_mode", "choice", _("Host name's namespace"), "", "", fields.choice, admin=True, choices=_HOST),
    _rights("userns_mode", "choice", _("User namespace"), "", "", fields.choice, admin=True, choices=_HOST),
    _rights("cgroupns_mode", "choice", _("Control groups seen"), "", "", fields.choice, admin=True, choices=_CGROUPNS),
    _rights("cgroup_parent", "text", _("Control group above it"), "", "", shapes.CGROUP, admin=True),
    _rights("runtime", "text", _("Runtime"), _("As the engine calls it, such as runsc or nvidia."), "", shapes.RUNTIME, admin=True),
    _logging("log_driver", "choice", _("Log driver"), _("A driver that sends lines elsewhere is an admin's to choose."),
        "", fields.choice, admin=True, choices=_DRIVERS),
    _logging("log_options", "lines", _("Log options"), _("NAME=value, such as max-size=10m; one a line."), None, shapes.LOG_OPTION),
    _logging("labels", "lines", _("Labels"), _("NAME=value, one a line."), None, read.lines(read.label)),
    _logging("annotations", "lines", _("Annotations"), _("NAME=value for the runtime, one a line; Docker 24 and later."),
        None, shapes.ANNOTATION, admin=True),
)  # fmt: skip
