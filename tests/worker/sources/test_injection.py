"""Whatever is typed or committed, nothing of it is run: each text would leave a file behind."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from deployments import git_url
from parts.git_repo import Executable, Link, Submodule
from tests.real_parts import SshKey
from worker.engine.spec import Secret
from worker.sources.detect import detect, generated_dockerfile
from worker.sources.git import ContextOptions, GitCredential, GitRefused, meet_git_server
from worker.sources.submodules import server_of

from .conftest import MakeMirror, MakeRepo, Unpacked, as_project

# {} is the canary's path. A relative one is tried too, since some of these can't hold a slash.
COMMANDS = (
    "$(touch {})", "`touch {}`", "; touch {};", "| touch {}", "& touch {} &", "\ntouch {}\n", "' ; touch {} ; '", '" ; touch {} ; "',
    "--upload-pack=touch {}", "-oProxyCommand=touch {}", "-u touch {}", "--exec=touch {}", "ext::sh -c touch% {}", "--output={}",
    "!touch {}", "%(touch {})", "${{IFS}}touch${{IFS}}{}", "\\$(touch {})", "-c core.sshCommand=touch {}", "fd::7/touch {}",
    "file://{}", "--git-dir={}", "@{{touch {}}}", "$(touch {})\x00", "\u2028touch {}", "..;touch {}", ":!touch {}", "-", "--",
)  # fmt: skip


def corpus(canary: Path) -> list[str]:
    """Every text with the canary's path, and with its name alone."""
    return [text.format(target) for text in COMMANDS for target in (canary, canary.name)]


def test_addresses(canary: Path, make_mirror: MakeMirror) -> None:
    """Alone, and in every part of an address; most are refused, and the rest only fails to be found."""
    shapes = (
        "{}", "https://{}/app", "ssh://{}/app", "ssh://{}@127.0.0.1:1/app", "http://127.0.0.1:1/{}",
        "ssh://git@127.0.0.1:1/{}", "git@{}:app", "{}@127.0.0.1:app", "http://127.0.0.1:{}/app",
    )  # fmt: skip
    taken = 0
    for text in corpus(canary):
        for shape in shapes:
            url = shape.format(text)
            with pytest.raises(GitRefused):
                make_mirror(url, list_seconds=5, host_key=("ssh-ed25519", "AAAA")).refs()
            taken += _is_taken(url)
    assert taken < 10, "what is taken at all holds nothing that a shell or option parser knows"


def _is_taken(url: str) -> bool:
    try:
        git_url.parse(url)
    except git_url.GitUrlError:
        return False
    return True


def test_an_address_that_was_never_checked_is_refused_at_the_door(canary: Path, make_mirror: MakeMirror) -> None:
    for url in (
        f"ext::sh -c touch% {canary}",
        f"--upload-pack=touch {canary}",
        f"file://{canary.parent}",
        str(canary.parent),
    ):
        with pytest.raises(GitRefused) as refusal:
            make_mirror(url)
        assert refusal.value.kind == "unsafe"


def test_refs(canary: Path, make_repo: MakeRepo, make_mirror: MakeMirror) -> None:
    mirror = make_mirror(make_repo())
    for text in corpus(canary):
        for shape in ("{}", "refs/heads/{}", "main{}", "{}^{{commit}}", "HEAD:{}", "main..{}"):
            with pytest.raises(GitRefused) as refusal:
                mirror.resolve(shape.format(text))
            assert refusal.value.kind == "ref"


def test_commits_and_paths(canary: Path, make_repo: MakeRepo, make_mirror: MakeMirror) -> None:
    mirror = make_mirror(make_repo())
    commit = mirror.resolve("main")
    for text in corpus(canary)[::2]:
        for call in (mirror.have, mirror.commits, lambda given: mirror.context(given, ContextOptions())):
            with pytest.raises(GitRefused):
                call(text)
        with pytest.raises(GitRefused):
            mirror.commits(commit, since=text)
        assert mirror.read(commit, text, 100) is None
        assert mirror.listing(commit, text) == []
        with pytest.raises(GitRefused):
            mirror.context(commit, ContextOptions(subdirectory=text))
        with pytest.raises(GitRefused):
            mirror.context(commit, ContextOptions(dockerfile=text))


