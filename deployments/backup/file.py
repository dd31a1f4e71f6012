"""The file itself: lines of JSON, packed, with a checksum at the end; read and written as a stream."""

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterator
from typing import IO, Any, Final

from django.utils.translation import gettext as _

from deployments.errors import Refused

FORMAT: Final = 1
_LEVEL: Final = 6


class BackupRefused(Refused):
    """Nothing was restored, and why."""


class Writer:
    """Writes lines to `file`; memory stays bounded however many there are."""

    def __init__(self, file: IO[bytes]) -> None:
        self._packed = gzip.GzipFile(fileobj=file, mode="wb", compresslevel=_LEVEL, mtime=0)
        self._sum = hashlib.sha256()

    def line(self, value: Any) -> None:
        """One line."""
        raw = json.dumps(value, separators=(",", ":"), ensure_ascii=True).encode() + b"\n"
        self._sum.update(raw)
        self._packed.write(raw)

    def end(self, counts: dict[str, int]) -> str:
        """The last line, with the checksum of all before it; the checksum."""
        digest = self._sum.hexdigest()
        self.line({"rows": counts, "sha256": digest})
        self._packed.close()
        return digest


class Reader:
    """Reads the lines again; the checksum is compared when the last one is reached."""

    def __init__(self, file: IO[bytes]) -> None:
        self._packed = gzip.GzipFile(fileobj=file, mode="rb")
        self._sum = hashlib.sha256()
        self.counts: dict[str, int] = {}

    def header(self) -> dict[str, Any]:
        """The first line; BackupRefused where it is another file, or of a format unknown here."""
        value = next(self.lines(), None)
        if not isinstance(value, dict) or "estiva_backup" not in value:
            raise BackupRefused(_("This is not a backup of Estiva's."))
        if value["estiva_backup"] != FORMAT:
            raise BackupRefused(
                _("The backup's format is %(theirs)s; this program reads %(ours)s.")
                % {"theirs": value["estiva_backup"], "ours": FORMAT}
            )
        return value

    def lines(self) -> Iterator[Any]:
        """Every line up to the last one, which sets `counts`; BackupRefused where the file was changed or is cut short."""
        try:
            for raw in self._packed:
                value = json.loads(raw)
                if isinstance(value, dict) and "sha256" in value:
                    self._compare(value)
                    return
                self._sum.update(raw)
                yield value
        except (EOFError, OSError, zlib.error, ValueError) as error:
            raise BackupRefused(
                _("The backup can't be read: %(why)s.") % {"why": error},
                remedy=_("Copy the file again, and try another."),
            ) from error
        raise BackupRefused(_("The backup is cut short: its last line is missing."), remedy=_("Copy the file again."))

    def _compare(self, last: dict[str, Any]) -> None:
        if last["sha256"] != self._sum.hexdigest():
            raise BackupRefused(_("The backup was changed after it was written: its checksum is another."))
        if self._packed.read(1):
            raise BackupRefused(_("The backup goes on after its last line."))
        self.counts = last["rows"]
