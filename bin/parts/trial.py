"""`bin/trial`: production as docs/install.md and docs/operations.md describe it, on a bare Debian machine, as root."""

from __future__ import annotations

import argparse
import json
import time
import traceback
from collections.abc import Collection, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from parts import trial_images, trial_revisions, trial_story, trial_units, trial_unknown
from parts.engine26 import Engine26
from parts.leftovers import clear_leftovers, remove
from parts.part import temporary_folder
from parts.processes import PartError, free_port
from parts.registry import Registry
from parts.supervisor import Interrupted, Supervisor
from parts.trial_acts import check
from parts.trial_revisions import LIFE, PARTS, ROLLED, UNITS, commit, tree
from parts.trial_server import TrialServer
from parts.trial_stack import Stack, announce
from parts.trial_upgrade import Rolled

NEW, OLD, LATER = "estiva:trial", "estiva:trial-before", "estiva:trial-later"


def main(options: argparse.Namespace) -> int:
    """Go through it all, then remove it all; the last line is JSON, whatever came between. The exit code."""
    began, figures = time.monotonic(), dict[str, Any](ok=False)
    clear_leftovers()
    folder = temporary_folder("trial")
    with Supervisor() as supervisor, supervisor.signals():
        try:
            before = options.before or trial_revisions.upgraded_from()
            _try(folder, before, options.only or PARTS, figures)
            figures["ok"] = True
        except Interrupted as reason:
            figures["reason"] = f"interrupted by {reason}"
        except PartError as error:
            figures["reason"] = str(error)
        except Exception as error:  # noqa: BLE001 - a mistake of the trial's own: told, and nothing is left behind all the same
            figures["reason"] = "".join(traceback.format_exception(error))
        try:
            remove(folder)
        except OSError as error:
            figures |= {"ok": False, "left_behind": str(error)}
    figures["seconds"] = round(time.monotonic() - began)
    print(json.dumps(figures), flush=True)
    return 0 if figures["ok"] else 1


def _try(folder: Path, before: str, wanted: Collection[str], figures: dict[str, Any]) -> None:
    """Everything is ended and removed on the way out, however it went."""
    trees = {name: tree(folder / name, revision) for name, revision in (("new", "HEAD"), ("old", before))}
    migrations = trial_revisions.new_migrations(trees["old"], trees["new"])
    figures["upgrade"] = {"from": commit(before), "to": commit("HEAD"), "migrations": migrations}
    if ROLLED in wanted or LIFE in wanted:
        _with_compose(folder, trees, wanted, figures)
    if UNITS in wanted:
        announce("the units, on a machine that runs under systemd")
        began = time.monotonic()
        wheels = trial_images.wheels([(trees["new"] / "requirements.txt").read_text()])
        trial_units.go(folder / "units", trees["new"], wheels, figures)
        figures["units_seconds"] = round(time.monotonic() - began, 1)
    not_tried = figures.get("rolling_upgrade", {}).get("not_tried", ())
    check(not not_tried, f"no upgrade one by one was tried: {'; '.join(not_tried)}; name another revision with --from")


def _with_compose(folder: Path, trees: Mapping[str, Path], wanted: Collection[str], figures: dict[str, Any]) -> None:
    """An engine for production, one for the server; two lives of an installation, one after the other."""
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
        stack = _stack("estiva", trees["old"], folder / "production", engine)
        parts.callback(_end, stack)
        began = time.monotonic()
        stack.build_from(trees["old"], OLD)
        stack.pull(trees["new"], NEW)
        stack.build()
        stack.pull(trees["old"], OLD)
        figures["build_seconds"] = round(time.monotonic() - began, 1)
        if ROLLED in wanted:
            _roll(_stack("estiva-rolled", trees["old"], folder / "rolled", engine), server, trees, figures)
        if LIFE in wanted:
            other = _stack("estiva-restored", trees["new"], folder / "restored", engine)
            parts.callback(_end, other)
            trial_story.Story(stack, other, server, figures, trees["new"], NEW).go()


def _roll(stack: Stack, server: TrialServer, trees: Mapping[str, Path], figures: dict[str, Any]) -> None:
    """Where workers of the earlier version can live on the new tables at all; else the figures say why not, and the trial isn't well."""
    hindrances = trial_revisions.hindrances(trees["old"], trees["new"])
    if hindrances:
        figures["rolling_upgrade"] = {"not_tried": hindrances}
        return
    began = time.monotonic()
    try:
        taught = trial_unknown.later(trees["new"], trees["new"].with_name("later"))
        stack.build_from(taught, LATER)
        stack.settle(OLD)
        Rolled(stack, server, figures, taught, LATER).go()
    except PartError as error:
        raise PartError(f"upgrade one by one: {error}") from error
    finally:
        _end(stack)
    figures["rolling_upgrade_seconds"] = round(time.monotonic() - began, 1)


def _stack(name: str, tree: Path, folder: Path, engine: Engine26) -> Stack:
    return Stack(name, tree, folder, engine, ports={kind: free_port() for kind in ("http", "https", "web")})


def _end(stack: Stack) -> None:
    """Remove its containers; the engine's end takes what this can't, and must not hide why it came to that."""
    try:
        stack.down()
    except PartError as error:
        announce(f"{stack.name}: {error}")
