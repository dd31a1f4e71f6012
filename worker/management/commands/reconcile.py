"""`manage.py reconcile`: the reconciler's process."""

import signal
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand

from deployments import logs
from worker.logs import open_secrets
from worker.reconcile import Reconciler


class Command(BaseCommand):
    """Runs until SIGTERM or SIGINT."""

    help = "Releases expired leases, hints waiting work, checks servers, drops what is old. One process is enough."

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the loop."""
        logs.configure("reconciler", mask=open_secrets.mask)
        reconciler = Reconciler()

        def stop(_number: int, _frame: FrameType | None) -> None:
            reconciler.stop.set()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        reconciler.run()
