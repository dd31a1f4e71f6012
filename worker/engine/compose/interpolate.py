"""Variables in a Compose file, by Compose's rules: `$$`, `$NAME`, `${NAME:-…}`, `${NAME?…}`, `${NAME:+…}`. Pure.

Compose itself could do it, but then their values would have to be on the server, in its environment or a file.
"""

import re
from collections.abc import Callable
from typing import Any

Lookup = Callable[[str], str | None]
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATOR = re.compile(r":[-?+]|[-?+]")
_DEEPEST = 20


class BadInterpolation(ValueError):
    """A text that Compose would refuse, or a variable that has to be set and isn't."""


def interpolate(text: str, lookup: Lookup, bare: Lookup | None = None) -> str:
    """`text` with its variables put in; `lookup` answers None for one that isn't set (which becomes empty).

    `bare`, where given, is asked instead for variables without a default: there one that isn't set is worth a word.
    """
    return _Reader(text, lookup, bare or lookup).all() if "$" in text else text


def interpolate_tree(tree: Any, lookup: Lookup, bare: Lookup | None = None, where: str = "") -> Any:
    """The same in every text of a tree, never in its keys. Errors say `where`."""
    if isinstance(tree, str):
        try:
            return interpolate(tree, lookup, bare)
        except BadInterpolation as error:
            raise BadInterpolation(f"{where}: {error}") from None
    if isinstance(tree, dict):
        return {key: interpolate_tree(each, lookup, bare, f"{where}.{key}".lstrip(".")) for key, each in tree.items()}
    if isinstance(tree, list):
        return [interpolate_tree(each, lookup, bare, f"{where}[{index}]") for index, each in enumerate(tree)]
    return tree


def escaped(tree: Any) -> Any:
    """A tree that Compose reads as this one: each `$` in its texts doubled."""
    return _mapped(tree, lambda text: text.replace("$", "$$"), keys=False)


def unescaped(tree: Any) -> Any:
    """What Compose's `config` writes, as it is meant: it doubles each `$`, in keys too."""
    return _mapped(tree, lambda text: text.replace("$$", "$"), keys=True)


def _mapped(tree: Any, change: Callable[[str], str], *, keys: bool) -> Any:
    if isinstance(tree, str):
        return change(tree)
    if isinstance(tree, dict):
        return {change(key) if keys else key: _mapped(each, change, keys=keys) for key, each in tree.items()}
    if isinstance(tree, list):
        return [_mapped(each, change, keys=keys) for each in tree]
    return tree


class _Reader:
    """Reads once, from left to right; what stands in braces may hold variables again."""

    def __init__(self, text: str, lookup: Lookup, bare: Lookup) -> None:
        self._text, self._lookup, self._bare, self._at = text, lookup, bare, 0

    def all(self) -> str:
        return self._until("", 0)

    def _until(self, end: str, depth: int) -> str:
        """Up to `end` (not consumed), or to the end of the text when `end` is empty."""
        if depth > _DEEPEST:
            raise self._bad()
        out: list[str] = []
        while self._at < len(self._text):
            char = self._text[self._at]
            if end and char == end:
                return "".join(out)
            self._at += 1
            out.append(self._variable(depth) if char == "$" else char)
        if end:
            raise self._bad()
        return "".join(out)

    def _variable(self, depth: int) -> str:
        if self._take("$"):
            return "$"
        if self._take("{"):
            return self._braced(depth)
        return self._bare(self._name()) or ""

    def _braced(self, depth: int) -> str:
        name = self._name()
        if self._take("}"):
            return self._bare(name) or ""
        operator = _OPERATOR.match(self._text, self._at)
        if operator is None:
            raise self._bad()
        self._at = operator.end()
        argument = self._argument(depth)
        self._at += 1  # the closing brace
        return self._chosen(name, operator[0], argument)

    def _argument(self, depth: int) -> str:
        return self._until("}", depth + 1)

    def _chosen(self, name: str, operator: str, argument: str) -> str:
        value = self._lookup(name)
        present = value is not None and (value != "" or not operator.startswith(":"))
        if operator.endswith("+"):
            return argument if present else ""
        if present:
            return value or ""
        if operator.endswith("-"):
            return argument
        raise BadInterpolation(f"the variable {name} has to be set{f': {argument}' if argument else '.'}")

    def _name(self) -> str:
        found = _NAME.match(self._text, self._at)
        if found is None:
            raise self._bad()
        self._at = found.end()
        return found[0]

    def _take(self, char: str) -> bool:
        taken = self._text.startswith(char, self._at)
        self._at += taken
        return taken

    def _bad(self) -> BadInterpolation:
        return BadInterpolation(
            "a $ stands here that begins no variable; write $$ for a plain $, ${NAME} for a variable."
        )
