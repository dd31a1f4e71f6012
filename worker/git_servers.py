"""An Application's Repository as `worker.sources` takes it: its credential opened, its mirror's place, what was seen written down."""

from pathlib import Path

import structlog
from django.conf import settings

from deployments import git_url, repository_sightings
from deployments.models import Repository
from deployments.sealing import open_sealed
from deployments.states import RepositoryState
from worker.brief import CannotBrief
from worker.engine.spec import Secret
from worker.sources.errors import GitRefused
from worker.sources.git import keep_within, meet_git_server, remove_unused
from worker.sources.reach import Reach
from worker.sources.shapes import GitCredential, GitServer

log = structlog.get_logger(__name__)

UNUSED_SECONDS = 30 * 24 * 3600.0
STATES = {
    "authentication": RepositoryState.REFUSED,
    "not_found": RepositoryState.REFUSED,
    "unreachable": RepositoryState.UNREACHABLE,
    "too_slow": RepositoryState.UNREACHABLE,
    "broken": RepositoryState.UNREACHABLE,
}
"""What a refusal says of the repository itself; the other kinds are about one ref or one tree."""


def mirrors(repository_id: int) -> Path:
    """The folder of one Repository's mirrors, its submodules' among them.

    No two Repositories share one: what the one's credential brought here, the other could read without any.
    """
    return Path(settings.ESTIVA_VAR) / "git" / str(repository_id)


def tidy() -> None:
    """Free the space of mirrors whose Repository is gone, of those that nobody fetched into for a month, and of what is too much."""
    root = Path(settings.ESTIVA_VAR) / "git"
    kept = {str(each) for each in Repository.objects.values_list("pk", flat=True)}
    for folder in root.iterdir() if root.exists() else ():
        if folder.is_dir():
            remove_unused(folder, UNUSED_SECONDS if folder.name in kept else 0)
    emptied = keep_within(root, settings.ESTIVA_GIT_CACHE_BYTES)
    if emptied:
        log.info("copies of repositories removed, to keep within the limit", count=len(emptied))


def git_server(row: Repository) -> GitServer:
    """How to reach it. `CannotBrief` when trust is missing, or its key changed."""
    if not row.is_trusted:
        raise CannotBrief(
            f"The host key of the Git server of {row.url} is not confirmed.",
            "Confirm its fingerprint on the application's page.",
        )
    if row.state == RepositoryState.KEY_CHANGED:
        raise CannotBrief(
            f"The Git server of {row.url} showed another host key than the trusted one. Nothing is sent to it.",
            "Find out why, then trust the new key on the application's page.",
        )
    reach = Reach(git_url.parse(row.url).bare_host, tuple(settings.ESTIVA_GIT_ALLOWED_HOSTS))
    return GitServer(row.url, _credential(row), (row.host_key_type, row.host_key) if row.host_key else None, reach)


def token_of(row: Repository) -> Secret | None:
    """Its token, opened; None where it has none. `CannotOpen` when it was sealed for another installation."""
    return Secret(open_sealed(row.token)) if row.token else None


def secrets_of(server: GitServer) -> tuple[Secret, ...]:
    """For the Masker."""
    known = (server.credential.token, server.credential.private_key_pem)
    return tuple(each for each in known if each is not None)


def refused(repository_id: int, url: str, error: GitRefused) -> None:
    """Write down what a refusal says of the repository; a changed host key raises the alarm."""
    if error.kind == "host_key":
        offered = meet_git_server(url)
        if offered is not None:
            repository_sightings.offered_key(repository_id, url, *offered)
    elif error.kind in STATES:
        repository_sightings.seen(repository_id, url, STATES[error.kind], f"{error.message} {error.why}".strip())


def _credential(row: Repository) -> GitCredential:
    private_key = Secret(open_sealed(row.private_key)) if row.private_key else None
    return GitCredential(row.username, token_of(row), private_key)
