"""The engine's socket where sshd opens none: the engine's own client there passes the bytes on.

A fixed argv (`docker system dial-stdio`, or podman's) whose standard input and output are the connection. One process runs on the
server for each connection, and sshd's MaxSessions counts it.
"""

import re
import time
from typing import Final

from worker.connections.channels import ChannelSocket, command_line
from worker.connections.session import SshSession

_HELLO: Final = b"GET /_ping HTTP/1.1\r\nHost: docker\r\nUser-Agent: estiva\r\n\r\n"
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_SECONDS: Final = 10.0
_ENDING: Final = 2.0  # seconds that a client takes to end
_MOST: Final = 1 << 16  # bytes before the answer: what a shell may say at a login
_NOT_FOUND: Final = (126, 127)
CLIENTS: Final = ("docker", "podman")


class NoDial(Exception):
    """The client said no; `words` are its own, and `missing` says that there is none."""

    def __init__(self, words: str, *, missing: bool) -> None:
        super().__init__(words)
        self.words, self.missing = words, missing


def dial(session: SshSession, path: str, client: str) -> ChannelSocket:
    """A connection to the socket through that client. NoDial, ChannelRefused, HostLost, or TimeoutError."""
    switch = "--url" if client == "podman" else "--host"
    channel = session.command_channel()
    sock = ChannelSocket(channel, session.check, _SECONDS)
    try:
        channel.exec_command(command_line([client, switch, f"unix://{path}", "system", "dial-stdio"]))
        if not _greeted(sock):
            channel.status_event.wait(_ENDING)
            said = channel.recv_stderr(_MOST) if channel.recv_stderr_ready() else b""
            raise NoDial(_said(said), missing=channel.exit_status in _NOT_FOUND)
    except BaseException:
        sock.close()
        raise
    sock.settimeout(None)
    return sock


def _greeted(sock: ChannelSocket) -> bool:
    """Ask for a sign of life and read exactly its answer, so that what a shell said before it is out of the way."""
    sock.deadline = time.monotonic() + _SECONDS
    try:
        sock.sendall(_HELLO)
    except BrokenPipeError:
        return False
    heard = b""
    while (size := _whole(heard)) is None or len(heard) < size:
        received = sock.recv(_MOST)
        if not received or len(heard) > _MOST:
            return False
        heard += received
    sock.deadline = None
    return True


def _whole(heard: bytes) -> int | None:
    """How long everything is up to the end of the answer; None while that can't be told."""
    begin = heard.find(b"HTTP/1.")
    end = heard.find(b"\r\n\r\n", begin) if begin >= 0 else -1
    if end < 0:
        return None
    length = _LENGTH.search(heard, begin, end)
    return end + 4 + (int(length[1]) if length else 0)


def _said(stderr: bytes) -> str:
    lines = [line.strip() for line in stderr.decode("utf-8", "replace").splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""
