"""A build Target of a Compose application: what is built is what Compose itself, on the builder, makes of the files."""

from contextlib import ExitStack, closing
from dataclasses import asdict
from typing import Any

from django.db import connection as database

from deployments import repository_sightings
from deployments.states import RepositoryState
from worker import git_servers
from worker.attempts import Attempt, cancelled_before
from worker.builds import git_refused
from worker.compose_build_brief import ComposeBuildBrief, compose_build_brief
from worker.engine.compose.building import Wanted, build_services
from worker.engine.compose.builds import ServiceBuild, refusals, service_builds
from worker.engine.compose.compose_host import ComposeHost
from worker.engine.compose.preflight import compose_finding
from worker.engine.compose.resolving import resolve
from worker.engine.errors import Cancelled, HostError
from worker.engine.events import Built, Ended, Progress, StepEnded, StepStarted, Verdict
from worker.engine.failure import StepFailed
from worker.keeper import Held, Keeper
from worker.recorder import Recorder
from worker.servers import BuildOpener, ComposeOpener, Opener
from worker.sources.errors import GitRefused
from worker.sources.git import Mirror

_MOST_DOCKERFILE = 1024 * 1024


class ComposeBuildAttempt(Attempt[ComposeBuildBrief]):
    """One attempt at making a Release's images. Nothing that serves is touched: an interrupted one is simply made again."""

    def __init__(
        self, held: Held, keeper: Keeper, opener: Opener, build_opener: BuildOpener, compose_opener: ComposeOpener
    ) -> None:
        super().__init__(held, keeper, opener)
        self.build_opener, self.compose_opener = build_opener, compose_opener
        self.services: dict[str, dict[str, Any]] = {}

    def brief(self) -> ComposeBuildBrief:
        """The files, the repository, the commit, the builder, the secrets."""
        return compose_build_brief(self.claim.id, self.claim.fence)

    def work(self, brief: ComposeBuildBrief, recorder: Recorder) -> None:
        """Connect, resolve, clone, build; a cancel ends it at once, since there is nothing to put back."""
        try:
            host = self.connect(self.compose_opener(brief.connection, self.signals), recorder, brief.connection.address)
            with ExitStack() as contexts:  # their processes end with it, however far they were read
                wanted = self._clone(brief, host, recorder, contexts)
                self._build(brief, wanted, recorder)
        except Cancelled:
            recorder.end_open_step("cancelled", "cancelled")
            recorder.record(cancelled_before(self.target.host_name))
        except StepFailed as failure:
            recorder.fail_open_step(failure.what)
            said = (failure.what, failure.why, failure.remedy)
            recorder.record(Ended(Verdict.FAILED_UNTOUCHED, *said, failed_step="clone"))
        except GitRefused as error:
            git_refused(self, error, (brief.repository, brief.server.url), recorder)

    def built(self, recorder: Recorder) -> dict[str, Any] | None:
        """What `deployments.builds.record_built` takes."""
        if not self.services:
            return None
        return {"services": self.services, "host": self.target.host_id, "host_name": self.target.host_name}

    def _build(self, brief: ComposeBuildBrief, wanted: list[Wanted], recorder: Recorder) -> None:
        host = self.opened.enter_context(self.build_opener(brief.connection, self.signals))
        left = iter(wanted)
        for event in build_services(wanted, host):
            if isinstance(event, Built):
                parts = {key: value for key, value in asdict(event).items() if key != "tag"}
                self.services |= dict.fromkeys(next(left).build.services, parts)
            else:
                recorder.record(event)

    def _clone(
        self, brief: ComposeBuildBrief, host: ComposeHost, recorder: Recorder, contexts: ExitStack
    ) -> list[Wanted]:
        """What Compose on the builder says is to be built, and the folders of the repository for that."""
        recorder.record(StepStarted("clone"))
        builds = _resolved(brief, host)
        recorder.say(f"Fetching {brief.ref} of {brief.server.url}.")
        mirror = Mirror(
            brief.server,
            git_servers.mirrors(brief.repository),
            interrupt=self.signals.check,
            progress=lambda label, done, total: recorder.record(Progress("clone", done, total, label, "passes")),
        )
        mirror.have(brief.commit)
        wanted = [_wanted(brief, mirror, each, recorder, contexts) for each in builds]
        source = brief.source
        recorder.say(f"{brief.commit[:12]} {source['subject']} ({source['author']})")
        recorder.record(StepEnded("clone", "good", brief.commit[:12]))
        repository_sightings.seen(brief.repository, brief.server.url, RepositoryState.READY)
        database.close()
        return wanted


def _resolved(brief: ComposeBuildBrief, host: ComposeHost) -> list[ServiceBuild]:
    """Before anything else: without Compose there, nobody knows what is to be built."""
    spec = brief.compose
    try:
        compose = compose_finding(host, spec.host_name)
        if compose.result == "bad":
            why = "Compose on the builder says what is to be built."
            raise StepFailed(compose.message, why=why, remedy=compose.remedy)
        resolved = resolve(host, spec, spec.wanted)
    except HostError as error:
        raise StepFailed.of(error, f"The Compose file could not be resolved on {spec.host_name}") from error
    refused = refusals(resolved.model)
    if refused:
        raise StepFailed(
            refused[0],
            why=" ".join(refused[1:]) or "Leaving it out would make another image than is meant.",
            remedy="Change it in the Compose file, or name an image that is built elsewhere.",
        )
    return service_builds(resolved.model, resolved.build_secrets, spec.wanted.folder)


def _wanted(
    brief: ComposeBuildBrief, mirror: Mirror, build: ServiceBuild, recorder: Recorder, contexts: ExitStack
) -> Wanted:
    text = build.text or _dockerfile(brief, mirror, build)
    context = contexts.enter_context(closing(mirror.context(brief.commit, brief.options(build))))
    ignored = f", {context.left_out} left out by .dockerignore" if context.left_out else ""
    recorder.say(f"{build.named}: {context.files} files, {context.size / 1e6:.1f} MB{ignored}.")
    return Wanted(build, brief.spec(build, text), context, context.size)


def _dockerfile(brief: ComposeBuildBrief, mirror: Mirror, build: ServiceBuild) -> str:
    path = "/".join(part for part in (build.folder, build.dockerfile) if part)
    found = mirror.read(brief.commit, path, _MOST_DOCKERFILE)
    if found is None:
        raise GitRefused(
            "not_found",
            f"{build.named}: there is no {path} at {brief.commit[:7]} of {brief.server.url}.",
            why="It was moved, never committed, or is in another folder.",
            remedy="Commit one, or correct `build:` in the Compose file.",
        )
    return found.decode("utf-8", "replace")
