"""Git LFS: files instead of pointers, checked, kept, and bounded."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from parts.git_repo import Repo
from parts.git_server import GitServer as RealGitServer
from worker.engine.errors import Cancelled
from worker.sources.git import ContextOptions, GitRefused
from worker.sources.lfs import pointer

from .conftest import MakeMirror, MakeRepo, Unpacked

Unpack = Callable[..., Unpacked]
ATTRIBUTES = "*.bin filter=lfs diff=lfs merge=lfs -text\n"


def with_lfs(make_repo: MakeRepo, *contents: bytes, attributes: str = ATTRIBUTES) -> Repo:
    """A repository whose `N.bin` are pointers."""
    repo = make_repo({"Dockerfile": "FROM x", ".gitattributes": attributes}, private=True)
    repo.commit({f"{number}.bin": repo.lfs(content) for number, content in enumerate(contents)})
    return repo


def test_pointers_become_files(
    make_repo: MakeRepo, make_mirror: MakeMirror, unpack: Unpack, git_server: RealGitServer
) -> None:
    contents = [os.urandom(300_000), b"small", b""]
    repo = with_lfs(make_repo, *contents)
    found = unpack(make_mirror(repo), repo.head())
    assert [found.files[f"{number}.bin"] for number in range(3)] == contents
    git_server.requests.clear()
    assert unpack(make_mirror(repo), repo.head()).bytes == found.bytes
    assert not git_server.requests, "they are kept"


def test_unless_they_are_not_wanted(make_repo: MakeRepo, make_mirror: MakeMirror, unpack: Unpack) -> None:
    repo = with_lfs(make_repo, b"content")
    assert unpack(make_mirror(repo), repo.head(), lfs=False).files["0.bin"].startswith(b"version https://git-lfs")


def test_what_only_looks_like_a_pointer_stays(make_repo: MakeRepo, make_mirror: MakeMirror, unpack: Unpack) -> None:
    repo = with_lfs(make_repo, b"content", attributes="*.txt text\n")
    assert unpack(make_mirror(repo), repo.head()).files["0.bin"].startswith(b"version https://git-lfs")


def test_attributes_of_the_folder_above_count(make_repo: MakeRepo, make_mirror: MakeMirror, unpack: Unpack) -> None:
    repo = make_repo({".gitattributes": ATTRIBUTES, "web/Dockerfile": "FROM x"})
    repo.commit({"web/a.bin": repo.lfs(b"content")})
    assert unpack(make_mirror(repo), repo.head(), subdirectory="web").files["a.bin"] == b"content"


def test_what_is_ignored_is_not_fetched(
    make_repo: MakeRepo, make_mirror: MakeMirror, unpack: Unpack, git_server: RealGitServer
) -> None:
    repo = with_lfs(make_repo, b"first", b"second")
    repo.commit({".dockerignore": "0.bin"})
    git_server.requests.clear()
    found = unpack(make_mirror(repo), repo.head())
    assert "0.bin" not in found.files
    assert found.files["1.bin"] == b"second"
    assert len([each for each in git_server.requests if "/lfs/" in each and "GET" in each]) == 1


def test_a_wrong_content_is_refused(make_repo: MakeRepo, make_mirror: MakeMirror) -> None:
    repo = with_lfs(make_repo, b"content")
    for wrong in (b"CONTENT", b"longer than it", b"less"):
        next(repo.lfs_objects.iterdir()).write_bytes(wrong)
        mirror = make_mirror(repo)
        with pytest.raises(GitRefused, match="sent something unusable") as refusal:
            mirror.context(repo.head() or "", ContextOptions())
        assert refusal.value.kind == "broken"
        assert refusal.value.why == "What it sent for 0.bin has another checksum."
        assert not list((mirror.folder / "lfs").iterdir())


def test_a_missing_one_is_named(make_repo: MakeRepo, make_mirror: MakeMirror) -> None:
    repo = with_lfs(make_repo, b"content")
    next(repo.lfs_objects.iterdir()).unlink()
    with pytest.raises(GitRefused, match=r"does not have the Git LFS file 0\.bin") as refusal:
        make_mirror(repo).context(repo.head() or "", ContextOptions())
    assert refusal.value.kind == "not_found"


def test_too_large_is_said_before_anything_is_fetched(make_repo: MakeRepo, make_mirror: MakeMirror) -> None:
    repo = with_lfs(make_repo, os.urandom(2000))
    with pytest.raises(GitRefused) as refusal:
        make_mirror(repo, lfs_size=1000).context(repo.head() or "", ContextOptions())
    assert refusal.value.kind == "too_large"


def test_a_download_is_interrupted(make_repo: MakeRepo, make_mirror: MakeMirror, git_server: RealGitServer) -> None:
    repo = with_lfs(make_repo, b"content")
    commit = make_mirror(repo).resolve("main")

    def interrupt() -> None:
        if reached.is_set():
            raise Cancelled("enough")

    with git_server.gate.closed() as reached, pytest.raises(Cancelled):
        make_mirror(repo, interrupt=interrupt).context(commit, ContextOptions())


@pytest.mark.parametrize(
    ("text", "size"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:%b\nsize 12\n" % (b"a" * 64), 12),
        (b"version https://git-lfs.github.com/spec/v1\next-0-foo sha256:x\noid sha256:%b\nsize 0" % (b"a" * 64), 0),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:../../etc\nsize 12\n", None),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:%b\nsize -1\n" % (b"a" * 64), None),
        (b"version https://git-lfs.github.com/spec/v1\noid md5:%b\nsize 12\n" % (b"a" * 64), None),
        (b"hello", None),
        (b"", None),
    ],
)
def test_pointers_are_read(text: bytes, size: int | None) -> None:
    found = pointer(text)
    assert (found.size if found else None) == size
