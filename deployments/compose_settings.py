"""What a Placement of a Compose application is brought up from: which settings there are, as `build_settings` has a build's.

What the containers are like stands in the Compose file itself; it is read by the worker, with the server's own Compose.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from deployments import build_fields as read
from deployments import setting_fields as fields
from deployments import setting_words
from deployments.errors import FieldErrors
from deployments.setting_fields import Errors, Field
from deployments.yaml_lines import YamlError, read_yaml

Change = dict[str, str]

LONGEST: Final = 256_000  # characters of a pasted file
DEFAULT_REF: Final = "main"
LOOKED_FOR: Final = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
"""Where Compose itself looks, in its order, when no file is named."""

_PROFILE: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,99}")
_MOST: Final = 20


def _several(value: Any, path: str, errors: Errors) -> list[str]:
    given = re.split(r"[\s,]+" if path.endswith("profiles") else r"[\r\n]+", value) if isinstance(value, str) else value
    if not isinstance(given, list | tuple) or not all(isinstance(each, str) for each in given):
        fields.refuse(errors, path, _("Write one a line."))
        return []
    kept = list(dict.fromkeys(each.strip() for each in given if each.strip()))
    if len(kept) > _MOST:
        fields.refuse(errors, path, _t("Name at most %(most)s.") % {"most": _MOST})
    return kept[:_MOST]


def _paths(value: Any, path: str, field: Field, errors: Errors) -> Any:
    found = [
        read.tree_path(each, f"{path}.{number}", field, errors)
        for number, each in enumerate(_several(value, path, errors))
    ]
    return [each for each in found if isinstance(each, str)]


def _profiles(value: Any, path: str, field: Field, errors: Errors) -> Any:
    found = _several(value, path, errors)
    for number, each in enumerate(found):
        if not _PROFILE.fullmatch(each):
            fields.refuse(errors, f"{path}.{number}", _("Use letters, digits, “_”, “.” and “-”."))
    return found


def _pasted(value: Any, path: str, field: Field, errors: Errors) -> Any:
    """Anything that has a service; whether it is right, Compose itself says."""
    text = value.replace("\r\n", "\n") if isinstance(value, str) else ""
    if not text.strip():
        return ""
    if "\x00" in text:
        fields.refuse(errors, path, _("A file can't contain a NUL character."))
        return text
    try:
        root = read_yaml(text, LONGEST)
    except YamlError as error:
        for problem in error.problems:
            fields.refuse(errors, path, str(problem))
        return text
    services = root.entries.get("services") if root.kind == "map" else None
    if services is None or services.kind != "map" or not services.entries:
        fields.refuse(
            errors, path, _("There is no service in it: the line “services:” and a service below it are needed.")
        )
    return text


def _lines_text(value: Any) -> str:
    return _t("%(n)s lines") % {"n": len(value.splitlines())} if value else ""


FIELDS: Final = (
    Field("ref", "text", _("Branch, tag or commit"), "", DEFAULT_REF, read.ref),
    Field("files", "lines", _("Compose files"), _("In the repository, one a line, later over earlier ones; empty: compose.yaml or the like."), (), _paths),
    Field("text", "lines", _("Compose file kept here"), _("Used instead of the repository's; empty: none."), "", _pasted, show=_lines_text),
    Field("profiles", "lines", _("Profiles"), _("One a line. Services without a profile always run; empty: only those."), (), _profiles),
    Field("wait_seconds", "integer", _("Seconds to become healthy in"), _("For all services together."), 120, fields.whole(1, 3600)),
    Field("settle_seconds", "decimal", _("Seconds to stay so"), _("Before the deploy counts as good."), 3.0, fields.decimal(0, 600)),
    Field("submodules", "toggle", _("Submodules"), "", False, fields.toggle),
    Field("lfs", "toggle", _("Git LFS files"), _("Fetched where the repository has some."), True, fields.toggle),
    Field("memory", "size", _("Memory of a build"), _("Such as 1g; empty: no limit."), None, fields.size(64 * 1024**2), show=setting_words.size_text),
    Field("cpus", "decimal", _("CPUs of a build"), _("Such as 0.5 or 2; empty: no limit."), None, fields.decimal(0.05, 1024)),
    Field("deadline", "integer", _("Seconds to build in"), _("For each service that is built."), 1800, fields.whole(10, 6 * 3600)),
)  # fmt: skip


def defaults() -> dict[str, Any]:
    """The settings about which nothing was said."""
    return normalise({})


def normalise(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Read settings given as text, numbers or lists; whatever this returns it takes again unchanged.

    Raises FieldErrors with dotted paths (`files.0`).
    """
    errors: Errors = {}
    settings = fields.read_all(FIELDS, raw, "", errors)
    if errors:
        raise FieldErrors(errors)
    return {name: list(value) if isinstance(value, tuple) else value for name, value in settings.items()}


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """The settings that differ, as `{"kind": "compose", "name", "before", "after"}` in words."""
    before = setting_words.describe(FIELDS, old) if old else {}
    after = setting_words.describe(FIELDS, new) if new else {}
    return [
        {"kind": "compose", "name": name, "before": before.get(name, ""), "after": after.get(name, "")}
        for name in dict.fromkeys((*after, *before))
        if before.get(name, "") != after.get(name, "")
    ]


def describe(settings: Mapping[str, Any]) -> dict[str, str]:
    """Every setting by its label, in words."""
    return setting_words.describe(FIELDS, settings)
