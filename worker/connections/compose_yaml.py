"""A Compose file's text as the plain data that the engine takes.

YAML is read here, not on the server, so that no `include` or `extends` makes Compose open a file there.
"""

import re
from typing import Any

from deployments.yaml_lines import Node, read_yaml
from worker.engine.compose.spec import Document

LONGEST = 512_000  # characters
_OCTAL = re.compile(r"0o?([0-7]+)")


def read_document(name: str, text: str) -> Document:
    """Raises `deployments.yaml_lines.YamlError`, whose problems bear lines, when it can't be read."""
    tree = _plain(read_yaml(text, LONGEST), "")
    return Document(name, tree)


def _plain(node: Node, key: str) -> Any:
    if node.kind == "map":
        return {name: _plain(each, name) for name, each in node.entries.items()}
    if node.kind == "list":
        return [_plain(each, key) for each in node.items]
    if node.kind == "null":
        return None
    if node.kind == "bool":
        return node.is_true
    return _number(node.text, key) if node.kind == "number" else node.text


def _number(text: str, key: str) -> Any:
    """A number where that is the same as what was written: `1.10` and `007` stay texts, so that no version is mangled."""
    octal = _OCTAL.fullmatch(text)
    if key == "mode" and octal:
        return int(octal[1], 8)
    for kind in (int, float):
        try:
            value = kind(text)
        except ValueError:
            continue
        if str(value) == text:
            return value
    return text
