"""The engine beside this process, where its operator lets it use one: found, watched, and never taken for another.

ESTIVA_LOCAL_ENGINE names the socket. What answers there is asked who it is, again and again: it may start after the worker.
"""

import threading
from collections.abc import Callable

import structlog
from django.conf import settings

from worker.connections.beside import LocalEngine, NoEngine, look
from worker.connections.login import Beside

log = structlog.get_logger(__name__)

LOOK_SECONDS = 10.0
_current: LocalEngine | None = None


def current() -> LocalEngine | None:
    """The engine that was found last; it stays while it doesn't answer."""
    return _current


def held() -> tuple[str, ...]:
    """What this process may claim work for."""
    return (_current.identity,) if _current is not None else ()


def use(engine: LocalEngine | None) -> None:
    """This one is beside this process."""
    global _current
    _current = engine


def beside(engine_id: str) -> Beside:
    """How connections reach it. Commands begin in a folder of the worker's own."""
    folder = settings.ESTIVA_VAR / "beside"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Beside(engine_id, settings.ESTIVA_LOCAL_ENGINE, str(folder))


def watch(found: Callable[[LocalEngine], None], stop: threading.Event) -> None:
    """Look now, and go on looking on a thread of its own; `found` is called for each engine that wasn't there before."""
    if not settings.ESTIVA_LOCAL_ENGINE:
        return
    _look(found, said="")
    threading.Thread(target=_go_on, args=(found, stop), name="engine beside", daemon=True).start()


def _go_on(found: Callable[[LocalEngine], None], stop: threading.Event) -> None:
    said = ""
    while not stop.wait(LOOK_SECONDS):
        said = _look(found, said)


def _look(found: Callable[[LocalEngine], None], said: str) -> str:
    """What is wrong, logged once as long as it stays the same."""
    try:
        engine = look(settings.ESTIVA_LOCAL_ENGINE)
    except NoEngine as error:
        if str(error) != said:
            log.warning("the engine beside this worker can't be used", error=str(error))
        return str(error)
    before = current()
    use(engine)
    if before is None or before.identity != engine.identity:
        log.info("engine beside this worker", engine=engine.identity, version=engine.version, whole=engine.whole)
        found(engine)
    return ""
