"""The settings of a container: which there are, what is allowed, what they look like in words.

`FIELDS` is the one table: a new option is one row here and one line where the worker builds its spec. `normalise` turns what
a form, an import or a program gives into the shape that is stored; whatever it returns it takes again unchanged.
"""

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any, Final

from django.utils.translation import gettext_lazy as _

from deployments import setting_fields as fields
from deployments import setting_words
from deployments.errors import FieldErrors
from deployments.setting_fields import Errors, Field

Change = dict[str, str]

ANY_ADDRESS: Final = "0.0.0.0"  # noqa: S104 - Docker's own default, shown to the person
RESTARTS: Final = (
    ("unless-stopped", _("Unless stopped by hand")),
    ("always", _("Always")),
    ("on-failure", _("When it fails")),
    ("no", _("Never")),
)
HEALTH_KINDS: Final = (
    ("image", _("The image's own check")),
    ("http", _("An HTTP answer")),
    ("tcp", _("A TCP port that accepts")),
    ("running", _("It keeps running")),
)
PROTOCOLS: Final = (("tcp", "TCP"), ("udp", "UDP"))

PORT_COLUMNS: Final = (
    Field("container_port", "integer", _("Container port"), read=fields.whole(1, 65535), required=True),
    Field(
        "host_port", "integer", _("Server port"), _("Empty: Docker chooses a free one."), None, fields.whole(1, 65535)
    ),
    Field(
        "host_address", "text", _("Server address"), _("0.0.0.0 listens on every address."), ANY_ADDRESS, fields.address
    ),
    Field("protocol", "choice", _("Protocol"), "", "tcp", fields.choice, choices=PROTOCOLS),
)
VOLUME_COLUMNS: Final = (
    Field(
        "name",
        "text",
        _("Volume"),
        _("Made where it doesn't exist; never removed."),
        read=fields.volume_name,
        required=True,
    ),
    Field("path", "text", _("Path in the container"), read=fields.container_path, required=True),
    Field("read_only", "toggle", _("Read only"), "", False, fields.toggle),
)
HEALTH_FIELDS: Final = (
    Field("kind", "choice", _("Counts as healthy when"), "", "running", fields.choice, choices=HEALTH_KINDS),
    Field(
        "path",
        "text",
        _("Path"),
        _("Asked with GET inside the container's network."),
        "/",
        fields.url_path,
        when=("http",),
    ),
    Field(
        "port",
        "integer",
        _("Port"),
        _("Empty: the first port above."),
        None,
        fields.whole(1, 65535),
        when=("http", "tcp"),
    ),
    Field("status_min", "integer", _("Status from"), "", 200, fields.whole(100, 599), when=("http",)),
    Field("status_max", "integer", _("Status to"), "", 399, fields.whole(100, 599), when=("http",)),
    Field("interval", "decimal", _("Seconds between checks"), "", 1.0, fields.decimal(0.1, 300), when=("http", "tcp")),
    Field(
        "timeout",
        "decimal",
        _("Seconds to wait for an answer"),
        "",
        3.0,
        fields.decimal(0.1, 300),
        when=("http", "tcp"),
    ),
    Field("passes", "integer", _("Good answers in a row"), "", 2, fields.whole(1, 100), when=("http", "tcp")),
    Field(
        "start_period",
        "decimal",
        _("Seconds to start in"),
        _("Failures before that don't count."),
        0.0,
        fields.decimal(0, 3600),
        when=("http", "tcp"),
    ),
    Field(
        "deadline",
        "decimal",
        _("Give up after seconds"),
        _("Then the version before serves again."),
        60.0,
        fields.decimal(1, 3600),
        when=("image", "http", "tcp"),
    ),
    Field("run_seconds", "decimal", _("Seconds it has to run"), "", 5.0, fields.decimal(0.1, 3600), when=("running",)),
)
FIELDS: Final = (
    Field("ports", "rows", _("Ports"), _("Published on the server."), (), fields.rows, columns=PORT_COLUMNS, show=setting_words.ports_text),
    Field("volumes", "rows", _("Volumes"), _("Data that outlives a container."), (), fields.rows, columns=VOLUME_COLUMNS, show=setting_words.volumes_text),
    Field("command", "lines", _("Command"), _("One argument a line; empty: the image's own."), None, fields.arguments, show=setting_words.arguments_text),
    Field("entrypoint", "lines", _("Entrypoint"), _("One argument a line; empty: the image's own."), None, fields.arguments, show=setting_words.arguments_text),
    Field("restart", "choice", _("Restart"), _("What Docker does when it ends or the server starts again."), "unless-stopped", fields.choice, choices=RESTARTS),
    Field("restart_retries", "integer", _("Restarts at most"), _("0: no limit."), 0, fields.whole(0, 1000)),
    Field("memory", "size", _("Memory limit"), _("Such as 512m or 2g; empty: none."), None, fields.size(6 * 1024**2), show=setting_words.size_text),
    Field("cpus", "decimal", _("CPU limit"), _("Such as 0.5 or 2; empty: none."), None, fields.decimal(0.01, 1024)),
    Field("stop_timeout", "integer", _("Seconds to stop in"), _("Between being asked and being killed."), 10, fields.whole(0, 3600)),
    Field("user", "text", _("User"), _("Name or number, also user:group; empty: the image's own."), "", fields.user),
    Field("network_aliases", "lines", _("Names in the network"), _("Others reach it by these; one a line."), (), fields.names),
    Field("health", "group", _("Health"), _("Decides whether a version may stay."), read=fields.group, columns=HEALTH_FIELDS),
)  # fmt: skip


