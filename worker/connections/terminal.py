"""A program with a terminal in a running container: the Engine API's exec, its upgraded stream, and its sure end.

The engine has no call that ends an exec, and closing its stream ends nothing: the program would go on unseen. So its process
is found (the engine tells its number on the server, the kernel that within the container) and told to hang up, then killed.
"""

import json
import queue
import re
import threading
import urllib.parse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from paramiko import SSHException

from worker.connections.channels import ChannelSocket
from worker.connections.engine_errors import refusal, translated
from worker.connections.engine_http import CALL_SECONDS
from worker.connections.log_stream import HttpBody
from worker.connections.room import RoomDockerHost
from worker.connections.socket_refusal import open_engine_socket
from worker.connections.transport import ChannelRefused
from worker.engine.errors import Conflict, HostError, NotFound

TERM: Final = "xterm-256color"
DETACH_KEYS: Final = "ctrl-^,ctrl-],ctrl-_,ctrl-^"
"""The engine lets go of a terminal at these, ctrl-p and ctrl-q unless told otherwise: at nothing that anybody types."""

ENDING_SECONDS: Final = 3.0
_LOOK_SECONDS: Final = 0.1
_READ: Final = 1 << 15
SHELL: Final = ("/bin/sh",)
_KILL: Final = 'kill -s "$0" "$1"'  # the shell's own: a slim image has no program of that name. Words reach it as words

Wake = Callable[[], None]


@dataclass(frozen=True, slots=True)
class ExecState:
    """How the engine sees it; `pid` on the server, 0 before the start."""

    is_running: bool
    exit_code: int | None
    pid: int


class TerminalStream:
    """Both ways of a terminal. A thread of its own reads; `wake` is called whenever something arrived, or the stream ended."""

    def __init__(self, sock: ChannelSocket, first: bytes, wake: Wake) -> None:
        self._sock, self._wake = sock, wake
        self._arrived: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._arrived.put(first)
        self.ended = False
        threading.Thread(target=self._read, name="terminal", daemon=True).start()

    def available(self) -> bytes:
        """What has arrived since the last call, without waiting."""
        parts = []
        while not self._arrived.empty():
            parts.append(self._arrived.get())
        return b"".join(parts)

    def send(self, data: bytes) -> None:
        """Type it. BrokenPipeError, ConnectionError or TimeoutError where nobody reads any more."""
        self._sock.sendall(data)

    def close(self) -> None:
        """Close the channel; the program goes on."""
        self._sock.close()

    def _read(self) -> None:
        sock = self._sock.unattended()
        sock.settimeout(None)  # a terminal may be silent for as long as it likes
        try:
            while data := sock.recv(_READ):
                self._arrived.put(data)
                self._wake()
        except (OSError, EOFError, SSHException):
            pass  # an end like any other: what it means, the state of the program tells
        finally:
            self.ended = True
            self._wake()


