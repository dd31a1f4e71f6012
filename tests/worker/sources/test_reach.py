"""Nobody who can push, and no Git server, leads the worker to what only the worker reaches."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests

from parts.git_server import GitServer as RealGitServer
from tests.real_parts import SshKey
from worker.engine.spec import Secret
from worker.sources import environment, explain, reach
from worker.sources.git import ContextOptions, GitCredential, GitLimits, GitRefused, GitServer, meet_git_server
from worker.sources.lfs_server import LfsServer, Wanted
from worker.sources.reach import Reach, new_session
from worker.sources.shapes import nobody, unheard
from worker.sources.submodules import server_of

from .conftest import MakeMirror, MakeRepo, Unpacked

PUBLIC = "93.184.216.34"
SIGNED = "X-Amz-Signature=0123456789abcdef"


class Inside:
    """What only the worker reaches: a small HTTP server that notes who asks it what."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answer: Callable[[BaseHTTPRequestHandler], tuple[int, dict[str, str], bytes]] = lambda _: (200, {}, b"")
        inside = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                inside.asked.append(f"{self.command} {self.path} {self.headers.get('Authorization', '')}".strip())
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status, headers, content = inside.answer(self)
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(content))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_GET  # noqa: N815 - the name that http.server looks for

            def log_message(self, format: str, *args: object) -> None:
                """Noted in `asked` instead."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def inside() -> Iterator[Inside]:
    server = Inside()
    yield server
    server.stop()


@pytest.mark.parametrize(
    ("address", "allowed", "is_open"),
    [
        (PUBLIC, (), True),
        ("2606:4700::1111", (), True),
        *(
            (each, (), False)
            for each in ("127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.0.9", "169.254.169.254", "0.0.0.0")  # noqa: S104
        ),
        *((each, (), False) for each in ("100.64.0.1", "224.0.0.1", "::1", "fe80::1%eth0", "fd00::1", "::", "ff02::1")),
        *(
            (each, (), False)
            for each in ("::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "::ffff:169.254.169.254")
        ),
        ("10.1.2.3", ("10.1.0.0/16",), True),
        ("10.2.2.3", ("10.1.0.0/16", "elsewhere.example.com"), False),
        ("10.1.2.3", ("10.1.2.3",), True),
        ("::ffff:10.1.2.3", ("10.1.2.0/24",), True),
    ],
)
def test_which_addresses_are_open(address: str, allowed: tuple[str, ...], is_open: bool) -> None:
    assert Reach("git.example.com", allowed).permits("lib.example.com", address) is is_open


@pytest.mark.parametrize(
    ("host", "is_known"),
    [
        ("git.example.com", True),
        ("GIT.example.com", True),
        ("lfs.corp.example.com", True),
        ("a.b.inner.example.com", True),
        ("inner.example.com", False),
        ("xlfs.corp.example.com", False),
    ],
)
def test_names_that_are_allowed_wherever_they_are(host: str, is_known: bool) -> None:
    far = Reach("git.example.com", ("lfs.corp.example.com", ".inner.example.com"))
    assert far.permits(host, "10.0.0.1") is is_known


def test_a_submodule_in_the_workers_own_network_is_not_fetched(make_repo: MakeRepo, make_mirror: MakeMirror) -> None:
    for url in (
        "https://localhost/lib",
        "https://[::1]/lib",
        "https://169.254.169.254/latest",
        "https://0x7f000001/lib",
    ):
        server = server_of(GitServer("https://git.example.com/app"), "lib", url)
        with pytest.raises(GitRefused) as refusal, environment.towards(server):
            pass
        assert refusal.value.kind == "unsafe", url
        assert "ESTIVA_GIT_ALLOWED_HOSTS" in refusal.value.remedy


def test_a_submodules_name_stands_for_the_address_that_was_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "addresses_of", lambda _host, _port: (PUBLIC, "2606:4700::1111"))
    server = server_of(GitServer("https://git.example.com/app"), "lib", "https://lib.example.com/lib.git")
    with environment.towards(server) as (variables, _folder):
        assert f"lib.example.com:443:{PUBLIC},[2606:4700::1111]" in variables.values()
    assert server_of(server, "deeper", "https://git.example.com/other").reaching.own == "git.example.com"
    with environment.towards(GitServer("https://git.example.com/app")) as (variables, _folder):
        assert "http.curloptResolve" not in variables.values()


def test_a_submodule_that_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "addresses_of", lambda _host, _port: ("10.1.2.3",))
    parent = GitServer("https://git.example.com/app", reach=Reach("git.example.com", ("10.1.0.0/16",)))
    with environment.towards(server_of(parent, "lib", "https://lib.example.com/lib.git")) as (variables, _folder):
        assert "lib.example.com:443:10.1.2.3" in variables.values()


def test_a_name_that_changes_its_mind_is_told_nothing(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "addresses_of", lambda _host, _port: (PUBLIC,))
    far = Reach("git.example.com")
    assert far.addresses("localhost", inside.port) == (PUBLIC,)
    with pytest.raises(GitRefused, match="localhost is not spoken to"):
        new_session(far).get(f"http://localhost:{inside.port}/canary", timeout=5)
    assert inside.asked == []
    assert new_session(Reach("localhost")).get(f"http://localhost:{inside.port}/own", timeout=5).status_code == 200


def lfs_of(server: Inside, **answer: object) -> LfsServer:
    """The LFS side of a repository at that server, called localhost; it answers a batch with this download."""
    told = {"objects": [{"oid": "a" * 64, "size": 3, "actions": {"download": answer}}]}

    def say(handler: BaseHTTPRequestHandler) -> tuple[int, dict[str, str], bytes]:
        if handler.command == "POST":
            return 200, {}, json.dumps(told).encode()
        return 302, {"Location": f"http://127.0.0.1:{server.port}/hidden?{SIGNED}"}, b""

    server.answer = say
    credential = GitCredential("deploy", token=Secret("correct-horse"))
    repository = GitServer(f"http://localhost:{server.port}/app.git", credential)
    return LfsServer(repository, GitLimits(), nobody, unheard)


@pytest.mark.parametrize("href", ["http://127.0.0.1:{port}/canary?", "http://localhost:{port}/redirects?"])
def test_no_download_leads_inside(inside: Inside, tmp_path: Path, href: str) -> None:
    """Named by the server's answer, or by the redirect behind it."""
    lfs = lfs_of(inside, href=href.format(port=inside.port) + SIGNED)
    with pytest.raises(GitRefused) as refusal:
        lfs.download([Wanted("a" * 64, 3)], tmp_path, {})
    assert refusal.value.kind == "unsafe"
    assert not [each for each in inside.asked if "canary" in each or "hidden" in each]
    assert SIGNED not in "".join((refusal.value.message, refusal.value.why, refusal.value.remedy))


