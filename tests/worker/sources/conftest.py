"""Repositories of a real Git server, and mirrors of them in a folder of the test's own."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from parts.git_repo import Entry, Repo
from parts.git_server import GitServer as RealGitServer
from worker.engine.spec import Secret
from worker.sources.environment import PASSED_ON
from worker.sources.git import ContextOptions, GitCredential, GitLimits, GitServer, Mirror
from worker.sources.project import Listing, Read
from worker.sources.shapes import Entry as SourceEntry
from worker.sources.shapes import Interrupt, nobody

MakeRepo = Callable[..., Repo]
MakeMirror = Callable[..., Mirror]
_numbers = count(1)
LIMITS = GitLimits(fetch_seconds=30, list_seconds=30, lock_seconds=10, read_seconds=10)


@pytest.fixture(autouse=True)
def _no_certificates_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PASSED_ON:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)


@pytest.fixture
def make_repo(git_server: RealGitServer) -> MakeRepo:
    """A repository with these files in one commit on `main`."""

    def make(files: Mapping[str, Entry] | None = None, *, private: bool = False) -> Repo:
        return git_server.create(f"team/sources{next(_numbers)}", files, private=private)

    return make


@pytest.fixture
def mirrors(tmp_path: Path) -> Path:
    """Where the test's mirrors are."""
    return tmp_path / "mirrors"


@pytest.fixture
def make_mirror(git_server: RealGitServer, mirrors: Path) -> MakeMirror:
    """A mirror of a repository or address, opened by the password unless another credential is given."""

    def make(
        repo: Repo | str,
        *,
        credential: GitCredential | None = None,
        host_key: tuple[str, str] | None = None,
        interrupt: Interrupt = nobody,
        **limits: Any,
    ) -> Mirror:
        url = repo if isinstance(repo, str) else repo.http_url
        opened = GitCredential(git_server.user, Secret(git_server.password)) if credential is None else credential
        return Mirror(GitServer(url, opened, host_key), mirrors, replace(LIMITS, **limits), interrupt)

    return make


class Unpacked:
    """A context's archive, opened."""

    def __init__(self, archive: bytes) -> None:
        self.bytes = archive
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            self.members = {member.name: member for member in tar.getmembers()}
            self.files = {name: self._content(tar, member) for name, member in self.members.items() if member.isfile()}
        self.links = {name: member.linkname for name, member in self.members.items() if member.issym()}
        self.folders = {name for name, member in self.members.items() if member.isdir()}

    @staticmethod
    def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
        file = tar.extractfile(member)
        return file.read() if file else b""


@pytest.fixture
def unpack() -> Callable[..., Unpacked]:
    """The archive that a build of this commit would get."""

    def unpack(mirror: Mirror, commit: str, **options: Any) -> Unpacked:
        return Unpacked(b"".join(mirror.context(commit, ContextOptions(**options))))

    return unpack


@pytest.fixture
def canary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file that no test may find afterwards: whatever was handed in to make it appear was run."""
    path = tmp_path / "canary"
    monkeypatch.chdir(tmp_path)
    yield path
    assert not path.exists()
    assert not list(tmp_path.glob("canary*"))


def as_project(files: Mapping[str, str]) -> tuple[Listing, Read]:
    """What `detect` asks, answered from these files."""

    def listing(folder: str) -> list[SourceEntry]:
        begin = f"{folder}/" if folder else ""
        names = {path.removeprefix(begin).partition("/")[::2] for path in files if path.startswith(begin)}
        return [SourceEntry(name, "folder" if below else "file", "") for name, below in sorted(names)]

    def read(path: str) -> bytes | None:
        return files[path].encode() if path in files else None

    return listing, read
