"""Our own log, of web, worker and reconciler alike: one line an event on stderr, the standard library's records too.

Secrets never reach it: values under telling names are dropped, one-time links lose their tokens, and `mask` goes over every finished line.
"""

import logging
import re
import sys
from collections.abc import Callable
from typing import Any, Final

import structlog
from django.conf import settings
from structlog.types import EventDict, Processor, WrappedLogger

_TELLING: Final = re.compile(
    r"passw|passphrase|secret|token|private_key|authorization|cookie|credential", re.IGNORECASE
)
_LINK: Final = re.compile(r"(/account/link/)[^\s/?\"']+")
_QUIET: Final = ("amqp", "asyncio", "celery.app.trace", "docker", "kombu", "paramiko", "urllib3")


class _Formatter(structlog.stdlib.ProcessorFormatter):
    """Renders as usual, then masks the whole text, tracebacks included."""

    mask: Callable[[str], str] | None = None

    def format(self, record: logging.LogRecord) -> str:
        """The finished line."""
        text = _LINK.sub(r"\1[redacted]", super().format(record))
        return self.mask(text) if self.mask else text


class _Stderr(logging.Handler):
    """Writes to whatever stderr is at that moment: it may be exchanged while we run."""

    def emit(self, record: logging.LogRecord) -> None:
        """One line, or a traceback's."""
        try:
            sys.stderr.write(self.format(record) + "\n")
            sys.stderr.flush()
        except (OSError, ValueError):
            self.handleError(record)


def configure(role: str, *, mask: Callable[[str], str] | None = None) -> None:
    """Set up logging for this process, once; `role` is web, worker or reconciler.

    ESTIVA_LOG_FORMAT is json, console, or auto (console on a terminal, json elsewhere); ESTIVA_LOG_LEVEL as logging names levels.
    """
    shared = _processors(role)
    formatter = _Formatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderers()],
    )
    formatter.mask = mask
    handler = _Stderr()
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.ESTIVA_LOG_LEVEL)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _processors(role: str) -> list[Processor]:
    def named(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event.setdefault("role", role)
        return event

    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        named,
        without_secrets,
    ]


def _renderers() -> list[Processor]:
    console = settings.ESTIVA_LOG_FORMAT == "console" or (settings.ESTIVA_LOG_FORMAT == "auto" and sys.stderr.isatty())
    if console:
        plain = structlog.dev.plain_traceback  # the pretty one shows local variables, and those may hold secrets
        return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False, default=str)]


def without_secrets(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Drop what stands under a telling name, and the request that Django attaches to its records."""
    event.pop("request", None)
    return {key: "[redacted]" if _TELLING.search(key) else value for key, value in event.items()}
