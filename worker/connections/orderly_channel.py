"""paramiko's channel, but nothing follows its farewell: sshd ends the whole connection over a message for a closed channel."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from paramiko.channel import Channel
from paramiko.message import Message


class OrderlyChannel(Channel):
    """What was begun on it goes out first, then the CLOSE.

    paramiko writes a message while it holds the channel's lock and sends it after letting go of it (it has to: a new key
    may be agreed on meanwhile). A CLOSE from another thread could overtake it there. Nobody waits here either: the CLOSE
    is left to whoever is last to send.
    """

    def __init__(self, chanid: int) -> None:
        super().__init__(chanid)
        self._order = threading.Lock()
        self._sending = 0
        self._left: list[Message] = []

    @contextmanager
    def _before_the_farewell(self) -> Iterator[None]:
        with self._order:
            self._sending += 1
        try:
            yield
        finally:
            with self._order:
                self._sending -= 1
                mine, self._left = ([], self._left) if self._sending else (self._left, [])
            transport: Any = self.transport
            for message in mine:
                transport._send_user_message(message)

    def _send(self, data: bytes, message: Message) -> int:
        with self._before_the_farewell():
            return int(super()._send(data, message))  # type: ignore[misc]  # missing in the stubs

    def recv(self, nbytes: int) -> bytes:
        """As a socket's; says in passing how much more may come."""
        with self._before_the_farewell():
            return bytes(super().recv(nbytes))

    def shutdown(self, how: int) -> None:
        """As a socket's."""
        with self._before_the_farewell():
            super().shutdown(how)

    def _close_internal(self) -> tuple[Message | None, Message | None]:
        """What is to be sent at the end; whoever calls holds the channel's lock."""
        messages: Any = super()._close_internal()  # type: ignore[misc]  # missing in the stubs
        with self._order:
            if not self._sending:
                return messages  # type: ignore[no-any-return]
            self._left += [each for each in messages if each is not None]
        return None, None
