"""What is asked of a Git server: its list of refs, and commits."""

import re
from collections.abc import Sequence
from pathlib import Path

from deployments import git_url
from worker.sources import environment, explain, redirects
from worker.sources.errors import Damaged, GitRefused
from worker.sources.processes import Done, TooLong, TooMuch, run
from worker.sources.refs import read_refs
from worker.sources.shapes import MIB, GitLimits, GitServer, Interrupt, Progress, Refs

_MOST_REFS = 48 * MIB
_PROGRESS = re.compile(rb"((?:Receiving|Resolving|Counting|Compressing) [a-z]+):\s+\d+% \((\d+)/(\d+)\)")
_REDIRECTED = re.compile(r"returned error: 30[1278]|unable to update url base from redirection")


class Remote:
    """One repository at its server. Every call may raise GitRefused, and what `interrupt` raises."""

    def __init__(self, server: GitServer, limits: GitLimits, interrupt: Interrupt, progress: Progress) -> None:
        try:
            self._url = git_url.parse(server.url)
        except git_url.GitUrlError as error:
            raise GitRefused("unsafe", f"This address is not used: {error}") from error
        self._server, self._limits = server, limits
        self._interrupt, self._progress = interrupt, progress

    def list_refs(self) -> Refs:
        """Every branch and tag, and which branch is the default one."""
        words = ["ls-remote", "--symref", "--quiet"]
        done = self._run(words, (), seconds=self._limits.list_seconds)
        return read_refs(done.output, self._server.url)

    def fetch(self, repository: Path, sources: Sequence[str], depth: int, watch: Interrupt) -> None:
        """Bring `+from:to` refspecs into the mirror, `depth` commits of each. `watch` is called ten times a second."""
        words = [
            f"--git-dir={repository}", "fetch", "--progress", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance",
            "--no-recurse-submodules", "--force", "--update-shallow", f"--depth={depth}",
        ]  # fmt: skip
        self._run(words, sources, seconds=self._limits.fetch_seconds, watch=watch)

    def _run(
        self, words: Sequence[str], after: Sequence[str], *, seconds: float, watch: Interrupt | None = None
    ) -> Done:
        """Run git against the server; once more where the server only says that the repository moved within it."""
        done = self._once(words, after, seconds, watch)
        if done.code and _REDIRECTED.search(done.errors):
            target = redirects.leads_to(self._server, self._url)
            if target is not None:
                self._url = target
                done = self._once(words, after, seconds, watch)
        if done.code == 0:
            return done
        if explain.is_damage(done.errors):
            raise Damaged(
                f"The worker's copy of {self._url} is damaged.", why=explain.masked(done.errors, self._server)
            )
        raise explain.remote_failure(self._server, self._url, done.errors)

    def _once(self, words: Sequence[str], after: Sequence[str], seconds: float, watch: Interrupt | None) -> Done:
        program = environment.git_program()
        try:
            with environment.towards(self._server) as (variables, folder):
                return run(
                    [program, *words, "--", self._url.text, *after],
                    variables,
                    folder,
                    seconds=seconds,
                    interrupt=self._interrupt,
                    watch=watch,
                    heard=self._hear,
                    most_output=_MOST_REFS,
                )
        except TooLong as error:
            raise GitRefused(
                "too_slow",
                f"{self._url.place} did not send {self._url} within {seconds:g} s.",
                why="The server or the network is slow or hangs, or the repository is very large.",
                remedy="Try again: what a mirror already has is not fetched twice. Is something large in it by mistake?",
            ) from error
        except TooMuch as error:
            raise GitRefused(
                "too_large",
                f"{self._url} lists more branches and tags than Estiva reads ({_MOST_REFS // MIB} MiB).",
                remedy="Delete branches and tags that nobody needs.",
            ) from error

    def _hear(self, chunk: bytes) -> None:
        if found := _PROGRESS.findall(chunk):
            label, done, total = found[-1]
            self._progress(label.decode(), int(done), int(total))
