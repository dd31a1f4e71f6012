"""The Git server that tests and demo use answers like a forge: passwords, deploy keys, partial clones, LFS, and it can hang."""

from __future__ import annotations

import http.client
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from parts.git_repo import Executable, Link, Submodule, closed_environment
from parts.git_server import GitServer
from tests.real_parts import SshKey

AWKWARD = 'a "quoted" naïve\tname.txt'


def git(
    *words: str, cwd: Path = Path("/"), variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    env = closed_environment(Path("/")) | dict(variables or {})
    return subprocess.run(["git", *words], cwd=cwd, env=env, capture_output=True, text=True, timeout=30, check=False)


def call(method: str, url: str, body: str | None = None) -> bytes:
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.netloc, timeout=5)
    try:
        connection.request(method, place.path, body)
        return connection.getresponse().read()
    finally:
        connection.close()


def over_ssh(server: GitServer, key: SshKey, folder: Path) -> dict[str, str]:
    known = folder / "known_hosts"
    known.write_text(f"{server.sshd.known_hosts_line()}\n")
    words = ["ssh", "-F", "none", "-i", str(key.path), "-o", f"UserKnownHostsFile={known}", "-o", "BatchMode=yes"]
    return {"GIT_SSH_COMMAND": " ".join(words)}


def test_serves_what_was_committed(git_server: GitServer, tmp_path: Path) -> None:
    repo = git_server.create("team/open", {"Dockerfile": "FROM a\n", AWKWARD: b"\xff"})
    first = repo.head()
    commit = repo.commit(
        {"run": Executable("#!/bin/sh\n"), "way": Link("../out")}, "Two\n\nparagraphs", delete=[AWKWARD]
    )
    repo.tag("v1", message="The first")
    repo.branch("old", first or "")
    repo.commit({"part": Submodule(commit)}, branch="with-part")
    assert git("clone", "--quiet", repo.http_url, "c", cwd=tmp_path).returncode == 0
    tree = tmp_path / "c"
    assert git("log", "--format=%H %s", cwd=tree).stdout.splitlines() == [f"{commit} Two", f"{first} Begin"]
    assert sorted(path.name for path in tree.iterdir()) == [".git", "Dockerfile", "run", "way"]
    assert (tree / "run").stat().st_mode & 0o111
    assert (tree / "way").is_symlink()
    assert git("ls-remote", repo.http_url, "old").stdout.split()[0] == first
    assert git("ls-tree", "with-part", cwd=repo.folder).stdout.split() == ["160000", "commit", commit, "part"]
    assert "refs/tags/v1^{}" in git("ls-remote", repo.http_url).stdout


def test_a_private_one_asks_for_the_password_and_takes_pushes(git_server: GitServer, tmp_path: Path) -> None:
    repo = git_server.create("team/private", private=True)
    assert "could not read Username" in git("ls-remote", repo.http_url).stderr
    wrong = repo.http_url.replace("//", "//deploy:wrong@")
    assert "Authentication failed" in git("ls-remote", wrong).stderr
    url = git_server.with_password(repo)
    assert git("clone", "--quiet", "--depth=1", "--filter=blob:none", url, "c", cwd=tmp_path).returncode == 0
    (tmp_path / "c" / "big").write_bytes(bytes(range(256)) * 8000)
    git("add", "big", cwd=tmp_path / "c")
    git("-c", "user.name=Grace", "-c", "user.email=g@harbour.example", "commit", "-qm", "Big", cwd=tmp_path / "c")
    # In pieces, as a large push is sent.
    pushed = git("-c", "http.postBuffer=1024", "push", "--quiet", "origin", "main", cwd=tmp_path / "c")
    assert pushed.returncode == 0, pushed.stderr
    assert repo.head() == git("rev-parse", "HEAD", cwd=tmp_path / "c").stdout.strip()
    assert "not found" in git("ls-remote", repo.http_url.replace("private", "absent")).stderr


def test_https_is_believed_only_with_its_certificate(git_server: GitServer) -> None:
    repo = git_server.create("team/https")
    assert "certificate" in git("ls-remote", repo.https_url).stderr
    assert git("-c", f"http.sslCAInfo={git_server.ca_file}", "ls-remote", repo.https_url).returncode == 0


def test_a_deploy_key_reads_its_repository_and_nothing_else(
    git_server: GitServer, ssh_key: SshKey, tmp_path: Path
) -> None:
    repo, other = git_server.create("team/keyed", private=True), git_server.create("team/other")
    git_server.authorize(ssh_key.public, repo)
    variables = over_ssh(git_server, ssh_key, tmp_path)
    cloned = git("clone", "--quiet", repo.ssh_url, "c", cwd=tmp_path, variables=variables)
    assert cloned.returncode == 0, cloned.stderr
    assert "not found" in git("ls-remote", other.ssh_url, variables=variables).stderr
    refused = git("push", repo.ssh_url, "main:new", cwd=tmp_path / "c", variables=variables)
    assert "only read" in refused.stderr
    words = variables["GIT_SSH_COMMAND"].split()
    shell = [*words, "-p", str(git_server.sshd.port), f"{git_server.sshd.user}@127.0.0.1", "id"]
    assert "Only Git" in subprocess.run(shell, capture_output=True, text=True, timeout=20, check=False).stderr


def test_hands_out_lfs_objects(git_server: GitServer) -> None:
    repo = git_server.create("team/lfs")
    pointer = repo.lfs(b"heavy")
    repo.commit({"heavy.bin": pointer, ".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n"})
    oid = pointer.split("sha256:")[1].split()[0]
    wish = {"operation": "download", "objects": [{"oid": oid, "size": 5}, {"oid": "0" * 64, "size": 1}]}
    found, missing = json.loads(call("POST", f"{repo.http_url}/info/lfs/objects/batch", json.dumps(wish)))["objects"]
    assert call("GET", found["actions"]["download"]["href"]) == b"heavy"
    assert missing["error"]["code"] == 404


def test_hangs_when_told_to(git_server: GitServer, tmp_path: Path) -> None:
    repo = git_server.create("team/slow")
    with git_server.gate.closed() as reached:
        client = subprocess.Popen(
            ["git", "clone", "-q", repo.http_url, "c"], cwd=tmp_path, env=closed_environment(tmp_path)
        )
        assert reached.wait(10)
        with pytest.raises(subprocess.TimeoutExpired):
            client.wait(0.2)
    assert client.wait(20) == 0


def test_another_server_on_the_same_folder_finds_the_repositories(folder: Path) -> None:
    with GitServer(folder / "git-again") as server:
        commit = server.create("team/kept").commit({"a": "b"})
    with GitServer(folder / "git-again") as server:
        assert server.open("team/kept").head() == commit
        assert commit in git("ls-remote", server.repositories["team/kept"].http_url).stdout
