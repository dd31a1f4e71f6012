"""Docker's short ways to write a port or a volume (`127.0.0.1:8080:80/udp`, `data:/var/lib/data:ro`), read into settings.

Each reader returns rows for `container_settings`, or raises ShortFormError with a sentence for the person.
"""

import re
from typing import TYPE_CHECKING, Any, Final

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

MOST_PORTS: Final = 100

_PORT: Final = re.compile(
    r"(?:(?P<address>\[[0-9A-Fa-f:.%]+\]|[^:\[\]/]*):)?(?:(?P<host>\d{0,5}(?:-\d{1,5})?):)?"
    r"(?P<container>\d{1,5}(?:-\d{1,5})?)(?:/(?P<protocol>\w+))?"
)
_HOST_ONLY: Final = re.compile(r"\d{0,5}(?:-\d{1,5})?")
_DRIVE: Final = re.compile(r"[A-Za-z]:[\\/]")
_VOLUME: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")
_HARMLESS: Final = frozenset({"", "rw", "z", "Z"})
_BIND: Final = _(
    "A folder or file of the server, which Estiva doesn't mount. Put the data in a named volume, or the file in the image."
)


class ShortFormError(ValueError):
    """A text that can't be read or that Estiva has no setting for; `message` is for the person."""

    def __init__(self, message: "str | StrPromise") -> None:
        super().__init__(str(message))
        self.message = message


def read_port(text: str) -> list[dict[str, Any]]:
    """The rows of `[[address:][server port]:]container port[/protocol]`; ranges give one each, at most MOST_PORTS."""
    found = _PORT.fullmatch(text)
    if found is None:
        raise ShortFormError(_("This is no port. Write server port:container port, such as 8080:80."))
    address, host = found["address"] or "", found["host"]
    if host is None and found["address"] is not None:  # the only colon divides the ports
        address, host = "", found["address"]
    if host and not _HOST_ONLY.fullmatch(host):
        raise ShortFormError(_("What stands before the colon is no port of the server."))
    protocol = (found["protocol"] or "tcp").lower()
    if protocol not in {"tcp", "udp"}:
        raise ShortFormError(format_lazy(_("Estiva publishes TCP and UDP ports, not {protocol}."), protocol=protocol))
    inner, outer = _range(found["container"]), _range(host) if host else []
    if outer and len(outer) != len(inner):
        raise ShortFormError(_("The ranges of ports differ in length. Choose one port of the server for each."))
    return [
        {
            "container_port": port,
            "host_port": outer[number] if outer else None,
            **({"host_address": address.strip("[]")} if address else {}),
            "protocol": protocol,
        }
        for number, port in enumerate(inner)
    ]


def _range(text: str) -> list[int]:
    first, dash, last = text.partition("-")
    if not first:
        raise ShortFormError(_("The range of ports has no beginning."))
    low, high = int(first), int(last) if dash else int(first)
    if not 1 <= low <= high <= 65535:
        raise ShortFormError(_("Ports go from 1 to 65535, ranges from the lower to the higher."))
    if high - low >= MOST_PORTS:
        raise ShortFormError(format_lazy(_("Estiva publishes at most {most} ports."), most=MOST_PORTS))
    return list(range(low, high + 1))


def read_volume(text: str) -> dict[str, Any]:
    """The row of `name:/path[:options]`; binds and nameless volumes are refused, as are options that would be lost."""
    if text.startswith(("/", ".", "~", "\\", "$", "%")) or _DRIVE.match(text):
        if ":" not in text and text.startswith("/"):
            raise ShortFormError(
                _("A volume without a name begins empty with each container. Give it one: name:/path.")
            )
        raise ShortFormError(_BIND)
    name, colon, rest = text.partition(":")
    path, _colon, options = rest.partition(":")
    if not colon or not path:
        raise ShortFormError(_("This is no volume. Write name:/path/in/the/container."))
    if not _VOLUME.fullmatch(name):
        raise ShortFormError(_BIND if "/" in name or "\\" in name else _("This is no name of a volume."))
    return volume_row(name, path, options.split(","))


def volume_row(name: str, path: str, options: list[str]) -> dict[str, Any]:
    """A row, its options checked."""
    if lost := [each for each in options if each not in _HARMLESS | {"ro"}]:
        raise ShortFormError(
            format_lazy(_("Estiva has no such option of a volume: {options}."), options=", ".join(lost))
        )
    return {"name": name, "path": path, "read_only": "ro" in options}


def read_mount(text: str) -> dict[str, Any]:
    """The row of `type=volume,source=data,target=/data,readonly`."""
    pairs = {key.strip().lower(): value for key, _equals, value in (each.partition("=") for each in text.split(","))}
    kind = pairs.pop("type", "volume")
    if kind == "bind":
        raise ShortFormError(_BIND)
    if kind != "volume":
        raise ShortFormError(format_lazy(_("Estiva has no mounts of the type {kind}."), kind=kind))
    name = _first(pairs, "source", "src")
    path = _first(pairs, "target", "destination", "dst")
    is_read_only = _first(pairs, "readonly", "ro") not in {None, "false", "0"}
    if pairs:
        raise ShortFormError(
            format_lazy(_("Estiva has no such option of a volume: {options}."), options=", ".join(pairs))
        )
    if not name:
        raise ShortFormError(_("A volume without a name begins empty with each container. Give it one: source=name."))
    if not path:
        raise ShortFormError(_("The path in the container is missing: target=/path."))
    return {"name": name, "path": path, "read_only": is_read_only}


def _first(pairs: dict[str, str], *names: str) -> str | None:
    """The value of whichever of the names is there; takes all of them out."""
    found = [pairs.pop(name) for name in names if name in pairs]
    return found[0] if found else None
