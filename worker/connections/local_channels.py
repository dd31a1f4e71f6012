"""Channels of this machine in the shape of paramiko's: a socket, and a command in a process of its own."""

import os
import select
import signal
import socket
import subprocess
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any, Final

from paramiko.buffered_pipe import BufferedPipe, PipeTimeout

if TYPE_CHECKING:
    from worker.connections.beside import LocalTransport

ENVIRONMENT: Final = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "HOME": "/nonexistent",  # what lies in the worker's home, its logins before all, is none of a command's business
}
_READ = 1 << 16
_MOST_HELD = 1 << 21  # bytes that a command may be ahead of its reader
_NOT_FOUND, _NOT_ALLOWED = 127, 126  # as a shell says it


class LocalChannel:
    """What both have. Its calls raise as paramiko's do: TimeoutError, and OSError where the other side is gone."""

    def __init__(self, transport: "LocalTransport") -> None:
        self._transport = transport
        self._timeout: float | None = None
        self.closed = self.eof_received = self.eof_sent = False

    def get_transport(self) -> "LocalTransport":
        """Whose it is."""
        return self._transport

    def settimeout(self, timeout: float | None) -> None:
        """Seconds that a call may take; None for any."""
        self._timeout = timeout

    def close(self) -> None:
        """End it."""
        raise NotImplementedError


class LocalStream(LocalChannel):
    """A connected socket. One thread may read while another one writes, and any may close it."""

    def __init__(self, transport: "LocalTransport", sock: socket.socket) -> None:
        super().__init__(transport)
        sock.setblocking(False)
        self._sock = sock
        # held by whoever uses the socket's number: once it is closed, that belongs to somebody else's
        self._reading, self._writing = threading.Lock(), threading.Lock()

    def recv_ready(self) -> bool:
        """A read would return at once."""
        with self._reading:
            return not self.closed and _ready(self._sock, select.POLLIN, 0)

    def recv(self, size: int) -> bytes:
        """Up to so many bytes; empty at the end, be it by a reset."""
        with self._reading:
            if self.closed:
                return b""
            if not _ready(self._sock, select.POLLIN, self._timeout):
                raise TimeoutError
            try:
                received = self._sock.recv(size)
            except BlockingIOError as error:
                raise TimeoutError from error
            except ConnectionError:
                received = b""
            self.eof_received = self.eof_received or not received
            return received

    def send(self, data: bytes) -> int:
        """How many bytes went."""
        with self._writing:
            if self.closed or self.eof_sent:
                raise OSError("Socket is closed")
            if not _ready(self._sock, select.POLLOUT, self._timeout):
                raise TimeoutError
            try:
                return self._sock.send(data)
            except BlockingIOError as error:
                raise TimeoutError from error

    def shutdown_write(self) -> None:
        """Nothing more is sent."""
        with self._writing:
            if not self.closed and not self.eof_sent:
                self.eof_sent = True
                with suppress(OSError):  # it is gone already
                    self._sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Wake whoever reads or writes, then close."""
        with suppress(OSError):  # it is gone already
            self._sock.shutdown(socket.SHUT_RDWR)
        with self._reading, self._writing:
            self.closed = self.eof_received = self.eof_sent = True
            self._sock.close()


class LocalCommand(LocalChannel):
    """A fixed argv in a process group of its own, without a shell. Closing it ends the whole group."""

    def __init__(self, transport: "LocalTransport", folder: str) -> None:
        super().__init__(transport)
        self._folder = folder
        self.in_buffer: Any = BufferedPipe()
        self.in_stderr_buffer: Any = BufferedPipe()
        self.status_event = threading.Event()
        self.exit_status = -1
        self._process: subprocess.Popen[bytes] | None = None
        self._room = threading.Condition()
        self._lock = threading.Lock()

    def exec_words(self, argv: Sequence[str]) -> None:
        """Start it. What can't be started ends as a shell would say it: 127, 126."""
        try:
            process = subprocess.Popen(
                list(argv),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=ENVIRONMENT,
                cwd=self._folder,
                start_new_session=True,
                bufsize=0,
            )
        except OSError as error:
            self.in_stderr_buffer.feed(f"{argv[0]}: {error.strerror}\n")
            self._over(_NOT_FOUND if isinstance(error, FileNotFoundError) else _NOT_ALLOWED)
            return
        self._process = process
        pumps = [
            threading.Thread(target=self._pump, args=pair, daemon=True)
            for pair in ((process.stdout, self.in_buffer), (process.stderr, self.in_stderr_buffer))
        ]
        for each in pumps:
            each.start()
        threading.Thread(target=self._await, args=(process, pumps), daemon=True).start()

    def _pump(self, output: IO[bytes], buffer: Any) -> None:
        while data := output.read(_READ):
            with self._room:
                self._room.wait_for(lambda: self.closed or len(buffer) < _MOST_HELD)
            if not self.closed:
                buffer.feed(data)
        output.close()

    def _await(self, process: subprocess.Popen[bytes], pumps: Sequence[threading.Thread]) -> None:
        for each in pumps:
            each.join()
        code = process.wait()
        self._over(code if code >= 0 else -1)

    def _over(self, code: int) -> None:
        self.exit_status = code
        self.closed = self.eof_received = True
        for each in (self.in_buffer, self.in_stderr_buffer):
            each.close()
        self.status_event.set()

    def recv_ready(self) -> bool:
        """Something of its output is there."""
        return bool(self.in_buffer.read_ready())

    def recv_stderr_ready(self) -> bool:
        """As `recv_ready`, of its errors."""
        return bool(self.in_stderr_buffer.read_ready())

    def recv(self, size: int) -> bytes:
        """Of its output; empty at the end."""
        return self._read(self.in_buffer, size)

    def recv_stderr(self, size: int) -> bytes:
        """As `recv`, of its errors."""
        return self._read(self.in_stderr_buffer, size)

    def _read(self, buffer: Any, size: int) -> bytes:
        try:
            found: bytes = buffer.read(size, self._timeout)
        except PipeTimeout as error:
            raise TimeoutError from error
        with self._room:
            self._room.notify_all()
        return found

    def send(self, data: bytes) -> int:
        """To its standard input."""
        process = self._process
        if process is None or process.stdin is None or self.eof_sent:
            raise OSError("Socket is closed")
        if not _ready(process.stdin, select.POLLOUT, self._timeout):
            raise TimeoutError
        return os.write(process.stdin.fileno(), data[: select.PIPE_BUF])  # so much never blocks

    def sendall(self, data: Any) -> None:
        """All of it; to a command that ended, or doesn't read on, as much as it took: what it says of that is to be read."""
        view = memoryview(data)
        with suppress(OSError):
            while view:
                view = view[self.send(bytes(view)) :]

    def shutdown_write(self) -> None:
        """The end of its standard input."""
        with self._lock:
            process, self.eof_sent = self._process, True
            if process is not None and process.stdin is not None and not process.stdin.closed:
                with suppress(OSError):  # it is gone already
                    process.stdin.close()

    def close(self) -> None:
        """End it with all its children, if it hasn't ended; nobody reads on."""
        self.shutdown_write()
        process = self._process
        if process is not None and process.poll() is None:
            with suppress(ProcessLookupError):  # it ended just now
                os.killpg(process.pid, signal.SIGKILL)
        with self._room:
            self.closed = True
            self._room.notify_all()


def _ready(what: Any, event: int, seconds: float | None) -> bool:
    poll = select.poll()
    poll.register(what, event)
    return bool(poll.poll(None if seconds is None else max(0, round(seconds * 1000))))