def test_branches_and_names_in_the_tree(
    canary: Path, make_repo: MakeRepo, make_mirror: MakeMirror, unpack: Callable[..., Unpacked]
) -> None:
    names = [text.replace("/", "_").replace("\0", "") for text in corpus(canary)]
    plain = [name for name in dict.fromkeys(names) if name not in {"", ".", ".."}]
    files = {f"{name}/{name}": Executable(name) for name in plain}
    repo = make_repo(
        {"Dockerfile": "FROM x", **files, **{f"link {number}": Link(name) for number, name in enumerate(plain)}}
    )
    message, author = "--upload-pack=touch canary\n$(touch canary)", "$(touch canary) <`touch canary`>"
    for branch in ("$(touch${IFS}canary)", "main;touch${IFS}canary", "`touch`", "a'b", 'a"b', "a|b", "a&b", "%(x)"):
        repo.commit({"Dockerfile": "FROM y"}, message, branch=branch, author=author)
    mirror = make_mirror(repo)
    commit = mirror.resolve("main")
    found = unpack(mirror, commit)
    assert {name: content.decode() for name, content in found.files.items() if name != "Dockerfile"} == {f"{name}/{name}": name for name in plain}  # fmt: skip
    for name in plain:
        assert mirror.read(commit, f"{name}/{name}", 1000) == name.encode()
        assert [each.name for each in mirror.listing(commit, name)] == [name]
    for listed in mirror.refs().branches:
        assert mirror.commits(mirror.resolve(listed.name), limit=1)


def test_submodules(canary: Path, make_repo: MakeRepo, make_mirror: MakeMirror) -> None:
    repo = make_repo({"Dockerfile": "FROM x", "lib": Submodule("1" * 40)})
    mirror = make_mirror(repo, list_seconds=5)
    for text in corpus(canary):
        with pytest.raises(GitRefused):
            server_of(mirror.server, "lib", text)
    for text in corpus(canary)[::10]:
        quoted = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\0", "")
        commit = repo.commit(
            {".gitmodules": f'[submodule "x"]\n\tpath = lib\n\turl = "{quoted}"\n\tupdate = "!touch {canary}"\n'}
        )
        with pytest.raises(GitRefused):
            mirror.context(commit, ContextOptions(submodules=True))


def test_what_gitmodules_may_include_is_not_read(canary: Path, make_repo: MakeRepo, make_mirror: MakeMirror) -> None:
    text = f'[include]\n\tpath = {canary}\n[core]\n\tsshCommand = touch {canary}\n[submodule "x"]\n\tpath = lib\n\turl = ext::touch {canary}\n'
    repo = make_repo({"Dockerfile": "FROM x", "lib": Submodule("1" * 40), ".gitmodules": text})
    with pytest.raises(GitRefused) as refusal:
        make_mirror(repo).context(repo.head() or "", ContextOptions(submodules=True))
    assert refusal.value.kind == "unsafe"


def test_over_ssh(
    canary: Path, git_server: object, make_repo: MakeRepo, make_mirror: MakeMirror, ssh_key: SshKey
) -> None:
    repo = make_repo()
    credential = GitCredential(private_key_pem=Secret(ssh_key.private))
    key = meet_git_server(repo.ssh_url)
    begin = repo.ssh_url.rpartition("/")[0]
    for path in ("a~b", "a!b", "a,b", "a=b", "@a", "a%27%3btouch%20canary", "a%24(touch"):
        with pytest.raises(GitRefused):
            make_mirror(f"{begin}/{path}", credential=credential, host_key=key, list_seconds=10).refs()


def test_proposed_dockerfiles(canary: Path) -> None:
    """Nobody's repository writes a line of them."""
    for text in corpus(canary):
        evil = text.replace("\0", "")
        name = evil.replace("/", "_")
        package = {
            "main": f"{evil}.js",
            "engines": {"node": evil},
            "scripts": {"x": evil},
            "dependencies": {evil: evil},
        }
        for project in (
            {"requirements.txt": f"flask\n{evil}\n", ".python-version": f"3.12\n{evil}", "app.py": f"{evil}\napp = Flask('{evil}')\nport='{evil}'"},
            {"manage.py": f"'DJANGO_SETTINGS_MODULE', '{evil}.settings'", "pyproject.toml": f'requires-python = ">=3.9{evil}"'},
            {"package.json": json.dumps(package), f"{name}.js": "listen(80)", ".nvmrc": f"22 {evil}"},
            {"go.mod": f"module {evil}\ngo 1.22 {evil}", f"cmd/{name}/main.go": "package main"},
        ):  # fmt: skip
            detected = detect(*as_project(project))
            assert detected is not None
            assert "touch" not in generated_dockerfile(detected)
            assert len(generated_dockerfile(detected).splitlines()) < 40
