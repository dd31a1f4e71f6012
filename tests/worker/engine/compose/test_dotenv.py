"""Files of variables."""

import pytest

from worker.engine.compose.dotenv import BadFile, read_dotenv

OUTSIDE = {"HOME_": "outside", "TAKEN": "taken"}

CASES = [
    ("A=1", {"A": "1"}),
    ("\ufeffA=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
    ("# no\n\n  A = spaced  \n", {"A": "spaced"}),
    ("export A=1", {"A": "1"}),
    ("A=b # comment", {"A": "b"}),
    ("A=b#not", {"A": "b#not"}),
    ("A=#all", {"A": ""}),
    ("A=", {"A": ""}),
    ("A: yaml", {"A": "yaml"}),
    ("A='$HOME_ \\n #'", {"A": "$HOME_ \\n #"}),
    ('A="x\\ny\\t\\"q\\" \\\\"', {"A": 'x\ny\t"q" \\'}),
    ('A="$HOME_ ${HOME_}"', {"A": "outside outside"}),
    ('A="\\$HOME_"', {"A": "$HOME_"}),
    ("A='two\nlines'\nB=1", {"A": "two\nlines", "B": "1"}),
    ("A=1\nB=${A}2\nA=3", {"A": "3", "B": "12"}),
    ("TAKEN\nMISSING\n", {"TAKEN": "taken"}),
    ("A=${GONE:-d}", {"A": "d"}),
    ("A='x' # said", {"A": "x"}),
    ("A=1=2", {"A": "1=2"}),
]


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_a_file(text: str, expected: dict[str, str]) -> None:
    assert read_dotenv(text, OUTSIDE.get) == expected


@pytest.mark.parametrize(("text", "line"), [("A='open", 1), ("A=1\n=x", 2), ("A='x' y", 1), ("\n\nA B=1", 3)])
def test_what_is_no_such_file(text: str, line: int) -> None:
    with pytest.raises(BadFile, match=f"line {line}"):
        read_dotenv(text, OUTSIDE.get)
