"""A build that stays in one of its steps until the test lets it go on, however slow or fast the machine is."""

from __future__ import annotations

import secrets
from pathlib import Path

from parts import flask_sample
from parts.processes import wait_until
from tests.integration.build_stage import running

PATIENCE = 90.0


class HeldBuild:
    """Its step is like no other's: an engine that once built the same would take it from its cache, and hold nothing."""

    def __init__(self) -> None:
        self._pipe = f"held-{secrets.token_hex(8)}"

    def files(self, version: str) -> dict[str, str]:
        """What to commit."""
        return flask_sample.files(version, held_by=self._pipe)

    @property
    def processes(self) -> list[int]:
        """Those that wait in the step: an engine's are processes of this machine."""
        return running("cat", f"/{self._pipe}")

    def until_reached(self) -> None:
        """The step has begun, and will not end."""
        wait_until(lambda: bool(self.processes), "the build reaches the step that holds it", timeout=PATIENCE)

    def until_left(self) -> None:
        """The engine has ended the step: nobody listens to its build any more."""
        wait_until(lambda: not self.processes, "the engine ends the build that was held", timeout=PATIENCE)

    def let_go(self) -> None:
        """Once it waits there, let it go on."""
        self.until_reached()
        (process,) = self.processes
        Path(f"/proc/{process}/root/{self._pipe}").write_text("let go\n")
