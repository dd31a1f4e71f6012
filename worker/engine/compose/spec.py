"""What one Target of a Compose application is to become, frozen. `worker.brief` makes these from rows."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from worker.engine.spec import Identity, Secret

PROFILE = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")
PROJECT = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


@dataclass(frozen=True, slots=True)
class Document:
    """One Compose file, read: `tree` is plain data (maps, lists, texts, numbers, booleans, None)."""

    name: str
    tree: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Composition:
    """All that a Release of a Compose application consists of: enough to bring it up again, years later.

    `documents` are in their order, later ones change earlier ones. `files` are texts of the repository beside them that
    they refer to (`env_file`, files of configs and secrets, `.env`), by path relative to the first document. `environment`
    is what the application's own variables are. `images` pins each service: `name@sha256:…` or an image ID. `folder` is where
    the first document lies in its repository. `lost` names variables whose values are gone.
    """

    release: int
    documents: tuple[Document, ...]
    files: tuple[tuple[str, str], ...] = ()
    environment: tuple[tuple[str, str | Secret], ...] = ()
    profiles: tuple[str, ...] = ()
    images: tuple[tuple[str, str], ...] = ()
    folder: str = ""
    lost: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """The only words of people's that come to a command line: by Compose's own grammar."""
        for each in self.profiles:
            if not PROFILE.fullmatch(each):
                raise ValueError(f"{each!r} can't be a profile's name.")

    def plain_environment(self) -> dict[str, str]:
        """The variables, revealed: for interpolation only."""
        return {name: value.reveal() if isinstance(value, Secret) else value for name, value in self.environment}


@dataclass(frozen=True, slots=True)
class ComposeSpec:
    """One Target: bring this Composition to this host.

    `previous` is what served here last, as recorded; it comes back when the new one fails. `wait_seconds` is how long
    services may take to be healthy, `settle_seconds` how long they then have to stay so. `touched` and `give_up` as in `DeploySpec`;
    `begun_ago` is how many seconds ago the first attempt began.
    `approved` is what gives power over the server and was let through (service, key, reason; "" for any reason): more than
    that is refused; None, in a Plan, lets everything be seen. `builder`, given for a Plan alone, names the server on which
    images that are not known yet are built first. `left` is how the last deploy left each service's containers (`compose.left`),
    with the key of the hashes in it.
    """

    identity: Identity
    project: str
    wanted: Composition
    previous: Composition | None = None
    wait_seconds: int = 120
    settle_seconds: float = 3.0
    pull_deadline: float = 1800.0
    keep_releases: tuple[int, ...] = ()
    allowed_binds: tuple[str, ...] = ()
    host_name: str = ""
    touched: bool = False
    begun_ago: float = 0.0
    give_up: bool = False
    builder: str = ""
    approved: tuple[tuple[str, str, str], ...] | None = None
    run_project: str = ""  # of a one-off run: the project that its container is made in
    left: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    left_key: Secret = Secret("")  # noqa: RUF009 - frozen

    def __post_init__(self) -> None:
        if self.run_project and not PROJECT.fullmatch(self.run_project):
            raise ValueError(f"{self.run_project!r} can't be a Compose project's name.")
        if not PROJECT.fullmatch(self.project):
            raise ValueError(f"{self.project!r} can't be a Compose project's name.")
