"""What a Plan of a repository would build: the commit, what came since, whether it can be built, what its own file says."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from django.db import connection as database

from deployments import estiva_yml, releases, repository_sightings
from deployments.models import Plan, Release, Repository
from deployments.states import RepositoryState
from worker import git_servers
from worker.brief import CannotBrief
from worker.engine.events import Finding
from worker.operations.steps import Looking
from worker.sources.errors import GitRefused
from worker.sources.git import Mirror

STEP: Final = "source"
ESTIVA_FILE: Final = ".estiva.yml"
MOST_COMMITS: Final = 50
_MOST_FILE: Final = 64 * 1024
_MOST_DOCKERFILE: Final = 1024 * 1024


@dataclass(slots=True)
class Found:
    """`source` as `deployments.sources` documents what is found out; a bad finding stands for every server."""

    source: dict[str, Any] = field(default_factory=dict)
    commits: list[dict[str, str]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def find(looking: Looking, row: Plan, look: "Callable[[Mirror, Plan], Found] | None" = None) -> Found:
    """Look the source of a Plan up; changes nothing but the worker's mirror. `look` finds out what is in it."""
    with looking.step(STEP) as step:
        try:
            repository = _repository(row)
            mirror = _mirror(looking, repository)
            try:
                found = (look or _look)(mirror, row)
            except GitRefused as error:
                git_servers.refused(repository.pk, repository.url, error)
                raise
            repository_sightings.seen(repository.pk, repository.url, RepositoryState.READY)
            git_servers.tidy()
        except (CannotBrief, GitRefused) as error:
            why = error.why if isinstance(error, GitRefused) else ""
            step.finish(error.message, status="bad", remedy=error.remedy)
            return Found(findings=[Finding("source", "bad", f"{error.message} {why}".strip(), error.remedy)])
        finally:
            database.close()
        bad = [each for each in found.findings if each.result == "bad"]
        if bad:
            step.finish(bad[0].message, status="bad", remedy=bad[0].remedy)
        else:
            step.finish(f"{found.source['commit'][:7]} {found.source['subject']}")
        return found


def _repository(row: Plan) -> Repository:
    repository = Repository.objects.filter(application=row.placement.application_id).first()
    if repository is None or repository.url != row.source.get("url"):
        raise CannotBrief(
            f"The repository {row.source.get('url')} is not this application's any more.", "Name it on its page."
        )
    return repository


def _mirror(looking: Looking, repository: Repository) -> Mirror:
    server = git_servers.git_server(repository)
    return Mirror(server, git_servers.mirrors(repository.pk), interrupt=looking.signals.check)


def _look(mirror: Mirror, row: Plan) -> Found:
    found = commits_of(mirror, row, row.source["build"]["ref"])
    commit = found.source["commit"]
    if row.of_release is None:
        found.findings += _own_file(mirror, commit, found)
    found.findings.append(
        _dockerfile(mirror, commit, {**row.source["build"], **found.source.get("file", {}).get("build", {})})
    )
    return found


def commits_of(mirror: Mirror, row: Plan, ref: str) -> Found:
    """The commit that a Plan is about, and what came since the one that runs."""
    commit = row.source.get("commit") or mirror.resolve(ref)
    mirror.have(commit)
    running = _running_commit(row)
    newest = mirror.commits(commit, limit=1)[0]
    commits = mirror.commits(commit, since=running, limit=MOST_COMMITS) if running and running != commit else []
    return Found({**newest.as_dict()}, [each.as_dict() for each in commits])


def _running_commit(row: Plan) -> str:
    running: Release | None = releases.running_release(row.placement_id)
    return str(running.source.get("commit", "")) if running else ""


def _own_file(mirror: Mirror, commit: str, found: Found) -> list[Finding]:
    text = mirror.read(commit, ESTIVA_FILE, _MOST_FILE)
    if text is None:
        return []
    try:
        said = estiva_yml.read(text.decode("utf-8"))
    except UnicodeDecodeError:
        return [Finding("file", "bad", f"{ESTIVA_FILE} is not UTF-8 text.", "Save it as UTF-8.")]
    except estiva_yml.EstivaFileError as error:
        return [
            Finding("file", "bad", f"{ESTIVA_FILE}, line {each.line}: {each.message}", "Mend it and push again.")
            for each in error.problems
        ]
    found.source["file"] = {"build": said.build, "settings": said.settings}
    names = ", ".join([*said.build, *said.settings])
    return [Finding("file", "good", f"{ESTIVA_FILE} sets {names}.")] if names else []


def _dockerfile(mirror: Mirror, commit: str, build: dict[str, Any]) -> Finding:
    if build["dockerfile_text"]:
        return Finding("dockerfile", "good", "The Dockerfile kept in Estiva is used.")
    path = "/".join(part for part in (build["subdirectory"], build["dockerfile"]) if part)
    if mirror.read(commit, path, _MOST_DOCKERFILE) is not None:
        return Finding("dockerfile", "good", f"{path} is there.")
    return Finding(
        "dockerfile",
        "bad",
        f"There is no {path} at {commit[:7]}.",
        "Commit one, name its folder and path in the build settings, or accept a generated one there.",
    )
