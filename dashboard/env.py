"""Typed readers of the environment. Every value may also come from a file named by `NAME_FILE` (for secrets in orchestrators)."""

import os
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

# A process that stands still in the middle of a transaction (its machine does, or somebody stopped it) holds rows that whoever
# takes its work up has to write. So PostgreSQL ends it well within a lease's 30 s; SQLite has no such thing.
IDLE_IN_TRANSACTION_SECONDS = 10


def text(name: str, default: str | None = None) -> str:
    """The value of `name`, or of the file that `name_FILE` names; raises ImproperlyConfigured with a hint when there is neither.

    An empty `name` beside a `name_FILE` counts as not set: Compose and systemd hand on empty variables.
    """
    path = os.environ.get(f"{name}_FILE")
    if name in os.environ and (os.environ[name] or not path):
        return os.environ[name]
    if path:
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ImproperlyConfigured(f"{name}_FILE names {path}, which can't be read: {error.strerror}.") from error
    if default is None:
        raise ImproperlyConfigured(f"{name} is not set. Set it, or {name}_FILE; `manage.py keys` prints fresh keys.")
    return default


def key(name: str) -> str:
    """A key that everything needs but `manage.py keys`, which prints the first ones; an empty one is none."""
    if sys.argv[1:2] == ["keys"]:
        return text(name, "")
    value = text(name)
    if not value.strip():
        raise ImproperlyConfigured(f"{name} is empty. `manage.py keys` prints fresh keys.")
    return value


def flag(name: str, default: bool = False) -> bool:
    """True for 1, true, yes, on; False for 0, false, no, off and the empty text."""
    value = text(name, "1" if default else "0").strip().lower()
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"", "0", "false", "no", "off"}:
        return False
    raise ImproperlyConfigured(f"{name} is {value!r}; use 1 or 0.")


def number(name: str, default: int, *, least: int = 0) -> int:
    """A whole number of at least `least`."""
    value = text(name, str(default))
    if not value.isdecimal() or int(value) < least:
        raise ImproperlyConfigured(f"{name} is {value!r}; use a whole number of at least {least}.")
    return int(value)


def choice(name: str, default: str, *allowed: str) -> str:
    """One of a few words, whatever its case."""
    value = text(name, default)
    for word in allowed:
        if value.lower() == word.lower():
            return word
    raise ImproperlyConfigured(f"{name} is {value!r}; use one of {', '.join(allowed)}.")


def words(name: str, default: str = "") -> list[str]:
    """A comma-separated list, blanks dropped."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def database(url: str) -> dict[str, object]:
    """Django's DATABASES entry for `sqlite:///path` or `postgres://user:password@host:port/name`."""
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": unquote(parts.path),
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON; PRAGMA cache_size=-20000;",
            },
        }
    if parts.scheme in {"postgres", "postgresql"}:
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": unquote(parts.path.lstrip("/")),
            "USER": unquote(parts.username or ""),
            "PASSWORD": unquote(parts.password or ""),
            "HOST": unquote(parts.hostname or ""),
            "PORT": parts.port or "",
            "CONN_HEALTH_CHECKS": True,  # else each pooled connection fails once after PostgreSQL was restarted
            "OPTIONS": {
                "pool": {"min_size": 0, "max_size": number("ESTIVA_DATABASE_POOL", 20, least=2), "timeout": 5},
                "connect_timeout": 5,
                "options": f"-c idle_in_transaction_session_timeout={IDLE_IN_TRANSACTION_SECONDS}s",
            },
        }
    raise ImproperlyConfigured(f"The database's address begins with {parts.scheme!r}; use sqlite:///… or postgres://….")
