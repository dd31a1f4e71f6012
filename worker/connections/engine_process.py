"""Which of the server's processes is the engine that is spoken to, and what its own settings say of its control groups."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from worker.connections.control_groups import Kernel, NotHeld


@dataclass(frozen=True, slots=True)
class EngineProcess:
    """`arguments` are those after the program's name."""

    pid: str
    arguments: Sequence[str]


def engine_process(kernel: Kernel, info: Mapping[str, Any]) -> EngineProcess:
    """The one that answers with this `info`; `NotHeld` where it can't be told."""
    listed = kernel.look("pgrep", "-a", "-x", "dockerd")
    found = [line.split() for line in listed.stdout.decode("utf-8", "replace").splitlines()]
    here = _namespace(kernel, "self")
    engines = [
        EngineProcess(words[0], words[1:])
        for words in found
        if len(words) > 1 and words[0].isdigit() and here and _namespace(kernel, words[0]) == here
    ]
    mine = own_engine(engines, str(info.get("DockerRootDir") or ""))
    if mine is None:
        raise NotHeld("it can't be told which of the server's processes is this engine.")
    return mine


def parent_group(kernel: Kernel, engine: EngineProcess) -> str:
    """Under which group the engine was told to put what it runs; empty where it wasn't."""
    said = option(engine.arguments, "--cgroup-parent")
    return said or _configured(kernel, option(engine.arguments, "--config-file"))


def own_engine(engines: Sequence[EngineProcess], root: str) -> EngineProcess | None:
    """The one engine whose data is at `root`; the only one there is, where it doesn't say."""
    roots = [(each, option(each.arguments, "--data-root").rstrip("/")) for each in engines]
    exact = [each for each, said in roots if root and said == root.rstrip("/")]
    found = exact or [each for each, said in roots if not said]
    return found[0] if len(found) == 1 else None


def option(arguments: Sequence[str], name: str) -> str:
    """The value of `--name=value` or `--name value`; empty where it isn't given."""
    for at, word in enumerate(arguments):
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
        if word == name and at + 1 < len(arguments):
            return arguments[at + 1]
    return ""


def _namespace(kernel: Kernel, process: str) -> bytes:
    """Which processes are the server's own: a container may run one of that name, with arguments of its choice."""
    said = kernel.ask("readlink", f"/proc/{process}/ns/pid")
    return said.stdout.strip() if said.exit_code == 0 else b""


def _configured(kernel: Kernel, path: str) -> str:
    said = kernel.ask("cat", path or "/etc/docker/daemon.json")
    try:
        found = json.loads(said.stdout) if said.exit_code == 0 else {}
    except ValueError as error:
        raise NotHeld("the engine's daemon.json can't be read.") from error
    return str(found.get("cgroup-parent") or "") if isinstance(found, dict) else ""
