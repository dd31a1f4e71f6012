"""What every kind of webhook is turned into: a Push, or something ignored, with why. Pure."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Self

MOST_PATHS: Final = 3000
LONGEST_PATH: Final = 500
LONGEST_MESSAGE: Final = 2000  # of the newest commit: it may ask to be left out
LONGEST_KEPT: Final = 100_000  # characters of paths together; with more the list counts as cut


class Unauthentic(Exception):
    """The request doesn't bear this hook's secret. The message is for our own log and pages, never for who sent it."""


class Malformed(Exception):
    """The request bears the secret and still can't be read; the message says why, for people."""


@dataclass(frozen=True, slots=True)
class Image:
    """What was pushed to a registry: the repository's path without the registry's name, and its tag."""

    repository: str
    tag: str
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Push:
    """Something new at one branch or tag, or an image's tag that was pushed.

    `commit` is the newest one ("" where the sender names none); `paths` what its commits touched, meaningful only where
    `all_paths` says that nothing is missing. `repository_urls` are all addresses that the sender calls the repository by.
    """

    kind: str
    delivery_id: str
    event: str
    repository_urls: tuple[str, ...] = ()
    branch: str = ""
    tag: str = ""
    before: str = ""
    commit: str = ""
    deleted: bool = False
    forced: bool = False
    is_fork: bool = False
    commits: int = 0
    paths: tuple[str, ...] = ()
    all_paths: bool = False
    message: str = ""
    pusher: str = ""
    image: Image | None = None

    @property
    def ref(self) -> str:
        """The branch or tag, as people call it."""
        return self.image.tag if self.image else self.branch or self.tag

    @property
    def subject(self) -> str:
        """The first line of the newest commit's message."""
        return self.message.strip().partition("\n")[0].strip()[:200]

    @property
    def summary(self) -> dict[str, str]:
        """What a list of deliveries shows."""
        found = {
            "ref": self.ref,
            "ref_kind": "image" if self.image else "branch" if self.branch else "tag",
            "commit": self.image.digest if self.image else self.commit,
            "message": self.subject,
            "pusher": self.pusher,
            "repository": self.image.repository if self.image else next(iter(self.repository_urls), ""),
        }
        return {name: value for name, value in found.items() if value}

    def as_json(self) -> dict[str, Any]:
        """For keeping; `from_json` reads it."""
        return asdict(self)

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Self:
        """What `as_json` wrote, back from a JSON column."""
        values = dict(kept)
        image = values.pop("image", None)
        for name in ("repository_urls", "paths"):
            values[name] = tuple(values.get(name, ()))
        return cls(**values, image=Image(**image) if image else None)


@dataclass(frozen=True, slots=True)
class Ignored:
    """Authentic, and nothing to deploy. `is_noise`: of a sort that comes by the thousand and isn't worth a row."""

    kind: str
    delivery_id: str
    event: str
    reason: str
    is_noise: bool = field(default=False, kw_only=True)


Received = Push | Ignored
