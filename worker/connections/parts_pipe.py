"""What arrived on a channel and nobody has read yet, kept as it came.

paramiko's own buffer is one array, from whose beginning bytes are cut: with every read all that stays moves up. Read by
somebody slower than the network, an image came at two thirds of the pace that it comes at from here.
"""

import threading
from collections import deque
from typing import TYPE_CHECKING

from paramiko.buffered_pipe import BufferedPipe, PipeTimeout

if TYPE_CHECKING:
    _Base = BufferedPipe[bytes]
else:
    _Base = BufferedPipe


class PartsPipe(_Base):
    """Stands in for a channel's `in_buffer`: fed by the transport's thread, read by another.

    `worth_waking`: bytes for which a read that waits is woken. What is less it gets when its time is up, or at the end.
    """

    def __init__(self) -> None:
        super().__init__()
        self._parts: deque[bytes] = deque()
        self._size = 0
        self._ended = False
        self.worth_waking = 1
        self._watcher: threading.Event | None = None
        self._arrived = threading.Condition()

    def set_event(self, event: threading.Event) -> None:
        """One that is set as long as a read would return at once."""
        with self._arrived:
            self._watcher = event
            self._tell()

    def feed(self, data: bytes) -> None:
        """More."""
        with self._arrived:
            self._parts.append(data)
            self._size += len(data)
            self._tell()
            if self._size >= self.worth_waking:
                self._arrived.notify_all()

    def read_ready(self) -> bool:
        """A read would give at least a byte."""
        return self._size > 0

    def read(self, nbytes: int, timeout: float | None = None) -> bytes:
        """Up to so many bytes; none at the end. PipeTimeout after so many seconds without any."""
        with self._arrived:
            self._arrived.wait_for(lambda: self._size >= self.worth_waking or self._ended, timeout)
            if not (self._size or self._ended):
                raise PipeTimeout
            return self._take(nbytes)

    def _take(self, nbytes: int) -> bytes:
        taken: list[bytes] = []
        left = nbytes
        while self._parts and left:
            part = self._parts.popleft()
            if len(part) > left:
                self._parts.appendleft(part[left:])
                part = part[:left]
            taken.append(part)
            left -= len(part)
        self._size -= nbytes - left
        self._tell()
        return taken[0] if len(taken) == 1 else b"".join(taken)

    def empty(self) -> bytes:
        """All of it."""
        with self._arrived:
            return self._take(self._size)

    def close(self) -> None:
        """Nothing more comes; what is there can still be read."""
        with self._arrived:
            self._ended = True
            self._tell()
            self._arrived.notify_all()

    def __len__(self) -> int:
        return self._size

    def _tell(self) -> None:
        if self._watcher is None:
            return
        if self._size or self._ended:
            self._watcher.set()
        else:
            self._watcher.clear()
