"""Our own log, of web, worker and reconciler: one line an event, as JSON or for a console, the standard library's records too.

Secrets never reach it: values under telling names are dropped, one-time links are shortened, and the worker adds its masker.
"""

import logging
import re
import sys
from collections.abc import Callable, MutableMapping
from typing import Any

import structlog

from dashboard import env

Processor = Callable[[Any, str, MutableMapping[str, Any]], MutableMapping[str, Any]]

_TELLING = re.compile(r"passw|passphrase|secret|token|private_key|authorization|cookie|credential", re.IGNORECASE)
_LINK = re.compile(r"(/account/link/)[^\s/?\"']+")
_QUIET = {"paramiko": logging.WARNING, "asyncio": logging.WARNING, "kombu": logging.WARNING, "amqp": logging.WARNING}


def configure(role: str, *, mask: Callable[[str], str] | None = None) -> None:
    """Set up logging for this process; `role` is web, worker or reconciler, `mask` goes over every text before it is written.

    ESTIVA_LOG_FORMAT is json or console (the default on a terminal), ESTIVA_LOG_LEVEL as the standard library names levels.
    """
    style = env.text("ESTIVA_LOG_FORMAT", "console" if sys.stderr.isatty() else "json")
    shared = _processors(role, mask)
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
        if style == "console"
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _exception, *_masking(mask), renderer],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(env.text("ESTIVA_LOG_LEVEL", "INFO").upper())
    for name, level in _QUIET.items():
        logging.getLogger(name).setLevel(level)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def _processors(role: str, mask: Callable[[str], str] | None) -> list[Any]:
    def named(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event.setdefault("role", role)
        return event

    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        named,
        without_secrets,
    ]


def _exception(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return structlog.processors.format_exc_info(logger, method, event)


def _masking(mask: Callable[[str], str] | None) -> list[Processor]:
    if mask is None:
        return []

    def masked(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return {key: mask(value) if isinstance(value, str) else value for key, value in event.items()}

    return [masked]


def without_secrets(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Drop values under telling names, and the tokens of one-time links wherever they stand; requests lose their objects."""
    event.pop("request", None)
    for key, value in event.items():
        if _TELLING.search(key):
            event[key] = "[redacted]"
        elif isinstance(value, str):
            event[key] = _LINK.sub(r"\1[redacted]", value)
    return event
