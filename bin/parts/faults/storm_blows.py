"""What falls upon Estiva in a storm: blow upon blow as they were drawn, several at once where they hit different things."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from parts.faults import storm_plan
from parts.faults.clicks import flush
from parts.faults.keeping import Keeper
from parts.faults.storm_plan import Blow
from parts.faults.world import Application, World
from parts.machine import Machine
from parts.processes import PartError, descendants, kill_all, wait_until

AT_ONCE: Final = 8
AGAIN_SECONDS: Final = 90.0  # until what was killed before runs again, on a machine that has much to do
PROCESSES: Final = {
    storm_plan.WEB_MASTER: "web",
    storm_plan.WORKER: "worker",
    storm_plan.LOOKER: "look",
    storm_plan.RECONCILER: "reconciler",
}


class Breaker:
    """Use as a context manager: while somebody is inside blows fall, and those that are due fall even if nobody is any more.

    A blow that could not be dealt is the campaign's own error: it comes out at the end.
    """

    def __init__(self, world: World, keeper: Keeper, apps: Sequence[Application], blows: Iterator[Blow]) -> None:
        self._world, self._keeper, self._apps, self._blows = world, keeper, apps, blows
        self.dealt: Counter[str] = Counter()
        self.most_at_once = 0
        self._under_way = 0
        self._calm = threading.Event()
        self._count, self._broker, self._database = threading.Lock(), threading.Lock(), threading.Lock()
        self._servers = {machine.name: threading.Lock() for machine in world.machines}
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._loop, name="breaker", daemon=True)
        self._ways: dict[str, Callable[[Blow], None]] = {
            storm_plan.WEB_WORKER: self._web_worker,
            **dict.fromkeys(PROCESSES, self._process),
            storm_plan.BROKER_KILLED: self._broker_killed,
            storm_plan.BROKER_RESTARTED: self._broker_restarted,
            storm_plan.BROKER_FLUSHED: self._broker_flushed,
            storm_plan.BROKER_FROZEN: self._broker_frozen,
            storm_plan.DATABASE: self._database_crashed,
            storm_plan.SESSIONS: self._sessions_killed,
            storm_plan.RESETS: self._connections_reset,
        }

    def __enter__(self) -> Breaker:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._calm.set()
        self._thread.join()
        if self._error is not None and kind is None:
            raise PartError(f"A blow could not be dealt: {self._error}") from self._error

    def _loop(self) -> None:
        dealing: list[Future[None]] = []
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for blow in self._blows:
                self._until(blow).wait(blow.after)
                if self._until(blow).is_set():
                    break
                dealing.append(pool.submit(self._deal, blow))
        errors = (each.exception() for each in dealing)
        self._error = next((each for each in errors if each is not None), None)

    def _until(self, blow: Blow) -> threading.Event:
        """What ends it before its time."""
        return self._world.ending if blow.due else self._calm

    def _deal(self, blow: Blow) -> None:
        with self._count:
            self._under_way += 1
            self.most_at_once = max(self.most_at_once, self._under_way)
        try:
            self._ways[blow.kind](blow)
        finally:
            with self._count:
                self._under_way -= 1
        with self._count:
            self.dealt[blow.kind] += 1

    def _process(self, blow: Blow) -> None:
        kind = PROCESSES[blow.kind]
        wait_until(lambda: bool(self._keeper.running(kind)), f"a {kind} runs again", timeout=AGAIN_SECONDS)
        several = self._keeper.running(kind)
        if several:  # else another blow was quicker, and it is dead all the same
            several[int(blow.victim * len(several))].send_signal(signal.SIGKILL)

    def _web_worker(self, blow: Blow) -> None:
        def workers() -> list[int]:
            return [pid for master in self._keeper.running("web") for pid in descendants(master.pid)]

        wait_until(lambda: bool(workers()), "the web's worker runs again", timeout=AGAIN_SECONDS)
        kill_all(workers()[:1])

    def _broker_killed(self, blow: Blow) -> None:
        with self._broker:
            self._world.estiva.valkey.kill()
            self._until(blow).wait(blow.seconds)
            self._world.estiva.valkey.start()

    def _broker_restarted(self, blow: Blow) -> None:
        with self._broker:
            self._world.estiva.valkey.restart()

    def _broker_flushed(self, blow: Blow) -> None:
        with self._broker:
            flush(self._world.estiva.valkey)

    def _broker_frozen(self, blow: Blow) -> None:
        with self._broker:
            self._world.estiva.valkey.freeze()
            try:
                self._until(blow).wait(blow.seconds)
            finally:
                self._world.estiva.valkey.resume()

    def _database_crashed(self, blow: Blow) -> None:
        database = self._world.estiva.postgres
        if database is None:
            raise PartError("SQLite has no server that could crash.")
        with self._database:
            database.restart(immediate=True)

    def _sessions_killed(self, blow: Blow) -> None:
        machine = self._machine(blow)
        with self._servers[machine.name]:
            machine.sshd.kill_connections()

    def _connections_reset(self, blow: Blow) -> None:
        """For a moment every connection with a server is answered with a reset, those of its pages' visitors too."""
        machine = self._machine(blow)
        with self._servers[machine.name]:
            began = time.time()
            machine.namespace.reset()
            try:
                self._until(blow).wait(blow.seconds)
            finally:
                machine.namespace.mend()
                for app in self._apps:
                    if machine in app.servers:
                        app.broken.append((machine.name, began, time.time()))

    def _machine(self, blow: Blow) -> Machine:
        return self._world.machines[int(blow.victim * len(self._world.machines))]
