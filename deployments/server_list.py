"""Reading what people keep lists of servers in: `~/.ssh/config`, and CSV. Nothing is saved here, no file is opened.

Both give `Listed` rows, and `Note`s with the line for what was not understood. Names are not looked up, patterns are not expanded.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

MOST: Final = 300  # servers in one list
COLUMNS: Final = ("name", "address", "port", "user", "via")
_WORD: Final = re.compile(r'"([^"]*)"|(\S+)')
_HEADER: Final = re.compile(r"\s*(\w+)(?:\s*=\s*|\s+)(.*?)\s*")
_NOT_IN_NAME: Final = re.compile(r"[^a-z0-9.-]+")
_JUMP: Final = re.compile(r"(?:ssh://)?(?:(?P<user>[^@\s]+)@)?(?P<host>\[[^\]]+\]|[^:/\s]+)(?::(?P<port>\d+))?/?")
_PATTERN: Final = re.compile(r"[*?!]")
_READ: Final = frozenset({"hostname", "user", "port", "proxyjump"})
_KEYS: Final = frozenset({"identityfile", "identitiesonly", "certificatefile", "identityagent", "addkeystoagent"})
_OWN: Final = frozenset(  # about the person's own computer: nothing that a server's record could hold
    {"compression", "controlmaster", "controlpath", "controlpersist", "serveraliveinterval", "serveralivecountmax"}
    | {"forwardagent", "tcpkeepalive", "connecttimeout", "loglevel", "usekeychain", "requesttty", "visualhostkey"}
)


@dataclass(frozen=True, slots=True)
class Listed:
    """A server as the list names it; texts as they were written. `line` is where it begins."""

    line: int
    name: str
    address: str
    port: str = "22"
    user: str = "root"
    via: str = ""


@dataclass(frozen=True, slots=True)
class Note:
    """What was not understood, or left out, and why."""

    line: int
    text: str
    why: "StrPromise | str"


@dataclass(frozen=True, slots=True)
class ServerList:
    """What was read."""

    servers: list[Listed] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)


@dataclass(slots=True)
class _Block:
    line: int
    names: list[str]
    values: dict[str, str] = field(default_factory=dict)


def read_csv(text: str, *, user: str = "root") -> ServerList:
    """Columns name, address, port, user, via, in this order or as a first line names them; the last three may be empty."""
    found = ServerList()
    columns: list[str] = list(COLUMNS)
    reader = csv.reader(io.StringIO(text.lstrip("\ufeff")), skipinitialspace=True, delimiter=_delimiter(text))
    begun = False
    try:
        for cells in reader:
            row = [each.strip() for each in cells]
            if not any(row) or row[0].startswith("#"):
                continue
            if not begun and {"name", "address"} <= {each.lower() for each in row}:
                begun, columns = True, [each.lower() for each in row]
                continue
            begun = True
            _take(found, reader.line_num, row, columns, user)
    except csv.Error as error:
        found.notes.append(Note(reader.line_num, "", format_lazy(_("This is no CSV: {why}."), why=str(error))))
    return _limited(found)


def _take(found: ServerList, line: int, row: list[str], columns: list[str], user: str) -> None:
    if len(row) > len(columns):
        why = format_lazy(_("{count} cells, where {known} are known."), count=len(row), known=", ".join(columns))
        found.notes.append(Note(line, ",".join(row), why))
        return
    cells = dict(zip(columns, row, strict=False))
    name, address = cells.get("name", ""), cells.get("address", "")
    found.servers.append(
        Listed(
            line,
            name or address,
            address or name,
            cells.get("port") or "22",
            cells.get("user") or user,
            cells.get("via", ""),
        )
    )


def _delimiter(text: str) -> str:
    first = next((line for line in text.splitlines() if line.strip() and not line.startswith("#")), "")
    return max((",", ";", "\t"), key=first.count)


def read_ssh_config(text: str, *, user: str = "root") -> ServerList:
    """Host blocks with HostName, User, Port and ProxyJump. As in ssh, what stands first counts, `Host *` included.

    Keys are named in the notes and never read: each server gets a key of its own.
    """
    found = ServerList()
    blocks = list(_blocks(text, found))
    known: dict[str, Listed] = {}
    for block in blocks:
        for alias in block.names:
            if alias in known or _PATTERN.search(alias):
                continue
            server = _server(alias, block.line, blocks, user)
            known[alias] = server
            found.servers.append(server)
    for alias, server in list(known.items()):
        if server.via:
            _follow(alias, server, known, found, user)
    return _limited(found)


def _blocks(text: str, found: ServerList) -> Iterator[_Block]:
    block: _Block | None = _Block(1, ["*"])  # what stands before the first Host counts for all
    for number, key, words, said in _lines(text, found):
        if key not in ("host", "match"):
            if block is not None:
                _note(found, number, said, key)
                if key in _READ and words:
                    block.values.setdefault(key, words[0])
            continue
        if block is not None:
            yield block
        block = _Block(number, words) if key == "host" else None
        if key == "match":
            found.notes.append(Note(number, said, _("Match blocks are not read, up to the next Host.")))
    if block is not None:
        yield block


def _lines(text: str, found: ServerList) -> Iterator[tuple[int, str, list[str], str]]:
    """Number, key, its words, and the line as it stands."""
    for number, line in enumerate(text.splitlines(), 1):
        said = line.strip()
        if not said or said.startswith("#"):
            continue
        header = _HEADER.fullmatch(said)
        if header is None:
            found.notes.append(Note(number, said, _("Not a line of ssh's configuration.")))
            continue
        yield number, header[1].lower(), [quoted or bare for quoted, bare in _WORD.findall(header[2])], said


def _note(found: ServerList, number: int, said: str, key: str) -> None:
    if key in _KEYS:
        why = _("A key is not read from your computer: each server gets one of its own, whose line you add to it.")
        found.notes.append(Note(number, said, why))
    elif key == "proxycommand":
        found.notes.append(
            Note(number, said, _("Commands are not run. If it leads through a server, say so with ProxyJump."))
        )
    elif key == "include":
        found.notes.append(Note(number, said, _("Other files are not read: paste them here too.")))
    elif key not in _READ and key not in _OWN:
        found.notes.append(Note(number, said, _("Not used: it says nothing about where a server is.")))


def _server(alias: str, line: int, blocks: list[_Block], user: str) -> Listed:
    values: Mapping[str, str] = {}
    for block in blocks:
        if _meant(alias, block.names):
            values = {**block.values, **values}
    address = values.get("hostname", alias).replace("%h", alias).replace("%%", "%")
    via = values.get("proxyjump", "")
    return Listed(
        line,
        plain(alias),
        address,
        values.get("port", "22"),
        values.get("user", user),
        "" if via.lower() == "none" else via,
    )


def _meant(alias: str, patterns: list[str]) -> bool:
    meant = False
    for pattern in patterns:
        bare = pattern.removeprefix("!")
        if re.fullmatch(re.escape(bare).replace(r"\*", ".*").replace(r"\?", "."), alias):
            if bare != pattern:
                return False
            meant = True
    return meant


def _follow(alias: str, server: Listed, known: dict[str, Listed], found: ServerList, user: str) -> None:
    """Turn `user@host:port,next` into the name of a server of this list; one that it doesn't name is added to it."""
    before = ""
    for hop in server.via.split(","):
        said = _JUMP.fullmatch(hop.strip())
        if said is None:
            found.notes.append(Note(server.line, server.via, _("Not understood as a way through other servers.")))
            before = ""
            break
        host = said["host"].strip("[]")
        if host not in known:
            known[host] = Listed(server.line, plain(host), host, said["port"] or "22", said["user"] or user, before)
            found.servers.append(known[host])
        before = known[host].name
    known[alias] = replace(server, via=before)
    found.servers[found.servers.index(server)] = known[alias]


def plain(alias: str) -> str:
    """As a server's name may be."""
    return _NOT_IN_NAME.sub("-", alias.lower()).strip("-.")[:63]


def _limited(found: ServerList) -> ServerList:
    if len(found.servers) > MOST:
        line = found.servers[MOST].line
        found.notes.append(Note(line, "", format_lazy(_("More than {most} servers: the rest is left out."), most=MOST)))
        del found.servers[MOST:]
    found.notes.sort(key=lambda note: note.line)
    return found
