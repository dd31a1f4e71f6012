"""A Git server of its own on loopback, as forges offer it: HTTP with a password, HTTPS, and SSH with deploy keys."""

from __future__ import annotations

import base64
import json
import secrets
import shlex
import ssl
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

from parts.git_http import GitHttpServer
from parts.git_repo import Entry, Repo
from parts.part import Part
from parts.processes import PartError, free_port, run
from parts.sshd import SshServer

LOGIN_PROGRAM = Path(__file__).with_name("git_login.py")
FIRST_FILES: dict[str, Entry] = {"README.md": "A repository.\n"}


class GitServer(Part):
    """Repositories under http(s)://127.0.0.1:PORT/NAME.git and ssh://USER@127.0.0.1:PORT/NAME.git.

    Whoever knows `user` and `password` may fetch and push over HTTP; others may fetch what is not private. Over SSH a key reaches what
    `authorize` says. HTTPS shows a certificate that only `ca_file` vouches for. `gate.closed()` makes the server hang.
    """

    name = "git server"

    def __init__(
        self, folder: Path, *, http_port: int | None = None, ssh_port: int | None = None, password: str = ""
    ) -> None:
        super().__init__(folder)
        self.user, self.password = "deploy", password or f"git-{secrets.token_urlsafe(12)}"
        self.root = self.folder / "repositories"
        self.root.mkdir(exist_ok=True)
        self.ca_file = self.folder / "certificate.pem"
        self.sshd = SshServer(self.folder / "sshd", ssh_port, options={"AcceptEnv": "GIT_PROTOCOL"})
        self.repositories: dict[str, Repo] = {}
        self._http = self._listen(http_port or free_port())
        self._https = self._listen(free_port())
        self._https.gate = self.gate = self._http.gate
        self._https.requests = self.requests = self._http.requests
        self._rights: dict[str, list[str]] = {}
        self._threads: list[threading.Thread] = []
        self._ended = threading.Event()

    def start(self) -> None:
        """Serve; the host key and the certificate are made the first time."""
        self._make_certificate()
        self._https.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._https.tls.load_cert_chain(self.ca_file, self.folder / "certificate.key")
        self._tell_lfs()
        self.sshd.start()
        for server in (self._http, self._https):
            thread = threading.Thread(target=server.serve_forever, args=(0.02,), name=self.name, daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """End it; the repositories stay in its folder. It is not started again: make another on the same folder and ports."""
        self.gate.open()
        for server in (self._http, self._https):
            if self._threads:
                server.shutdown()
            server.server_close()
        for thread in self._threads:
            thread.join()
        self._threads.clear()
        self.sshd.stop()
        self._ended.set()

    def wait(self) -> int:
        """Block until it is stopped."""
        self._ended.wait()
        return 0

    def create(self, name: str, files: Mapping[str, Entry] | None = None, *, private: bool = False) -> Repo:
        """A repository with one commit on `main`, or empty where `files` is {}."""
        repo = self.open(name, private=private)
        repo.make()
        first = FIRST_FILES if files is None else files
        if first:
            repo.commit(first, "Begin")
        return repo

    def open(self, name: str, *, private: bool = False) -> Repo:
        """Serve a repository; one that an earlier server left in this folder is found as it was."""
        http, https = self._http.server_address[1], self._https.server_address[1]
        urls = {
            "http": f"http://127.0.0.1:{http}/{name}.git",
            "https": f"https://127.0.0.1:{https}/{name}.git",
            "ssh": f"ssh://{self.sshd.user}@{self.sshd.address}:{self.sshd.port}/{name}.git",
        }
        repo = self.repositories[name] = Repo(self.root / f"{name}.git", name, private=private, urls=urls)
        return repo

    def authorize(self, public_key_line: str, repo: Repo | None = None, *, write: bool = False) -> None:
        """Let a key in over SSH: a deploy key of one repository, or of all; a key may get several such rights."""
        right = f"{'write' if write else 'read'}:{repo.name if repo else ''}"
        self._rights.setdefault(public_key_line.strip(), []).append(right)
        # One line a key: sshd heeds only the first that fits.
        lines = [f'command="{self._login(rights)}",restrict {key}' for key, rights in self._rights.items()]
        self.sshd.revoke_all()
        self.sshd.authorize("\n".join(lines))

    def with_password(self, repo: Repo) -> str:
        """The repository's HTTP address with user and password in it, as only tests write it."""
        return repo.http_url.replace("http://", f"http://{self.user}:{self.password}@", 1)

    def _login(self, rights: list[str]) -> str:
        argv = [sys.executable, "-I", str(LOGIN_PROGRAM), str(self.root), *rights]
        return shlex.join(argv).replace("\\", "\\\\").replace('"', '\\"')

    def _listen(self, port: int) -> GitHttpServer:
        return GitHttpServer(port, self.repositories, (self.user, self.password), str(self.root))

    def _tell_lfs(self) -> None:
        """What a key that reached a repository over SSH gets its LFS files with, over HTTPS."""
        opened = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        origin = f"https://127.0.0.1:{self._https.server_address[1]}"
        path = self.folder / "lfs-login.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps({"origin": origin, "header": {"Authorization": f"Basic {opened}"}}))

    def _make_certificate(self) -> None:
        if self.ca_file.exists():
            return
        key = self.folder / "certificate.key"
        words = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "3650"]
        names = ["-subj", "/CN=Estiva Git server", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
        try:
            run(["openssl", "req", "-x509", *words, *names, "-keyout", str(key), "-out", str(self.ca_file)])
        except PartError as error:
            raise PartError(f"The Git server's certificate could not be made: {error}") from error
