"""A build Target: clone in the worker, build on the builder, write down what was made."""

from contextlib import closing
from typing import Any

from django.db import connection as database

from deployments import repository_sightings
from deployments.states import RepositoryState
from worker import git_servers
from worker.attempts import Attempt, cancelled_before
from worker.build_brief import BuildBrief, build_brief
from worker.engine.build import build
from worker.engine.errors import Cancelled, HostLost
from worker.engine.events import Ended, Progress, StepEnded, StepStarted, Verdict
from worker.engine.publish import publish
from worker.keeper import Held, Keeper
from worker.recorder import Recorder
from worker.servers import BuildOpener, Opener
from worker.sources.errors import GitRefused
from worker.sources.git import Context, Mirror


class BuildAttempt(Attempt[BuildBrief]):
    """One attempt at making a Release's image. Nothing that serves is touched: an interrupted one is simply made again."""

    def __init__(self, held: Held, keeper: Keeper, opener: Opener, build_opener: BuildOpener) -> None:
        super().__init__(held, keeper, opener)
        self.build_opener = build_opener

    def brief(self) -> BuildBrief:
        """The repository, the commit, the builder, the secrets."""
        return build_brief(self.claim.id, self.claim.fence)

    def work(self, brief: BuildBrief, recorder: Recorder) -> None:
        """Clone, connect, build; a cancel ends it at once, since there is nothing to put back."""
        try:
            cloned = self._clone(brief, recorder)
            if cloned is not None:
                context, dockerfile = cloned
                with closing(context):  # its processes end with it, however far it was read
                    self._build(brief, dockerfile, context, recorder)
        except Cancelled:
            recorder.end_open_step("cancelled", "cancelled")
            recorder.record(cancelled_before(self.target.host_name))
        except GitRefused as error:  # while the context was read
            git_refused(self, error, (brief.repository, brief.server.url), recorder)

    def _build(self, brief: BuildBrief, dockerfile: str, context: Context, recorder: Recorder) -> None:
        opening = self.build_opener(brief.connection, self.signals)
        host = self.connect(opening, recorder, brief.connection.address)
        spec = brief.spec(dockerfile)
        push_to, tag = brief.settings["push_to"], f"{brief.identity.placement_name}-{brief.commit[:12]}"
        push = (lambda built: publish(host, built, push_to, tag, deadline=spec.deadline)) if push_to else None
        for event in build(spec, host, context, context_size=context.size, publish=push):
            recorder.record(event)

    def built(self, recorder: Recorder) -> dict[str, Any] | None:
        """What `deployments.builds.record_built` takes."""
        if recorder.built is None:
            return None
        return {**recorder.built, "host": self.target.host_id, "host_name": self.target.host_name}

    def _clone(self, brief: BuildBrief, recorder: Recorder) -> tuple[Context, str] | None:
        """What is sent to the builder, and what its Dockerfile says; None when that failed and was said."""
        recorder.record(StepStarted("clone"))
        settings, source = brief.settings, brief.source
        recorder.say(f"Fetching {settings['ref']} of {brief.server.url}.")
        self.keeper.flusher.hurry()  # the first line: whoever clicked waits for it
        mirror = Mirror(
            brief.server,
            git_servers.mirrors(brief.repository),
            interrupt=self.signals.check,
            progress=lambda label, done, total: recorder.record(Progress("clone", done, total, label, "passes")),
        )
        try:
            mirror.have(brief.commit)
            dockerfile = settings["dockerfile_text"] or self._dockerfile(mirror, brief)
            context = mirror.context(brief.commit, brief.options)
        except GitRefused as error:
            git_refused(self, error, (brief.repository, brief.server.url), recorder)
            return None
        recorder.say(f"{brief.commit[:12]} {source['subject']} ({source['author']})")
        ignored = f", {context.left_out} left out by .dockerignore" if context.left_out else ""
        recorder.say(f"{context.files} files, {context.size / 1e6:.1f} MB{ignored}.")
        recorder.record(StepEnded("clone", "good", brief.commit[:12]))
        repository_sightings.seen(brief.repository, brief.server.url, RepositoryState.READY)
        database.close()
        return context, dockerfile

    def _dockerfile(self, mirror: Mirror, brief: BuildBrief) -> str:
        settings = brief.settings
        path = "/".join(part for part in (settings["subdirectory"], settings["dockerfile"]) if part)
        found = mirror.read(brief.commit, path, 1024 * 1024)
        if found is None:
            raise GitRefused(
                "not_found",
                f"There is no {path} at {brief.commit[:7]} of {brief.server.url}.",
                why="It was moved, never committed, or is in another folder.",
                remedy="Commit one, or name its folder and path in the build settings.",
            )
        return found.decode("utf-8", "replace")


def git_refused(attempt: Attempt[Any], error: GitRefused, whose: tuple[int, str], recorder: Recorder) -> None:
    """A Git server that does not answer is tried again; what it refuses ends the build. `whose`: a Repository, its address."""
    attempt.patiently(lambda: git_servers.refused(*whose, error))
    database.close()
    recorder.fail_open_step(f"{error.message} {error.why}".strip())
    if error.kind == "unreachable":
        raise HostLost(error.message, why=error.why, remedy=error.remedy) from error
    recorder.record(
        Ended(
            Verdict.FAILED_UNTOUCHED,
            what=error.message,
            why=error.why,
            remedy=error.remedy,
            failed_step="clone",
        )
    )