def defaults() -> dict[str, Any]:
    """The settings of a Placement about which nothing was said."""
    return normalise({})


def normalise(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Read settings given as text, numbers or lists; what is missing becomes the default.

    Raises FieldErrors with dotted paths (`ports.0.host_port`, `health.path`) for everything that can't be.
    """
    errors: Errors = {}
    settings = fields.read_all(FIELDS, raw, "", errors)
    if not errors:
        _check_together(settings, errors)
    if errors:
        raise FieldErrors(errors)
    return settings


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """The settings that differ, as `{"kind": "setting", "name", "before", "after"}` in words."""
    before, after = setting_words.describe(FIELDS, old), setting_words.describe(FIELDS, new)
    return [
        {"kind": "setting", "name": name, "before": before.get(name, ""), "after": after.get(name, "")}
        for name in dict.fromkeys((*after, *before))
        if before.get(name, "") != after.get(name, "")
    ]


def describe(settings: Mapping[str, Any]) -> dict[str, str]:
    """Every setting by its label, in words."""
    return setting_words.describe(FIELDS, settings)


def privileged_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """The names of changed settings that only an admin may change."""
    return [field.name for field in FIELDS if field.privileged and old.get(field.name) != new.get(field.name)]


def _check_together(settings: dict[str, Any], errors: Errors) -> None:
    _refuse_port_clashes(settings["ports"], errors)
    _refuse_repeated(settings["volumes"], "path", "volumes", errors)
    _check_health(settings, errors)


def _check_health(settings: dict[str, Any], errors: Errors) -> None:
    health = settings["health"]
    if health["kind"] in {"http", "tcp"} and health["port"] is None:
        tcp = [port["container_port"] for port in settings["ports"] if port["protocol"] == "tcp"]
        if not tcp:
            fields.refuse(errors, "health.port", _("Say which port to ask, since no TCP port is published."))
        else:
            health["port"] = tcp[0]
    if health["status_min"] > health["status_max"]:
        fields.refuse(errors, "health.status_max", _("This is below the lowest status."))
    if health["kind"] in {"http", "tcp"} and health["start_period"] >= health["deadline"]:
        fields.refuse(errors, "health.deadline", _("Give up later than the seconds it may start in."))


def _refuse_repeated(rows: Sequence[Mapping[str, Any]], column: str, path: str, errors: Errors) -> None:
    """The same value in two rows."""
    seen: set[Any] = set()
    for number, row in enumerate(rows):
        if row[column] in seen:
            fields.refuse(errors, f"{path}.{number}.{column}", _("This is in another row already."))
        seen.add(row[column])


def _refuse_port_clashes(ports: Sequence[Mapping[str, Any]], errors: Errors) -> None:
    """Two rows that want the same port of the server; 0.0.0.0 and :: want it on every address."""
    for number, port in enumerate(ports):
        for other in ports[:number]:
            if (
                port["host_port"] is not None
                and (port["host_port"], port["protocol"]) == (other["host_port"], other["protocol"])
                and _overlap(port["host_address"], other["host_address"])
            ):
                fields.refuse(
                    errors, f"ports.{number}.host_port", _("Another row takes this port of the server already.")
                )


def _overlap(one: str, other: str) -> bool:
    first, second = ipaddress.ip_address(one), ipaddress.ip_address(other)
    return first == second or (first.version == second.version and (first.is_unspecified or second.is_unspecified))
