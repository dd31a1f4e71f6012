"""A shell snippet cut into commands and words, the way sh, cmd and PowerShell would agree to.

Nothing is run, replaced or looked up: `$NAME`, `$(…)`, backquotes and `%NAME%` stay as written and are listed on their
word. Whatever the text is, it is cut somehow; `Script.words` and `Script.asides` hold every visible character of it once.
"""

import re
from bisect import bisect_left
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Literal

from deployments.run_line.quoting import Piece, joined, quoted, substitution

AsideKind = Literal["comment", "operator", "prompt", "continuation", "fence", "heredoc"]


@dataclass(frozen=True, slots=True)
class Word:
    """`raw` as written at `start`; `value` without quotes and escapes. `unresolved` is what a shell would replace."""

    start: int
    end: int
    raw: str
    value: str
    unresolved: tuple[str, ...] = ()
    is_redirect: bool = False
    is_unclosed: bool = False
    is_quoted: bool = False


@dataclass(frozen=True, slots=True)
class Aside:
    """What is no word: comments, operators, prompts, the text of a here-document."""

    start: int
    end: int
    kind: AsideKind
    raw: str


@dataclass(slots=True)
class Command:
    """The words of one simple command; `line` counts from 1."""

    line: int
    words: list[Word] = field(default_factory=list)


@dataclass(slots=True)
class Script:
    """Commands in the order written, and what stands between them."""

    text: str
    commands: list[Command] = field(default_factory=list)
    asides: list[Aside] = field(default_factory=list)


_BLANKS: Final = re.compile(r"[^\S\n]+")
_CONTINUES: Final = re.compile(r"[\\`^][^\S\n]*+(?:\n|(?<=\s)#)")
_COMMENT_LINE: Final = re.compile(r"[^\S\n]*#[^\n]*\n")
_NO_WORD: Final = re.compile(r"[\n;&|()<>]")
_COMMENT: Final = re.compile(r"#[^\n]*|`#[^`\n]*`")  # `#…` is how a comment is put within a line
_OPERATOR: Final = re.compile(r"&&|\|\||;;|\|&|[;&|()]")
_REDIRECT: Final = re.compile(r"&>>?|\d?>>?[&|]?|\d?<<<|\d?<[&>]?")
_HEREDOC: Final = re.compile(r"<<-?[^\S\n]*(['\"]?)([A-Za-z_]\w*)\1")
_PLACEHOLDER: Final = re.compile(r"<[A-Za-z](?:[\w .:/-]{0,60}[\w.:/-])?>|\{\{[^\n{}]{1,60}\}\}")
_NEXT_FLAG: Final = re.compile(r"[^\S\n]*(?=--?[A-Za-z])")
_FENCE: Final = re.compile(r"(?:```|~~~)[\w-]*[^\S\n]*(?=\n|\Z)")
_PROMPT: Final = re.compile(
    r"[$%❯➜>][^\S\n]+"
    r"|(?:\([\w.-]{1,60}\)[^\S\n]+)?\[?[\w.-]{1,60}@[\w.-]{1,60}(?:[: ][^\s$#%>\]]{0,80})?\]?[$#%>][^\S\n]+"
    r"|(?:PS[^\S\n]+)?[A-Za-z]:\\[^\n>]{0,100}>[^\S\n]*"
)
_ROOT_PROMPT: Final = re.compile(r"#[^\S\n]+(?=(?:sudo[^\S\n]+)?(?:docker|podman|nerdctl)\b)")
_SECOND_PROMPT: Final = re.compile(r"[^\S\n]*>[^\S\n]+")
_UNCOMMENTED_RUN: Final = re.compile(
    r"^[^#\n]{0,300}\b(?:docker|podman|nerdctl)\b[^#\n]{0,300}\b(?:run|create)\b", re.M
)
_PLAIN: Final = re.compile(r"[^\s'\"\\$`;&|()<>“”„{%^]+")
_PERCENT: Final = re.compile(r"%(?:cd|[A-Za-z_]\w{2,60})%", re.IGNORECASE)
_HOME: Final = re.compile(r"~(?=[/\\:]|\s|\Z)")


def read_script(text: str) -> Script:
    """Cut a snippet with `\\n` line ends into commands; never raises."""
    return _Scanner(text).scan()


