"""What is typed into a terminal, taken from Redis by a thread of its own while the terminal is open."""

import queue
import threading
from types import TracebackType
from typing import Final, Self

import redis
import structlog

from deployments import terminal_keys
from deployments.terminal_keys import Keys

log = structlog.get_logger(__name__)

AGAIN_SECONDS: Final = 1.0


class TypedKeys:
    """`woken` is set whenever something was typed."""

    def __init__(self, terminal_id: int, woken: threading.Event) -> None:
        self._id, self._woken = terminal_id, woken
        self._typed: queue.SimpleQueue[Keys] = queue.SimpleQueue()
        self._over = threading.Event()
        self.are_lost = False  # Redis has forgotten what it held: maybe something that was typed
        self._thread = threading.Thread(target=self._listen, name=f"keys-{terminal_id}", daemon=True)

    def available(self) -> list[Keys]:
        """What was typed since the last call, without waiting."""
        found = []
        while not self._typed.empty():
            found.append(self._typed.get())
        return found

    def __enter__(self) -> Self:
        terminal_keys.open_for(self._id)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        terminal_keys.close(self._id)

    def _listen(self) -> None:
        passed_on: dict[str, int] = {}
        while not self._over.is_set():
            try:
                found = terminal_keys.take(self._id, passed_on)
            except LookupError:
                self.are_lost = not self._over.is_set()
                self._woken.set()
                return
            except (redis.RedisError, OSError) as error:
                log.warning("keys not taken", terminal=self._id, error=str(error))
                self._over.wait(AGAIN_SECONDS)
                continue
            for each in found:
                self._typed.put(each)
            if found:
                self._woken.set()
