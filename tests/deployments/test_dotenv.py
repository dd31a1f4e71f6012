"""Variables as .env text: every value survives the way out and back, and what can't be read is refused by line."""

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.dotenv import DotenvError, Pair, check_name, dump, parse, unusual_name


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("", []),
        ("\n\n  \n# only words\n", []),
        ("A=1", [Pair("A", "1")]),
        ("A=1\nB=2\n", [Pair("A", "1"), Pair("B", "2")]),
        ("\ufeffA=1\r\nB=2\r\n", [Pair("A", "1"), Pair("B", "2")]),
        ("A=\nB=''\nC=\"\"", [Pair("A", ""), Pair("B", ""), Pair("C", "")]),
        ("  A  =  two words \t", [Pair("A", "two words")]),
        ("export A=1\nexport\tB=2", [Pair("A", "1"), Pair("B", "2")]),
        ("export=1", [Pair("export", "1")]),
        ("export =1", [Pair("export", "1")]),
        (
            "  # note\nA=1 # note\nB=x#y\nC=#fff\nD= # note",
            [Pair("A", "1"), Pair("B", "x#y"), Pair("C", "#fff"), Pair("D", "")],
        ),
        ("URL=postgres://u:p@h/db?a=b&c=d", [Pair("URL", "postgres://u:p@h/db?a=b&c=d")]),
        ("A=$HOME ${B} `id`", [Pair("A", "$HOME ${B} `id`")]),
        ('A="$HOME ${B}"', [Pair("A", "$HOME ${B}")]),
        ("A='$HOME \\n \" # x' # note", [Pair("A", '$HOME \\n " # x')]),
        ("A=C:\\new\\table", [Pair("A", "C:\\new\\table")]),
        ('A="l1\\nl2\\r\\t\\"q\\" \\\\n \\$x \\`y\\` \\d"', [Pair("A", 'l1\nl2\r\t"q" \\n $x `y` \\d')]),
        ('A="l1\r\nl2\n\n# no comment"\nB=1', [Pair("A", "l1\nl2\n\n# no comment"), Pair("B", "1")]),
        ("A='l1\nB=no'\nB=1", [Pair("A", "l1\nB=no"), Pair("B", "1")]),
        ('A={"k": ["v", 1]}', [Pair("A", '{"k": ["v", 1]}')]),
        ("A=it's", [Pair("A", "it's")]),
        ("my.name-1=x", [Pair("my.name-1", "x")]),
        ("ключ=значение", [Pair("ключ", "значение")]),
        ("A=a\u2028b\x85c", [Pair("A", "a\u2028b\x85c")]),
    ],
)
def test_reads(text: str, pairs: list[Pair]) -> None:
    assert parse(text) == pairs


@pytest.mark.parametrize(
    ("text", "line", "code"),
    [
        ("A=1\nJUST_A_NAME\n", 2, "no_equals"),
        ("=1", 1, "no_name"),
        ("export =\n = x", 2, "no_name"),
        ("A=1\n\nB C=2", 3, "name"),
        ("Xexport Y=1", 1, "name"),
        ("'A'=1", 1, "name"),
        ("A\u200b=1", 1, "name"),
        ("A=1\nA=2", 2, "repeated"),
        ("A=1\nB=a\x00b", 2, "nul"),
        ("A=1\nB='a\x00b'", 2, "nul"),
        ("A='l1\nl2'\n\nB=\"never\nclosed", 4, "unclosed"),
        ("A='never closed", 1, "unclosed"),
        ('A="ends in backslash\\"', 1, "unclosed"),
        ('A="x" y', 1, "after_quote"),
        ("A=1\nB='it\\'s'", 2, "after_quote"),
        ('A="multi\nline"\nB="x"y', 3, "after_quote"),
    ],
)
def test_refuses_with_the_line_and_the_reason(text: str, line: int, code: str) -> None:
    with pytest.raises(DotenvError) as refusal:
        parse(text)
    assert (refusal.value.line, refusal.value.code) == (line, code)
    assert str(refusal.value).startswith(f"Line {line}: ")


@pytest.mark.parametrize(
    "text", ["hunter2hunter2", "A='hunter2hunter2", "A='x' hunter2hunter2", "A=1\nA=hunter2hunter2"]
)
def test_a_refusal_never_shows_a_value(text: str) -> None:
    with pytest.raises(DotenvError) as refusal:
        parse(text)
    assert "hunter2" not in str(refusal.value) + repr(refusal.value)


