"""`manage.py keys`: fresh keys, as lines for an environment file. Needs none itself."""

import base64
import secrets
from typing import Any

from django.core.management.base import BaseCommand

from deployments.sealing import new_key_pair


class Command(BaseCommand):
    """Prints NAME=value lines; nothing is stored."""

    help = "Prints fresh keys as NAME=value lines. Only workers get ESTIVA_SEALING_PRIVATE_KEY."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        """Print them."""
        public, private = new_key_pair()
        keys = {
            "ESTIVA_SECRET_KEY": secrets.token_urlsafe(48),
            "ESTIVA_SEALING_PUBLIC_KEY": public,
            "ESTIVA_SEALING_PRIVATE_KEY": private,
            "ESTIVA_AUDIT_KEY": secrets.token_urlsafe(32),
            "ESTIVA_FIELD_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        }
        for name, value in keys.items():
            self.stdout.write(f"{name}={value}")
