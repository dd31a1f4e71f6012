"""`.estiva.yml`: what a repository itself may say about how it is built and reached.

Only what is safe to keep in code: build settings, ports and the health check. Everything else, and every value that can't be, is
refused with its line. `REFERENCE` says what there is; docs/estiva-yml.md is checked against it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from deployments import build_settings, container_settings
from deployments.errors import FieldErrors
from deployments.setting_fields import Field
from deployments.short_forms import ShortFormError, read_port
from deployments.yaml_lines import Node, Problem, YamlError, read_yaml

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

NAMES: Final = (".estiva.yml", ".estiva.yaml")
MOST_CHARACTERS: Final = 32_000
# Not submodules: whoever can push would choose what the repository's credential is used for
BUILD_NAMES: Final = ("subdirectory", "dockerfile", "target", "args", "platform")

_BUILD: Final = {each.name: each for each in build_settings.FIELDS if each.name in BUILD_NAMES}
_HEALTH: Final = {each.name: each for each in container_settings.HEALTH_FIELDS}
_PORT: Final = {each.name: each for each in container_settings.PORT_COLUMNS}
_ANY_PORT: Final = ({"container_port": 1},)

REFERENCE: Final[Mapping[str, Mapping[str, Field]]] = {"build": _BUILD, "ports": _PORT, "health": _HEALTH}
"""Every name that may be used, by the part it belongs to."""

_ELSEWHERE: Final = _("This is set in Estiva, by who may; the file can hold build, ports and health.")
_MAP: Final = _("Write names and values under it, such as path: /healthz.")
_LIST: Final = _("Write a list: one a line, each with a dash in front.")


class EstivaFileError(YamlError):
    """The file is refused; `problems` are all that was found, each with line, column and message."""


@dataclass(frozen=True, slots=True)
class EstivaFile:
    """Only what was said: `build` for `build_settings.normalise`, `settings` (ports, health) for `container_settings.normalise`."""

    build: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)


def read(text: str) -> EstivaFile:
    """Read the file; a text with nothing but comments says nothing. EstivaFileError."""
    if not any(line.strip() and not line.lstrip().startswith("#") for line in text.removeprefix("\ufeff").splitlines()):
        return EstivaFile()
    try:
        root = read_yaml(text, MOST_CHARACTERS)
    except YamlError as error:
        raise EstivaFileError(error.problems) from None
    reader = _Reader()
    for name, node in root.entries.items():
        part = _PARTS.get(name)
        if part is None:
            reader.refuse_key(root, name, _known_elsewhere(name, tuple(_PARTS)))
        elif node.kind != "null":
            part(reader, node)
    if reader.problems:
        raise EstivaFileError(sorted(reader.problems, key=lambda each: (each.line, each.column)))
    return EstivaFile(reader.build, reader.settings)


def _known_elsewhere(name: str, here: Sequence[str]) -> "str | StrPromise":
    """Why a name can't be used: it is a setting of Estiva's own, or there is none of that name."""
    others = {each.name for each in (*container_settings.FIELDS, *build_settings.FIELDS)} | {
        "image",
        "environment",
        "variables",
        "secrets",
    }
    if name in others:
        return _ELSEWHERE
    return format_lazy(_("There is no “{name}” here. There is: {names}."), name=name, names=", ".join(here))


class _Reader:
    """What was read so far, and what was wrong."""

    def __init__(self) -> None:
        self.build: dict[str, Any] = {}
        self.settings: dict[str, Any] = {}
        self.problems: list[Problem] = []

    def refuse(self, node: Node, message: "str | StrPromise") -> None:
        self.problems.append(Problem(node.line, node.column, message))

    def refuse_key(self, parent: Node, name: str, message: "str | StrPromise") -> None:
        self.problems.append(Problem(*parent.keys[name], message))

    def group(self, node: Node, fields: Mapping[str, Field]) -> dict[str, Any]:
        """The scalars under a name, by the names that `fields` has."""
        if node.kind != "map":
            self.refuse(node, _MAP)
            return {}
        found: dict[str, Any] = {}
        for name, each in node.entries.items():
            if name not in fields:
                self.refuse_key(node, name, _known_elsewhere(name, tuple(fields)))
            elif each.kind == "list" and fields[name].kind == "lines" and all(word.is_scalar for word in each.items):
                found[name] = [word.text for word in each.items]
            elif each.kind in {"list", "map"} and name != "args":
                self.refuse(each, _("Write a single value here."))
            elif each.kind != "null":
                found[name] = each.plain()
        return found

    def take_refusals(self, node: Node, refused: FieldErrors, within: str = "") -> None:
        """The domain's sentences, at the lines their dotted paths lead to."""
        for path, texts in refused.errors.items():
            place = _at(node, path.removeprefix(within).split(".")) if path.startswith(within) else node
            for text in texts:
                self.refuse(place, text)


