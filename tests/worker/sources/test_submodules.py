"""Submodules: fetched where asked for, from where they may be, with the credential only where it belongs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from deployments import git_url
from parts.git_repo import Entry, Repo, Submodule
from parts.git_server import GitServer as RealGitServer
from worker.sources.git import ContextOptions, GitRefused
from worker.sources.submodules import resolved

from .conftest import MakeMirror, MakeRepo, Unpacked

Unpack = Callable[..., Unpacked]


def with_submodule(make_repo: MakeRepo, path: str, url: str, commit: str, **files: Entry) -> Repo:
    """A repository with one submodule."""
    modules = f'[submodule "any name"]\n\tpath = {path}\n\turl = {url}\n'
    return make_repo({"Dockerfile": "FROM x", ".gitmodules": modules, path: Submodule(commit), **files}, private=True)


def test_its_files_stand_in_its_place(make_repo: MakeRepo, make_mirror: MakeMirror, unpack: Unpack) -> None:
    library = make_repo({"lib.py": "1", "deep/x": "2"}, private=True)
    old = library.head() or ""
    library.commit({"lib.py": "newer"})
    repo = with_submodule(make_repo, "vendor/lib", f"../{library.name.rpartition('/')[2]}.git", old, app="0")
    found = unpack(make_mirror(repo), repo.head(), submodules=True)
    assert found.files["vendor/lib/lib.py"] == b"1"
    assert found.files["vendor/lib/deep/x"] == b"2"
    assert {"vendor", "vendor/lib", "vendor/lib/deep"} <= found.folders
    assert "vendor/lib/lib.py" not in unpack(make_mirror(repo), repo.head()).files


def test_within_a_folder_and_ignored_like_any_other(
    make_repo: MakeRepo, make_mirror: MakeMirror, unpack: Unpack
) -> None:
    library = make_repo({"a": "1", "b": "2"})
    repo = with_submodule(make_repo, "web/lib", library.http_url, library.head() or "")
    repo.commit({"web/Dockerfile": "FROM x", "web/.dockerignore": "lib/b"})
    found = unpack(make_mirror(repo), repo.head(), submodules=True, subdirectory="web")
    assert set(found.files) == {"Dockerfile", ".dockerignore", "lib/a"}


def test_one_within_another(make_repo: MakeRepo, make_mirror: MakeMirror, unpack: Unpack) -> None:
    inner = make_repo({"i": "1"})
    middle = with_submodule(make_repo, "inner", inner.http_url, inner.head() or "")
    outer = with_submodule(make_repo, "middle", middle.http_url, middle.head() or "")
    assert unpack(make_mirror(outer), outer.head(), submodules=True).files["middle/inner/i"] == b"1"
    with pytest.raises(GitRefused, match="more than 1 deep"):
        make_mirror(outer, submodule_depth=1).context(outer.head() or "", ContextOptions(submodules=True))
    with pytest.raises(GitRefused, match="more than 1 submodules"):
        make_mirror(outer, submodules=1).context(outer.head() or "", ContextOptions(submodules=True))


def test_one_that_holds_itself_comes_to_an_end(make_repo: MakeRepo, make_mirror: MakeMirror) -> None:
    repo = make_repo({"Dockerfile": "FROM x"})
    first = repo.head() or ""
    modules = f'[submodule "me"]\n\tpath = me\n\turl = {repo.http_url}\n'
    second = repo.commit({".gitmodules": modules, "me": Submodule(first)})
    third = repo.commit({"me": Submodule(second)})
    assert b"".join(make_mirror(repo).context(third, ContextOptions(submodules=True)))


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("file:///etc", "unsafe"),
        ("/etc", "unsafe"),
        ("ext::sh", "unsafe"),
        ("ssh://git@elsewhere.invalid/lib", "unsafe"),
        ("git@elsewhere.invalid:lib.git", "unsafe"),
        ("http://127.0.0.1:1/lib", "unsafe"),
        ("http://user:secret@127.0.0.1/lib", "unsafe"),
        ("../../../../../lib", "unsafe"),
        ("https://127.0.0.1:1/lib", "unreachable"),
    ],
)
def test_where_it_may_be(url: str, kind: str, make_repo: MakeRepo, make_mirror: MakeMirror) -> None:
    repo = with_submodule(make_repo, "lib", url, "1" * 40)
    with pytest.raises(GitRefused) as refusal:
        make_mirror(repo).context(repo.head() or "", ContextOptions(submodules=True))
    assert refusal.value.kind == kind
    assert "ubmodule lib" in refusal.value.message


def test_the_credential_goes_to_the_same_server_only(
    make_repo: MakeRepo, make_mirror: MakeMirror, git_server: RealGitServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The https side of the test's server is another origin than its http side, and gets nothing."""
    monkeypatch.setenv("SSL_CERT_FILE", str(git_server.ca_file))
    library = make_repo({"a": "1"}, private=True)
    repo = with_submodule(make_repo, "lib", library.https_url, library.head() or "")
    with pytest.raises(GitRefused) as refusal:
        make_mirror(repo).context(repo.head() or "", ContextOptions(submodules=True))
    assert refusal.value.kind == "authentication"
    assert "asks for a login" in refusal.value.message
    repo = with_submodule(make_repo, "lib", library.http_url, library.head() or "")
    assert make_mirror(repo).context(repo.head() or "", ContextOptions(submodules=True)).files == 3


def test_without_an_address_or_a_commit(make_repo: MakeRepo, make_mirror: MakeMirror) -> None:
    repo = make_repo({"Dockerfile": "FROM x", "lib": Submodule("1" * 40)})
    with pytest.raises(GitRefused, match=r"Submodule lib of .* has no address"):
        make_mirror(repo).context(repo.head() or "", ContextOptions(submodules=True))
    library = make_repo({"a": "1"})
    repo = with_submodule(make_repo, "lib", library.http_url, "1" * 40)
    with pytest.raises(GitRefused, match="Submodule lib: ") as refusal:
        make_mirror(repo).context(repo.head() or "", ContextOptions(submodules=True))
    assert refusal.value.kind == "ref"


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("../lib.git", "https://host/team/lib.git"),
        ("../../other/lib", "https://host/other/lib"),
        ("./lib", "https://host/team/app.git/lib"),
        ("https://x/y", "https://x/y"),
    ],
)
def test_relative_addresses(address: str, url: str) -> None:
    assert resolved(git_url.parse("https://host/team/app.git"), address) == url
