"""`manage.py backup FILE`: everything but the keys, in one file."""

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from deployments import backup, tallies


class Command(BaseCommand):
    """Writes the file beside its place first: what stands there under its name is whole."""

    help = "Writes all that the database holds to FILE (- for standard output) while everything runs. The keys are not in it."

    def add_arguments(self, parser: CommandParser) -> None:
        """Where to."""
        parser.add_argument("file", metavar="FILE", help="a file that isn't there yet, or - for standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write it, and say what is in it."""
        if options["file"] == "-":
            written = backup.write(sys.stdout.buffer)
            sys.stdout.buffer.flush()
        else:
            written = _to_file(Path(options["file"]))
        self._note()
        rows = sum(written.rows.values())
        self.stderr.write(f"{rows} rows of {len(written.rows)} tables, SHA-256 of the content {written.digest}.")
        self.stderr.write("The keys are not in it: without the copy you keep elsewhere, what is sealed stays so.")

    def _note(self) -> None:
        """For /metrics: that a backup was made, and when. It stands all the same where that can't be written."""
        try:
            tallies.add({tallies.Key(tallies.BACKUPS): tallies.ONE})
        except DatabaseError as error:
            self.stderr.write(f"The backup is whole, but that it was made could not be noted: {error}".strip())


def _to_file(path: Path) -> backup.Written:
    if path.exists():
        raise CommandError(f"{path} is there already; nothing was written.")
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(draft, "xb", opener=_private) as file:
            written = backup.write(file)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
    except OSError as error:
        raise CommandError(f"{path} can't be written: {error.strerror}.") from error
    finally:
        with suppress(FileNotFoundError):  # it bears its own name by now
            draft.unlink()
    return written


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
