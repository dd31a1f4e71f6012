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
_PROPAGATIONS: Final = frozenset({"private", "rprivate", "rshared", "rslave", "shared", "slave"})
_ELSEWHERE: Final = _(
    "A folder on the machine where this ran. Put the data in a named volume, the file in the image, or write the full path of a folder of the servers."
)
Mounted = tuple[str, Any]


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


def read_volume(text: str) -> Mounted:
    """The setting and what to add to it, of `name:/path[:options]`, `/folder/of/the/server:/path[:options]` or `/path` alone."""
    if text.startswith((".", "~", "\\", "$", "%")) or _DRIVE.match(text):
        raise ShortFormError(_ELSEWHERE)
    if text.startswith("/") and ":" not in text:
        return "anonymous_volumes", text
    name, colon, rest = text.partition(":")
    path, _colon, options = rest.partition(":")
    if not colon or not path:
        raise ShortFormError(_("This is no volume. Write name:/path/in/the/container."))
    if name.startswith("/"):
        return "binds", bind_row(name, path, options.split(","))
    if not _VOLUME.fullmatch(name):
        raise ShortFormError(_ELSEWHERE if "/" in name or "\\" in name else _("This is no name of a volume."))
    return "volumes", volume_row(name, path, options.split(","))


def volume_row(name: str, path: str, options: list[str]) -> dict[str, Any]:
    """A row, its options checked."""
    _refuse_options([each for each in options if each not in _HARMLESS | {"ro"}])
    return {"name": name, "path": path, "read_only": "ro" in options}


def bind_row(source: str, path: str, options: list[str]) -> dict[str, Any]:
    """A row, its options checked."""
    _refuse_options([each for each in options if each not in _HARMLESS | {"ro"} | _PROPAGATIONS])
    chosen = [each for each in options if each in _PROPAGATIONS]
    row = {"source": source, "path": path, "read_only": "ro" in options}
    return {**row, "propagation": chosen[0]} if chosen else row


def _refuse_options(lost: list[str]) -> None:
    if lost:
        raise ShortFormError(
            format_lazy(_("Estiva has no such option of a volume: {options}."), options=", ".join(lost))
        )


def read_mount(text: str) -> Mounted:
    """The setting and its row, of `type=volume,source=data,target=/data,readonly` and its like."""
    pairs = {key.strip().lower(): value for key, _equals, value in (each.partition("=") for each in text.split(","))}
    kind = pairs.pop("type", "volume")
    if kind not in {"volume", "bind", "tmpfs"}:
        raise ShortFormError(format_lazy(_("Estiva has no mounts of the type {kind}."), kind=kind))
    source = _first(pairs, "source", "src")
    path = _first(pairs, "target", "destination", "dst")
    is_read_only = _first(pairs, "readonly", "ro") not in {None, "false", "0"}
    if not path:
        raise ShortFormError(_("The path in the container is missing: target=/path."))
    if kind == "tmpfs":
        row = {"path": path, "size": pairs.pop("tmpfs-size", ""), "mode": pairs.pop("tmpfs-mode", "").removeprefix("0")}
        _refuse_options(list(pairs))
        return "tmpfs", row
    chosen = pairs.pop("bind-propagation", "") if kind == "bind" else ""
    _refuse_options(list(pairs))
    return mounted(kind, source or "", path, [*(["ro"] if is_read_only else []), chosen])


def mounted(kind: str, source: str, path: str, options: list[str]) -> Mounted:
    """The setting and its row for a mount that is written out; a volume without a name is a nameless one."""
    if kind == "bind":
        if not source.startswith("/"):
            raise ShortFormError(_ELSEWHERE)
        return "binds", bind_row(source, path, options)
    if not source and not any(options):
        return "anonymous_volumes", path
    if not source:
        raise ShortFormError(_("A volume without a name can't have options. Give it one: source=name."))
    return "volumes", volume_row(source, path, options)


def _first(pairs: dict[str, str], *names: str) -> str | None:
    """The value of whichever of the names is there; takes all of them out."""
    found = [pairs.pop(name) for name in names if name in pairs]
    return found[0] if found else None
