"""A pasted compose file, read as services that could each be taken over as one container.

Nothing is replaced (`${NAME}` is listed) and nothing is lost: each key comes to a setting, or to a note with its line. Deploying
a compose file as a whole is another thing; here its values only fill a form.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from django.utils.translation import gettext_lazy as _

from deployments.compose_draft import ServiceDraft
from deployments.compose_service import take_service
from deployments.run_line.result import Build, Note, Variable, bearable
from deployments.settings_draft import Effort
from deployments.yaml_lines import Node, Problem, YamlError, read_yaml

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

MOST_CHARACTERS: Final = 64_000
_MOST_SERVICES: Final = 100

_V1: Final = _(
    "The line “services:” is missing: this is the form that Compose gave up in 2017. Indent all of it under services:."
)
_TOP: Final[dict[str, "StrPromise"]] = {
    "configs": _("Estiva has no configs: put the file in the image."),
    "include": _("Files beside this one can't be seen here. Paste what they say."),
    "networks": _("Estiva makes its networks itself: containers with “Names in the network” reach each other."),
    "secrets": _("Keep them as secret variables of the application."),
}
_TOP_LEFT_OUT: Final[dict[str, "StrPromise"]] = {
    "name": _("Estiva names containers after application and environment."),
    "version": _("Compose itself no longer looks at it."),
}


@dataclass(frozen=True, slots=True)
class ComposeService:
    """One service. `settings` always is what `container_settings.normalise` takes; `image` is as written, "" where it is built."""

    name: str
    line: int
    image: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    variables: tuple[Variable, ...] = ()
    build: Build | None = None
    not_understood: tuple[Note, ...] = ()
    left_out: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class ComposePaste:
    """The services in the order written; `notes` are about the file as a whole."""

    services: tuple[ComposeService, ...]
    notes: tuple[Note, ...] = ()
    left_out: tuple[Note, ...] = ()

    def service(self, name: str) -> ComposeService | None:
        """The one of this name."""
        return next((each for each in self.services if each.name == name), None)


def read_compose(text: str) -> ComposePaste:
    """Read a compose file; YamlError with every problem where it is none."""
    root = read_yaml(text, MOST_CHARACTERS)
    services = _services(root)
    notes: list[Note] = []
    left_out: list[Note] = []
    for key, place in root.keys.items():
        if key in {"services", "volumes"}:
            continue
        if key in _TOP_LEFT_OUT or key.startswith("x-"):
            left_out.append(Note(key, str(_TOP_LEFT_OUT.get(key, _("Compose itself doesn't look at it."))), place[0]))
        else:
            notes.append(Note(key, str(_TOP.get(key, _("There is no such part of a compose file."))), place[0]))
    volumes = _volume_names(root, notes)
    several = len(services.entries) > 1
    effort = Effort()
    found = [_service(name, services, volumes, effort, several=several) for name in services.entries]
    return ComposePaste(tuple(found), bearable(notes), bearable(left_out))


def _services(root: Node) -> Node:
    services = root.entries.get("services")
    if services is None:
        looks_old = any({"image", "build"} & each.entries.keys() for each in root.entries.values())
        raise YamlError([Problem(root.line, root.column, _V1 if looks_old else _("The line “services:” is missing."))])
    if services.kind != "map" or not services.entries:
        raise YamlError([Problem(services.line, services.column, _("There is no service under “services:”."))])
    if len(services.entries) > _MOST_SERVICES:
        raise YamlError([Problem(services.line, services.column, _("There are more than a hundred services."))])
    wrong = [
        Problem(*services.keys[name], _("A service is a group of settings, such as image: and ports:."))
        for name, node in services.entries.items()
        if node.kind != "map"
    ]
    if wrong:
        raise YamlError(wrong)
    return services


def _volume_names(root: Node, notes: list[Note]) -> Callable[[str], str]:
    """What a volume of the file is called on the server: its own `name:`, else Compose put the project's name in front."""
    project = root.entries.get("name")
    volumes = root.entries.get("volumes")
    entries: Mapping[str, Node] = volumes.entries if volumes else {}
    for name, node in entries.items():
        if more := sorted(node.entries.keys() - {"name", "external"}):
            why = _("Estiva makes volumes with Docker's own driver and no options.")
            notes.append(Note(f"volumes: {name}: {', '.join(more)}", str(why), node.line))

    def on_server(name: str) -> str:
        own = entries[name].entries.get("name") if name in entries else None
        if own is not None and own.is_scalar:
            return own.text
        if name in entries and "external" in entries[name].entries:
            return name
        return f"{project.text}_{name}" if project is not None and project.is_scalar else f"<project>_{name}"

    return on_server


def _service(
    name: str, services: Node, volumes: Callable[[str], str], effort: Effort, *, several: bool
) -> ComposeService:
    draft = ServiceDraft(volumes, effort)
    take_service(draft, services.entries[name])
    line = services.keys[name][0]
    if several and "network_aliases" not in draft.settings and draft.accept("network_aliases", [name.lower()]) is None:
        why = _("Other services of the file reach it by this name, so it is kept as a name in the network.")
        draft.left_out.append(Note(name, str(why), line))
    return ComposeService(
        name=name,
        line=line,
        image=draft.image,
        settings=draft.settings,
        variables=tuple(draft.variables.values()),
        build=draft.build,
        not_understood=bearable(sorted(draft.not_understood, key=lambda note: note.line)),
        left_out=bearable(draft.left_out),
    )
