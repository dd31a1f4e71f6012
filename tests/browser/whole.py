"""A whole Estiva for the browser: real web, workers, reconciler and broker, beside a real server to deploy to."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from parts import sample_server
from parts.environment import ROOT
from parts.installation import BIN, Installation
from parts.processes import wait_until
from parts.sample_server import SampleServer
from parts.supervisor import Supervised, Supervisor

_SETUP_LINK = re.compile(r"http://\S+/account/link/\S+")


class RememberingSupervisor(Supervisor):
    """Knows its programs by their names."""

    def __init__(self) -> None:
        super().__init__()
        self.programs: dict[str, Supervised] = {}

    def start(self, program: Supervised, *, keep: bool = True) -> None:
        """Start a program and remember it."""
        self.programs[program.name] = program
        super().start(program, keep=keep)


@dataclass(frozen=True)
class WholeEstiva:
    """Where it is, the link it printed when it first started, and the server that waits to be registered."""

    installation: Installation
    server: SampleServer
    setup_link: str
    environment: Mapping[str, str]
    supervisor: RememberingSupervisor

    @property
    def url(self) -> str:
        """The dashboard's address, without a slash at its end."""
        return self.installation.url

    @property
    def application_url(self) -> str:
        """Where an application published on the sample's port answers."""
        return f"http://127.0.0.1:{self.server.application_port}/"

    def run(self, *words: str) -> str:
        """What a Python module prints that runs with this Estiva's settings; AssertionError with its words if it fails."""
        env = {**self.environment, "PYTHONPATH": f"{ROOT}:{ROOT / 'bin'}"}
        argv: Sequence[str] = [str(BIN / "python"), *words]
        done = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@contextmanager
def whole_estiva(folder: Path) -> Iterator[WholeEstiva]:
    """Everything started, in `folder`; ended with the block."""
    installation = Installation(folder, throwaway=True)
    said, supervisor = _Tee(sys.stdout), RememberingSupervisor()
    with installation.alone(), supervisor:
        with redirect_stdout(said), _no_settings_of_others():
            installation.start(supervisor)
            server = sample_server.start(installation, supervisor)
            wait_until(installation.ready, "Estiva was not ready", timeout=60)
            environment = installation.environment()
        printed = _SETUP_LINK.search(said.getvalue())
        assert printed is not None, "the console shows no setup link"
        yield WholeEstiva(installation, server, printed[0], environment, supervisor)


@contextmanager
def _no_settings_of_others() -> Iterator[None]:
    """The tests' own installation, whose broker nobody started, is not this one."""
    hidden = {name: os.environ.pop(name) for name in list(os.environ) if name in {"REDIS_URL", "ESTIVA_REDIS_URL"}}
    try:
        yield
    finally:
        os.environ.update(hidden)


class _Tee(io.StringIO):
    """Keeps what is printed, and prints it."""

    def __init__(self, other: TextIO) -> None:
        super().__init__()
        self._other = other

    def write(self, text: str) -> int:
        self._other.write(text)
        return super().write(text)
