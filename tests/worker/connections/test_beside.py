"""The engine beside the worker: sockets and commands of this machine behind the same session as SSH has."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from worker.connections import beside
from worker.connections.login import Beside, HostKey, SshAddress, SshCredential
from worker.connections.pool import Pool
from worker.connections.probes import probe_tcp
from worker.connections.session import SshSession
from worker.connections.signals import Signals
from worker.connections.socket_refusal import open_engine_socket
from worker.connections.transport import ChannelRefused
from worker.engine.errors import Cancelled, HostLost, SocketRefused
from worker.engine.spec import Secret

INFO = {"ID": "AAAA:BBBB", "Name": "build-1", "DockerRootDir": "/var/lib/docker", "ServerVersion": "20.10.24"}
IDENTITY = "AAAA:BBBB@build-1:/var/lib/docker"


class Engine:
    """Answers GET /info and GET /networks/bridge on a unix socket, and keeps any other connection open."""

    def __init__(self, path: Path, info: Mapping[str, Any], gateway: str) -> None:
        self.path = str(path)
        self._answers = {"/info": info, "/networks/bridge": {"IPAM": {"Config": [{"Gateway": gateway}]}}}
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listening.bind(self.path)
        self._listening.listen()
        self.kept: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                sock, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(sock,), daemon=True).start()

    def _answer(self, sock: socket.socket) -> None:
        asked = sock.recv(4096).split(b" ")
        found = self._answers.get(asked[1].decode()) if len(asked) > 1 else None
        if found is None:
            self.kept.append(sock)
            return
        sock.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + json.dumps(found).encode())
        sock.close()

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for each in self.kept:
            each.close()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """One whose bridge is of this machine."""
    found = Engine(tmp_path / "docker.sock", INFO, "127.0.0.1")
    yield found
    found.close()


def address(engine: Engine, identity: str = IDENTITY) -> SshAddress:
    return SshAddress("here", "", 0, "", beside=Beside(identity, engine.path))


@pytest.fixture
def session(engine: Engine) -> Iterator[SshSession]:
    """Of the engine beside this process."""
    pool = Pool()
    with pool.session(address(engine), SshCredential(Secret("")), HostKey("", ""), Signals()) as found:
        yield found
    pool.close()


def test_it_is_known_by_its_id_the_machine_and_where_its_data_is(engine: Engine) -> None:
    assert beside.look(engine.path) == beside.LocalEngine(IDENTITY, "build-1", "20.10.24", whole=True)


def test_from_within_a_container_its_network_is_another(tmp_path: Path) -> None:
    engine = Engine(tmp_path / "docker.sock", INFO, "203.0.113.1")
    try:
        assert beside.look(engine.path).whole is False
    finally:
        engine.close()


def test_what_tells_no_id_is_not_worked_with(tmp_path: Path) -> None:
    engine = Engine(tmp_path / "docker.sock", {**INFO, "ID": ""}, "127.0.0.1")
    try:
        with pytest.raises(beside.NoEngine, match="no Docker Engine"):
            beside.look(engine.path)
    finally:
        engine.close()


def test_no_socket_says_so(tmp_path: Path) -> None:
    with pytest.raises(beside.NoEngine, match="No such file"):
        beside.look(str(tmp_path / "none.sock"))


def test_another_engine_than_the_known_one_is_refused(engine: Engine) -> None:
    with pytest.raises(HostLost, match="another engine"):
        Pool().session(address(engine, "CCCC@build-1:/var/lib/docker"), SshCredential(Secret("")), HostKey("", ""))


def test_only_the_named_socket_is_opened(session: SshSession, tmp_path: Path) -> None:
    with pytest.raises(ChannelRefused, match="ESTIVA_LOCAL_ENGINE"):
        session.to_unix_socket(str(tmp_path / "other.sock"))


def test_a_socket_that_is_closed_to_us_is_no_passing_trouble() -> None:
    refused = beside.unreachable("here", f"/run/docker.sock: {os.strerror(13)}.")
    assert isinstance(refused, SocketRefused)
    assert not isinstance(beside.unreachable("here", "/run/docker.sock: Connection refused."), SocketRefused)


def test_a_read_ends_at_once_when_somebody_cancels(session: SshSession, engine: Engine) -> None:
    sock = open_engine_socket(session, engine.path)
    sock.sendall(b"GET /events HTTP/1.1\r\n\r\n")
    threading.Timer(0.1, session.signals.cancelled.set).start()
    begun = time.monotonic()
    with pytest.raises(Cancelled):
        sock.recv(10)
    assert time.monotonic() - begun < 2
    sock.close()


def test_a_read_ends_when_the_session_is_aborted(session: SshSession, engine: Engine) -> None:
    sock = open_engine_socket(session, engine.path)
    sock.sendall(b"GET /events HTTP/1.1\r\n\r\n")
    threading.Timer(0.1, session.abort).start()
    assert sock.recv(10) == b""
    with pytest.raises(HostLost, match="closed"):
        session.to_unix_socket(engine.path)


def test_a_port_is_asked_from_this_machine(session: SshSession) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert probe_tcp(session, "127.0.0.1", port, 2).ok
    refused = probe_tcp(session, "127.0.0.1", port, 2)
    assert (refused.ok, refused.problem) == (False, "connection refused")


def test_a_command_has_both_outputs_its_input_and_its_code(session: SshSession) -> None:
    program = "import sys; sys.stdout.write(sys.stdin.read() * 2); sys.stderr.write('hm'); sys.exit(3)"
    said = session.run(["python3", "-c", program], stdin=b"in")
    assert (said.exit_code, said.stdout, said.stderr) == (3, b"inin", b"hm")


def test_a_word_is_never_read_by_a_shell(session: SshSession, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    said = session.run(["echo", f"$(touch {canary})", f"; touch {canary}", f"`touch {canary}`"])
    assert said.stdout.decode() == f"$(touch {canary}) ; touch {canary} `touch {canary}`\n"
    assert not canary.exists()


def test_a_command_knows_nothing_of_the_worker(session: SshSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESTIVA_SEALING_PRIVATE_KEY", "hush")
    said = session.run(["env"])
    assert b"ESTIVA" not in said.stdout
    assert {line.partition(b"=")[0] for line in said.stdout.split()} == {b"PATH", b"LANG", b"HOME"}


def test_a_program_that_is_missing_ends_as_in_a_shell(session: SshSession) -> None:
    said = session.run(["no-such-program"], stdin=b"x")
    assert said.exit_code == 127
    assert b"No such file" in said.stderr


def test_ten_megabytes_on_both_outputs_come_through(session: SshSession) -> None:
    program = "import sys\nfor _ in range(160): sys.stdout.write('o' * 65536); sys.stderr.write('e' * 65536)"
    said = session.run(["python3", "-c", program], deadline=30, limit=1 << 24)
    assert (len(said.stdout), len(said.stderr)) == (160 * 65536, 160 * 65536)


def test_a_command_past_its_deadline_is_gone_with_its_children(session: SshSession, tmp_path: Path) -> None:
    marker = tmp_path / "pid"
    program = (
        f"import subprocess as s; p = s.Popen(['sleep', '60']); open({str(marker)!r}, 'w').write(str(p.pid)); p.wait()"
    )
    with pytest.raises(TimeoutError):
        session.run(["python3", "-c", program], deadline=1.5)
    child = int(marker.read_text())
    until = time.monotonic() + 5
    while time.monotonic() < until and _lives(child):
        threading.Event().wait(0.02)
    assert not _lives(child)


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