class TerminalHost(RoomDockerHost):
    """A server for the length of one terminal."""

    def prepare_terminal(self, container: str, argv: Sequence[str]) -> str:
        """Have the engine know of it, not begun; its id."""
        with translated(self._session):
            made = self._api.exec_create(
                container,
                list(argv),
                stdin=True,
                tty=True,
                environment=[f"TERM={TERM}"],
                detach_keys=DETACH_KEYS,
            )
        return str(made["Id"])

    def start_terminal(self, exec_id: str, wake: Wake) -> TerminalStream:
        """Begin it. HostError with the engine's words where the container doesn't run (any more)."""
        body = json.dumps({"Detach": False, "Tty": True}).encode()
        head = (
            f"POST {self._exec_path(exec_id, 'start')} HTTP/1.1\r\nHost: docker\r\nUser-Agent: estiva\r\n"
            "Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        with translated(self._session):
            sock = open_engine_socket(self._session, self._socket_path)
            try:
                first = self._await_upgrade(sock, head.encode("ascii") + body)
            except BaseException:
                sock.close()
                raise
        return TerminalStream(sock, first, wake)

    def _await_upgrade(self, sock: ChannelSocket, request: bytes) -> bytes:
        answer, first = HttpBody(), b""
        sock.settimeout(CALL_SECONDS)
        sock.sendall(request)
        while not answer.status:
            data = sock.recv(_READ)
            if not data:
                raise ConnectionResetError("no answer to the request for a terminal")
            first += answer.feed(data)
        if answer.status not in (101, 200):
            raise refusal(first.decode("utf-8", "replace"), self._session.address.host_name, answer.status)
        return first

    def resize_terminal(self, exec_id: str, columns: int, rows: int) -> bool:
        """False where it isn't begun yet, or over."""
        try:
            with translated(self._session):
                self._api.exec_resize(exec_id, height=rows, width=columns)
        except HostError:
            return False
        return True

    def terminal_state(self, exec_id: str) -> ExecState | None:
        """None where the engine tells nothing of it: its container is gone or paused, or the engine was restarted (`lives_on`)."""
        try:
            with translated(self._session):
                found = self._api.exec_inspect(exec_id)
        except (NotFound, Conflict):
            return None
        code = found.get("ExitCode")
        return ExecState(bool(found.get("Running")), None if code is None else int(code), int(found.get("Pid") or 0))

    def lives_on(self, container: str, begun_in: str) -> bool:
        """The container still runs, and has not stopped since it was started at `begun_in` ("" where that isn't known).

        Then programs in it may go on that the engine forgot: with live-restore it is restarted without its containers.
        """
        found = self.container(container)
        return found is not None and found.running and begun_in in ("", found.started_at)

    def end_terminal(self, container: str, exec_id: str, begun_in: str = "") -> bool:
        """Hang up, then kill; True when its process was seen to be gone. `begun_in` as for `lives_on`."""
        for signal in ("HUP", "KILL"):
            state = self._state_with_pid(exec_id)
            if state is None:
                return not self.lives_on(container, begun_in)
            if not state.is_running:
                return True
            if not state.pid:
                return False
            # whether it was told matters less than whether it is gone: a word that arrived may be answered too late
            self._signal(container, state.pid, signal)
            if self._is_gone(exec_id):
                return True
        return False

    def _state_with_pid(self, exec_id: str) -> ExecState | None:
        """Its state; the engine tells what a program says before it tells the program's number."""
        until = self.now() + ENDING_SECONDS
        while (state := self.terminal_state(exec_id)) is not None:
            if not state.is_running or state.pid or self.now() >= until:
                break
            self.wait(_LOOK_SECONDS)
        return state

    def _is_gone(self, exec_id: str) -> bool:
        until = self.now() + ENDING_SECONDS
        while self.now() < until:
            state = self.terminal_state(exec_id)
            if state is None or not state.is_running:
                return True
            self.wait(_LOOK_SECONDS)
        return False

    def _signal(self, container: str, pid: int, signal: str) -> None:
        """From the server, where our user may; else from within the container, which any image with a shell allows."""
        inner = self._pid_within(container, pid)
        if inner is None:
            return
        try:
            if self._session.run(["kill", "-s", signal, str(pid)]).exit_code == 0:
                return
        except (ChannelRefused, TimeoutError):
            pass  # no commands there for our user
        by_shell, by_program = [*SHELL, "-c", _KILL, signal, str(inner)], ["kill", "-s", signal, str(inner)]
        # first as the user that it runs as: root in a container without capabilities may not
        attempts = (("", by_shell), ("0", by_shell), ("", by_program), ("0", by_program))
        for user, argv in attempts:
            if self._run_within(container, argv, user):
                return

    def _pid_within(self, container: str, pid: int) -> int | None:
        """The process's number in its innermost namespace, as the kernel tells anybody.

        None where it can't be read, or isn't of this container: an engine may count in a namespace of its own.
        """
        try:
            said = self._session.run(["cat", f"/proc/{pid:d}/cgroup", f"/proc/{pid:d}/status"])
        except (ChannelRefused, TimeoutError):
            return None
        text = said.stdout.decode("utf-8", "replace")
        found = re.search(r"^NSpid:.*\s(\d+)$", text, re.MULTILINE)
        return int(found[1]) if found and container in text else None

    def _run_within(self, container: str, argv: Sequence[str], user: str) -> bool:
        """A fixed argv in the container, "" for its own user; True when it ended well."""
        try:
            with translated(self._session):
                made = self._api.exec_create(container, list(argv), user=user)
                self._api.exec_start(made["Id"], detach=True)  # the SDK's other way wants a socket of its own kind
                return self._is_gone(made["Id"]) and self._api.exec_inspect(made["Id"]).get("ExitCode") == 0
        except HostError:
            return False

    def _exec_path(self, exec_id: str, what: str) -> str:
        with translated(self._session):
            return f"/v{self._api.api_version}/exec/{urllib.parse.quote(exec_id, safe='')}/{what}"
