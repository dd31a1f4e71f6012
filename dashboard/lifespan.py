"""What happens once when a web process starts and stops: the first setup link on the console, the stream's end."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from dashboard import stream

log = logging.getLogger(__name__)
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
    """placeholder"""
