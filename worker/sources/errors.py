"""Why a repository could not be used, for people."""

from typing import Literal

Kind = Literal[
    "unreachable",  # no answer, TLS refused, or the connection broke
    "authentication",  # the server wants other credentials, or this one may not read
    "host_key",  # another host key than the pinned one, or none pinned
    "not_found",  # no such repository, Git LFS object, Dockerfile or folder
    "ref",  # no such branch, tag or commit
    "too_large",
    "too_slow",
    "unsafe",  # refused for what it contains: a tree that would reach outside itself, a forbidden address
    "broken",  # the server, the repository or the worker's own disk fails in a way of its own
]


class GitRefused(Exception):
    """A repository could not be read. `message` says what, `why` the cause as far as known, `remedy` what to do."""

    def __init__(self, kind: Kind, message: str, *, why: str = "", remedy: str = "") -> None:
        super().__init__(message)
        self.kind: Kind = kind
        self.message, self.why, self.remedy = message, why, remedy

    def __str__(self) -> str:
        return self.message


class Damaged(GitRefused):
    """The mirror's own files don't hold together; it is thrown away and fetched anew."""

    def __init__(self, message: str, *, why: str = "") -> None:
        super().__init__(
            "broken",
            message,
            why=why,
            remedy="The copy is thrown away and fetched anew the next time. If it comes back, check the worker's disk.",
        )


class Unexplained(GitRefused):
    """Git failed in a way that nobody foresaw: perhaps for what the mirror holds."""
