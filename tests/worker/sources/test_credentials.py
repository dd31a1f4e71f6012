"""Tokens and keys: they open what they are for, and are found nowhere else."""

from __future__ import annotations

import base64
import http.server
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from deployments import git_url
from parts.git_server import GitServer as RealGitServer
from tests.real_parts import SshKey
from worker.engine.spec import Secret
from worker.sources import environment
from worker.sources.git import GitCredential, GitRefused, GitServer, meet_git_server

from .conftest import MakeMirror, MakeRepo

TOKEN = "tok-en with/special+letters=é"


def test_a_private_repository_opens_with_its_token_only(make_repo: MakeRepo, make_mirror: MakeMirror) -> None:
    repo = make_repo(private=True)
    assert make_mirror(repo).resolve("main") == repo.head()
    with pytest.raises(GitRefused) as refusal:
        make_mirror(repo, credential=GitCredential()).refs()
    assert refusal.value.kind == "authentication"
    assert "asks for a login" in refusal.value.message
    with pytest.raises(GitRefused) as refusal:
        make_mirror(repo, credential=GitCredential("deploy", Secret("wrong-password"))).refs()
    assert refusal.value.kind == "authentication"
    assert "refused the credential" in refusal.value.message


def test_the_token_is_on_no_command_line_and_in_no_file(
    git_server: RealGitServer, make_repo: MakeRepo, make_mirror: MakeMirror, mirrors: Path
) -> None:
    repo = make_repo(private=True)
    secret = git_server.password.encode()
    seen: list[bytes] = []

    def look() -> None:
        seen.extend(path.read_bytes() for path in _commands())
        seen.extend(path.read_bytes() for path in mirrors.rglob("*") if path.is_file())
        git_server.gate.open()

    with git_server.gate.closed() as reached:
        make_mirror(repo, interrupt=lambda: look() if reached.is_set() else None).fetch("main")
    assert any(b"ls-remote" in each for each in seen)
    assert not [each for each in seen if secret in each]
    assert not [path for path in mirrors.rglob("*") if path.is_file() and secret in path.read_bytes()]


def _commands() -> Iterator[Path]:
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if b"git" in (process / "cmdline").read_bytes():
                yield process / "cmdline"
        except (FileNotFoundError, ProcessLookupError):
            continue


def test_a_refusal_never_repeats_the_token(make_repo: MakeRepo, make_mirror: MakeMirror) -> None:
    with _server(lambda handler: _answer(handler, 500, b"your token tok-123456 is odd")) as address:
        mirror = make_mirror(f"{address}/app", credential=GitCredential("ada", Secret("tok-123456")))
        with pytest.raises(GitRefused) as refusal:
            mirror.refs()
    assert "tok-123456" not in f"{refusal.value.message} {refusal.value.why} {refusal.value.remedy}"