@pytest.mark.parametrize(
    "href",
    ["http://localhost:1/gone?", "ftp://localhost/x?", "http://localhost:port/x?", "http://ada:pw-9876@localhost:1/?"],
)
def test_no_error_carries_what_opens_something(inside: Inside, tmp_path: Path, href: str) -> None:
    with pytest.raises(GitRefused) as refusal:
        lfs_of(inside, href=href + SIGNED).download([Wanted("a" * 64, 3)], tmp_path, {})
    said = "".join((refusal.value.message, refusal.value.why, refusal.value.remedy))
    assert SIGNED not in said
    assert "pw-9876" not in said


def test_gits_own_words_lose_their_queries() -> None:
    said = explain.tidy(
        f"fatal: unable to update url base from redirection:\n  redirect: https://a/b?{SIGNED}'\nWhy? Because."
    )
    assert said.endswith("redirect: https://a/b?…'\nWhy? Because.")
    assert explain.bare("from https://ada:secret@host/app") == "from https://[redacted]@host/app"


def test_lfsconfig_says_where_the_files_are(
    make_repo: MakeRepo, make_mirror: MakeMirror, unpack: Callable[..., Unpacked], git_server: RealGitServer
) -> None:
    other = make_repo({"a": "1"}, private=True)
    for key in ('[lfs]\n\turl = "{url}/info/lfs"\n', '[remote "origin"]\n\tlfsurl = {url}/info/lfs\n'):
        repo = make_repo(
            {"Dockerfile": "FROM x", ".gitattributes": "*.bin filter=lfs\n", "web/Dockerfile": "FROM x"}, private=True
        )
        repo.commit({".lfsconfig": key.format(url=other.http_url), "web/a.bin": other.lfs(key.encode())})
        git_server.requests.clear()
        found = unpack(make_mirror(repo), repo.head(), subdirectory="web" if "remote" in key else "")
        assert found.files["a.bin" if "remote" in key else "web/a.bin"] == key.encode()
        assert any(f"{other.name}.git/info/lfs/objects/batch" in each for each in git_server.requests)


@pytest.mark.parametrize(
    "url",
    [
        *("http://localhost:1/x", "https://169.254.169.254/x", "https://localhost/x", "ssh://git@127.0.0.1/x"),
        *("file:///etc", "https://ada:secret-77@example.com/x", "x\ny", "-x", "ext::touch canary"),
    ],
)
def test_an_lfsconfig_that_leads_astray_is_refused(
    make_repo: MakeRepo, make_mirror: MakeMirror, canary: Path, url: str
) -> None:
    repo = make_repo({"Dockerfile": "FROM x", ".gitattributes": "*.bin filter=lfs\n"})
    repo.commit({".lfsconfig": f"[lfs]\n\turl = {json.dumps(url)}\n", "a.bin": repo.lfs(b"one")})
    with pytest.raises(GitRefused) as refusal:
        make_mirror(repo).context(repo.head() or "", ContextOptions())
    assert refusal.value.kind == "unsafe"
    assert "secret-77" not in refusal.value.message + refusal.value.why


def test_lfs_over_ssh_is_what_the_server_says(
    make_repo: MakeRepo,
    make_mirror: MakeMirror,
    unpack: Callable[..., Unpacked],
    git_server: RealGitServer,
    ssh_key: SshKey,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(git_server.ca_file))
    repo = make_repo({"Dockerfile": "FROM x", ".gitattributes": "*.bin filter=lfs\n"}, private=True)
    repo.commit({"a.bin": repo.lfs(b"over ssh")})
    git_server.authorize(ssh_key.public, repo)
    credential = GitCredential(private_key_pem=Secret(ssh_key.private))
    mirror = make_mirror(repo.ssh_url, credential=credential, host_key=meet_git_server(repo.ssh_url))
    assert unpack(mirror, repo.head()).files["a.bin"] == b"over ssh"


def test_what_cannot_be_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(_host: str, _port: int) -> tuple[str, ...]:
        raise socket.gaierror("Name or service not known")

    monkeypatch.setattr(reach, "addresses_of", unknown)
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(GitRefused) as refusal:
        Reach("git.example.com").addresses("lib.example.com", 443)
    assert refusal.value.kind == "unreachable"
    monkeypatch.setenv("https_proxy", "http://proxy.example.com:3128")
    assert Reach("git.example.com").addresses("lib.example.com", 443) == ()
    assert isinstance(new_session(Reach("x")), requests.Session)
