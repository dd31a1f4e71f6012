"""A bare Git repository whose commits are written straight into it, without a work tree; git runs under a closed environment."""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from parts.processes import PartError

AUTHOR = "Ada Harbour <ada@harbour.example>"
# As a forge sets it: partial clones, and a commit that no branch points at any more can be asked for.
SETTINGS = {"uploadpack.allowFilter": "true", "uploadpack.allowAnySHA1InWant": "true", "receive.denyDeletes": "false"}


@dataclass(frozen=True)
class Executable:
    """A file with its executable bit set."""

    content: str | bytes


@dataclass(frozen=True)
class Link:
    """A symbolic link; where it points need not exist."""

    target: str


@dataclass(frozen=True)
class Submodule:
    """Another repository's commit in the tree; `.gitmodules` is a file the caller writes."""

    commit: str


Entry = str | bytes | Executable | Link | Submodule


class Repo:
    """One repository of a `GitServer`; `http_url`, `https_url` and `ssh_url` bear no credential."""

    def __init__(self, folder: Path, name: str, *, private: bool, urls: Mapping[str, str]) -> None:
        self.folder = folder
        self.name = name
        self.private = private
        self.http_url, self.https_url, self.ssh_url = urls["http"], urls["https"], urls["ssh"]
        self.lfs_objects = folder / "lfs-objects"

    def make(self) -> None:
        """Create it, empty, with the default branch `main`."""
        git("init", "--quiet", "--bare", "--initial-branch=main", str(self.folder))
        for name, value in SETTINGS.items():
            git("config", name, value, cwd=self.folder)
        self.lfs_objects.mkdir()

    def commit(
        self,
        files: Mapping[str, Entry],
        message: str = "Change something",
        *,
        branch: str = "main",
        delete: Iterable[str] = (),
        author: str = AUTHOR,
        when: int | None = None,
    ) -> str:
        """Add a commit on top of the branch (which is made if missing); its id. `when` is a Unix time, now by default."""
        moment = int(time.time()) if when is None else when
        said = message.encode()
        stream = [
            f"commit refs/heads/{branch}\nauthor {author} {moment} +0000\ncommitter {author} {moment} +0000\n".encode(),
            b"data %d\n%s\n" % (len(said), said),
        ]
        if self.head(branch):
            stream.append(f"from refs/heads/{branch}^0\n".encode())
        stream += [b"D %s\n" % _quoted(path) for path in delete]
        stream += [_entry(path, entry) for path, entry in files.items()]
        git("fast-import", "--quiet", "--date-format=raw", cwd=self.folder, send=b"".join(stream))
        return self.head(branch) or ""

    def head(self, branch: str = "main") -> str | None:
        """The branch's commit; None if there is no such branch."""
        shown = git("for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}", cwd=self.folder)
        return shown.decode().strip() or None

    def branch(self, name: str, at: str = "main") -> None:
        """Make the branch, or move it, to a commit or another branch."""
        git("update-ref", f"refs/heads/{name}", self._commit_of(at), cwd=self.folder)

    def delete_branch(self, name: str) -> None:
        """Remove the branch; its commits stay until git collects them."""
        git("update-ref", "-d", f"refs/heads/{name}", cwd=self.folder)

    def tag(self, name: str, at: str = "main", message: str = "") -> None:
        """Tag a commit or branch, or move the tag there; with a message the tag is an annotated one."""
        words = ["-m", message] if message else []
        git("tag", "--force", *words, name, self._commit_of(at), cwd=self.folder)

    def default_branch(self, name: str) -> None:
        """Let HEAD point at this branch."""
        git("symbolic-ref", "HEAD", f"refs/heads/{name}", cwd=self.folder)

    def lfs(self, content: bytes) -> str:
        """Store an object for Git LFS; the pointer to commit as the file's content."""
        oid = hashlib.sha256(content).hexdigest()
        (self.lfs_objects / oid).write_bytes(content)
        return f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {len(content)}\n"

    def _commit_of(self, at: str) -> str:
        return git("rev-parse", "--verify", "--end-of-options", f"{at}^{{commit}}", cwd=self.folder).decode().strip()


def closed_environment(home: Path) -> dict[str, str]:
    """Variables for a git that heeds no configuration of this machine or user."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(home),
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_COMMITTER_NAME": "Ada Harbour",
        "GIT_COMMITTER_EMAIL": "ada@harbour.example",
    }


def git(*words: str, cwd: Path | None = None, send: bytes = b"", timeout: float = 60) -> bytes:
    """Run git to its end; its output, or PartError with its words."""
    place = cwd or Path("/")
    try:
        done = subprocess.run(
            ["git", *words],
            input=send,
            capture_output=True,
            cwd=place,
            env=closed_environment(place),
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError as error:
        raise PartError("git is not installed on this machine (Debian package git).") from error
    if done.returncode != 0:
        raise PartError(f"git {words[0]} ended with code {done.returncode}: {done.stderr.decode(errors='replace')}")
    return done.stdout


def _entry(path: str, entry: Entry) -> bytes:
    """A path of a commit as `git fast-import` reads it."""
    if isinstance(entry, Submodule):
        return b"M 160000 %s %s\n" % (entry.commit.encode(), _quoted(path))
    mode = b"100644"
    content: str | bytes
    match entry:
        case Executable():
            mode, content = b"100755", entry.content
        case Link():
            mode, content = b"120000", entry.target
        case _:
            content = entry
    raw = content.encode() if isinstance(content, str) else content
    return b"M %s inline %s\ndata %d\n%s\n" % (mode, _quoted(path), len(raw), raw)


def _quoted(path: str) -> bytes:
    """A path of any bytes: what is not plain is written in octal."""
    plain = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-"
    return b'"%s"' % b"".join(
        bytes([byte]) if byte in plain else b"\\%03o" % byte for byte in path.encode("utf-8", "surrogateescape")
    )
