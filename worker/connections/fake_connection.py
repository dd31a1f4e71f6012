"""The scripted part of a fake connection: its clock, its journal of calls, and faults on demand."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from worker.connections.fake_server import FakeServer
from worker.connections.signals import Signals
from worker.engine.errors import HostError, HostLost

CHANGING = frozenset(
    {
        "pull",
        "receive_image",
        "tag",
        "remove_image",
        "ensure_network",
        "ensure_volume",
        "create",
        "start",
        "stop",
        "rename",
        "remove",
    }
    | {"set_restart_policy", "connect_network", "disconnect_network"}
)
When = Literal["before", "after"]
T = TypeVar("T")
_CALL_SECONDS = 0.002  # so that a loop without a wait still sees time pass
_WAIT_SLICE = 0.05  # how late a signal may be noticed


@dataclass(frozen=True, slots=True)
class Call:
    """One line of the journal. `outcome` is "ok" or the error's class name."""

    name: str
    arguments: tuple[object, ...]
    outcome: str
    at: float


class FakeConnection:
    """A connection to a `FakeServer` that can be told to break.

    Faults count calls from now on: `fail_before("start", 1)` loses the connection before the next start is done,
    `fail_after` when it is done and only the answer is lost, `cancel_at` has somebody cancel just before it,
    `refuse` makes the server answer with an error. The name "changing" counts every mutating call, "*" counts all.
    Once lost, every further call raises `HostLost`.
    """

    def __init__(self, server: FakeServer | None = None, signals: Signals | None = None) -> None:
        self.server = server or FakeServer()
        self.signals = signals or Signals()
        self.journal: list[Call] = []
        self.is_lost = False
        self._counts: Counter[str] = Counter()
        self._faults: list[tuple[str, int, When, Callable[[], None]]] = []

    # scripting
    def on_call(self, call: str, n: int, when: When, action: Callable[[], None]) -> None:
        """Run something (which may raise) before or after the nth call of that name, counted from now."""
        self._faults.append((call, self._counts[call] + n, when, action))

    def fail_before(self, call: str, n: int = 1) -> None:
        """Lose the connection before the call reaches the server."""
        self.on_call(call, n, "before", self._lose)

    def fail_after(self, call: str, n: int = 1) -> None:
        """Lose the connection when the call is done, before its answer arrives."""
        self.on_call(call, n, "after", self._lose)

    def cancel_at(self, call: str, n: int = 1) -> None:
        """Somebody cancels just before this call, which then isn't done."""
        self.on_call(call, n, "before", self.signals.cancelled.set)

    def cancel_after(self, call: str, n: int = 1) -> None:
        """Somebody cancels during this call: it is done, and `Cancelled` is its answer."""
        self.on_call(call, n, "after", self.signals.cancelled.set)

    def refuse(self, call: str, n: int = 1, error: HostError | None = None) -> None:
        """The server answers this call with an error."""

        def answer() -> None:
            raise error or HostError("the engine failed (injected)", status=500)

        self.on_call(call, n, "before", answer)

    def _lose(self) -> None:
        self.is_lost = True
        raise HostLost(f"The connection to {self.server.name} was lost (injected).")

    def changing_calls(self) -> list[Call]:
        """The journal's mutating calls."""
        return [call for call in self.journal if call.name in CHANGING]

    def _call(self, name: str, arguments: tuple[object, ...], act: Callable[[], T]) -> T:
        try:
            if self.is_lost:
                self._lose()
            kinds = [name, "*", *(["changing"] if name in CHANGING else [])]
            self._counts.update(kinds)
            self._run_faults(kinds, "before")
            self.signals.check()
            self.server.advance(_CALL_SECONDS)
            result = act()
            self._run_faults(kinds, "after")
            self.signals.check()
        except Exception as error:
            self.journal.append(Call(name, arguments, type(error).__name__, self.server.now))
            raise
        self.journal.append(Call(name, arguments, "ok", self.server.now))
        return result

    def _run_faults(self, kinds: Sequence[str], when: When) -> None:
        for call, n, moment, action in self._faults:
            if call in kinds and n == self._counts[call] and moment == when:
                action()

    # clock
    def now(self) -> float:
        """Virtual seconds."""
        return self.server.now

    def wait(self, seconds: float) -> None:
        """Let virtual time pass, at most until a signal comes."""
        self.signals.check()
        until = self.server.now + max(0.0, seconds)
        while until - self.server.now > _WAIT_SLICE and not self.signals.pending:
            self.server.advance(_WAIT_SLICE)
        if not self.signals.pending:
            self.server.advance(until - self.server.now)
        self.signals.check()

    def shield(self) -> None:
        """No `Cancelled` from now on."""
        self.signals.shield()

    def together(self, calls: Sequence[Callable[[], Any]]) -> Sequence[Any]:
        """One after the other, so that each play goes the same way every time."""
        return [call() for call in calls]
