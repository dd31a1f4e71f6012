"""One child process: started without a shell, awaited by a condition, ended by its process id."""

from __future__ import annotations

import contextlib
import os
import pwd
import random
import select
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

POLL_SECONDS = 0.02
LOG_TAIL_BYTES = 2000


class PartError(RuntimeError):
    """A part could not be started or used; the message is meant for the person at the terminal."""


def wait_until(condition: Callable[[], bool], what: str, *, timeout: float = 10) -> None:
    """Wait until the condition holds, looking every 20 ms; PartError naming `what` after `timeout` seconds."""
    never = threading.Event()
    until = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > until:
            raise PartError(f"Waited {timeout:g} s in vain: {what}.")
        never.wait(POLL_SECONDS)


def run(
    argv: Sequence[str],
    *,
    timeout: float = 60,
    user: str | None = None,
    cwd: Path | None = None,
    typed: str | None = None,
) -> str:
    """Run a short command to its end, with this as its input, and return its standard output; PartError with its error text if it fails."""
    try:
        done = subprocess.run(
            argv, input=typed, capture_output=True, text=True, timeout=timeout, user=user, cwd=cwd, check=False
        )
    except FileNotFoundError as error:
        raise PartError(f"{argv[0]} is not installed on this machine.") from error
    except subprocess.TimeoutExpired as error:
        raise PartError(f"{argv[0]} did not end within {timeout:g} s.") from error
    if done.returncode != 0:
        raise PartError(f"{' '.join(argv)} ended with code {done.returncode}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def free_port(preferred: int | None = None, *, attempts: int = 50) -> int:
    """A loopback TCP port that nobody listens on now: the preferred one, else the next ones, else a random one.

    Random ports are taken below the kernel's range for outgoing connections, so that a part that restarts finds its port still free.
    """
    chosen = random.SystemRandom()
    candidates = [preferred + step for step in range(attempts)] if preferred else []
    candidates += [chosen.randrange(20000, 32000) for _ in range(attempts)]
    for port in candidates:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise PartError("No free TCP port was found on 127.0.0.1.")


def port_answers(port: int, address: str = "127.0.0.1") -> bool:
    """Whether something accepts TCP connections on this port, of the loopback if no address is given."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((address, port)) == 0


def start_time(pid: int) -> str | None:
    """When a process was started, in clock ticks since boot; with the process id it names one process for good. None: not there."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else fields[19]


def process_ids() -> Iterator[int]:
    """The ids of all processes of this machine."""
    return (int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal())


def descendants(root: int) -> list[int]:
    """The ids of all processes below one, the nearest first."""
    children: dict[int, list[int]] = {}
    for pid in process_ids():
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        children.setdefault(int(fields[1]), []).append(pid)
    found: list[int] = list(children.get(root, []))
    for pid in found:
        found.extend(children.get(pid, []))
    return found


def kill_all(pids: Iterable[int], *, timeout: float = 5) -> None:
    """SIGKILL each of these processes that is still there, and wait (seconds, each) until it has ended."""
    for pid in pids:
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            ended, _, _ = select.select([handle], [], [], timeout)
        except ProcessLookupError:
            continue
        finally:
            os.close(handle)
        if not ended:
            raise PartError(f"Process {pid} did not end within {timeout:g} s of SIGKILL.")


class Process:
    """A long-running child in a session of its own, its output in a log file."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        user: str | None = None,
    ) -> None:
        self.argv = list(argv)
        self.log = log
        self._env = env
        self._cwd = cwd
        self._user = user
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def child(self) -> subprocess.Popen[bytes]:
        """The running (or ended) child; PartError if it was never started."""
        if self._child is None:
            raise PartError(f"{self.argv[0]} has not been started.")
        return self._child

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self.child.pid

    @property
    def alive(self) -> bool:
        """Whether the child was started and has not ended."""
        return self._child is not None and self._child.poll() is None

    def start(self) -> None:
        """Start the child; it is not awaited."""
        group = pwd.getpwnam(self._user).pw_gid if self._user else None
        extra: list[str] | None = [] if self._user else None
        with self.log.open("ab") as log:
            try:
                self._child = subprocess.Popen(
                    self.argv,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=self._env,
                    cwd=self._cwd,
                    user=self._user,
                    group=group,
                    extra_groups=extra,
                    start_new_session=True,
                )
            except FileNotFoundError as error:
                raise PartError(f"{self.argv[0]} is not installed on this machine.") from error

    def wait_ready(self, ready: Callable[[], bool], *, timeout: float = 30) -> None:
        """Wait until the condition holds; PartError with the end of the log if the child dies or the time (seconds) is over."""

        def settled() -> bool:
            return not self.alive or ready()

        try:
            wait_until(settled, f"{self.argv[0]} was not ready", timeout=timeout)
        except PartError as error:
            raise PartError(f"{error}\n{self.log_tail()}") from error
        if not self.alive:
            raise PartError(
                f"{self.argv[0]} ended with code {self.child.returncode} while starting.\n{self.log_tail()}"
            )

    def log_tail(self) -> str:
        """The last lines of the log, for an error message."""
        try:
            return self.log.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace")
        except FileNotFoundError:
            return ""

    def send_signal(self, number: int) -> None:
        """Send a signal to the child alone, if it still runs."""
        if self.alive:
            self.child.send_signal(number)

    def stop(self, *, number: int = signal.SIGTERM, timeout: float = 10) -> None:
        """Ask the child to end and wait; whatever is left of its session's group after `timeout` seconds is killed."""
        if self._child is None:
            return
        self.send_signal(number)
        try:
            self._child.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """SIGKILL the child's whole process group and wait for the child."""
        if self._child is None:
            return
        with contextlib.suppress(ProcessLookupError):  # a group that is gone is what was asked for
            os.killpg(self._child.pid, signal.SIGKILL)
        self._child.wait()

    def wait(self) -> int:
        """Block until the child ends; its exit code."""
        return self.child.wait()
