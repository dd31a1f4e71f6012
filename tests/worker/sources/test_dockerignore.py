"""`.dockerignore` as Docker documents it, line by line."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.sources.dockerignore import BadPattern, read


@pytest.mark.parametrize(
    ("lines", "ignored", "kept"),
    [
        # plain paths, from the root of the context, with all that is below
        ("a", ["a", "a/b", "a/b/c"], ["b/a", "ab", "a.txt"]),
        ("a/b", ["a/b", "a/b/c"], ["a", "b", "a/bc"]),
        ("/a", ["a", "a/b"], ["b/a"]),
        ("a/", ["a", "a/b"], ["ab"]),
        ("./a", ["a"], ["b"]),
        ("a/../b", ["b"], ["a"]),
        ("//a", ["a"], []),
        (" a ", ["a"], []),
        ("a\r\nb\r\n", ["a", "b"], []),
        ("with space", ["with space", "with space/x"], ["with"]),
        # nothing
        ("", [], ["a"]),
        ("\n\n  \n", [], ["a"]),
        (".", [], ["a", ".a"]),
        ("/", [], ["a"]),
        ("# a\n", [], ["a", "# a"]),
        (" # a", ["# a"], ["a"]),
        ("../a", [], ["a"]),
        # one star and question mark, within a part
        ("*", ["a", "a/b", ".hidden"], []),
        ("*.md", ["a.md", ".md", "x.md/y"], ["b/a.md", "a.mdx"]),
        ("*/*.md", ["b/a.md"], ["a.md", "c/b/a.md"]),
        ("*/temp*", ["a/temporary.txt", "a/temp", "a/temp/x"], ["temp", "a/b/temp"]),
        ("*/*/temp*", ["a/b/temporary.txt"], ["a/temp", "a/b/c/temp"]),
        ("temp?", ["tempa", "tempb/x"], ["temp", "tempab", "temp/"]),
        ("a*b", ["ab", "axxb"], ["a/b", "ax/xb"]),
        # two stars
        ("**", ["a", "a/b"], []),
        ("**/a", ["a", "b/a", "c/b/a", "b/a/x"], ["ab", "ba"]),
        ("**/*.go", ["a.go", "b/a.go", "c/b/a.go"], ["a.gox", "go"]),
        ("a/**", ["a/b", "a/b/c"], ["a", "b/a", "ab/c"]),
        ("a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["ab", "a/xb", "b"]),
        ("**/a/**", ["a/b", "x/a/b/c"], ["a", "x/a", "xa/b"]),
        ("**/a/b", ["a/b", "x/a/b"], ["xa/b", "a/x/b"]),
        ("**/.env*", [".env", ".env.local", "a/.env"], ["env"]),
        ("**/*", ["a", "a/b"], []),
        ("**foo", ["foo", "barfoo", "x/foo", "x/barfoo"], ["foox"]),
        ("foo**", ["foo", "foobar", "foo/x"], ["xfoo"]),
        ("a/**/*.txt", ["a/x.txt", "a/b/x.txt"], ["x.txt", "a/x.md"]),
        # taking back: the last line that matches decides
        ("*.md\n!README.md", ["a.md"], ["README.md"]),
        ("*.md\n!README*.md\nREADME-secret.md", ["README-secret.md", "a.md"], ["README.md", "README-x.md"]),
        ("*.md\nREADME-secret.md\n!README*.md", ["a.md"], ["README-secret.md"]),
        ("!a\na", ["a"], []),
        ("a\n!a", [], ["a", "a/b"]),
        ("a\n!a/b", ["a", "a/c"], ["a/b", "a/b/c"]),
        ("*\n!src\n!go.mod", ["a", "x/src"], ["src", "src/a/b", "go.mod"]),
        ("*\n!**/*.py", ["a", "a/b.txt"], ["a.py", "a/b.py"]),
        ("*\n!a/**", ["b", "a"], ["a/b", "a/b/c"]),
        ("a\n! a/b", ["a/c"], ["a/b"]),
        ("a/b\n!a", [], ["a/b", "a"]),
        ("**/x\n!y/x\ny/x/z", ["x", "a/x", "y/x/z"], ["y/x", "y/x/w"]),
        # classes and escapes
        ("[ab]", ["a", "b"], ["c", "ab", "[ab]"]),
        ("[a-c]x", ["ax", "cx"], ["dx"]),
        ("[^a]x", ["bx"], ["ax"]),
        ("[!a]", ["!", "a"], ["b"]),
        ("[\\]]", ["]"], ["\\"]),
        ("[\\-]", ["-"], ["\\"]),
        ("[[]x", ["[x"], ["x"]),
        ("[a&&b]", ["a", "&"], ["c"]),
        ("\\*", ["*"], ["a"]),
        ("\\!a", ["!a"], ["a"]),
        ("a\\ b", ["a b"], ["a\\ b"]),
        # what means something to a regular expression only
        ("a.b", ["a.b"], ["axb"]),
        ("*.b", ["a.b"], ["axb", "ab"]),
        ("a+(b)*", ["a+(b)", "a+(b)c"], ["aab"]),
        ("$a*{1}", ["$a{1}"], ["a"]),
        ("a|b*", ["a|b"], ["a", "b"]),
    ],
)  # fmt: skip
def test_what_a_list_names(lines: str, ignored: list[str], kept: list[str]) -> None:
    asked = read(lines.encode())
    assert [path for path in ignored if not asked(path)] == []
    assert [path for path in kept if asked(path)] == []


def test_a_mark_at_the_beginning_is_no_letter() -> None:
    assert read(b"\xef\xbb\xbfa")("a")
    assert not read(b"\xef\xbb\xbf# a")("a")


def test_names_that_are_no_text() -> None:
    assert read(b"caf\xe9*")(b"caf\xe9.txt".decode(errors="surrogateescape"))


@pytest.mark.parametrize(
    "line", ["[", "[]", "[a", "[a-]", "[-a]", "[]a]", "[b-a]", "a*\\", "!", "! ", "x/[", "[a-", "[^]"]
)
def test_what_docker_refuses_is_refused_with_its_line(line: str) -> None:
    with pytest.raises(BadPattern, match="line 2"):
        read(f"fine\n{line}\n".encode())


@given(st.text("ab*?[]\\!/.-^# \n", max_size=20), st.text("ab/.", min_size=1, max_size=12))
def test_no_list_is_beyond_reading(lines: str, path: str) -> None:
    try:
        asked = read(lines.encode())
    except BadPattern:
        return
    assert asked(path) in {True, False}


@pytest.mark.parametrize(
    "pattern", ["*a" * 9 + "*b", "**a" * 9 + "**b", "?*" * 12 + "b", "**/a" * 12 + "/b", "*[a-z]" * 12 + "b"]
)
def test_no_pattern_takes_long(pattern: str) -> None:
    """One pushed line must not hold up a worker, and with it everybody's deploys."""
    before = time.process_time()
    ignored = read(pattern.encode())
    assert not ignored("a" * 60 + "/" + "a" * 60 + "c")
    assert time.process_time() - before < 1


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("*a*b*c", "xaxbxc", True),
        ("*a*b*c", "xaxcxb", False),
        ("*a*b*c", "xa/xbxc", False),
        ("a/**/b/**/*.py*", "a/b/x.pyc", True),
        ("a/**/b/**/*.py*", "a/x/y/b/z/x.py", True),
        ("a/**/b/**/*.py*", "ab/x.py", False),
        ("**/*.[ch]*~*", "src/x.c~1", True),
        ("**/*.[ch]*~*", "src/x.d~1", False),
        ("*?*?*", "a", False),
        ("*?*?*", "ab", True),
    ],
)
def test_many_stars_mean_what_few_mean(pattern: str, path: str, *, expected: bool) -> None:
    assert read(pattern.encode())(path) is expected


def test_too_much_is_refused() -> None:
    with pytest.raises(BadPattern, match="at most"):
        read(b"a\n" * 3000)
    with pytest.raises(BadPattern, match="at most"):
        read(b"a" * 2000)
