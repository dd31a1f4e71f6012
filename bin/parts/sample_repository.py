"""The demo's Git server with the story's own application in it, and the base image its Dockerfile asks for."""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass

from parts import flask_sample, packages, stand_in
from parts.git_server import GitServer
from parts.installation import Installation
from parts.processes import PartError
from parts.sample_server import NEEDED_FOR_GIT, SampleServer
from parts.screen import say
from parts.supervisor import Supervisor

NAME = "web"


@dataclass(frozen=True)
class SampleRepository:
    """What the demo registers and builds. `clone_url` has user and password in it: for the person at the terminal alone."""

    url: str
    user: str
    password: str
    clone_url: str
    base: str  # the image it is built from, as an engine here can pull it
    application_port: int

    def told(self) -> dict[str, str | int]:
        """For the story's own process."""
        return asdict(self)

    @property
    def application_url(self) -> str:
        """Where the application answers once it is deployed."""
        return f"http://127.0.0.1:{self.application_port}/"


def start(installation: Installation, supervisor: Supervisor, server: SampleServer) -> SampleRepository:
    """Start the Git server, its repository as an earlier run left it; PartError with the reason where this machine can't have it."""
    missing = packages.lacking(NEEDED_FOR_GIT)
    if missing:
        raise PartError(f"it needs {', '.join(missing)} ({' '.join(packages.packages_for(missing))} on Debian)")
    say("git", "making a stand-in for python:3.7 out of Debian's packages, or finding the one made before")
    stand_in.push(server.registry)
    folder = installation.folder / "git-server"
    git_server = GitServer(
        folder,
        http_port=installation.port("git"),
        ssh_port=installation.port("git-ssh"),
        password=_password(installation),
    )
    # Not watched: it runs in our own process, and can't be started a second time.
    supervisor.start(git_server, keep=False)
    # Somebody else's engine doesn't ask our registry when it hears `python:3.7`.
    base = f"{server.registry.address}/library/python:3.7" if server.is_borrowed else "python:3.7"
    repo = git_server.open(NAME, private=True)
    if not repo.folder.exists():
        repo.make()
    if repo.head() is None:
        repo.commit(flask_sample.files("1", base=base), "Begin")
    say("git", f"{repo.http_url} holds the story's application, a Flask page with a Dockerfile")
    return SampleRepository(
        repo.http_url,
        git_server.user,
        git_server.password,
        git_server.with_password(repo),
        base,
        server.built_port,
    )


def _password(installation: Installation) -> str:
    """Kept for the next start: clones that somebody made go on working."""
    file = installation.folder / "git-password"
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(f"git-{secrets.token_urlsafe(12)}")
    return file.read_text()
