"""A mirror against a real Git server: refs, commits, files, and how much is fetched for them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from parts.git_repo import Executable, Link
from parts.git_server import GitServer as RealGitServer
from worker.sources.git import GitCredential, GitRefused, keep_within, mirror_folder, remove_mirror, remove_unused
from worker.sources.space import size_of

from .conftest import MakeMirror, MakeRepo


def test_refs_are_those_of_the_server(make_repo: MakeRepo, make_mirror: MakeMirror) -> None:
    repo = make_repo()
    first = repo.head()
    second = repo.commit({"a": "1"}, branch="feature/login")
    repo.tag("v1", message="An annotated one")
    repo.tag("v2", at="feature/login")
    refs = make_mirror(repo).refs().as_dict()
    assert refs == {
        "branches": [{"name": "feature/login", "commit": second}, {"name": "main", "commit": first}],
        "tags": [{"name": "v1", "commit": first}, {"name": "v2", "commit": second}],
        "default": "main",
    }


def test_branch_tag_and_commit_are_resolved(make_repo: MakeRepo, make_mirror: MakeMirror) -> None:
    repo = make_repo()
    first = repo.head() or ""
    repo.tag("v1", message="An annotated one")
    second = repo.commit({"a": "1"})
    mirror = make_mirror(repo)
    assert mirror.resolve("main") == mirror.resolve("refs/heads/main") == mirror.resolve() == second
    assert mirror.resolve("v1") == mirror.resolve("refs/tags/v1") == first
    assert mirror.resolve(second) == mirror.resolve(second[:7]) == mirror.resolve(second.upper()) == second


def test_a_commit_far_back_is_found_by_part_of_its_name(make_repo: MakeRepo, make_mirror: MakeMirror) -> None:
    repo = make_repo()
    first = repo.head() or ""
    for number in range(6):
        repo.commit({"a": str(number)})
    mirror = make_mirror(repo, depth=2)
    assert mirror.resolve(first[:9]) == first
    assert mirror.read(first, "README.md", 100) == b"A repository.\n"


def test_a_branch_before_a_tag_of_the_same_name(make_repo: MakeRepo, make_mirror: MakeMirror) -> None:
    repo = make_repo()
    repo.tag("release")
    repo.branch("release")
    newer = repo.commit({"a": "1"}, branch="release")
    mirror = make_mirror(repo)
    assert mirror.resolve("release") == newer
    assert mirror.resolve("refs/tags/release") != newer


def test_a_branch_that_moved_back_is_followed(make_repo: MakeRepo, make_mirror: MakeMirror) -> None:
    repo = make_repo()
    first = repo.head() or ""
    second = repo.commit({"a": "1"})
    mirror = make_mirror(repo)
    assert mirror.resolve("main") == second
    repo.branch("main", at=first)
    third = repo.commit({"b": "1"})
    assert mirror.resolve("main") == third
    assert [each.commit for each in mirror.commits(third)] == [third, first]


def test_a_branch_may_take_the_place_of_a_folder_of_branches(make_repo: MakeRepo, make_mirror: MakeMirror) -> None:
    repo = make_repo()
    repo.commit({"a": "1"}, branch="fix")
    mirror = make_mirror(repo)
    mirror.fetch("fix")
    repo.delete_branch("fix")
    below = repo.commit({"b": "1"}, branch="fix/login")
    assert mirror.resolve("fix/login") == below


def test_an_unknown_name_is_answered_with_near_ones(make_repo: MakeRepo, make_mirror: MakeMirror) -> None:
    repo = make_repo()
    repo.branch("release-2")
    with pytest.raises(GitRefused) as refusal:
        make_mirror(repo).resolve("releese-2")
    assert refusal.value.kind == "ref"
    assert "Did you mean release-2" in refusal.value.remedy
    with pytest.raises(GitRefused, match="no branch, tag or commit “0123456”"):
        make_mirror(repo).resolve("0123456")
    with pytest.raises(GitRefused) as refusal:
        make_mirror(repo).resolve("0" * 39 + "1")
    assert refusal.value.kind == "ref"


def test_an_empty_repository(make_repo: MakeRepo, make_mirror: MakeMirror) -> None:
    repo = make_repo({})
    assert make_mirror(repo).refs().branches == ()
    with pytest.raises(GitRefused, match="is empty") as refusal:
        make_mirror(repo).resolve("main")
    assert refusal.value.kind == "ref"
    with pytest.raises(GitRefused, match="is empty"):
        make_mirror(repo).fetch()


def test_a_tag_of_a_file_is_no_commit(make_repo: MakeRepo, make_mirror: MakeMirror) -> None:
    repo = make_repo()
    blob = subprocess.run(
        ["git", "rev-parse", "main:README.md"], cwd=repo.folder, capture_output=True, check=True, text=True
    ).stdout.strip()
    subprocess.run(["git", "update-ref", "refs/tags/file", blob], cwd=repo.folder, check=True)
    with pytest.raises(GitRefused, match="is no commit"):
        make_mirror(repo).resolve("file")


def test_commits_with_author_and_time(make_repo: MakeRepo, make_mirror: MakeMirror) -> None:
    repo = make_repo()
    commit = repo.commit({"a": "1"}, "Add ünïcode \x1b[31mred\n\nbody", author="Grace Höpper <g@h>", when=1700000000)
    found = make_mirror(repo).commits(commit, limit=1)
    assert [each.as_dict() for each in found] == [
        {
            "commit": commit,
            "subject": "Add ünïcode [31mred",
            "author": "Grace Höpper",
            "committed_at": "2023-11-14T22:13:20+00:00",
        }
    ]


def test_commits_since_another(make_repo: MakeRepo, make_mirror: MakeMirror) -> None:
    repo = make_repo()
    made = [repo.head() or "", *(repo.commit({"a": str(number)}) for number in range(4))]
    mirror = make_mirror(repo)
    mirror.fetch("main")
    assert [each.commit for each in mirror.commits(made[4], since=made[1])] == [made[4], made[3], made[2]]
    assert mirror.commits(made[1], since=made[4]) == []
    assert [each.commit for each in mirror.commits(made[4], limit=2)] == [made[4], made[3]]


def test_history_is_fetched_deeper_only_as_needed(make_repo: MakeRepo, make_mirror: MakeMirror) -> None:
    repo = make_repo()
    made = [repo.head() or "", *(repo.commit({"a": str(number)}) for number in range(9))]
    mirror = make_mirror(repo, depth=3)
    mirror.fetch("main")
    assert len(mirror.repo.log(made[9], None, 50)) == 3, "it was fetched shallow"
    assert [each.commit for each in mirror.commits(made[9], limit=2)] == [made[9], made[8]]
    assert len(mirror.repo.log(made[9], None, 50)) == 3, "that was enough"
    assert [each.commit for each in mirror.commits(made[9], since=made[1])] == made[:1:-1]
    assert len(mirror.commits(made[9])) == 10


def test_commits_since_one_that_is_gone(make_repo: MakeRepo, make_mirror: MakeMirror) -> None:
    repo = make_repo()
    commit = repo.commit({"a": "1"})
    assert len(make_mirror(repo).commits(commit, since="0" * 39 + "1")) == 2


def test_files_are_read_and_links_are_not_followed(make_repo: MakeRepo, make_mirror: MakeMirror) -> None:
    repo = make_repo(
        {
            "plain": "text",
            "run.sh": Executable("#!/bin/sh"),
            "folder/inner": "inside",
            "link": Link("plain"),
            "out": Link("/etc/passwd"),
            "away": Link("folder"),
            "a\nb *": "odd",
        }
    )
    mirror = make_mirror(repo)
    commit = mirror.resolve("main")
    assert mirror.read(commit, "plain", 4) == b"text"
    assert mirror.read(commit, "folder/inner", 100) == b"inside"
    assert mirror.read(commit, "a\nb *", 100) == b"odd"
    for nothing in (
        "link",
        "out",
        "away/inner",
        "folder",
        "missing",
        "plain/x",
        "../plain",
        "/etc/passwd",
        ":/plain",
        "*",
    ):
        assert mirror.read(commit, nothing, 100) is None, nothing
    with pytest.raises(GitRefused) as refusal:
        mirror.read(commit, "plain", 3)
    assert refusal.value.kind == "too_large"


def test_a_folder_is_listed(make_repo: MakeRepo, make_mirror: MakeMirror) -> None:
    repo = make_repo({"a": "12", "b/c": "", "l": Link("a"), "x": Executable("")})
    mirror = make_mirror(repo)
    commit = mirror.resolve("main")
    found = [(each.name, each.kind, each.size, each.executable) for each in mirror.listing(commit)]
    assert found == [
        ("a", "file", 2, False),
        ("b", "folder", 0, False),
        ("l", "link", 1, False),
        ("x", "file", 0, True),
    ]
    assert [each.name for each in mirror.listing(commit, "b")] == ["c"]
    assert mirror.listing(commit, "a") == mirror.listing(commit, "nothing") == []


def test_what_is_here_is_not_fetched_again(
    git_server: RealGitServer, make_repo: MakeRepo, make_mirror: MakeMirror
) -> None:
    repo = make_repo()
    commit = make_mirror(repo).resolve("main")
    git_server.requests.clear()
    again = make_mirror(repo)
    assert again.resolve("main") == commit
    asked = len(git_server.requests)
    assert asked == 2, "the list of refs, and nothing else"
    again.commits(commit)
    again.have(commit)
    assert len(git_server.requests) == asked


def test_a_missing_repository_and_a_missing_server(make_repo: MakeRepo, make_mirror: MakeMirror) -> None:
    repo = make_repo()
    with pytest.raises(GitRefused) as refusal:
        make_mirror(repo.http_url.replace("sources", "nowhere")).refs()
    assert refusal.value.kind == "not_found"
    with pytest.raises(GitRefused) as refusal:
        make_mirror("http://127.0.0.1:1/app").refs()
    assert (refusal.value.kind, refusal.value.message) == ("unreachable", "127.0.0.1:1 does not answer.")
    with pytest.raises(GitRefused) as refusal:
        make_mirror("https://estiva-nowhere.invalid/app", credential=GitCredential()).refs()
    assert refusal.value.kind == "unreachable"
    assert "can't be resolved" in refusal.value.message


def test_a_repository_with_sha256_names_is_refused_in_words(make_repo: MakeRepo, make_mirror: MakeMirror) -> None:
    repo = make_repo({})
    subprocess.run(["rm", "-r", str(repo.folder / "objects"), str(repo.folder / "HEAD"), str(repo.folder / "config")], check=True)  # fmt: skip
    subprocess.run(["git", "init", "-q", "--bare", "--object-format=sha256", str(repo.folder)], check=True)
    repo.commit({"a": "1"})
    with pytest.raises(GitRefused, match="SHA-256"):
        make_mirror(repo).resolve("main")


def test_space_is_freed(make_repo: MakeRepo, make_mirror: MakeMirror, mirrors: Path) -> None:
    repo = make_repo()
    mirror = make_mirror(repo)
    commit = mirror.resolve("main")
    assert remove_unused(mirrors, seconds=3600) == []
    assert remove_unused(mirrors, seconds=-1) == [mirror_folder(mirrors, repo.http_url)]
    assert not mirror.repo.exists()
    assert make_mirror(repo).read(commit, "README.md", 100) == b"A repository.\n"
    remove_mirror(mirrors, repo.http_url)
    remove_mirror(mirrors, "https://host/never-seen")
    assert not mirror.repo.exists()


def test_too_much_space_takes_the_least_recently_used_first_and_none_in_use(
    make_repo: MakeRepo, make_mirror: MakeMirror, mirrors: Path
) -> None:
    repos = [make_repo({"file": os.urandom(50_000).hex()}) for _ in range(4)]
    made = [make_mirror(each) for each in repos]
    commits = [each.resolve("main") for each in made]
    for age, mirror in enumerate(made):  # the first is the oldest
        for lock in ("fetch.lock", "use.lock"):
            (mirror.folder / lock).touch()
            os.utime(mirror.folder / lock, (0, 1_000_000 + age))
    made[1].read(commits[1], "file", 200_000)  # used just now
    sizes = [size_of(each.folder) for each in made]

    assert keep_within(mirrors.parent, sum(sizes)) == []
    with made[0].in_use():
        os.utime(made[0].folder / "use.lock", (0, 1_000_000))
        assert keep_within(mirrors.parent, sum(sizes) - 1) == [made[2].folder]
        assert made[0].repo.exists()
    assert keep_within(mirrors.parent, sizes[1]) == [made[0].folder, made[3].folder]
    assert keep_within(mirrors.parent, 0) == [made[1].folder]
    assert make_mirror(repos[1]).read(commits[1], "file", 200_000), "it is fetched anew"
