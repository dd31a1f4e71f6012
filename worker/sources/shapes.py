"""What goes in and out of a mirror, as plain values."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from deployments import git_url
from worker.engine.spec import Secret
from worker.sources.reach import Reach

MIB = 1024**2
EntryKind = Literal["file", "link", "folder", "submodule"]
Interrupt = Callable[[], None]
Progress = Callable[[str, int, int], None]  # a label such as “Receiving objects”, how many are done, of how many


def nobody() -> None:
    """Nobody interrupts."""


def unheard(label: str, done: int, total: int) -> None:
    """Nobody wants to know how far it is."""


@dataclass(frozen=True, slots=True)
class GitCredential:
    """A token (or password) for http(s), a private key for ssh; neither for a public repository."""

    username: str = ""
    token: Secret | None = None
    private_key_pem: Secret | None = None


@dataclass(frozen=True, slots=True)
class GitServer:
    """A repository's canonical address and what opens it. `host_key`: the pinned (type, base64), needed for ssh.

    `reach` is that of the repository whose submodule this is, or of itself: then it needn't be given.
    """

    url: str
    credential: GitCredential = GitCredential()
    host_key: tuple[str, str] | None = None
    reach: Reach | None = None

    @property
    def reaching(self) -> Reach:
        """How far the worker may be led by what is in it."""
        return self.reach or Reach(git_url.parse(self.url).bare_host)


@dataclass(frozen=True, slots=True)
class GitLimits:
    """Sizes are bytes, times seconds."""

    mirror_size: int = 2048 * MIB
    context_size: int = 2048 * MIB
    lfs_size: int = 2048 * MIB  # of one context, and what the cache of a repository keeps
    entries: int = 200_000  # files in a tree
    fetch_seconds: float = 900.0
    list_seconds: float = 60.0
    read_seconds: float = 60.0  # for what needs no network
    lock_seconds: float = 900.0
    depth: int = 50
    most_depth: int = 5000
    submodule_depth: int = 3
    submodules: int = 50


@dataclass(frozen=True, slots=True)
class Commit:
    """`committed_at` is RFC 3339; `author` is a name."""

    commit: str
    subject: str
    author: str
    committed_at: str

    def as_dict(self) -> dict[str, str]:
        """As rows hold it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Ref:
    """A branch or tag, without `refs/heads/`; a tag's commit is the one it stands for in the end."""

    name: str
    commit: str


@dataclass(frozen=True, slots=True)
class Refs:
    """What the server has. `default` is "" where the server doesn't say."""

    branches: tuple[Ref, ...]
    tags: tuple[Ref, ...]
    default: str

    def as_dict(self) -> dict[str, Any]:
        """As rows hold it."""
        return {
            "branches": [asdict(each) for each in self.branches],
            "tags": [asdict(each) for each in self.tags],
            "default": self.default,
        }


@dataclass(frozen=True, slots=True)
class Entry:
    """Something in a tree, by its path in it. `size` is 0 for what isn't a file or link."""

    path: str
    kind: EntryKind
    object_id: str
    size: int = 0
    executable: bool = False

    @property
    def name(self) -> str:
        """The path's last part."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class ContextOptions:
    """What of a commit is sent to a build. `dockerfile` is a path within `subdirectory`.

    `dockerfile_text`, where there is one, takes that file's place.
    """

    subdirectory: str = ""
    dockerfile: str = "Dockerfile"
    dockerfile_text: str = ""
    submodules: bool = False
    lfs: bool = True