class _Scanner:
    """One pass over the text: `at` only moves on."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.line = 1
        self.script = Script(text)
        self.command: Command | None = None
        self.heredocs: list[str] = []
        self.has_run = _UNCOMMENTED_RUN.search(text) is not None
        self._line_end = 0
        self.budget = [10]  # how often a quote or bracket may turn out to be never closed before they count as letters

    def scan(self) -> Script:
        self._begin_line()
        while self.at < len(self.text):
            if self._blank() or self._continued() or self._new_line() or self._between():
                continue
            self._word()
        return self.script

    def _blank(self) -> bool:
        found = _BLANKS.match(self.text, self.at)
        self.at = found.end() if found else self.at
        return found is not None

    def _continued(self) -> bool:
        """`\\`, `^` or a backquote at a line's end; also with a comment behind or on the lines after, as people write it."""
        end = self._continuation()
        if end < 0:
            return False
        self._aside(end, "continuation")
        while more := _COMMENT_LINE.match(self.text, self.at):
            self._aside(more.end(), "comment")
        if second := _SECOND_PROMPT.match(self.text, self.at):
            self._aside(second.end(), "prompt")
        return True

    def _new_line(self) -> bool:
        if self.text[self.at] != "\n":
            return False
        self.at += 1
        self.line += 1
        for end in self.heredocs:
            self._heredoc(end)
        self.heredocs = []
        # No command begins with a dash: the line before lost its backslash on the way here.
        if self.command is not None and (flag := _NEXT_FLAG.match(self.text, self.at)):
            self.at = flag.end()
            return True
        self.command = None
        self._begin_line()
        return True

    def _begin_line(self) -> None:
        """Prompts and fences, which are no part of the command."""
        self._blank()
        if fence := _FENCE.match(self.text, self.at):
            self._aside(fence.end(), "fence")
            return
        prompt = _PROMPT.match(self.text, self.at)
        if prompt is None and not self.has_run:
            prompt = _ROOT_PROMPT.match(self.text, self.at)
        if prompt:
            self._aside(prompt.end(), "prompt")

    def _heredoc(self, end: str) -> None:
        """The lines up to the one that ends them; where none does, they are lines like any other."""
        places = self._lines_alone.get(end, [])
        number = bisect_left(places, (self.at, 0))
        if number < len(places):
            self._aside(places[number][1], "heredoc")

    def _continuation(self) -> int:
        """Where the line ends that is continued here, a comment at its end included; -1 where it isn't continued."""
        found = _CONTINUES.match(self.text, self.at)
        if found is None or self.text[found.end() - 1] == "\n":
            return found.end() if found else -1
        while self._line_end <= self.at:  # looked for once a line
            self._line_end = self.text.find("\n", self.at) + 1 or len(self.text) + 1
        return self._line_end if self._line_end <= len(self.text) else -1

    @cached_property
    def _lines_alone(self) -> dict[str, list[tuple[int, int]]]:
        """Where the lines begin and end that are one word alone, by the word: a here-document ends at such a one."""
        found: dict[str, list[tuple[int, int]]] = {}
        at = 0
        for line in self.text.split("\n"):
            found.setdefault(line.lstrip("\t ").rstrip(), []).append((at, at + len(line)))
            at += len(line) + 1
        return found

    def _between(self) -> bool:
        if found := _COMMENT.match(self.text, self.at):
            self._aside(found.end(), "comment")
        elif found := _HEREDOC.match(self.text, self.at):
            self.heredocs = [*self.heredocs, found[2]][:5]
            self._add(self.at, found.end(), found.group(), is_redirect=True)
        elif not _PLACEHOLDER.match(self.text, self.at) and (found := _REDIRECT.match(self.text, self.at)):
            self._redirect(found.end())
        elif found := _OPERATOR.match(self.text, self.at):
            self._aside(found.end(), "operator")
            self.command = None
        else:
            return False
        return True

    def _redirect(self, after: int) -> None:
        """With the word it leads to."""
        start = self.at
        self.at = after
        self._blank()
        if self.at < len(self.text) and not _NO_WORD.match(self.text, self.at):
            self.at = max(self._read_word()[1], after)
        else:
            self.at = after
        self._add(start, self.at, self.text[start : self.at], is_redirect=True)

    def _word(self) -> None:
        start = self.at
        piece, end = self._read_word()
        self._add(
            start,
            end,
            piece.value,
            unresolved=tuple(dict.fromkeys(piece.unresolved)),
            is_unclosed=piece.is_unclosed,
            is_quoted=piece.is_quoted,
        )

    def _read_word(self) -> tuple[Piece, int]:
        """One word from here on, at least one character of it."""
        start = self.at
        pieces: list[Piece] = []
        while self.at < len(self.text) and not self._ends_word(start):
            piece, self.at = self._piece(start)
            pieces.append(piece)
        if self.at == start:
            pieces, self.at = [Piece(self.text[start])], start + 1
        return joined(pieces), self.at

    def _ends_word(self, start: int) -> bool:
        character = self.text[self.at]
        if character.isspace() or character in ";&|()":
            return True
        if character in "<>":
            return _PLACEHOLDER.match(self.text, self.at) is None
        return character in "\\`^" and self._continuation() >= 0 and not self._joins(start)

    def _joins(self, start: int) -> bool:
        """A backslash at the line's end within a word goes on with the word on the next line."""
        following = self.text[self.at + 2 : self.at + 3]
        return (
            self.text[self.at] == "\\"
            and self.text[self.at + 1] == "\n"
            and self.at > start
            and following not in {"", "#", "-"}
            and not following.isspace()
        )

    def _piece(self, start: int) -> tuple[Piece, int]:
        """The next stretch of a word, of one kind."""
        text, at = self.text, self.at
        if plain := _PLAIN.match(text, at):
            home = _HOME.match(text, at) if at == start else None
            return Piece(plain.group(), ("~",) if home else ()), plain.end()
        for pattern in (_PLACEHOLDER, _PERCENT):
            if found := pattern.match(text, at):
                return Piece(found.group(), (found.group(),)), found.end()
        if text[at] == "\\":
            taken = "" if text[at + 1 : at + 2] == "\n" else text[at + 1 : at + 2] or "\\"
            return Piece(taken), min(at + 2, len(text))
        found_piece = quoted(text, at, self.budget) or substitution(text, at, self.budget)
        if found_piece is not None:
            return found_piece
        return Piece(text[at], is_unclosed=text[at] in "'\"`“„"), at + 1

    def _add(
        self,
        start: int,
        end: int,
        value: str,
        *,
        unresolved: tuple[str, ...] = (),
        is_redirect: bool = False,
        is_unclosed: bool = False,
        is_quoted: bool = False,
    ) -> None:
        if self.command is None:
            self.command = Command(self.line)
            self.script.commands.append(self.command)
        word = Word(start, end, self.text[start:end], value, unresolved, is_redirect, is_unclosed, is_quoted)
        self.command.words.append(word)
        self.line += word.raw.count("\n")
        self.at = end

    def _aside(self, end: int, kind: AsideKind) -> None:
        raw = self.text[self.at : end]
        self.script.asides.append(Aside(self.at, end, kind, raw))
        self.line += raw.count("\n")
        self.at = end
