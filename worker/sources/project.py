"""A project's files as the recognisers see them, and what they found."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from worker.sources.shapes import Entry

ProjectKind = Literal["python", "node", "go", "static"]
Listing = Callable[[str], Sequence[Entry]]  # a folder's path, "" for the project's own: what it holds, by name
Read = Callable[[str], bytes | None]  # a file's path: its content


@dataclass(frozen=True, slots=True)
class Detected:
    """What was recognised. `reasons` and `doubts` are sentences for people; `port` and `command` are guesses.

    `version` is the language's, as in the base image's tag; `install` names how its dependencies are installed, `build`
    what is built (a folder of static files, a Go package), each "" where there is nothing to do.
    """

    kind: ProjectKind
    framework: str
    version: str
    port: int
    command: tuple[str, ...]
    install: str = ""
    build: str = ""
    reasons: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


@dataclass(slots=True)
class Project:
    """The files at hand, and the sentences collected on the way."""

    listing: Listing
    read_bytes: Read
    names: frozenset[str] = frozenset()
    folders: tuple[str, ...] = ()
    reasons: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """List the project's own folder."""
        entries = self.listing("")
        self.names = frozenset(entry.name for entry in entries if entry.kind == "file")
        self.folders = tuple(entry.name for entry in entries if entry.kind == "folder")

    def has(self, name: str) -> bool:
        """There is such a file in the project's own folder."""
        return name in self.names

    def first(self, names: Sequence[str]) -> str:
        """The first of these files that is there; "" if none."""
        return next((name for name in names if name in self.names), "")

    def text(self, path: str) -> str:
        """A file's text; "" where there is none."""
        if "/" not in path and path not in self.names:
            return ""
        return (self.read_bytes(path) or b"").decode(errors="replace")

    def within(self, folder: str) -> frozenset[str]:
        """The names of the files in a folder below."""
        return frozenset(entry.name for entry in self.listing(folder) if entry.kind == "file")
