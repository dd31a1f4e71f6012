"""What the demo does with a running Estiva: registers the sample server, deploys to it, and for --check breaks and mends it.

It speaks to the domain as the pages do, in a process of its own that has Estiva's settings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from parts.installation import Installation
from parts.processes import PartError
from parts.sample_server import SampleServer


@dataclass(frozen=True)
class Links:
    """Where to go: a one-time sign-in link, and the sample application (empty where there is none)."""

    sign_in: str
    application: str


def first_deploy(installation: Installation, server: SampleServer | None) -> Links:
    """Register the server, the application and its placement, and deploy version 1, unless that was done before."""
    raise PartError("The story is not written yet.")


def walk(installation: Installation, server: SampleServer) -> dict[str, Any]:
    """Deploy 1 and 2, roll back, try an image that is never healthy, read the log: figures, or PartError with what went wrong."""
    raise PartError("The story is not written yet.")
