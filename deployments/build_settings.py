"""How a Placement's image is built from its repository: which settings there are, as `container_settings` has a container's."""

from collections.abc import Mapping
from typing import Any, Final

from django.utils.translation import gettext_lazy as _

from deployments import build_fields as read
from deployments import setting_fields as fields
from deployments import setting_words
from deployments.errors import FieldErrors
from deployments.setting_fields import Errors, Field

Change = dict[str, str]

DOCKERFILE: Final = "Dockerfile"
DEFAULT_REF: Final = "main"


def _args_text(rows: Any) -> str:
    return ", ".join(f"{row['name']}={row['value']}" for row in rows)


def _secrets_text(rows: Any) -> str:
    return ", ".join(f"{row['id']} from {row['variable']}" for row in rows)


def _lines_text(value: Any) -> str:
    return f"{len(value.splitlines())} lines" if value else ""


ARGUMENT_COLUMNS: Final = (
    Field("name", "text", _("Argument"), read=read.argument_name, required=True),
    Field("value", "text", _("Value"), "", "", read.text),
)
SECRET_COLUMNS: Final = (
    Field("id", "text", _("Id in the Dockerfile"), read=read.secret_id, required=True),
    Field("variable", "text", _("Secret variable"), _("The name of one of the secrets."), "", read.argument_name, required=True),
)  # fmt: skip
FIELDS: Final = (
    Field("ref", "text", _("Branch, tag or commit"), "", DEFAULT_REF, read.ref),
    Field("subdirectory", "text", _("Folder"), _("Of the repository, that is built; empty: all of it."), "", read.tree_path),
    Field("dockerfile", "text", _("Dockerfile"), _("Its path in that folder."), DOCKERFILE, read.tree_path),
    Field("dockerfile_text", "lines", _("Dockerfile kept here"), _("Used instead of the repository's; empty: none."), "", read.file_text, show=_lines_text),
    Field("target", "text", _("Stage"), _("Empty: the last one."), "", read.stage),
    Field("args", "rows", _("Build arguments"), _("No secrets: they show in the image."), (), fields.rows, columns=ARGUMENT_COLUMNS, show=_args_text),
    Field("secrets", "rows", _("Build secrets"), _("For RUN --mount=type=secret."), (), fields.rows, columns=SECRET_COLUMNS, show=_secrets_text),
    Field("platform", "text", _("Platform"), _("Empty: the builder's own."), "", read.platform),
    Field("submodules", "toggle", _("Submodules"), "", False, fields.toggle),
    Field("lfs", "toggle", _("Git LFS files"), _("Fetched where the repository has some."), True, fields.toggle),
    Field("push_to", "text", _("Push to"), _("Such as registry.example.com/team/shop; empty: straight to the servers."), "", read.image_name),
    Field("memory", "size", _("Memory of a build"), _("Such as 1g; empty: no limit."), None, fields.size(64 * 1024**2), show=setting_words.size_text),
    Field("cpus", "decimal", _("CPUs of a build"), _("Such as 0.5 or 2; empty: no limit."), None, fields.decimal(0.05, 1024)),
    Field("deadline", "integer", _("Seconds to build in"), "", 1800, fields.whole(10, 6 * 3600)),
)  # fmt: skip


def defaults() -> dict[str, Any]:
    """The build settings about which nothing was said."""
    return normalise({})


def normalise(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Read settings given as text, numbers or lists; whatever this returns it takes again unchanged.

    Raises FieldErrors with dotted paths (`args.0.name`).
    """
    errors: Errors = {}
    settings = fields.read_all(FIELDS, raw, "", errors)
    _refuse_repeated(settings, "args", "name", errors)
    _refuse_repeated(settings, "secrets", "id", errors)
    if errors:
        raise FieldErrors(errors)
    return settings


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """The settings that differ, as `{"kind": "build", "name", "before", "after"}` in words."""
    before = setting_words.describe(FIELDS, old) if old else {}
    after = setting_words.describe(FIELDS, new) if new else {}
    return [
        {"kind": "build", "name": name, "before": before.get(name, ""), "after": after.get(name, "")}
        for name in dict.fromkeys((*after, *before))
        if before.get(name, "") != after.get(name, "")
    ]


def describe(settings: Mapping[str, Any]) -> dict[str, str]:
    """Every setting by its label, in words."""
    return setting_words.describe(FIELDS, settings)


def _refuse_repeated(settings: Mapping[str, Any], rows: str, column: str, errors: Errors) -> None:
    seen: set[Any] = set()
    for number, row in enumerate(settings[rows]):
        if not isinstance(row[column], str):
            continue  # refused already: a program may send anything
        if row[column] in seen:
            fields.refuse(errors, f"{rows}.{number}.{column}", _("This is in another row already."))
        seen.add(row[column])
