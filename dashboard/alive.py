"""`/healthz`, answered before Django: whoever probes it names this process by its address, which no allowed host name is."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

PATH: Final = "/healthz"

_HEADERS: Final = [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store")]


async def serve(method: str, send: Callable[[MutableMapping[str, Any]], Awaitable[None]]) -> None:
    """The process answers; nothing else is asked, and nothing of the request is believed."""
    status, text = (200, b"ok\n") if method in {"GET", "HEAD"} else (405, b"Only GET.\n")
    await send({"type": "http.response.start", "status": status, "headers": _HEADERS})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else text, "more_body": False})
