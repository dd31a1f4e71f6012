"""The entry for gunicorn: the live stream in front of Django, everything else through it."""

import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
django_application = get_asgi_application()

from dashboard import alive, lifespan, stream  # noqa: E402 - they need Django to be set up
from deployments import logs, start  # noqa: E402

start.refuse_wrong_settings()
logs.configure("web")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


async def application(scope: Message, receive: Receive, send: Send) -> None:
    """Dispatch one ASGI scope."""
    if scope["type"] == "lifespan":
        await lifespan.run(receive, send)
    elif scope["type"] == "http" and scope["path"] == alive.PATH:
        await alive.serve(scope["method"], send)
    elif scope["type"] == "http" and scope["path"] == stream.PATH:
        await stream.serve(scope, receive, send)
    else:
        await django_application(scope, receive, send)  # type: ignore[arg-type]
