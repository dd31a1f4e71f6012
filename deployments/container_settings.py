"""The settings of a container: which there are, what is allowed, what they look like in words.

`FIELDS` is the one table, `container_options` its longer part: a new option is one row there, one field of the engine's
`Options` and one line where its request is made. `normalise` turns what a form, an import or a program gives into the
shape that is stored; whatever it returns it takes again unchanged.
"""

from collections.abc import Mapping
from typing import Any, Final

from django.utils.translation import gettext_lazy as _

from deployments import option_fields, setting_words
from deployments import setting_fields as fields
from deployments.container_options import OPTIONS
from deployments.errors import FieldErrors
from deployments.setting_checks import check_together
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
    ("command", _("A command in it that ends well")),
    ("running", _("It keeps running")),
)
PROTOCOLS: Final = (("tcp", "TCP"), ("udp", "UDP"))

PORT_COLUMNS: Final = (
    Field(
        "container_port",
        "integer",
        _("Container port"),
        _("Or a range, such as 80-90."),
        read=option_fields.port,
        required=True,
    ),
    Field("host_port", "integer", _("Server port"), _("Empty: Docker chooses a free one."), None, option_fields.port),
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
    Field(
        "command",
        "lines",
        _("Check command"),
        _("One argument a line; run in the container, by no shell. It ends with 0 when all is well."),
        None,
        fields.arguments,
        when=("command",),
        show=setting_words.arguments_text,
        sparse=True,
    ),
    Field("status_min", "integer", _("Status from"), "", 200, fields.whole(100, 599), when=("http",)),
    Field("status_max", "integer", _("Status to"), "", 399, fields.whole(100, 599), when=("http",)),
    Field(
        "interval",
        "decimal",
        _("Seconds between checks"),
        "",
        1.0,
        fields.decimal(0.1, 300),
        when=("http", "tcp", "command"),
    ),
    Field(
        "timeout",
        "decimal",
        _("Seconds to wait for an answer"),
        "",
        3.0,
        fields.decimal(0.1, 300),
        when=("http", "tcp", "command"),
    ),
    Field("passes", "integer", _("Good answers in a row"), "", 2, fields.whole(1, 100), when=("http", "tcp")),
    Field(
        "start_period",
        "decimal",
        _("Seconds to start in"),
        _("Failures before that don't count."),
        0.0,
        fields.decimal(0, 3600),
        when=("http", "tcp", "command"),
    ),
    Field(
        "retries",
        "integer",
        _("Failures in a row until it is unhealthy"),
        _("Empty: 3."),
        None,
        fields.whole(1, 1000),
        when=("command",),
        sparse=True,
    ),
    Field(
        "deadline",
        "decimal",
        _("Give up after seconds"),
        _("Then the version before serves again."),
        60.0,
        fields.decimal(1, 3600),
        when=("image", "http", "tcp", "command"),
    ),
    Field(
        "no_image_check",
        "toggle",
        _("The image's own check is off"),
        _("Docker doesn't run it then."),
        False,
        fields.toggle,
        when=("http", "tcp", "running"),
        sparse=True,
    ),
    Field("run_seconds", "decimal", _("Seconds it has to run"), "", 5.0, fields.decimal(0.1, 3600), when=("running",)),
)
FIELDS: Final = (
    Field("ports", "rows", _("Ports"), _("Published on the server."),
        (), fields.rows, columns=PORT_COLUMNS, show=setting_words.ports_text, section="ports"),
    Field("volumes", "rows", _("Volumes"), _("Data that outlives a container."),
        (), fields.rows, columns=VOLUME_COLUMNS, show=setting_words.volumes_text, section="storage"),
    Field("command", "lines", _("Command"), _("One argument a line; empty: the image's own."),
        None, fields.arguments, show=setting_words.arguments_text, section="lifecycle"),
    Field("entrypoint", "lines", _("Entrypoint"), _("One argument a line; empty: the image's own."),
        None, fields.arguments, show=setting_words.arguments_text, section="lifecycle"),
    Field("restart", "choice", _("Restart"), _("What Docker does when it ends or the server starts again."),
        "unless-stopped", fields.choice, choices=RESTARTS, section="lifecycle"),
    Field("restart_retries", "integer", _("Restarts at most"), _("0: no limit."), 0, fields.whole(0, 1000), section="lifecycle"),
    Field("memory", "size", _("Memory limit"), _("Such as 512m or 2g; empty: none."),
        None, fields.size(6 * 1024**2), show=setting_words.size_text, section="resources"),
    Field("cpus", "decimal", _("CPU limit"), _("Such as 0.5 or 2; empty: none."), None, fields.decimal(0.01, 1024), section="resources"),
    Field("stop_timeout", "integer", _("Seconds to stop in"), _("Between being asked and being killed."),
        10, fields.whole(0, 3600), section="lifecycle"),
    Field("user", "text", _("User"), _("Name or number, also user:group; empty: the image's own."), "", fields.user, section="rights"),
    Field("network_aliases", "lines", _("Names in the network"), _("Others reach it by these; one a line."), (), fields.names, section="network"),
    Field("health", "group", _("Health"), _("Decides whether a version may stay."), read=fields.group, columns=HEALTH_FIELDS, section="health"),
    *OPTIONS,
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
        check_together(settings, errors)
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


def label(name: str) -> str:
    """What a setting is called; the name itself where it is none."""
    return next((str(field.label) for field in FIELDS if field.name == name), name)


def describe(settings: Mapping[str, Any]) -> dict[str, str]:
    """Every setting by its label, in words; options about which nothing was said are left out."""
    said = [field for field in FIELDS if not field.sparse or field.name in settings]
    return setting_words.describe(said, settings)
