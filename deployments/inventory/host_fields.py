"""What may be typed about a server."""

import ipaddress
import re
from typing import Any, Final

from django.utils.translation import gettext as _

from deployments.errors import FieldErrors
from deployments.models import Host

MOST_BUILDS: Final = 16
_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?")
_DNS: Final = re.compile(r"(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,62}))*\.?")
_USER: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,63}")
_RESERVED_NAMES: Final = frozenset(
    {"new", "build", "import", "confirm", "beside"}
)  # an address of a page; what a log calls its build


def checked(host: Host | None, given: dict[str, Any]) -> dict[str, Any]:
    """The fields as they are kept; FieldErrors where they can't be."""
    clean = {name: str(value).strip() for name, value in given.items() if name not in {"port", "builds_at_once"}}
    clean["name"], clean["address"] = clean["name"].lower(), clean["address"].strip("[]")
    errors: dict[str, list[Any]] = {}
    if wrong := _wrong_name(host, clean["name"]):
        errors["name"] = [wrong]
    if not _is_address(clean["address"]):
        errors["address"] = [_("Write a name or address, such as web-1.example.com or 203.0.113.24.")]
    if not str(given["port"]).isdecimal() or not 1 <= int(given["port"]) <= 65535:
        errors["port"] = [_("Use a number from 1 to 65535.")]
    if not _USER.fullmatch(clean["user"]):
        errors["user"] = [_("Write the name of a user on the server, such as deploy.")]
    if not clean["docker_socket"].startswith("/") or not clean["docker_socket"].isprintable():
        errors["docker_socket"] = [_("Write a full path, such as /var/run/docker.sock.")]
    at_once = str(given.get("builds_at_once", 1))
    if wrong := _wrong_builds(at_once):
        errors["builds_at_once"] = [wrong]
    if errors:
        raise FieldErrors(errors)
    return {**clean, "port": int(given["port"]), "builds_at_once": int(at_once)}


def checked_name(host: Host | None, name: str) -> str:
    """The name as it is kept; FieldErrors where it can't be."""
    name = name.strip().lower()
    if wrong := _wrong_name(host, name):
        raise FieldErrors({"name": [wrong]})
    return name


def checked_builds(at_once: int | str) -> int:
    """As `checked_name`."""
    if wrong := _wrong_builds(str(at_once)):
        raise FieldErrors({"builds_at_once": [wrong]})
    return int(at_once)


def _wrong_name(host: Host | None, name: str) -> str:
    if not _NAME.fullmatch(name) or name in _RESERVED_NAMES:
        return _("Use lowercase letters, digits, “-” and “.”, such as web-1.")
    if Host.objects.filter(name=name).exclude(pk=host.pk if host else 0).exists():
        return _("Another server has this name.")
    return ""


def _wrong_builds(at_once: str) -> str:
    if at_once.isdecimal() and len(at_once) < 9 and 1 <= int(at_once) <= MOST_BUILDS:
        return ""
    return _("Use a number from 1 to %(most)s.") % {"most": MOST_BUILDS}


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return bool(_DNS.fullmatch(text)) and not text.replace(".", "").isdecimal()
    return True
