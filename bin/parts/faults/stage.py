"""The line to `parts.faults.backstage`: what is set up before anything breaks."""

from __future__ import annotations

import json
import subprocess
import threading
from pathlib import Path
from typing import Any

from parts.environment import ROOT
from parts.faults.estiva import BIN
from parts.part import remember
from parts.processes import PartError

ANSWER = "ANSWER "


class Stage:
    """One process; any thread may ask, one at a time."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._log = folder / "backstage.log"
        self._lock = threading.Lock()
        with self._log.open("ab") as log:
            self._child = subprocess.Popen(
                [str(BIN / "python"), "-m", "parts.faults.backstage"],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        remember(folder, self._child.pid)

    def __call__(self, do: str, **given: Any) -> Any:
        """Set something up; PartError with what the domain said."""
        stage = self._child
        with self._lock:
            if stage.stdin is None or stage.stdout is None:
                raise PartError("Nobody is backstage.")
            stage.stdin.write(json.dumps({"do": do, **given}) + "\n")
            stage.stdin.flush()
            for line in stage.stdout:
                if line.startswith(ANSWER):
                    told = json.loads(line.removeprefix(ANSWER))
                    if "error" in told:
                        raise PartError(f"{do}: {told['error']}")
                    return told["answer"]
        raise PartError(f"Backstage ended while it did {do}; see {self._log}.")

    def close(self) -> None:
        """End it."""
        self._child.kill()
        self._child.communicate()
