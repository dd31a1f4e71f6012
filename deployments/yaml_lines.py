"""YAML read for people's files: every value knows its line, nothing but plain data is taken, and a repeated key is refused.

Scalars stay the text that was written, so that `22:22` is no number of base 60 and `on` is not true. Anchors, aliases and
merge keys work, as far as what they expand to stays small.
"""

import re
from collections.abc import Hashable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal

import yaml
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

Kind = Literal["text", "number", "bool", "null", "list", "map"]

MOST_NODES: Final = 20_000
DEEPEST: Final = 50
_PLAIN_TAGS: Final = frozenset(
    f"tag:yaml.org,2002:{name}"
    for name in ("bool", "float", "int", "map", "merge", "null", "seq", "str", "timestamp", "value")
)
_NUMBER: Final = re.compile(r"[-+]?(?:\d+|0x[0-9a-fA-F]+|0o[0-7]+|(?:\d+\.\d*|\.\d+|\d+)(?:[eE][-+]?\d+)?)")
_BOOL: Final = frozenset({"true", "True", "TRUE", "false", "False", "FALSE"})
_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, and where; `line` and `column` count from 1."""

    line: int
    column: int
    message: "str | StrPromise"

    def __str__(self) -> str:
        return str(format_lazy(_("Line {line}: {message}"), line=self.line, message=self.message))


class YamlError(ValueError):
    """The text is refused; every problem that was found."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Node:
    """A value and where it begins. `text` is a scalar as written; `entries` are a map's, by key, and `keys` where those are."""

    kind: Kind
    line: int
    column: int
    text: str = ""
    items: "tuple[Node, ...]" = ()
    entries: "dict[str, Node]" = field(default_factory=dict)
    keys: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def is_scalar(self) -> bool:
        """Neither list nor map, and not empty."""
        return self.kind in {"text", "number", "bool"}

    @property
    def is_true(self) -> bool:
        """For a yes or no."""
        return self.kind == "bool" and self.text.lower() == "true"

    def plain(self) -> Any:
        """As Python's own: scalars as text, apart from yes, no and nothing."""
        if self.kind == "map":
            return {key: each.plain() for key, each in self.entries.items()}
        if self.kind == "list":
            return [each.plain() for each in self.items]
        return None if self.kind == "null" else self.is_true if self.kind == "bool" else self.text


def read_yaml(text: str, longest: int) -> Node:
    """The one document of the text, a map at its top; raises YamlError."""
    if len(text) > longest:
        raise YamlError([Problem(1, 1, format_lazy(_("This is longer than {most} characters."), most=longest))])
    return _read(text.removeprefix("\ufeff"))


@lru_cache(maxsize=1)
def _read(text: str) -> Node:
    """A page reads what it was sent several times over, each time from the beginning; nobody changes a Node."""
    root = _composed(text)
    if root is None:
        raise YamlError([Problem(1, 1, _("There is nothing in it."))])
    node = _Reader().read(root)
    if node.kind != "map":
        raise YamlError(
            [Problem(node.line, node.column, _("This has to begin with a name and a colon, such as services:"))]
        )
    return node


class _Capped(yaml.SafeLoader):
    """Stops at the caps while it reads: its scanner looks at every open bracket for each token, and takes long for each value."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._count = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """A value or a name, or an alias of one."""
        self._count += 1
        if self._count > MOST_NODES:
            mark = self.get_mark()
            message = format_lazy(_("There are more than {most} names and values in it."), most=MOST_NODES)
            raise YamlError([Problem(mark.line + 1, mark.column + 1, message)])
        return super().compose_node(parent, index)

    def fetch_flow_collection_start(self, token: type[yaml.Token]) -> None:
        """A bracket opens."""
        if self.flow_level >= DEEPEST:
            mark = self.get_mark()
            raise YamlError([Problem(mark.line + 1, mark.column + 1, _("It is nested too deeply."))])
        super().fetch_flow_collection_start(token)


def _composed(text: str) -> yaml.Node | None:
    """The parser's tree; nothing is constructed of it."""
    try:
        return yaml.compose(text, Loader=_Capped)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise YamlError([Problem(line, column, _explained(error, text, line))]) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise YamlError([Problem(line, 1, _("There is an invisible control character here."))]) from None
    except YamlError:
        raise
    except RecursionError:
        raise YamlError([Problem(1, 1, _("It is nested too deeply."))]) from None
    except ValueError:  # a number in a directive or an escape that is none
        raise YamlError([Problem(1, 1, _("This is no YAML."))]) from None


