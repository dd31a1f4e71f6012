"""REPOSITORY: reach a Git server, list branches and tags; with a ref its commits, its Dockerfiles, what project it is.

The result: `{"state", "refs"}`; where it shows a host key first `"key_type", "key", "fingerprint"`; with a ref in the request also
`"commits"`, `"dockerfiles"` (paths), `"detected"` (`{"kind", "reasons", "doubts", "dockerfile"}` or None), `"problems"` of `.estiva.yml`,
`"ports"` that the Dockerfile exposes (`{"container_port", "protocol"}`), none where `.estiva.yml` says them.
"""

from typing import Any, Final

from deployments import build_settings, estiva_yml, fingerprints, repository_sightings
from deployments.models import Repository
from deployments.states import OperationStatus, RepositoryState
from worker import git_servers
from worker.engine.dockerfile_ports import exposed_ports
from worker.operations.source import ESTIVA_FILE
from worker.operations.steps import Looking, Outcome
from worker.sources import detect
from worker.sources.errors import GitRefused
from worker.sources.git import Mirror, meet_git_server

COMMITS: Final = 30
_MOST_FILE: Final = 64 * 1024


def look(looking: Looking) -> Outcome:
    """Look at an Application's repository."""
    row = _row(looking)
    ref = str(looking.operation.request.get("ref", ""))
    titles = [("key", "Host key")] if row.url.startswith("ssh://") else []
    titles += [("refs", "Branches and tags")] + ([("ref", f"What is at {ref}")] if ref else [])
    looking.plan_steps(titles)
    result: dict[str, Any] = {}
    if row.url.startswith("ssh://") and not row.host_key:
        return _meet(looking, row)
    if row.url.startswith("ssh://"):
        with looking.step("key") as step:
            step.finish("The trusted one is expected.")
    try:
        mirror = Mirror(git_servers.git_server(row), git_servers.mirrors(row.pk), interrupt=looking.signals.check)
        with looking.step("refs") as step:
            refs = mirror.refs()
            step.finish(f"{len(refs.branches)} branches, {len(refs.tags)} tags.")
        result["refs"] = repository_sightings.bearable(refs.as_dict())
        if ref:
            with looking.step("ref") as step:
                result |= _at(mirror, ref, str(looking.operation.request.get("subdirectory", "")))
                step.finish(f"{len(result['commits'])} commits read.")
    except GitRefused as error:
        git_servers.refused(row.pk, row.url, error)
        row.refresh_from_db(fields=("state",))
        told = {"what": error.message, "why": error.why, "remedy": error.remedy, "state": row.state}
        looking.fail_open(f"{error.message} {error.why}".strip(), error.remedy)
        return Outcome(OperationStatus.FAILED, {**result, **told})
    git_servers.tidy()
    state = repository_sightings.seen(row.pk, row.url, RepositoryState.READY, "", result["refs"])
    return Outcome(OperationStatus.SUCCEEDED, {**result, "state": str(state)})


def _row(looking: Looking) -> Repository:
    row = looking.operation.repository
    if row is None:
        raise RuntimeError(f"Operation {looking.operation.pk} names no repository.")
    return row


def _meet(looking: Looking, row: Repository) -> Outcome:
    """Only the key is asked for; a person confirms it before anything is sent."""
    with looking.step("key") as step:
        offered = meet_git_server(row.url)
        if offered is None:
            text = f"The Git server of {row.url} does not show a host key."
            step.finish(text, status="bad", remedy="Check the address and port, and that the worker may reach it.")
            state = repository_sightings.seen(row.pk, row.url, RepositoryState.UNREACHABLE, text)
            return Outcome(
                OperationStatus.FAILED, {"what": text, "why": "", "remedy": step.remedy, "state": str(state)}
            )
        fingerprint = fingerprints.fingerprint(offered[1])
        step.finish(f"{offered[0]} {fingerprint}")
    state = repository_sightings.offered_key(row.pk, row.url, *offered)
    shown = {"key_type": offered[0], "key": offered[1], "fingerprint": fingerprint, "state": str(state)}
    return Outcome(OperationStatus.SUCCEEDED, shown)


def _at(mirror: Mirror, ref: str, subdirectory: str) -> dict[str, Any]:
    commit = mirror.resolve(ref)
    listing = mirror.listing(commit, subdirectory)
    dockerfiles = [each.path for each in listing if each.kind == "file" and "dockerfile" in each.name.lower()]
    found = None if dockerfiles else detect.detect_at(mirror, commit, subdirectory)
    own = mirror.read(commit, ESTIVA_FILE, _MOST_FILE)
    generated = detect.generated_dockerfile(found) if found else ""
    text = _written(mirror, commit, subdirectory, dockerfiles) if dockerfiles else generated
    return {
        "commits": [each.as_dict() for each in mirror.commits(commit, limit=COMMITS)],
        "dockerfiles": dockerfiles,
        "detected": {
            "kind": found.kind,
            "reasons": list(found.reasons),
            "doubts": list(found.doubts),
            "dockerfile": generated,
        }
        if found
        else None,
        "problems": _problems(own) if own is not None else [],
        "ports": []
        if _says_ports(own)
        else [{"container_port": port, "protocol": kind} for port, kind in exposed_ports(text)],
    }


def _written(mirror: Mirror, commit: str, subdirectory: str, dockerfiles: list[str]) -> str:
    """The Dockerfile that is proposed, as `deployments.queries.repository_page.Look.dockerfile` chooses."""
    name = build_settings.DOCKERFILE if build_settings.DOCKERFILE in dockerfiles else dockerfiles[0]
    try:
        found = mirror.read(commit, f"{subdirectory}/{name}" if subdirectory else name, _MOST_FILE)
    except GitRefused as error:
        if error.kind != "too_large":
            raise
        return ""  # hardly one; the plan says so
    return (found or b"").decode("utf-8", "replace")


def _says_ports(text: bytes | None) -> bool:
    if text is None:
        return False
    try:
        return "ports" in estiva_yml.read(text.decode("utf-8", "replace")).settings
    except estiva_yml.EstivaFileError:
        return False


def _problems(text: bytes) -> list[str]:
    try:
        estiva_yml.read(text.decode("utf-8", "replace"))
    except estiva_yml.EstivaFileError as error:
        return [f"{ESTIVA_FILE}, line {each.line}: {each.message}" for each in error.problems]
    return []
