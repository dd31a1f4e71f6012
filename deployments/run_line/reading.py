"""From commands to a RunLine: which command is the container, what is around it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from deployments import image_reference
from deployments.run_line import around
from deployments.run_line.builds import read_build, read_clone
from deployments.run_line.container import take_flags
from deployments.run_line.drafting import Draft
from deployments.run_line.flags import GLOBAL, RUN, SSH, SUDO
from deployments.run_line.ledger import Ledger
from deployments.run_line.parsing import Parsed, dashed, parse
from deployments.run_line.result import Build, Repository, RunLine, bearable
from deployments.run_line.shell import Command, Word, read_script

_ASSIGNMENT: Final = re.compile(r"[A-Za-z_]\w*=")
_PROGRAM: Final = re.compile(r"(?:.*[/\\])?([^/\\]+?)(?:\.exe)?", re.IGNORECASE | re.DOTALL)
_RUNS_ONE: Final = re.compile(r"\b(?:docker|podman|nerdctl)\b")
_MOST_RUNS: Final = 50
_DEEPEST: Final = 2
_MOST_SUDOS: Final = 5  # each looks at the words that follow


@dataclass(slots=True)
class Run:
    """One `docker run` or `docker create`: its first words, and those after them."""

    ledger: Ledger
    head: list[Word]
    parsed: Parsed

    def score(self, built: set[str]) -> int:
        """How much it looks like what should keep running, rather than a test or a helper."""
        names = {flag.name for flag in self.parsed.flags}
        image = self.parsed.rest[0].value if self.parsed.rest else ""
        points = {"--detach": 2, "--publish": 2, "--publish-all": 1, "--restart": 1, "--name": 1, "--rm": -1}
        return sum(points.get(name, 0) for name in names) + (2 if image in built else 0) + (1 if image else -5)


@dataclass(slots=True)
class Found:
    """What all commands together come to, those within others too."""

    runs: list[Run] = field(default_factory=list)
    builds: list[Build] = field(default_factory=list)
    repository: Repository | None = None
    ledgers: list[Ledger] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)


def read(text: str) -> RunLine:
    """A snippet with `\\n` line ends, of bearable length."""
    found = Found()
    outermost = _Reader(text, found, 0)
    outermost.read()
    line = _container(found)
    accounts = [ledger.close() for ledger in found.ledgers]
    return RunLine(
        image=line.image,
        name=line.name,
        settings=line.settings,
        variables=line.variables,
        builds=tuple(found.builds),
        repository=found.repository,
        not_understood=bearable([note for ledger in found.ledgers for note in ledger.not_understood]),
        left_out=bearable([note for ledger in found.ledgers for note in ledger.left_out]),
        account=accounts[0],
    )


def _container(found: Found) -> RunLine:
    """The run that is the application's; the others are named."""
    built = {tag for build in found.builds for tag in build.tags}
    best = max(found.runs, key=lambda run: run.score(built), default=None)
    for run in found.runs:
        if run is not best:
            run.ledger.puzzle(run.head, around.OTHER_RUN)
    if best is None:
        return RunLine()
    draft = Draft(best.ledger, found.variables)
    for word in best.parsed.unknown:
        best.ledger.puzzle([word], around.UNKNOWN_FLAG)
    for word in best.parsed.valueless:
        best.ledger.puzzle([word], around.VALUELESS)
    take_flags(draft, best.parsed.flags)
    best.ledger.shell(best.parsed.dashes)
    image = _image(best, draft)
    draft.command(best.parsed.rest[1:])
    return RunLine(image=image, name=draft.name, settings=draft.settings, variables=tuple(draft.variables.values()))


def _image(run: Run, draft: Draft) -> str:
    """As written; why it can't be one is said."""
    run.ledger.use(run.head)
    if not run.parsed.rest:
        run.ledger.puzzle(run.head, around.EMPTY_RUN)
        return ""
    word = run.parsed.rest[0]
    run.ledger.use([word])
    if word.unresolved:
        run.ledger.puzzle([word], draft.needs_value(word.unresolved))
        return word.value
    try:
        image_reference.parse(word.value)
    except image_reference.ImageReferenceError as error:
        run.ledger.puzzle([word], error.message)
    return word.value


