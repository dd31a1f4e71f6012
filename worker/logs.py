"""Our own log: structlog over the standard library's, on stderr, with every secret that is open in this process masked."""

import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from structlog.types import EventDict, Processor, WrappedLogger

from worker.redact import Masker

_QUIET = {"paramiko": logging.WARNING, "urllib3": logging.WARNING, "docker": logging.WARNING, "celery.app.trace": logging.WARNING}


class OpenSecrets:
    """The maskers of what runs right now. Any thread's log line passes all of them: an error may show up far from its cause."""

    def __init__(self) -> None:
        self._maskers: dict[int, Masker] = {}
        self._lock = threading.Lock()

    @contextmanager
    def using(self, masker: Masker) -> Iterator[None]:
        """Mask with this one as well, for as long as its secrets are open."""
        with self._lock:
            self._maskers[id(masker)] = masker
        try:
            yield
        finally:
            with self._lock:
                self._maskers.pop(id(masker), None)

    def mask(self, text: str) -> str:
        """The text without any secret that is open now."""
        with self._lock:
            maskers = list(self._maskers.values())
        for masker in maskers:
            text = masker.mask(text)
        return text


open_secrets = OpenSecrets()
"""The one of this process."""


class MaskedFormatter(structlog.stdlib.ProcessorFormatter):
    """Renders as usual, then masks the whole text, tracebacks included."""

    def format(self, record: logging.LogRecord) -> str:
        """The rendered, masked record."""
        return open_secrets.mask(super().format(record))


def configure(level: int = logging.INFO) -> None:
    """Send structlog's and the standard library's records, one line each, to stderr. Called once by a process of the worker's side."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        MaskedFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _plain_text,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name, least in _QUIET.items():
        logging.getLogger(name).setLevel(least)


def _plain_text(logger: WrappedLogger, method: str, event: EventDict) -> str:
    """`time level event key=value … [logger]`, a traceback on the lines after it."""
    trace = event.pop("exception", None)
    head = f"{event.pop('timestamp', '')} {event.pop('level', ''):<8}{event.pop('event', '')}"
    name = event.pop("logger", "")
    rest = "".join(f" {key}={value!r}" if isinstance(value, str) else f" {key}={value}" for key, value in event.items())
    return f"{head}{rest}  [{name}]" + (f"\n{trace}" if trace else "")
