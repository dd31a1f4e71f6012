"""What a Compose file says on its face, before any Compose has read it: enough to begin a form with, and for hooks. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from deployments import compose_settings
from deployments.run_line.result import Variable
from deployments.secret_guess import looks_secret
from deployments.yaml_lines import Node, YamlError, read_yaml

_USE: Final = re.compile(
    r"(?<!\$)(?:\$\$)*\$(?:\{([A-Za-z_]\w{0,199})([^A-Za-z0-9_}][^}]{0,300})?\}|([A-Za-z_]\w{0,199}))"
)
_HAS_DEFAULT: Final = (":-", "-", ":+", "+")


@dataclass(frozen=True, slots=True)
class WrittenSecret:
    """What looks like a secret and stands in the file itself, where everybody reads it who sees the application."""

    service: str
    name: str
    line: int


@dataclass(frozen=True, slots=True)
class ComposeFace:
    """`images` are the services' as written, those with nothing to fill in; `variables` are what the file asks for."""

    name: str = ""
    services: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    variables: tuple[Variable, ...] = ()
    written_secrets: tuple[WrittenSecret, ...] = ()


def read_face(text: str) -> ComposeFace:
    """What can be told; nothing of a text that is no YAML."""
    try:
        root = read_yaml(text, compose_settings.LONGEST)
    except YamlError:
        return ComposeFace()
    name = root.entries.get("name")
    found = root.entries.get("services")
    services = found.entries if found is not None else {}
    images = [each.entries["image"].text for each in services.values() if "image" in each.entries]
    return ComposeFace(
        name=name.text if name is not None and name.is_scalar and "$" not in name.text else "",
        services=tuple(services),
        images=tuple(dict.fromkeys(each for each in images if each and "$" not in each)),
        variables=tuple(_asked_for(root)),
        written_secrets=tuple(_written(services)),
    )


def _asked_for(root: Node) -> Iterator[Variable]:
    """Each name once; one that has a default wherever it is used needs no value."""
    needed: dict[str, bool] = {}
    for text in _scalars(root):
        for braced, modifier, bare in _USE.findall(text):
            name = braced or bare
            needed[name] = needed.get(name, False) or not modifier.startswith(_HAS_DEFAULT)
    for name, is_needed in needed.items():
        if is_needed:
            yield Variable(name, "", looks_secret(name), needs_value=True)


def _scalars(node: Node) -> Iterator[str]:
    if node.is_scalar:
        yield node.text
    for each in (*node.items, *node.entries.values()):
        yield from _scalars(each)


def _written(services: dict[str, Node]) -> Iterator[WrittenSecret]:
    for service, body in services.items():
        environment = body.entries.get("environment")
        if environment is None:
            continue
        for name, value, line in _pairs(environment):
            if value and "$" not in value and looks_secret(name, value):
                yield WrittenSecret(service, name, line)


def _pairs(environment: Node) -> Iterator[tuple[str, str, int]]:
    for key, node in environment.entries.items():
        yield key, node.text, environment.keys[key][0]
    for each in environment.items:
        name, _equals, value = each.text.partition("=")
        yield name, value, each.line
