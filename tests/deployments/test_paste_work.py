"""Pasted texts that are made to keep the reader busy: what is counted is the calls that reading takes, not the time."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from deployments import compose_paste, compose_settings, compose_text
from deployments.run_line import MOST_CHARACTERS, read_run_line
from deployments.yaml_lines import DEEPEST, MOST_NODES, YamlError, read_yaml

SMALL = 4_000
AS_MUCH_AGAIN = 2.3  # twice the text may take so many times the calls: growth with the square would be four
EFFORT = 8_000_000  # calls that trying settings may take, of one whole text


def calls(read: Callable[[str], Any], text: str) -> int:
    """How many functions of Python and of C reading the text calls."""
    count = 0

    def saw(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(saw)
    try:
        read(text)
    except YamlError:
        pass
    finally:
        sys.setprofile(before)
    return count


def filled(piece: str, length: int, head: str = "", tail: str = "") -> str:
    return head + piece * ((length - len(head) - len(tail)) // len(piece)) + tail


RUN_PIECES = (
    "<<A\n",
    "<<A <<B <<C\n",
    "$(",
    "$(x ",
    '"$(',
    "\\ #",
    "'a'",
    "$a",
    "a\n",
    "{ ",
    "sudo ",
    "-e a=b ",
    "“",
    "-p $A ",
    "a;",
)


@pytest.mark.parametrize("piece", RUN_PIECES)
@pytest.mark.parametrize("head", ["", "docker run "])
def test_a_line_twice_as_long_takes_twice_the_work(head: str, piece: str) -> None:
    once = calls(read_run_line, filled(piece, SMALL, head))
    twice = calls(read_run_line, filled(piece, 2 * SMALL, head))
    assert twice <= AS_MUCH_AGAIN * once, (once, twice)


FLOW = ("[" * (DEEPEST - 2), "]" * (DEEPEST - 2))


@pytest.mark.parametrize(
    ("head", "piece", "tail"),
    [
        ("a: [", "a,", "]"),
        (f"a: {FLOW[0]}", "a,", FLOW[1]),
        ("a: [", "[],", "]"),
        ("a:\n", "- a\n", ""),
        ("a: '", "${", "'"),
        ("a: >\n", "  a\n\n", ""),
    ],
)
def test_a_file_twice_as_long_takes_twice_the_work(head: str, piece: str, tail: str) -> None:
    once, twice = (calls(compose_text.read_face, filled(piece, size, head, tail)) for size in (SMALL, 2 * SMALL))
    assert twice <= AS_MUCH_AGAIN * once, (once, twice)


def test_reading_stops_where_there_is_too_much_in_a_file() -> None:
    """Not after all of it was read."""
    most, far_more = (filled("a,", 2 * times * MOST_NODES, "a: [", "]") for times in (2, 8))
    assert calls(compose_text.read_face, far_more) < 1.1 * calls(compose_text.read_face, most)
    with pytest.raises(YamlError, match="more than 20000 names and values"):
        read_yaml(most, len(most))


def test_a_file_is_read_once_for_all_that_a_page_asks_of_it() -> None:
    text = (
        filled("    a: 1\n", SMALL, "services:\n  web:\n    image: nginx\n")
        .replace("a: 1", "x-{}: 1")
        .format(*range(SMALL))
    )
    once = calls(compose_text.read_face, text)
    assert calls(lambda same: compose_settings.normalise({"text": same}), text) < once / 4


@pytest.mark.parametrize("bracket", ["[", "{a: ", "[\n"])
def test_reading_stops_at_the_bracket_too_deep(bracket: str) -> None:
    some, more = (calls(compose_text.read_face, "a: " + bracket * times) for times in (2 * DEEPEST, 50 * DEEPEST))
    assert more < 1.1 * some
    with pytest.raises(YamlError, match="nested too deeply"):
        read_yaml("a: " + bracket * 2 * DEEPEST, 10_000)


def services(row: str) -> str:
    """As many services with as many ports as the file may have characters for."""
    ports = ",".join(row % (each, each) for each in range(1, 99))
    body = f"  ports: [{ports}]\n"
    count = min(99, (compose_paste.MOST_CHARACTERS - 20) // (len(body) + 6))
    return "services:\n" + "".join(f" a{number}:\n{body}" for number in range(count))


@pytest.mark.parametrize("text", [services('"%d:%d"'), services("%d,%d")])
def test_ports_that_are_checked_against_each_other_have_an_end(text: str) -> None:
    assert calls(compose_paste.read_compose, text) < EFFORT


def test_what_is_beyond_the_effort_is_said() -> None:
    last = compose_paste.read_compose(services('"%d:%d"')).services[-1]
    assert "ports" not in last.settings
    assert "no setting was taken from here on" in last.not_understood[0].why


@pytest.mark.parametrize(
    "text", [filled("-p 1-100 ", MOST_CHARACTERS, "docker run "), filled("-v ab:/a ", MOST_CHARACTERS, "docker run ")]
)
def test_the_flags_of_one_line_have_an_end_too(text: str) -> None:
    assert calls(read_run_line, text) < EFFORT


def test_a_hundred_ports_one_by_one_are_not_too_much() -> None:
    ports = " ".join(f"-p {number}:{number}" for number in range(1, 101))
    line = read_run_line(f"docker run {ports} nginx")
    assert (len(line.settings["ports"]), line.not_understood) == (100, ())


def test_notes_are_as_many_as_a_person_reads() -> None:
    line = read_run_line(filled("ls\n", MOST_CHARACTERS))
    assert len(line.left_out) == 200
    assert line.left_out[-1].line == 200
    assert f"{MOST_CHARACTERS // 3 - 199} more" in line.left_out[-1].why


def test_a_here_document_ends_where_its_word_stands_alone() -> None:
    line = read_run_line("cat <<A <<B\nA x\n \tA \ndocker run one\nB\ndocker run nginx <<C\nno end\n")
    assert line.image == "nginx"


def test_a_comment_goes_with_the_end_of_a_line_that_goes_on() -> None:
    line = read_run_line("docker run -d \\ # in the background\n -p 80:80 \\\n# and this\n nginx \\ # no end")
    assert (line.image, len(line.settings["ports"])) == ("nginx", 1)
