"""What happens once when a web process starts and stops: the first setup link on the console, the stream's end."""

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from django.conf import settings
from django.core.cache import cache
from django.db import DatabaseError, connections
from django.urls import reverse
from django.utils.translation import gettext as _

from dashboard import stream
from deployments.accounts import setup

log = logging.getLogger(__name__)
_PRINTED_SECONDS: Final = 20

Message = MutableMapping[str, Any]


async def run(receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]) -> None:
    """The ASGI lifespan protocol."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await asyncio.to_thread(print_setup_link)
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await stream.close()
            await send({"type": "lifespan.shutdown.complete"})
            return


def print_setup_link() -> None:
    """Print the one-time link of a new installation, from one process of however many start together."""
    try:
        if setup.needs_setup() and cache.add("estiva.setup_link", "printed", timeout=_PRINTED_SECONDS):
            _print(setup.issue_setup_token())
    except DatabaseError as error:
        log.warning("the database can't tell whether there is an admin", extra={"error": str(error)})
    finally:
        connections.close_all()


def _print(token: str | None) -> None:
    if token is None:
        return
    address = settings.ESTIVA_BASE_URL + reverse("account_link", args=[token])
    text = _("Estiva has no admin yet. Open this once, within a day, to become the first:")
    sys.stderr.write(f"\n  {text}\n\n    {address}\n\n")
    sys.stderr.flush()