def _at(node: Node, path: list[str]) -> Node:
    """The node as far down the path as there is one."""
    for step in path:
        if step in node.entries:
            node = node.entries[step]
        elif step.isdecimal() and int(step) < len(numbered := node.items or tuple(node.entries.values())):
            node = numbered[int(step)]
        else:
            break
    return node


def _take_build(reader: _Reader, node: Node) -> None:
    found = reader.group(node, _BUILD)
    if "args" in found:
        found["args"] = _arguments(reader, node.entries["args"])
    for name, value in found.items():
        try:
            build_settings.normalise({name: value})
        except FieldErrors as refused:
            reader.take_refusals(node, refused)
        else:
            reader.build[name] = value


def _arguments(reader: _Reader, node: Node) -> list[dict[str, Any]]:
    """`NAME: value` or a list of `NAME=value`, as compose files have it."""
    rows: list[dict[str, Any]] = []
    if node.kind == "map":
        for name, each in node.entries.items():
            if each.is_scalar:
                rows.append({"name": name, "value": each.text})
            else:
                reader.refuse_key(node, name, _("Write the argument's value here; for an empty one write ''."))
        return rows
    if node.kind != "list":
        reader.refuse(node, _("Write NAME: value under it, one a line."))
    for each in node.items:
        name, equals, value = each.text.partition("=")
        if each.is_scalar and equals:
            rows.append({"name": name, "value": value})
        else:
            reader.refuse(each, _("Write NAME=value."))
    return rows


def _take_ports(reader: _Reader, node: Node) -> None:
    if node.kind != "list":
        reader.refuse(node, _LIST)
        return
    rows: list[dict[str, Any]] = []
    origin: list[Node] = []
    for each in node.items:
        found = _port(reader, each)
        rows.extend(found)
        origin.extend([each] * len(found))
    try:
        container_settings.normalise({"ports": rows})
    except FieldErrors as refused:
        # A range is several rows of one line, so the rows' numbers are not the lines'.
        as_written = Node("list", node.line, node.column, items=tuple(origin))
        reader.take_refusals(as_written, refused, "ports.")
    else:
        reader.settings["ports"] = rows


def _port(reader: _Reader, node: Node) -> list[dict[str, Any]]:
    if node.kind == "map":
        return [reader.group(node, _PORT)]
    if not node.is_scalar:
        reader.refuse(node, _("Write a port such as 8080:80, or container_port: 80 and host_port: 8080."))
        return []
    try:
        return read_port(node.text)
    except ShortFormError as error:
        reader.refuse(node, error.message)
        return []


def _take_health(reader: _Reader, node: Node) -> None:
    found = reader.group(node, _HEALTH)
    # Ports may be set in Estiva instead, so the check is judged as if there were one.
    try:
        container_settings.normalise({"ports": _ANY_PORT, "health": found})
    except FieldErrors as refused:
        reader.take_refusals(node, refused, "health.")
    else:
        reader.settings["health"] = found


_PARTS: Final[dict[str, Callable[[_Reader, Node], None]]] = {
    "build": _take_build,
    "ports": _take_ports,
    "health": _take_health,
}
