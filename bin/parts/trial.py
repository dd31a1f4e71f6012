"""`bin/trial`: production as docs/install.md and docs/operations.md describe it, on a bare Debian machine, as root."""

from __future__ import annotations

import argparse
import json
import os
import tarfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from parts import packages, trial_images, trial_story, trial_units, venv
from parts.engine26 import Engine26
from parts.environment import ROOT
from parts.leftovers import clear_leftovers
from parts.part import remove_folder, temporary_folder
from parts.processes import PartError, free_port, run
from parts.registry import Registry
from parts.supervisor import Interrupted, Supervisor
from parts.trial_server import TrialServer
from parts.trial_stack import Stack, announce

DESCRIPTION = "Bring docker-compose.yml up for real and go through a life with it; takes about ten minutes."
NEEDED = ("dockerd", "ip", "docker-registry", "sshd", "ssh-keygen", "static busybox", "git")
UNDER_SYSTEMD = ("systemctl", "dbus-daemon", "postgres", "redis-server")
NEW, OLD = "estiva:trial", "estiva:trial-before"


def prepare(script: Path, arguments: list[str]) -> None:
    """Everything before our own packages can be imported: Debian's, then .venv; goes on as the environment's Python."""
    if os.geteuid() != 0:
        raise PartError("it needs root: an engine, network namespaces and Debian's packages.")
    packages.ensure((*NEEDED, *UNDER_SYSTEMD))
    venv.ensure("requirements.txt")
    venv.reenter(script, arguments)


def main(arguments: list[str]) -> int:
    """Go through it all, then remove it all; the last line is JSON. The exit code."""
    parser = argparse.ArgumentParser(prog="bin/trial", description=DESCRIPTION)
    parser.add_argument(
        "--from", dest="before", default="HEAD~1", metavar="REVISION", help="what is upgraded from (default: HEAD~1)"
    )
    options = parser.parse_args(arguments)
    began, figures = time.monotonic(), dict[str, Any](ok=False)
    clear_leftovers()
    folder = temporary_folder("trial")
    with Supervisor() as supervisor, supervisor.signals():
        try:
            _try(folder, options.before, figures)
            figures["ok"] = True
        except Interrupted as reason:
            figures["reason"] = f"interrupted by {reason}"
        except PartError as error:
            figures["reason"] = str(error)
    remove_folder(folder)
    figures["seconds"] = round(time.monotonic() - began)
    print(json.dumps(figures), flush=True)
    return 0 if figures["ok"] else 1


def _try(folder: Path, before: str, figures: dict[str, Any]) -> None:
    """Everything is ended and removed on the way out, however it went."""
    trees = {name: _tree(folder / name, revision) for name, revision in (("new", "HEAD"), ("old", before))}
    figures["upgrade"] = {"from": _commit(before), "to": _commit("HEAD")}
    with ExitStack() as parts:
        registry = parts.enter_context(Registry(folder / "registry"))
        announce("making stand-ins for the public images from Debian's packages (minutes, the first time)")
        figures["stand_ins"] = trial_images.push(registry, trees.values())
        engine = parts.enter_context(Engine26(folder / "engine", mirrors=[registry.url]))
        figures["engine"] = engine.api.json("GET", "/version")["Version"]
        server = TrialServer(folder / "server", registry, engine)
        parts.callback(server.stop)
        server.start()
        figures["server_engine"] = server.engine.api.json("GET", "/version")["Version"]
        stack = _stack("estiva", trees["new"], folder / "production", engine)
        parts.callback(_end, stack)
        began = time.monotonic()
        stack.build_from(trees["old"], OLD)
        stack.settle(NEW)
        stack.build()
        stack.settle(OLD)
        figures["build_seconds"] = round(time.monotonic() - began, 1)
        other = _stack("estiva-restored", trees["new"], folder / "restored", engine)
        parts.callback(_end, other)
        trial_story.Story(stack, other, server, figures, old=OLD, new=NEW).go()
    announce("the units, on a machine that runs under systemd")
    began = time.monotonic()
    wheels = trial_images.wheels([(trees["new"] / "requirements.txt").read_text()])
    trial_units.go(folder / "units", trees["new"], wheels, figures)
    figures["units_seconds"] = round(time.monotonic() - began, 1)


def _stack(name: str, tree: Path, folder: Path, engine: Engine26) -> Stack:
    return Stack(name, tree, folder, engine, ports={kind: free_port() for kind in ("http", "https", "web")})


def _end(stack: Stack) -> None:
    """Remove its containers; the engine's end takes what this can't, and must not hide why it came to that."""
    try:
        stack.down()
    except PartError as error:
        announce(f"{stack.name}: {error}")


def _tree(place: Path, revision: str) -> Path:
    """The source as it was committed then."""
    place.mkdir()
    packed = place.with_suffix(".tar")
    try:
        run(["git", "-C", str(ROOT), "archive", f"--output={packed}", revision])
    except PartError as error:
        raise PartError(f"git has no revision {revision} here; name another with --from. {error}") from error
    with tarfile.open(packed) as tar:
        tar.extractall(place, filter="data")
    packed.unlink()
    return place


def _commit(revision: str) -> str:
    return run(["git", "-C", str(ROOT), "rev-parse", "--short", revision]).strip()