class _Reader:
    """The commands of one text, one after another."""

    def __init__(self, text: str, found: Found, depth: int, line: int = 1) -> None:
        self.script = read_script(text)
        self.ledger = Ledger(self.script, line)
        self.found = found
        self.depth = depth
        found.ledgers.append(self.ledger)

    def read(self) -> None:
        for command in self.script.commands:
            self._command(command)

    def _command(self, command: Command) -> None:
        words = [word for word in command.words if not word.is_redirect]
        redirects = [word for word in command.words if word.is_redirect]
        for word in words:
            if word.is_unclosed:
                self.ledger.puzzle([word], around.UNCLOSED)
        words = self._without_prefix(words)
        program = _program(words[0]) if words else ""
        if redirects:
            self.ledger.leave(redirects, around.OUTPUT_WHY) if program in around.ENGINES else self.ledger.shell(
                redirects
            )
        if words:
            self._dispatch(program, words)

    def _without_prefix(self, words: list[Word]) -> list[Word]:
        """What follows `if`, `sudo -E`, `NAME=value` and the like."""
        at = sudos = 0
        while at < len(words):
            first = words[at]
            if first.value in around.KEYWORDS or (_program(first) in around.PREFIXES and at + 1 < len(words)):
                self.ledger.shell([first])
                at += 1
            elif _program(first) in {"sudo", "doas"} and sudos < _MOST_SUDOS:
                sudos += 1
                after = len(words) - len(parse(words[at + 1 :], SUDO).rest)
                self.ledger.shell(words[at:after])
                at = after
            elif _ASSIGNMENT.match(first.raw):
                self._assign(first)
                at += 1
            else:
                break
        return words[at:]

    def _assign(self, word: Word) -> None:
        """Remembered for hints, never put in anywhere."""
        name, _equals, value = word.value.partition("=")
        self.found.variables[name] = value
        inner = next((each for each in word.unresolved if each.startswith("$(") and _RUNS_ONE.search(each)), None)
        if inner is not None:
            self._within([word], inner[2:-1])
        else:
            self.ledger.leave([word], around.SHELL_LEFT_OUT["set"])

    def _dispatch(self, program: str, words: list[Word]) -> None:
        if program in around.ENGINES:
            self._engine(words)
        elif program in around.COMPOSE:
            self.ledger.puzzle(words, around.COMPOSE_WHY)
        elif program == "git":
            self._git(words)
        elif program == "ssh":
            self._ssh(words)
        elif program in around.SHELLS:
            self._shell(words)
        elif program in around.SHELL_LEFT_OUT:
            self._set_variables(program, words)
            self.ledger.leave(words, around.SHELL_LEFT_OUT[program])
        else:
            self.ledger.puzzle(words, around.SHELL_UNKNOWN)

    def _set_variables(self, program: str, words: list[Word]) -> None:
        """`export NAME=value`, and `set NAME=value` as cmd has it."""
        if program in {"export", "set"}:
            pairs = (word.value.partition("=") for word in words[1:] if _ASSIGNMENT.match(word.value))
            self.found.variables.update({name: value for name, _equals, value in pairs})

    def _engine(self, words: list[Word]) -> None:
        parsed = parse(words[1:], GLOBAL)
        head = [words[0]]
        for flag in parsed.flags:
            self.ledger.leave(flag.words, around.SERVER_WHY, flag.text)
        for word in (*parsed.unknown, *parsed.valueless):
            self.ledger.puzzle([word], around.UNKNOWN_FLAG)
        self.ledger.shell(parsed.dashes)
        rest = parsed.rest
        group = rest[0].value if rest and rest[0].value in around.GROUPS else ""
        names, rest = (rest[:2], rest[2:]) if group else (rest[:1], rest[1:])
        self._subcommand(group, [*head, *names], names[-1].value if names else "", rest)

    def _subcommand(self, group: str, head: list[Word], name: str, rest: list[Word]) -> None:
        if name in {"run", "create"} and group in {"", "container"} and len(self.found.runs) < _MOST_RUNS:
            self.found.runs.append(Run(self.ledger, head, parse(rest, RUN)))
        elif name in {"build", "bake"} and group in {"", "image", "buildx", "builder"} and name == "build":
            self.ledger.use(head)
            build, repository = read_build(rest, self.ledger)
            self.found.builds.append(build)
            self.found.repository = self.found.repository or repository
        elif name == "compose":
            self.ledger.puzzle([*head, *rest], around.COMPOSE_WHY)
        elif group in {"volume", "network"}:
            self.ledger.leave([*head, *rest], around.VOLUME_WHY if group == "volume" else around.NETWORK_WHY)
        elif name in around.DOCKER_LEFT_OUT:
            shown = None if name != "login" else " ".join(word.raw for word in head)  # its password is nobody's to read
            self.ledger.leave([*head, *rest], around.DOCKER_LEFT_OUT[name], shown)
        else:
            self.ledger.puzzle([*head, *rest], around.DOCKER_UNKNOWN)

    def _git(self, words: list[Word]) -> None:
        if len(words) > 1 and words[1].value == "clone":
            self.ledger.use(words[:2])
            self.found.repository = read_clone(words[2:], self.ledger) or self.found.repository
        else:
            self.ledger.leave(words, around.GIT_WHY)

    def _ssh(self, words: list[Word]) -> None:
        """`ssh host 'docker run …'` is read as what is run there."""
        parsed = parse(words[1:], SSH)
        remote = parsed.rest[1:]
        self.ledger.leave(words[: len(words) - len(remote)], around.SERVER_WHY)
        if remote:
            self._within(remote, " ".join(word.value for word in remote))

    def _shell(self, words: list[Word]) -> None:
        """`sh -c '…'`, and the steps `sh '''…'''` of a Jenkinsfile."""
        inner = [word for word in words[1:] if _RUNS_ONE.search(word.value) and not dashed(word).startswith("-")]
        if not inner:
            self.ledger.puzzle(words, around.SHELL_UNKNOWN)
            return
        within = {word.start for word in inner}
        self.ledger.shell([word for word in words if word.start not in within])
        text = inner[0].value if inner[0].is_quoted else " ".join(word.value for word in inner)
        self._within(inner, text)

    def _within(self, words: Sequence[Word], text: str) -> None:
        """Words that are a command themselves."""
        if self.depth >= _DEEPEST:
            self.ledger.puzzle(words, around.TOO_DEEP)
            return
        self.ledger.use(words)
        _Reader(text, self.found, self.depth + 1, self.ledger.line(words[0])).read()


def _program(word: Word) -> str:
    """`docker` of `/usr/bin/docker` and `docker.exe`."""
    found = _PROGRAM.fullmatch(word.value)
    return found[1].lower() if found else ""
