"""What an unknown project looks like, so that a Dockerfile can be proposed: for somebody to review, never used by itself.

Pure: all it knows comes through two functions. Whatever it takes from a project's files into a Dockerfile is a number or
a plain name, checked letter by letter: nobody's repository writes our proposals.
"""

import posixpath
from dataclasses import replace
from typing import TYPE_CHECKING

from worker.sources import detect_go, detect_node, detect_python, detect_static
from worker.sources.dockerfiles import generated_dockerfile
from worker.sources.errors import GitRefused
from worker.sources.project import Detected, Listing, Project, Read

if TYPE_CHECKING:
    from worker.sources.mirror import Mirror

__all__ = ["Detected", "detect", "detect_at", "generated_dockerfile"]

MOST_READ = 512 * 1024
_RECOGNISERS = (detect_python.recognise, detect_node.recognise, detect_go.recognise, detect_static.recognise)


def detect(listing: Listing, read: Read) -> Detected | None:
    """What kind of project this is; None where nothing is recognised.

    `listing` gets a folder ("" is the project's own) and returns what it holds; `read` gets a file's path.
    """
    found = [each for recognise in _RECOGNISERS if (each := recognise(Project(listing, read)))]
    if not found:
        return None
    others = [each.kind for each in found[1:] if each.kind != "static"]
    if not others:
        return found[0]
    doubt = f"It also looks like a {' and a '.join(others)} project: is {found[0].kind} what is to run?"
    return replace(found[0], doubts=(*found[0].doubts, doubt))


def detect_at(mirror: "Mirror", commit: str, subdirectory: str = "") -> Detected | None:
    """The same of a commit's folder in a mirror; files too large to be what they are called count as empty."""

    def read(path: str) -> bytes | None:
        try:
            return mirror.read(commit, posixpath.join(subdirectory, path), MOST_READ)
        except GitRefused as refusal:
            if refusal.kind != "too_large":
                raise
            return b""

    return detect(lambda folder: mirror.listing(commit, posixpath.join(subdirectory, folder)), read)