def _explained(error: yaml.MarkedYAMLError, text: str, line: int) -> "str | StrPromise":
    lines = text.split("\n")
    written = lines[line - 1] if line <= len(lines) else ""
    if "\t" in written[: len(written) - len(written.lstrip())] or "'\\t'" in (error.problem or ""):
        return _("A tab stands here. YAML is indented with spaces.")
    if "single document" in (error.context or ""):
        return _("A second document begins here (---). There can be one.")
    return format_lazy(_("This can't be read as YAML: {problem}."), problem=error.problem or error.context or "?")


class _Reader:
    """From the parser's tree to Nodes; counts what aliases expand to."""

    def __init__(self) -> None:
        self._count = 0

    def read(self, root: yaml.Node) -> Node:
        return self._node(root, 0)

    def _node(self, node: yaml.Node, depth: int) -> Node:
        self._count += 1
        line, column = node.start_mark.line + 1, node.start_mark.column + 1
        if self._count > MOST_NODES:
            raise YamlError([Problem(line, column, _("Its aliases (*name) expand to too much."))])
        if depth > DEEPEST:
            raise YamlError([Problem(line, column, _("It is nested too deeply, or an alias (*name) contains itself."))])
        if node.tag not in _PLAIN_TAGS:
            message = format_lazy(
                _("The tag {tag} is not read here."), tag=node.tag.replace("tag:yaml.org,2002:", "!!")
            )
            raise YamlError([Problem(line, column, message)])
        if isinstance(node, yaml.SequenceNode):
            return Node("list", line, column, items=tuple(self._node(each, depth + 1) for each in node.value))
        if isinstance(node, yaml.MappingNode):
            return self._map(node, line, column, depth)
        return Node(_scalar_kind(node), line, column, text=str(node.value))

    def _map(self, node: yaml.MappingNode, line: int, column: int, depth: int) -> Node:
        found = Node("map", line, column)
        merged: list[Node] = []
        for key, value in node.value:
            place = (key.start_mark.line + 1, key.start_mark.column + 1)
            if key.tag == "tag:yaml.org,2002:merge":
                merged.extend(self._merged(value, depth))
                continue
            if not isinstance(key, yaml.ScalarNode) or key.tag not in _PLAIN_TAGS:
                raise YamlError([Problem(*place, _("A name has to be a plain word."))])
            name: Hashable = str(key.value)
            if name in found.keys:
                message = format_lazy(
                    _("“{name}” is here already, on line {line}; keep one."), name=name, line=found.keys[str(name)][0]
                )
                raise YamlError([Problem(*place, message)])
            found.keys[str(name)] = place
            found.entries[str(name)] = self._node(value, depth + 1)
        for other in merged:  # what is written here goes before what is merged in, and the earlier before the later
            for name, value in other.entries.items():
                found.entries.setdefault(name, value)
                found.keys.setdefault(name, other.keys[name])
        return found

    def _merged(self, value: yaml.Node, depth: int) -> list[Node]:
        node = self._node(value, depth + 1)
        several = list(node.items) if node.kind == "list" else [node]
        if any(each.kind != "map" for each in several):
            raise YamlError([Problem(node.line, node.column, _("Only maps can be merged in with <<."))])
        return several


def _scalar_kind(node: yaml.Node) -> Kind:
    """By the rules of YAML 1.2, as Compose has them: quoted is always text."""
    if getattr(node, "style", None) is not None:
        return "text"
    text = str(node.value)
    if text in _NULL:
        return "null"
    if text in _BOOL:
        return "bool"
    return "number" if _NUMBER.fullmatch(text) else "text"
