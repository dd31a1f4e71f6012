"""`manage.py restore FILE`: a backup into an empty database."""

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from deployments import backup


class Command(BaseCommand):
    """All or nothing."""

    help = "Restores a backup (- for standard input) into an empty, migrated database, and verifies the audit trail."

    def add_arguments(self, parser: CommandParser) -> None:
        """Where from."""
        parser.add_argument("file", metavar="FILE", help="what manage.py backup wrote, or - for standard input")

    def handle(self, *args: Any, **options: Any) -> None:
        """Restore, and say what stands there now."""
        try:
            if options["file"] == "-":
                done = backup.restore(sys.stdin.buffer)
            else:
                with Path(options["file"]).open("rb") as file:
                    done = backup.restore(file)
        except backup.BackupRefused as refused:
            raise CommandError(str(refused)) from refused
        except OSError as error:
            raise CommandError(f"{options['file']} can't be read: {error.strerror}.") from error
        rows = sum(done.rows.values())
        self.stdout.write(f"{rows} rows of installation {done.installation} as of {done.made_at}.")
        self.stdout.write(
            f"{done.audit_entries} audit entries, none edited, missing or reordered. Head: {done.audit_head}"
        )
