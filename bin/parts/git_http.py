"""HTTP in front of `git http-backend`: passwords, Git LFS downloads, and a gate that holds answers back."""

from __future__ import annotations

import base64
import contextlib
import hmac
import json
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ssl import SSLContext, SSLSocket
from typing import IO, Any
from urllib.parse import urlsplit

from parts.git_repo import Repo, closed_environment

BLOCK = 64 * 1024
LFS_TYPE = "application/vnd.git-lfs+json"
ADDRESS = re.compile(r"^/(?P<name>[\w./-]+?)\.git(?P<rest>/.*)$")


class Gate:
    """Lets answers through, or holds them back until told otherwise: a Git server that hangs."""

    def __init__(self) -> None:
        self.reached = threading.Event()  # a request waits at the closed gate
        self._open = threading.Event()
        self._open.set()

    @contextmanager
    def closed(self) -> Iterator[threading.Event]:
        """While inside, every answer waits; the event given is set as soon as one does."""
        self.reached.clear()
        self._open.clear()
        try:
            yield self.reached
        finally:
            self._open.set()

    def open(self) -> None:
        """Let everything through that waits."""
        self._open.set()

    def pass_through(self) -> None:
        """Wait here while the gate is closed."""
        if not self._open.is_set():
            self.reached.set()
            self._open.wait()


class GitHttpServer(ThreadingHTTPServer):
    """Serves repositories on a loopback port of its own, each request in a thread."""

    daemon_threads = True

    def __init__(self, port: int, repositories: Mapping[str, Repo], login: tuple[str, str], root: str) -> None:
        super().__init__(("127.0.0.1", port), GitHandler)
        self.repositories = repositories
        self.login = login
        self.root = root
        self.gate = Gate()
        self.requests: list[str] = []  # method and address of each, for tests that ask what was fetched
        self.tls: SSLContext | None = None

    def get_request(self) -> tuple[Any, Any]:
        """A new connection, its TLS handshake left to the first read, which happens in the request's own thread."""
        connection, address = super().get_request()
        if self.tls is not None:
            connection = self.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        """End TLS in order: a client must be able to tell the end of an answer from a cut connection."""
        if isinstance(request, SSLSocket):
            request.settimeout(2)
            with contextlib.suppress(OSError):  # the client was quicker
                request.unwrap()
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away mid-answer, or that doesn't trust us, is no news; anything else is."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class GitHandler(BaseHTTPRequestHandler):
    """One request. The repository's name is looked up, never used as a path."""

    server: GitHttpServer
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_GET(self) -> None:
        """Fetches' first question, and LFS objects."""
        self._answer()

    def do_POST(self) -> None:
        """Packs, both ways, and LFS batches."""
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:
        """Noted in `requests` instead of printed."""
        self.server.requests.append(format % args)

    def _answer(self) -> None:
        self.close_connection = True
        with self._body() as body:
            self.server.gate.pass_through()
            self._route(body)

    def _route(self, body: IO[bytes]) -> None:
        found = ADDRESS.match(urlsplit(self.path).path)
        repo = self.server.repositories.get(found["name"]) if found else None
        if found is None or repo is None:
            self._say(404, b"Repository not found.\n")
            return
        user = self._user()
        pushes = "git-receive-pack" in self.path
        if user is None and (repo.private or pushes or self.headers.get("Authorization")):
            self._say(401, b"Authentication required.\n", {"WWW-Authenticate": 'Basic realm="Git"'})
        elif found["rest"] == "/info/lfs/objects/batch":
            self._lfs_batch(repo, json.load(body))
        elif found["rest"].startswith("/lfs/"):
            self._lfs_object(repo, found["rest"].removeprefix("/lfs/"))
        else:
            self._git(f"/{repo.name}.git{found['rest']}", body, user)

    def _user(self) -> str | None:
        """Who sent the right user and password; None for anybody else."""
        sent = self.headers.get("Authorization", "").partition("Basic ")[2]
        right = base64.b64encode(":".join(self.server.login).encode()).decode()
        return self.server.login[0] if hmac.compare_digest(sent.encode(), right.encode()) else None

    def _body(self) -> IO[bytes]:
        """What was sent, as a file: a backend that waited for us while we wait for it would hang."""
        spool = tempfile.TemporaryFile()  # noqa: SIM115 - handed to the backend as its standard input
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            while size := int(self.rfile.readline().split(b";")[0], 16):
                spool.write(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
        else:
            spool.write(self.rfile.read(int(self.headers.get("Content-Length", "0"))))
        spool.seek(0)
        return spool

    def _git(self, path: str, body: IO[bytes], user: str | None) -> None:
        variables = {
            "GIT_PROJECT_ROOT": self.server.root,
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": urlsplit(self.path).query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            **({"REMOTE_USER": user} if user else {}),
        }
        folder = self.server.repositories[path[1:].partition(".git/")[0]].folder
        env = closed_environment(folder) | variables
        with subprocess.Popen(
            ["git", "http-backend"], stdin=body, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env
        ) as backend:
            if backend.stdout is None:
                return
            try:
                self._relay(backend.stdout)
            finally:
                backend.kill()

    def _relay(self, output: IO[bytes]) -> None:
        """The backend's headers and content, as it writes them."""
        headers = dict[str, str]()
        while line := output.readline().decode("latin-1").strip():
            name, _, value = line.partition(":")
            headers[name] = value.strip()
        status = int(headers.pop("Status", "200").split()[0])
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        while block := output.read(BLOCK):
            self.wfile.write(block)
            self.server.gate.pass_through()

    def _lfs_batch(self, repo: Repo, wish: dict[str, Any]) -> None:
        base = repo.https_url if self.server.tls else repo.http_url
        sent = self.headers.get("Authorization")
        header = {"header": {"Authorization": sent}} if sent else {}
        objects = []
        for item in wish["objects"]:
            known = (repo.lfs_objects / item["oid"]).name == item["oid"] and (repo.lfs_objects / item["oid"]).exists()
            if wish.get("operation") == "download" and known:
                item["actions"] = {"download": {"href": f"{base}/lfs/{item['oid']}", **header}}
            else:
                item["error"] = {"code": 404, "message": "Object does not exist"}
            objects.append(item)
        self._say(200, json.dumps({"transfer": "basic", "objects": objects}).encode(), {"Content-Type": LFS_TYPE})

    def _lfs_object(self, repo: Repo, oid: str) -> None:
        kept = repo.lfs_objects / oid
        if not re.fullmatch(r"[0-9a-f]{64}", oid) or not kept.exists():
            self._say(404, b"Object does not exist.\n")
        else:
            self._say(200, kept.read_bytes(), {"Content-Type": "application/octet-stream"})

    def _say(self, status: int, content: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)