def test_nothing_of_the_workers_own_environment_reaches_git(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (
        "ESTIVA_SECRET_KEY",
        "GIT_SSH_COMMAND",
        "GIT_DIR",
        "GIT_ASKPASS",
        "SSH_AUTH_SOCK",
        "GIT_CONFIG_PARAMETERS",
        "LD_PRELOAD",
        "GIT_TRACE",
    ):
        monkeypatch.setenv(name, "leaked")
    server = GitServer("https://host/app", GitCredential("ada", Secret("tok")))
    for variables in (environment.local(tmp_path), _towards(server)):
        assert "leaked" not in variables.values()
        assert variables["GIT_CONFIG_NOSYSTEM"] == "1"
        assert variables["GIT_CONFIG_GLOBAL"] == "/dev/null"
        assert variables["GIT_TERMINAL_PROMPT"] == "0"
    assert environment.local(tmp_path)["GIT_ALLOW_PROTOCOL"] == ""
    assert _towards(server)["GIT_ALLOW_PROTOCOL"] == "https"


def test_a_companys_proxy_and_certificates_reach_git(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    monkeypatch.setenv("SSL_CERT_FILE", "/etc/company.pem")
    variables = _towards(GitServer("https://host/app"))
    assert variables["https_proxy"] == "http://proxy:3128"
    assert variables["GIT_SSL_CAINFO"] == "/etc/company.pem"


def _towards(server: GitServer) -> dict[str, str]:
    with environment.towards(server) as (variables, _):
        return variables


@pytest.mark.parametrize(
    ("url", "username", "sent"),
    [
        ("https://github.com/a/b", "", "x-access-token:t"),
        ("https://bitbucket.org/a/b", "", "x-token-auth:t"),
        ("https://git.example.com/a/b", "", "oauth2:t"),
        ("https://git.example.com/a/b", "ada", "ada:t"),
    ],
)
def test_the_user_name_beside_a_token(url: str, username: str, sent: str) -> None:
    header = environment.authorization(git_url.parse(url), GitCredential(username, Secret("t")))
    assert base64.b64decode(header.removeprefix("Basic ")).decode() == sent


def test_a_certificate_that_nobody_vouches_for_is_refused(
    git_server: RealGitServer, make_repo: MakeRepo, make_mirror: MakeMirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = make_repo(private=True)
    with pytest.raises(GitRefused, match="No trusted connection") as refusal:
        make_mirror(repo.https_url).refs()
    assert "SSL_CERT_FILE" in refusal.value.remedy
    monkeypatch.setenv("SSL_CERT_FILE", str(git_server.ca_file))
    assert make_mirror(repo.https_url).resolve("main") == repo.head()


class TestRedirects:
    """Git is not allowed to follow them: it would take the token along."""

    def test_the_token_goes_to_no_other_server(self, make_mirror: MakeMirror) -> None:
        got: list[str | None] = []

        def steal(handler: http.server.BaseHTTPRequestHandler) -> None:
            got.append(handler.headers.get("Authorization"))
            _answer(handler, 200, b"001e# service=git-upload-pack\n0000")

        with _server(steal) as thief, _server(lambda handler: _redirect(handler, thief + handler.path)) as address:
            mirror = make_mirror(f"{address}/app", credential=GitCredential("ada", Secret(TOKEN)))
            with pytest.raises(GitRefused, match="sends elsewhere") as refusal:
                mirror.refs()
        assert got == [], "nobody even asked there"
        assert "address it leads to" in refusal.value.remedy

    def test_within_the_server_they_are_followed(
        self, git_server: RealGitServer, make_repo: MakeRepo, make_mirror: MakeMirror
    ) -> None:
        # the real server behind one that, as GitLab does, wants “.git” at the end
        repo = make_repo({"a": "1"})
        with _server(lambda handler: _redirect_or_pass(handler, repo.http_url)) as address:
            mirror = make_mirror(f"{address}/app", credential=GitCredential("ada", Secret(TOKEN)))
            refs = mirror.refs()
        assert [each.name for each in refs.branches] == ["main"]


class TestSsh:
    """ssh with a pinned host key and one private key."""

    @pytest.fixture
    def credential(self, ssh_key: SshKey) -> GitCredential:
        return GitCredential(private_key_pem=Secret(ssh_key.private))

    def test_a_deploy_key_opens_its_repository_only(
        self,
        git_server: RealGitServer,
        make_repo: MakeRepo,
        make_mirror: MakeMirror,
        ssh_key: SshKey,
        credential: GitCredential,
    ) -> None:
        mine, other = make_repo(private=True), make_repo(private=True)
        git_server.authorize(ssh_key.public, mine)
        key = meet_git_server(mine.ssh_url)
        assert key == tuple(git_server.sshd.host_key_line().split())
        mirror = make_mirror(mine.ssh_url, credential=credential, host_key=key)
        commit = mirror.resolve("main")
        assert commit == mine.head()
        assert mirror.read(commit, "README.md", 100) == b"A repository.\n"
        with pytest.raises(GitRefused) as refusal:
            make_mirror(other.ssh_url, credential=credential, host_key=key).refs()
        assert refusal.value.kind == "not_found"
        assert "deploy key" in refusal.value.remedy

    def test_a_key_that_is_not_let_in(
        self, make_repo: MakeRepo, make_mirror: MakeMirror, make_git_server: Callable[..., RealGitServer], credential: GitCredential
    ) -> None:  # fmt: skip
        server = make_git_server()
        repo = server.create("closed")
        with pytest.raises(GitRefused) as refusal:
            make_mirror(repo.ssh_url, credential=credential, host_key=meet_git_server(repo.ssh_url)).refs()
        assert refusal.value.kind == "authentication"
        assert "deploy key" in refusal.value.remedy

    def test_another_host_key_gets_nothing(
        self, make_mirror: MakeMirror, make_git_server: Callable[..., RealGitServer], ssh_key: SshKey, credential: GitCredential
    ) -> None:  # fmt: skip
        server = make_git_server()
        repo = server.create("moved")
        server.authorize(ssh_key.public, repo)
        mirror = make_mirror(repo.ssh_url, credential=credential, host_key=meet_git_server(repo.ssh_url))
        mirror.refs()
        trusted = server.sshd.fingerprint()
        server.sshd.change_host_key()
        before = server.sshd.log.stat().st_size
        with pytest.raises(GitRefused, match="another host key") as refusal:
            mirror.refs()
        assert refusal.value.kind == "host_key"
        assert f"Shown: {server.sshd.fingerprint()}." in refusal.value.why
        assert f"Trusted: ssh-ed25519 {trusted}." in refusal.value.why
        assert "publickey" not in server.sshd.log.read_text()[before:], "no key was offered"

    def test_without_a_pinned_key_or_a_private_key_nothing_begins(
        self, make_mirror: MakeMirror, credential: GitCredential
    ) -> None:
        with pytest.raises(GitRefused) as refusal:
            make_mirror("ssh://git@127.0.0.1:1/app", credential=credential).refs()
        assert refusal.value.kind == "host_key"
        with pytest.raises(GitRefused) as refusal:
            make_mirror("ssh://git@127.0.0.1:1/app", host_key=("ssh-ed25519", "AAAA")).refs()
        assert refusal.value.kind == "authentication"
        broken = GitCredential(private_key_pem=Secret("-----BEGIN OPENSSH PRIVATE KEY-----\nno\n"))
        with pytest.raises(GitRefused, match="can't be used"):
            make_mirror("ssh://git@127.0.0.1:1/app", credential=broken, host_key=("ssh-ed25519", "AAAA")).refs()
        forged = ("ssh-ed25519\nProxyCommand touch canary", "AAAA")
        with pytest.raises(GitRefused, match="no host key"):
            make_mirror("ssh://git@127.0.0.1:1/app", credential=credential, host_key=forged).refs()

    def test_meeting(self) -> None:
        assert meet_git_server("https://host/app") is None
        with pytest.raises(GitRefused) as refusal:
            meet_git_server("ssh://git@127.0.0.1:1/app")
        assert refusal.value.kind == "unreachable"
        with pytest.raises(GitRefused) as refusal:
            meet_git_server("ext::sh")
        assert refusal.value.kind == "unsafe"

    def test_the_private_key_is_on_no_disk(self, ssh_key: SshKey) -> None:
        server = GitServer(
            "ssh://git@host/app", GitCredential(private_key_pem=Secret(ssh_key.private)), ("ssh-ed25519", "AAAA")
        )
        with environment.towards(server) as (variables, folder):
            program = Path(variables["GIT_SSH"])
            files = [path for path in program.parent.rglob("*") if path.is_file()]
            assert {path.name for path in files} == {"ssh", "ssh_config", "known_hosts"}
            assert not [path for path in files if b"PRIVATE KEY" in path.read_bytes()]
            assert program.parent.stat().st_mode & 0o777 == 0o700
            config = (program.parent / "ssh_config").read_text()
            assert "StrictHostKeyChecking yes" in config
            assert "HostKeyAlgorithms ssh-ed25519\n" in config
        assert not folder.exists()
        assert not program.parent.exists()


@contextmanager
def _server(handle: Callable[[http.server.BaseHTTPRequestHandler], None]) -> Iterator[str]:
    """A small server that answers every GET and POST in its own way; its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            handle(self)

        def do_POST(self) -> None:
            handle(self)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _answer(handler: http.server.BaseHTTPRequestHandler, status: int, content: bytes) -> None:
    handler.send_response(status)
    handler.send_header("Content-Type", "text/plain")
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)


def _redirect(handler: http.server.BaseHTTPRequestHandler, target: str) -> None:
    handler.send_response(301)
    handler.send_header("Location", target)
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def _redirect_or_pass(handler: http.server.BaseHTTPRequestHandler, real: str) -> None:
    """/app/… is sent to /app.git/…, which is answered from the real repository."""
    if not handler.path.startswith("/app.git/"):
        _redirect(handler, handler.path.replace("/app/", "/app.git/"))
        return
    body = handler.rfile.read(int(handler.headers.get("Content-Length", "0"))) or None
    headers = {name: handler.headers[name] for name in ("Git-Protocol", "Content-Type") if name in handler.headers}
    url = real + handler.path.removeprefix("/app.git")
    answer = requests.request(handler.command, url, data=body, headers=headers, timeout=20)
    handler.send_response(answer.status_code)
    handler.send_header("Content-Type", answer.headers["Content-Type"])
    handler.send_header("Content-Length", str(len(answer.content)))
    handler.end_headers()
    handler.wfile.write(answer.content)
