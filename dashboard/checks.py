"""Wrong settings speak at start, with a hint."""

import base64
import binascii
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography.fernet import Fernet
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from nacl.public import PrivateKey

_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_FRESH = "`manage.py keys` prints fresh ones."


@register(Tags.security)
def keys(**_kwargs: Any) -> list[CheckMessage]:
    """Keys have the right size and belong together."""
    found: list[CheckMessage] = []
    if len(settings.SECRET_KEY) < 50 or len(set(settings.SECRET_KEY)) < 5:
        found.append(
            Error(
                "ESTIVA_SECRET_KEY is too short or too simple.",
                hint=f"Use 50 random characters. {_FRESH}",
                id="estiva.E001",
            )
        )
    if len(settings.ESTIVA_AUDIT_KEY) < 32:
        found.append(
            Error(
                "ESTIVA_AUDIT_KEY is too short.", hint=f"Use at least 32 random characters. {_FRESH}", id="estiva.E002"
            )
        )
    for key in settings.ESTIVA_FIELD_KEY.split(","):
        if not _fits(lambda key=key: Fernet(key.strip())):  # type: ignore[misc]
            found.append(
                Error(
                    "ESTIVA_FIELD_KEY holds something that is no Fernet key.",
                    hint=f"32 bytes in URL-safe base64, several with commas, newest first. {_FRESH}",
                    id="estiva.E003",
                )
            )
            break
    return found + _sealing_keys()


def _sealing_keys() -> list[CheckMessage]:
    public = _key_bytes(settings.ESTIVA_SEALING_PUBLIC_KEY)
    if public is None:
        return [Error("ESTIVA_SEALING_PUBLIC_KEY is no key.", hint=f"32 bytes in base64. {_FRESH}", id="estiva.E004")]
    if not settings.ESTIVA_SEALING_PRIVATE_KEY:
        return []
    private = _key_bytes(settings.ESTIVA_SEALING_PRIVATE_KEY)
    if private is None:
        return [Error("ESTIVA_SEALING_PRIVATE_KEY is no key.", hint=f"32 bytes in base64. {_FRESH}", id="estiva.E005")]
    if bytes(PrivateKey(private).public_key) != public:
        return [
            Error(
                "ESTIVA_SEALING_PUBLIC_KEY and ESTIVA_SEALING_PRIVATE_KEY don't belong together.",
                hint="Nothing that the web seals could be opened. Take both from one run of `manage.py keys`; "
                "if servers are registered already, find the pair they were sealed with.",
                id="estiva.E006",
            )
        ]
    return []


@register(Tags.database)
def database_folder(**_kwargs: Any) -> list[CheckMessage]:
    """SQLite's folder is there and can be written."""
    database = settings.DATABASES["default"]
    if not str(database["ENGINE"]).endswith("sqlite3"):
        return []
    name = str(database["NAME"])
    folder = Path(name).parent
    if name in {"", ":memory:"} or name.startswith("file:"):
        return []
    if not folder.is_dir():
        return [
            Error(
                f"The database's folder {folder} doesn't exist.",
                hint=f"Make it (mkdir -p {folder}; chmod 700 {folder}), or set ESTIVA_DATABASE_URL or ESTIVA_VAR.",
                id="estiva.E007",
            )
        ]
    if not os.access(folder, os.W_OK):
        return [
            Error(
                f"The database's folder {folder} can't be written by this user.",
                hint="SQLite writes its journal beside the file: give the folder to the user that runs Estiva.",
                id="estiva.E008",
            )
        ]
    return []


@register(Tags.security)
def local_engine(**_kwargs: Any) -> list[CheckMessage]:
    """The engine beside a worker is named by a full path."""
    path = settings.ESTIVA_LOCAL_ENGINE
    if not path or (path.startswith("/") and path.isprintable()):
        return []
    hint = "Write the full path of its socket, such as /var/run/docker.sock, or nothing."
    return [Error(f"ESTIVA_LOCAL_ENGINE is {path!r}, which is no path.", hint=hint, id="estiva.E014")]


@register(Tags.security)
def base_url(**_kwargs: Any) -> list[CheckMessage]:
    """The address people type is one this installation can be reached at, safely."""
    address = urlsplit(settings.ESTIVA_BASE_URL)
    if address.scheme not in {"http", "https"} or not address.hostname:
        return [
            Error(
                f"ESTIVA_BASE_URL is {settings.ESTIVA_BASE_URL!r}.",
                hint="Use the address people type, as https://deploy.example.com.",
                id="estiva.E009",
            )
        ]
    found: list[CheckMessage] = []
    if address.path not in {"", "/"}:
        found.append(
            Error(
                "ESTIVA_BASE_URL has a path.",
                hint="Estiva lives at the root of its own host name: https://deploy.example.com.",
                id="estiva.E010",
            )
        )
    if address.scheme == "http" and address.hostname not in _LOOPBACK:
        found.append(
            Warning(
                "ESTIVA_BASE_URL is http:// and not on this machine: passwords and sessions travel readable.",
                hint="Put a proxy with TLS in front, set ESTIVA_BASE_URL to its https:// address and ESTIVA_TRUSTED_PROXIES to 1.",
                id="estiva.W001",
            )
        )
    if not _is_allowed(address.hostname, settings.ALLOWED_HOSTS):
        found.append(
            Error(
                f"ESTIVA_ALLOWED_HOSTS doesn't hold {address.hostname}, the host of ESTIVA_BASE_URL: every page would answer 400.",
                hint=f"Add {address.hostname} to ESTIVA_ALLOWED_HOSTS.",
                id="estiva.E011",
            )
        )
    if settings.DEBUG and address.hostname not in _LOOPBACK:
        found.append(
            Error(
                "ESTIVA_DEBUG is on and this installation isn't on loopback: errors would show settings and code.",
                hint="Unset ESTIVA_DEBUG.",
                id="estiva.E012",
            )
        )
    return found


@register(Tags.compatibility)
def redis_address(**_kwargs: Any) -> list[CheckMessage]:
    """The broker's address is one that Celery and the live tail understand; so is that of a Redis for the latter alone."""
    given = {"ESTIVA_REDIS_URL": settings.ESTIVA_REDIS_URL, "ESTIVA_LIVE_REDIS_URL": settings.ESTIVA_LIVE_REDIS_URL}
    return [
        Error(
            f"{name} begins with {scheme!r}.",
            hint="Use redis://host:6379/0, rediss://… or unix:///path/to/socket.",
            id="estiva.E013",
        )
        for name, address in given.items()
        if (scheme := urlsplit(address).scheme) not in {"redis", "rediss", "unix"}
        and (address or name == "ESTIVA_REDIS_URL")
    ]


def _is_allowed(host: str, allowed: Sequence[str]) -> bool:
    wanted = f"[{host}]" if ":" in host else host
    return any(
        pattern in {"*", wanted} or (pattern.startswith(".") and (wanted.endswith(pattern) or wanted == pattern[1:]))
        for pattern in allowed
    )


def _key_bytes(text: str) -> bytes | None:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if len(raw) == 32 else None


def _fits(make: Callable[[], object]) -> bool:
    try:
        make()
    except (ValueError, TypeError):
        return False
    return True
