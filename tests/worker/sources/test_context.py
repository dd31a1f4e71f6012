"""What a build gets of a commit: names, modes, links, what is ignored, and always the same bytes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable

import pytest

from parts.git_repo import Executable, Link, Repo, Submodule
from worker.sources.git import ContextOptions, GitRefused

from .conftest import MakeMirror, MakeRepo, Unpacked

Unpack = Callable[..., Unpacked]


def test_everything_of_the_commit_arrives(make_repo: MakeRepo, make_mirror: MakeMirror, unpack: Unpack) -> None:
    large = os.urandom(700_000)
    names = ["plain", "with space", "ünï/cödé", "new\nline", 'quo"te', "--upload-pack=x", "deep/" * 40 + "x" * 120]
    repo = make_repo({"Dockerfile": "FROM x\n", "run.sh": Executable("#!/bin/sh\n"), "empty": "", "large": large})
    commit = repo.commit({name: name for name in names}, when=1_700_000_000)
    found = unpack(make_mirror(repo), commit)
    assert found.files == {
        "Dockerfile": b"FROM x\n", "run.sh": b"#!/bin/sh\n", "empty": b"", "large": large,
        **{name: name.encode() for name in names},
    }  # fmt: skip
    modes = {name: member.mode for name, member in found.members.items()}
    assert (modes["Dockerfile"], modes["run.sh"], modes["deep"]) == (0o644, 0o755, 0o755)
    assert {member.mtime for member in found.members.values()} == {1_700_000_000}
    assert {(member.uid, member.gid, member.uname) for member in found.members.values()} == {(0, 0, "")}
    assert len(found.bytes) % 512 == 0


def test_names_that_are_no_text_arrive_as_they_are(
    make_repo: MakeRepo, make_mirror: MakeMirror, unpack: Unpack
) -> None:
    name = b"caf\xe9".decode(errors="surrogateescape")
    repo = make_repo({"Dockerfile": "FROM x", name: "1"})
    found = unpack(make_mirror(repo), repo.head())
    assert b"caf\xe9\0" in found.bytes


def test_the_same_commit_gives_the_same_bytes(make_repo: MakeRepo, make_mirror: MakeMirror, unpack: Unpack) -> None:
    repo = make_repo({"Dockerfile": "FROM x", "b": "2", "a/c": "3", "a.txt": "4"})
    commit = repo.head()
    first = unpack(make_mirror(repo), commit).bytes
    mirror = make_mirror(repo)
    mirror.throw_away()
    assert unpack(mirror, commit).bytes == first
    assert list(unpack(mirror, commit).members) == ["Dockerfile", "a", "a/c", "a.txt", "b"], (
        "folders before what they hold"
    )


def test_links_stay_links_wherever_they_point(make_repo: MakeRepo, make_mirror: MakeMirror, unpack: Unpack) -> None:
    targets = {"in": "Dockerfile", "out": "../../etc/passwd", "root": "/etc/shadow", "self": "self", "long": "x/" * 150, "odd": "a\nb c"}  # fmt: skip
    repo = make_repo({"Dockerfile": "FROM x", **{name: Link(target) for name, target in targets.items()}})
    found = unpack(make_mirror(repo), repo.head())
    assert found.links == targets
    assert set(found.files) == {"Dockerfile"}
    assert b"root:" not in found.bytes


def test_a_folder_of_the_repository(make_repo: MakeRepo, make_mirror: MakeMirror, unpack: Unpack) -> None:
    repo = make_repo(
        {"Dockerfile": "FROM outer", "web/app/Dockerfile": "FROM inner", "web/app/x": "1", "away": Link("web")}
    )
    mirror = make_mirror(repo)
    found = unpack(mirror, repo.head(), subdirectory="web/app")
    assert found.files == {"Dockerfile": b"FROM inner", "x": b"1"}
    for missing in ("nowhere", "Dockerfile", "away", "away/app", "../web", "web/../web/app"):
        with pytest.raises(GitRefused) as refusal:
            mirror.context(repo.head() or "", ContextOptions(subdirectory=missing))
        assert refusal.value.kind == "not_found", missing


def test_a_missing_dockerfile_is_said_with_what_there_is(make_repo: MakeRepo, make_mirror: MakeMirror) -> None:
    repo = make_repo({"docker/Dockerfile.prod": "FROM x", "app.py": ""})
    with pytest.raises(GitRefused, match="There is no Dockerfile in ") as refusal:
        make_mirror(repo).context(repo.head() or "", ContextOptions())
    assert refusal.value.kind == "not_found"
    assert "docker/Dockerfile.prod" in refusal.value.why


def test_an_accepted_dockerfile_takes_the_place(make_repo: MakeRepo, make_mirror: MakeMirror, unpack: Unpack) -> None:
    repo = make_repo({"app.py": "1", "Dockerfile": "FROM old"})
    mirror = make_mirror(repo)
    assert unpack(mirror, repo.head(), dockerfile_text="FROM new\n").files == {
        "app.py": b"1",
        "Dockerfile": b"FROM new\n",
    }
    found = unpack(mirror, repo.head(), dockerfile="build/Own", dockerfile_text="FROM ünï\n")
    assert found.files["build/Own"] == "FROM ünï\n".encode()
    assert "build" in found.folders
    with pytest.raises(GitRefused) as refusal:
        unpack(mirror, repo.head(), dockerfile="app.py/Dockerfile", dockerfile_text="FROM new\n")
    assert refusal.value.kind == "unsafe"


class TestIgnored:
    """`.dockerignore` in a real tree; its rules have a table in test_dockerignore."""

    def test_what_is_named_stays_out(self, make_repo: MakeRepo, make_mirror: MakeMirror, unpack: Unpack) -> None:
        repo = make_repo(
            {
                "Dockerfile": "FROM x",
                ".dockerignore": "*.log\nnode_modules\nsecret/*\n!secret/public\n**/tmp\n",
                "a.log": "", "b/c.log": "", "node_modules/x/y": "", "secret/key": "", "secret/public": "1", "d/tmp/e": "", "tmp": "",
                "logs/one.log": "",
            }
        )  # fmt: skip
        mirror = make_mirror(repo)
        context = mirror.context(repo.head() or "", ContextOptions())
        assert (context.files, context.left_out) == (5, 5)
        found = Unpacked(b"".join(context))
        assert set(found.files) == {"Dockerfile", ".dockerignore", "b/c.log", "secret/public", "logs/one.log"}
        assert found.folders == {"b", "secret", "logs", "d"}, "a folder that isn't ignored goes along, empty or not"

    def test_the_dockerfile_and_the_list_itself_go_along(
        self, make_repo: MakeRepo, make_mirror: MakeMirror, unpack: Unpack
    ) -> None:
        repo = make_repo({"build/Dockerfile": "FROM x", ".dockerignore": "*", "a": "1"})
        found = unpack(make_mirror(repo), repo.head(), dockerfile="build/Dockerfile")
        assert set(found.files) == {"build/Dockerfile", ".dockerignore"}
        assert found.folders == {"build"}

    def test_a_dockerfiles_own_list_comes_first(
        self, make_repo: MakeRepo, make_mirror: MakeMirror, unpack: Unpack
    ) -> None:
        repo = make_repo({"Own": "FROM x", "Own.dockerignore": "a", ".dockerignore": "b", "a": "", "b": ""})
        assert set(unpack(make_mirror(repo), repo.head(), dockerfile="Own").files) == {"Own", "Own.dockerignore", ".dockerignore", "b"}  # fmt: skip

    def test_the_list_of_the_folder_that_is_built(
        self, make_repo: MakeRepo, make_mirror: MakeMirror, unpack: Unpack
    ) -> None:
        repo = make_repo(
            {".dockerignore": "*", "web/Dockerfile": "FROM x", "web/.dockerignore": "/a", "web/a": "", "web/b/a": ""}
        )
        assert set(unpack(make_mirror(repo), repo.head(), subdirectory="web").files) == {
            "Dockerfile",
            ".dockerignore",
            "b/a",
        }

    def test_one_that_is_a_link_or_wrong_is_refused(self, make_repo: MakeRepo, make_mirror: MakeMirror) -> None:
        repo = make_repo({"Dockerfile": "FROM x", ".dockerignore": Link("/etc/passwd")})
        with pytest.raises(GitRefused, match="links are not followed"):
            make_mirror(repo).context(repo.head() or "", ContextOptions())
        repo.commit({".dockerignore": "fine\n[broken\n"}, delete=[".dockerignore"])
        with pytest.raises(GitRefused, match=r"line 2, “\[broken”"):
            make_mirror(repo).context(repo.head() or "", ContextOptions())


def test_too_much_is_said_with_the_largest(make_repo: MakeRepo, make_mirror: MakeMirror) -> None:
    repo = make_repo({"Dockerfile": "FROM x", "data/large.bin": bytes(3 * 1024 * 1024)})
    with pytest.raises(GitRefused) as refusal:
        make_mirror(repo, context_size=2 * 1024 * 1024).context(repo.head() or "", ContextOptions())
    assert refusal.value.kind == "too_large"
    assert "data/large.bin (3 MiB)" in refusal.value.why
    with pytest.raises(GitRefused, match="more than 1 files"):
        make_mirror(repo, entries=1).context(repo.head() or "", ContextOptions())


def test_submodules_are_empty_folders_unless_asked_for(
    make_repo: MakeRepo, make_mirror: MakeMirror, unpack: Unpack
) -> None:
    repo = make_repo({"Dockerfile": "FROM x", "lib": Submodule("1" * 40)})
    found = unpack(make_mirror(repo), repo.head())
    assert found.folders == {"lib"}


@pytest.mark.parametrize(
    "entries",
    [
        [("100644", "..")],
        [("100644", ".")],
        [("100644", ".git")],
        [("100644", ".GIT")],
        [("100644", "a"), ("100644", "a")],
        [("120000", "a"), ("040000", "a")],
    ],
    ids=lambda entries: "+".join(f"{mode}:{name}" for mode, name in entries),
)
def test_a_forged_tree_is_refused(entries: list[tuple[str, str]], make_repo: MakeRepo, make_mirror: MakeMirror) -> None:
    """Such trees are never made by git: a name that leads out, or a link with files behind it."""
    repo = make_repo({"Dockerfile": "FROM x"})
    commit = _forged(repo, entries)
    with pytest.raises(GitRefused) as refusal:
        list(make_mirror(repo).context(commit, ContextOptions()))
    assert refusal.value.kind == "unsafe"


def _forged(repo: Repo, entries: list[tuple[str, str]]) -> str:
    blob = _git(repo, "hash-object", "-w", "--stdin", send=b"/etc")
    folder = _git(repo, "mktree", send=f"100644 blob {blob}\tpasswd\n".encode())
    dockerfile = b"100644 Dockerfile\0" + bytes.fromhex(blob)
    raw = dockerfile + b"".join(
        f"{mode.lstrip('0')} {name}\0".encode() + bytes.fromhex(folder if mode == "040000" else blob)
        for mode, name in entries
    )
    tree = _git(repo, "hash-object", "-t", "tree", "-w", "--literally", "--stdin", send=raw)
    commit = _git(repo, "commit-tree", tree, send=b"forged")
    _git(repo, "update-ref", "refs/heads/main", commit)
    return commit


def _git(repo: Repo, *words: str, send: bytes = b"") -> str:
    who = {f"GIT_{role}_{what}": "x@y" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    done = subprocess.run(
        ["git", *words], cwd=repo.folder, input=send, capture_output=True, check=True, env={**os.environ, **who}
    )
    return done.stdout.decode().strip()


def test_forged_trees_are_also_refused_without_gits_own_check(
    make_repo: MakeRepo, make_mirror: MakeMirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two walls: git refuses malformed objects on arrival, and the stream looks at every path once more."""
    from worker.sources import environment

    monkeypatch.setitem(environment.SETTINGS, "fetch.fsckObjects", "false")
    for entries in ([("100644", "..")], [("120000", "a"), ("040000", "a")], [("040000", ".git")]):
        repo = make_repo({"Dockerfile": "FROM x"})
        commit = _forged(repo, entries)
        with pytest.raises(GitRefused, match="which is not sent to a build") as refusal:
            list(make_mirror(repo).context(commit, ContextOptions()))
        assert refusal.value.kind == "unsafe"
