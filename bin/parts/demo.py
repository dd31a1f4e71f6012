"""`bin/demo`: the whole of Estiva with a server to try it on; `bin/demo --check` walks through it without a person."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from parts import packages, sample_repository, sample_server, story, venv
from parts.environment import ROOT
from parts.installation import Installation
from parts.part import remove_folder, temporary_folder
from parts.processes import PartError, wait_until
from parts.sample_repository import SampleRepository
from parts.sample_server import SampleServer
from parts.screen import say, strong
from parts.supervisor import Interrupted, Supervisor

DESCRIPTION = "Estiva with a sample server, from one folder: dashboard, worker, broker, sshd, Docker Engine, registry."


def prepare(script: Path, arguments: list[str]) -> None:
    """Everything before our own packages can be imported: Debian's, then .venv; goes on as the environment's Python."""
    packages.ensure(sample_server.needed())
    venv.ensure("requirements.txt")
    venv.reenter(script, arguments)


def main(arguments: list[str]) -> int:
    """Run until Ctrl-C, or with --check until the story has been walked through; the exit code."""
    parser = argparse.ArgumentParser(prog="bin/demo", description=DESCRIPTION)
    parser.add_argument(
        "--check",
        action="store_true",
        help="deploy, roll back and break the sample by itself, then end with a line of JSON",
    )
    parser.add_argument(
        "--folder", type=Path, default=ROOT / "var", help="where the demo keeps everything (default: var/)"
    )
    options = parser.parse_args(arguments)
    return check() if options.check else stay(Installation(options.folder))


def stay(installation: Installation) -> int:
    """Start everything, say where it is, and wait for Ctrl-C."""
    server: SampleServer | None = None
    with installation.alone(), Supervisor() as supervisor, supervisor.signals():
        try:
            server = raise_all(installation, supervisor)
            welcome(installation, story.first_deploy(installation, server))
            offer_repository(installation, supervisor, server)
            supervisor.wait()
        except Interrupted:
            say("demo", "ending what was started here")
            if server is not None:
                server.leave_borrowed(installation)
        except PartError as error:
            say("demo", str(error))
            return 1
    return 0


def check() -> int:
    """The same in a throwaway folder, with everything the demo promises tried out; the last line is JSON."""
    folder = temporary_folder("demo")
    began = time.monotonic()
    figures: dict[str, Any] = {"ok": False}
    installation = Installation(folder, throwaway=True)
    server: SampleServer | None = None
    with installation.alone(), Supervisor() as supervisor, supervisor.signals():
        try:
            server = raise_all(installation, supervisor)
            if server is None:
                raise PartError("There is no sample server to deploy to; the reason stands above.")
            figures["start_seconds"] = round(time.monotonic() - began, 1)
            figures.update(story.walk(installation, server))
            repository = raise_repository(installation, supervisor, server)
            if repository is not None:
                figures.update(story.walk_git(installation, repository))
            figures["ok"] = True
        except Interrupted as reason:
            figures["reason"] = f"interrupted by {reason}"
        except PartError as error:
            figures["reason"] = str(error)
        if server is not None:
            server.leave_borrowed(installation)
    remove_folder(folder)
    figures["seconds"] = round(time.monotonic() - began, 1)
    print(json.dumps(figures), flush=True)
    return 0 if figures["ok"] else 1


def raise_all(installation: Installation, supervisor: Supervisor) -> SampleServer | None:
    """Start Estiva and the sample server; None, with the reason said, where this machine can't have one."""
    # The admin is there before the web starts: else it would print a setup link that the demo then uses up.
    installation.start(supervisor, lambda: None if installation.has_people() else story.first_admin(installation))
    try:
        server = sample_server.start(installation, supervisor)
    except PartError as error:
        say("demo", f"The dashboard runs, but there is no sample server: {error}")
        server = None
    wait_until(installation.ready, "the dashboard was not ready (see /readyz)", timeout=60)
    return server


def raise_repository(
    installation: Installation, supervisor: Supervisor, server: SampleServer
) -> SampleRepository | None:
    """Start the Git server with the story's application; None, with the reason said, where this machine can't have it."""
    try:
        return sample_repository.start(installation, supervisor, server)
    except PartError as error:
        say("demo", f"No sample is built from Git here: {error}")
        return None


def offer_repository(installation: Installation, supervisor: Supervisor, server: SampleServer | None) -> None:
    """The second sample, while the first is there to be looked at already; without it the demo goes on."""
    repository = raise_repository(installation, supervisor, server) if server is not None else None
    if repository is None:
        return
    try:
        story.first_build(installation, repository)
    except PartError as error:
        say("demo", str(error))
        return
    show(
        [
            f"Built from Git      {strong(repository.application_url)}",
            f"Change it           git clone {repository.clone_url}",
            "                    commit and push, then deploy it: application web, production.",
        ]
    )


def welcome(installation: Installation, links: story.Links) -> None:
    """The lines the person at the terminal waits for."""
    lines = [f"Dashboard           {strong(installation.url)}", f"Sign in (once)      {strong(links.sign_in)}"]
    if links.application:
        lines.append(f"Sample application  {strong(links.application)}")
    lines.append("Ctrl-C ends everything that was started here. A second start is quick and finds it as it was.")
    show(lines)


def show(lines: list[str]) -> None:
    """Print lines for the person at the terminal, set apart from what the programs say."""
    print(flush=True)
    for line in lines:
        print(f"  {line}", flush=True)
    print(flush=True)
