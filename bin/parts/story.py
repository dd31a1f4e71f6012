"""What the demo does with a running Estiva: registers the sample server, deploys to it, and for --check breaks and mends it.

It speaks to the domain as the pages do, in processes of its own that have Estiva's settings (`parts.story_steps`, `parts.story_git`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from parts import answers
from parts.environment import ROOT
from parts.installation import Installation
from parts.processes import PartError
from parts.sample_repository import SampleRepository
from parts.sample_server import SampleServer
from parts.screen import say


@dataclass(frozen=True)
class Links:
    """Where to go: a one-time sign-in link, and the sample application (empty where there is none)."""

    sign_in: str
    application: str


def first_admin(installation: Installation) -> None:
    """Make the first admin, whom the demo's sign-in links are for."""
    _tell(installation, "admin", None)


def first_deploy(installation: Installation, server: SampleServer | None) -> Links:
    """Register the server, the application and its placement, and deploy version 1, unless that was done before."""
    told = _tell(installation, "first", server)
    return Links(str(told["sign_in"]), str(told["application"]))


def walk(installation: Installation, server: SampleServer) -> dict[str, Any]:
    """Deploy 1 and 2, roll back, try an image that is never healthy, read the log: figures, or PartError with what went wrong."""
    return _tell(installation, "walk", server)


def first_build(installation: Installation, repository: SampleRepository) -> None:
    """Register the application that is built from Git beside the other, and deploy its branch, unless that was done before."""
    run(installation, ["parts.story_git", "first"], json.dumps(repository.told()))


def walk_git(installation: Installation, repository: SampleRepository) -> dict[str, Any]:
    """Build and deploy a commit, push and deploy a second, push one that can't be built: figures, or PartError."""
    return run(installation, ["parts.story_git", "walk"], json.dumps(repository.told()))


def _tell(installation: Installation, chapter: str, server: SampleServer | None) -> dict[str, Any]:
    words = ["parts.story_steps", chapter, installation.url]
    if server is not None:
        words += [
            str(server.sshd.folder),
            str(server.sshd.port),
            str(server.socket),
            server.image,
            str(server.application_port),
        ]
    return run(installation, words)


def run(installation: Installation, words: list[str], given: str = "") -> dict[str, Any]:
    """Run a module as a process with Estiva's settings to its end, `given` on its standard input; what it found, or PartError."""
    environment = {**installation.environment(), "PYTHONPATH": f"{ROOT}:{ROOT / 'bin'}"}
    code, result = answers.ask(["-m", *words], environment, given, lambda line: say("story", line))
    if code != 0 or result is None:
        raise PartError("The sample could not be deployed; the reason stands in the lines above.")
    return result
