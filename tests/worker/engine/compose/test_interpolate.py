"""Variables by Compose's rules; what Compose 2.26 itself answers to the same texts is tested with the real one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.engine.compose.interpolate import BadInterpolation, escaped, interpolate, interpolate_tree, unescaped

SET = {"NAME": "value", "EMPTY": "", "DOLLAR": "a$b${NAME}", "_1": "one"}

CASES = [
    ("plain", "plain"),
    ("$$", "$"),
    ("$$NAME", "$NAME"),
    ("$$$NAME", "$value"),
    ("$NAME/x", "value/x"),
    ("${NAME}x", "valuex"),
    ("$NAME-x", "value-x"),
    ("$_1", "one"),
    ("$GONE", ""),
    ("${GONE}", ""),
    ("${GONE:-d}", "d"),
    ("${GONE-d}", "d"),
    ("${EMPTY:-d}", "d"),
    ("${EMPTY-d}", ""),
    ("${NAME:-d}", "value"),
    ("${NAME:+r}", "r"),
    ("${EMPTY:+r}", ""),
    ("${EMPTY+r}", "r"),
    ("${GONE+r}", ""),
    ("${NAME:?e}", "value"),
    ("${EMPTY?e}", ""),
    ("${GONE:-${NAME}}", "value"),
    ("${GONE:-a${GONE:-b}c}", "abc"),
    ("${GONE:-$NAME}", "value"),
    ("${GONE:-http://x:80/?a=b}", "http://x:80/?a=b"),
    ("$DOLLAR", "a$b${NAME}"),
    ("${GONE:-}", ""),
]


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_a_text(text: str, expected: str) -> None:
    assert interpolate(text, SET.get) == expected


@pytest.mark.parametrize(
    "text", ["$", "a$", "${", "${}", "${NAME", "$1", "${1}", "${NAME!x}", "$ x", "${GONE:-${NAME}"]
)
def test_what_compose_refuses(text: str) -> None:
    with pytest.raises(BadInterpolation):
        interpolate(text, SET.get)


@pytest.mark.parametrize("text", ["${GONE:?say why}", "${EMPTY:?say why}", "${GONE?say why}"])
def test_what_has_to_be_set(text: str) -> None:
    with pytest.raises(BadInterpolation, match="say why"):
        interpolate(text, SET.get)


def test_a_tree_says_where_and_keeps_its_keys() -> None:
    tree = {"a": {"$NAME": ["$NAME", 1, None, True]}}
    assert interpolate_tree(tree, SET.get) == {"a": {"$NAME": ["value", 1, None, True]}}
    with pytest.raises(BadInterpolation, match=r"^services\.web\.ports\[1\]: "):
        interpolate_tree({"services": {"web": {"ports": ["1", "$"]}}}, SET.get)


@given(st.text())
def test_what_is_escaped_is_read_as_itself(text: str) -> None:
    assert interpolate(escaped(text), SET.get) == text
    assert unescaped(escaped({"key": [text]})) == {"key": [text]}


def test_depth_is_bounded() -> None:
    with pytest.raises(BadInterpolation):
        interpolate("${A:-" * 500 + "}" * 500, SET.get)