def test_says_where_a_name_stood_first() -> None:
    with pytest.raises(DotenvError, match="A is already set on line 2"):
        parse("# x\nA='1\n2'\nA=2")


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("", "A=\n"),
        ("plain-1.2/x:y@z", "A=plain-1.2/x:y@z\n"),
        ("two words", "A='two words'\n"),
        ('$HOME "x" # y', "A='$HOME \"x\" # y'\n"),
        ("it's $5", 'A="it\'s \\$5"\n'),
        ("l1\nl2", "A='l1\nl2'\n"),
        ("l1\r\nl2", 'A="l1\\r\nl2"\n'),
        ("a\\b`c`", 'A="a\\\\b\\`c\\`"\n'),
    ],
)
def test_writes_the_plainest_form(value: str, written: str) -> None:
    assert dump([("A", value)]) == written


@pytest.mark.parametrize(
    ("pairs", "code"),
    [
        ([("", "x")], "no_name"),
        ([("A=B", "x")], "name"),
        ([("A B", "x")], "name"),
        ([("A\n", "x")], "name"),
        ([("#A", "x")], "name"),
        ([("A", "x\x00")], "nul"),
        ([("A", "\ud800")], "unicode"),
        ([("A", "1"), ("A", "1")], "repeated"),
    ],
)
def test_writes_nothing_that_could_not_be_read_back(pairs: list[tuple[str, str]], code: str) -> None:
    with pytest.raises(DotenvError) as refusal:
        dump(pairs)
    assert refusal.value.code == code


@pytest.mark.parametrize("name", ["A", "_a9", "PATH"])
def test_ordinary_names_pass_without_a_warning(name: str) -> None:
    check_name(name)
    assert unusual_name(name) is None


@pytest.mark.parametrize("name", ["9A", "my.name", "my-name", "ключ"])
def test_unusual_names_pass_with_a_warning(name: str) -> None:
    check_name(name)
    assert name in str(unusual_name(name))


def acceptable(name: str) -> bool:
    try:
        check_name(name)
    except DotenvError:
        return False
    return True


ordinary_names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,12}", fullmatch=True)
names = ordinary_names | st.text(min_size=1, max_size=8).filter(acceptable)
nasty = st.text(alphabet=st.sampled_from("$#'\"\\\n\r\t `={}é☃😀a\x01\x7f\u2028\x85"), max_size=30)
values = nasty | st.text(alphabet=st.characters(exclude_characters="\x00", exclude_categories=["Cs"]))
variables = st.dictionaries(names, values, max_size=6).map(lambda found: [Pair(*item) for item in found.items()])


@given(variables)
def test_every_value_survives_out_and_back(pairs: list[Pair]) -> None:
    assert parse(dump(pairs)) == pairs


@given(variables)
def test_every_value_survives_a_browser_form(pairs: list[Pair]) -> None:
    sent = dump(pairs).replace("\r\n", "\n").replace("\n", "\r\n")
    assert parse(sent) == pairs


@given(st.text(alphabet=st.sampled_from("AB= #'\"\\\nexport$\r"), max_size=40))
def test_what_was_read_survives_out_and_back(text: str) -> None:
    pairs: list[Pair] = []
    line = 1
    try:
        pairs = parse(text)
    except DotenvError as refusal:
        line = refusal.line or 0
    assert 1 <= line <= text.count("\n") + 1
    assert parse(dump(pairs)) == pairs


def test_a_shell_reads_what_was_written(tmp_path: Path) -> None:
    shell = shutil.which("sh")
    assert shell is not None
    wanted = [
        Pair("A", 'it\'s $HOME `id` "q" \\n # x'),
        Pair("B", '{"k": "v\\"w"}\n-----\n\ttab é☃\n'),
        Pair("C", "  spaces  "),
        Pair("D", "${A}$(id)"),
        Pair("E", "ends in backslash \\"),
    ]
    (tmp_path / "variables").write_text(dump(wanted), encoding="utf-8", newline="")
    reader = tmp_path / "reader"
    reader.write_text("set -a\n. ./variables\nenv -0\n")
    run = subprocess.run(
        [shell, str(reader)], capture_output=True, check=True, cwd=tmp_path, env={"PATH": "/usr/bin:/bin"}
    )
    seen = dict(item.split("=", 1) for item in run.stdout.decode().split("\x00") if item)
    assert [Pair(pair.name, seen[pair.name]) for pair in wanted] == wanted
