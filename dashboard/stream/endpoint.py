"""The ASGI side of /events: who asks, the answer's head, and a viewer's life."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any, Final

from django.conf import settings
from django.db import Error as AnyDatabaseError
from django.http.request import split_domain_port, validate_host

from dashboard.stream import reads
from dashboard.stream.follower import Follower
from dashboard.stream.hub import Hub
from dashboard.stream.viewer import Gone, Viewer
from dashboard.stream.watching import Asked, Rights, parse

log = logging.getLogger(__name__)

PATH: Final = "/events"
SEND_SECONDS: Final = 30.0
"""A browser that takes nothing for this long has gone without saying so."""

MOST_STREAMS: Final = 900
"""Below gunicorn's default of connections, so that pages still answer."""

MOST_STREAMS_EACH: Final = 30
"""Of one person, on this process: somebody with many tabs, not a script that takes everybody else's places."""

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_STREAM_HEADERS: Final = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store, private"),
    (b"x-accel-buffering", b"no"),
    (b"x-content-type-options", b"nosniff"),
]


class _Process:
    """The hub and follower of this process's event loop, made when the first browser comes."""

    def __init__(self) -> None:
        self.hub: Hub | None = None
        self.follower: Follower | None = None

    def open(self) -> Hub:
        if self.hub is None:
            self.hub = Hub()
            self.follower = Follower(self.hub)
        return self.hub

    async def close(self) -> None:
        hub, follower, self.hub, self.follower = self.hub, self.follower, None, None
        if follower is not None:
            await follower.stop()
        for viewer in list(hub.viewers) if hub else ():
            viewer.leave()


_process = _Process()


def open_streams() -> int:
    """How many browsers this process feeds."""
    return len(_process.hub.viewers) if _process.hub else 0


async def close() -> None:
    """This process ends: let every browser go (it comes back by itself, to the next one)."""
    await _process.close()


async def serve(scope: Message, receive: Receive, send: Send) -> None:
    """Answer one request for /events: 200 and a stream, or 400, 401, 404, 405, 429, 503."""
    headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
    if scope["method"] != "GET":
        await _refuse(send, 405, "Only GET.")
        return
    if not _host_is_ours(headers.get(b"host", "")):
        await _refuse(send, 400, "Unknown host.")
        return
    try:
        asked = parse(scope.get("query_string", b""), headers.get(b"last-event-id", ""))
    except ValueError:
        await _refuse(send, 404, "Nothing of that name can be watched.")
        return
    if open_streams() >= MOST_STREAMS:
        await _refuse(send, 503, "Too many live pages on this process.")
        return
    await _serve_viewer(asked, _session_key(headers), _address(scope, headers), receive, send)


async def _serve_viewer(asked: Asked, session_key: str, address: str, receive: Receive, send: Send) -> None:
    async def look_up_rights() -> Rights:
        return await reads.in_database(reads.rights, session_key, asked, address)

    try:
        rights = await look_up_rights()
    except reads.NotSignedIn:
        await _refuse(send, 401, "Sign in first.")
        return
    except reads.NotVisible:
        await _refuse(send, 404, "There is nothing here, or nothing that you may see.")
        return
    except AnyDatabaseError as error:
        log.warning("a live stream was refused: the database doesn't answer", extra={"error": str(error)})
        await _refuse(send, 503, "The database doesn't answer.")
        return
    except Exception:  # logged with its trace; a browser is told to come again, whatever it was
        log.exception("a live stream was refused by an error that nobody foresaw")
        await _refuse(send, 503, "This can't be followed live just now.")
        return
    hub = _process.open()
    if sum(viewer.rights.user_id == rights.user_id for viewer in hub.viewers) >= MOST_STREAMS_EACH:
        await _refuse(send, 429, "You have too many live pages open. Close some; this one goes on by itself.")
        return
    await send({"type": "http.response.start", "status": 200, "headers": _STREAM_HEADERS})
    viewer = Viewer(hub, asked, rights, look_up_rights, _writer(send))
    await _live(viewer, receive)
    await _end(send)


async def _live(viewer: Viewer, receive: Receive) -> None:
    """Run a viewer until it ends or its browser leaves."""
    leaving = asyncio.get_running_loop().create_task(_until_gone(viewer, receive))
    viewer.hub.add(viewer)
    try:
        await viewer.run()
    except (Gone, OSError, TimeoutError):
        log.debug("a browser left in the middle of a line")
    except AnyDatabaseError as error:
        log.warning("a live stream ended: the database doesn't answer", extra={"error": str(error)})
    finally:
        viewer.hub.remove(viewer)
        leaving.cancel()


async def _until_gone(viewer: Viewer, receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    viewer.leave()


def _writer(send: Send) -> Callable[[bytes], Awaitable[None]]:
    async def write(data: bytes) -> None:
        """Returns when the connection has room again, so a slow browser holds back nobody but itself."""
        async with asyncio.timeout(SEND_SECONDS):
            await send({"type": "http.response.body", "body": data, "more_body": True})

    return write


async def _end(send: Send) -> None:
    try:
        await send({"type": "http.response.body", "body": b"", "more_body": False})
    except (OSError, RuntimeError):
        log.debug("the browser had left already")


async def _refuse(send: Send, status: int, text: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": f"{text}\n".encode(), "more_body": False})


def _host_is_ours(host: str) -> bool:
    domain, _ = split_domain_port(host)
    return bool(domain) and validate_host(domain, settings.ALLOWED_HOSTS)


def _session_key(headers: dict[bytes, str]) -> str:
    try:
        cookie = SimpleCookie(headers.get(b"cookie", "")).get(settings.SESSION_COOKIE_NAME)
    except CookieError:
        return ""
    return cookie.value if cookie else ""


def _address(scope: Message, headers: dict[bytes, str]) -> str:
    proxies = settings.ESTIVA_TRUSTED_PROXIES
    forwarded = [part.strip() for part in headers.get(b"x-forwarded-for", "").split(",") if part.strip()]
    if proxies and len(forwarded) >= proxies:
        return forwarded[-proxies][:64]
    return str((scope.get("client") or ("",))[0])
