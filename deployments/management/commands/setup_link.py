"""`manage.py setup_link`: the one-time link that makes the first admin."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from deployments.accounts.setup import issue_setup_token


class Command(BaseCommand):
    """Prints the link; the one printed before ends."""

    help = "Prints the one-time link that makes the first admin; fails when there is one."

    def handle(self, *args: Any, **options: Any) -> None:
        """Print it."""
        token = issue_setup_token()
        if token is None:
            raise CommandError("There is an admin already; people are invited on the page People.")
        self.stdout.write(f"{settings.ESTIVA_BASE_URL}/account/link/{token}")
