"""`manage.py audit verify` and `manage.py audit head`."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from deployments import audit


class Command(BaseCommand):
    """Walks the audit trail, or prints its signed head."""

    help = "verify: finds edited, removed, added and reordered entries. head: prints the signed head, to be noted elsewhere."

    def add_arguments(self, parser: CommandParser) -> None:
        """What to do, and the head to compare with."""
        parser.add_argument("act", choices=("verify", "head"))
        parser.add_argument("--noted", default="", metavar="NUMBER:MAC:SIGNATURE", help="a signed head noted earlier")

    def handle(self, *args: Any, **options: Any) -> None:
        """Exits with 1 when the trail doesn't hold."""
        if options["act"] == "head":
            self.stdout.write(str(audit.signed_head()))
            return
        found = audit.verify(options["noted"])
        for problem in found.problems:
            self.stderr.write(problem)
        if not found.ok:
            raise CommandError("The audit trail does not hold.")
        self.stdout.write(f"{found.number} entries, none edited, missing or reordered. Head: {found.head}")
