"""One read of an image from its builder, shared by all who want it at that moment.

A thread of its own reads; each receiver takes its pieces from an `image_place.Place` on its own thread. The slowest receiver
sets the pace, but one that keeps all others waiting for long is left behind and reads again by itself.
"""

import copy
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from urllib.parse import quote

from worker.connections.channels import ChannelSocket
from worker.connections.engine_errors import refusal, translated
from worker.connections.engine_http import STREAM_SECONDS
from worker.connections.image_place import LeftBehind, Place
from worker.connections.image_tar import LayerBegins, SavedImage, UnknownArchive, closing, layer_end, layer_head
from worker.connections.log_stream import HttpBody
from worker.connections.shipping import EngineDoor, ImageAbout
from worker.connections.signals import Signals
from worker.connections.socket_refusal import open_engine_socket
from worker.engine.errors import (
    AuthenticationRefused,
    BuilderLost,
    HostError,
    HostKeyChanged,
    HostLost,
    LeaseLost,
    NotFound,
    SocketRefused,
)

GATHER_SECONDS = 0.3  # how long after its beginning others may join, at least
LOOK_SECONDS = 20.0  # how long the others wait for one that finds out what it lacks
PATIENCE_SECONDS = 15.0  # for how long, in all, one may keep the others waiting
FIRST_BYTE_SECONDS = 900.0  # an engine first writes the whole image to a file of its own
_READ = 1 << 18  # bytes; as many are worth waking the reading thread for, and with more the memory isn't used again
_LONGEST_REFUSAL = 1 << 16
_PARCEL = 1 << 18  # bytes that are handed on at once

OpenBuilder = Callable[[Signals], AbstractContextManager[EngineDoor]]


class SharedRead:
    """Reads `image_id` from the builder that `open_builder` logs in to. Begins at once, ends when nobody wants it any more."""

    def __init__(self, builder_name: str, open_builder: OpenBuilder, image_id: str) -> None:
        self.builder_name = builder_name
        self.about: ImageAbout | None = None
        self.bytes_read = 0  # from the builder
        self._open_builder, self._image_id = open_builder, image_id
        self._signals = Signals()  # of the read itself, which is nobody's Target
        self._places: list[Place] = []
        self._closed = False
        self._problem: Exception | None = None
        self._lock = threading.Lock()
        self._known = threading.Event()  # `about`, or the problem
        self._begun = time.monotonic()
        threading.Thread(target=self._run, name=f"read {image_id[7:19]}", daemon=True).start()

    # for the receivers' threads
    def join(self) -> Place | None:
        """A place, or None when it's too late."""
        with self._lock:
            if self._closed:
                return None
            place = Place()
            self._places.append(place)
            return place

    def leave(self, place: Place) -> None:
        """Want nothing more; the last one who leaves ends the read."""
        place.leave()
        with self._lock:
            if all(each.gone for each in self._places):
                self._closed = True
                self._signals.lost.set()

    @property
    def over(self) -> bool:
        """Nobody may join any more."""
        return self._closed

    def know(self, interrupt: Callable[[], None]) -> ImageAbout:
        """What image it is, once the builder has said so. Raises what went wrong there."""
        while not self._known.wait(0.05):
            interrupt()
        if self.about is None:
            raise self._copied()
        return self.about

    # the reader's own thread
    def _run(self) -> None:
        try:
            with self._open_builder(self._signals) as builder, translated(builder.session):
                self._read(builder)
        except (HostError, HostLost, UnknownArchive) as error:
            self._problem = self._for_receivers(error)
        except LeaseLost:
            self._problem = LeftBehind()  # nobody is left to see it
        except BaseException as error:
            self._problem = self._unexpected(error)
            raise
        finally:
            with self._lock:
                self._closed = True
            if self._problem is None and not self._signals.lost.is_set() and self.about is None:
                self._problem = LeftBehind()
            self._known.set()
            for place in self._places:
                place.end(self._copied() if self._problem is not None else None)

    def _read(self, builder: EngineDoor) -> None:
        sock = open_engine_socket(builder.session, builder.socket_path)
        try:
            sock.settimeout(FIRST_BYTE_SECONDS)
            path = f"/v{builder.api.api_version}/images/{quote(self._image_id, safe=':')}/get"
            # HTTP/1.0: the body comes as it is, not in chunks; the archive itself tells whether it is whole
            sock.sendall(f"GET {path} HTTP/1.0\r\nHost: docker\r\nUser-Agent: estiva\r\n\r\n".encode("ascii"))
            about = self.about = ImageAbout.ask(builder, self._image_id)  # while the engine prepares what takes seconds
            self._known.set()
            saved = SavedImage(about.image_id, about.diff_ids)
            first = _first_bytes(sock, builder.name)
            sock.settimeout(STREAM_SECONDS)
            sock.expect_bulk(_READ)
            wanted = self._gather()
            self._pass_on(sock, first, saved, about, wanted)
        finally:
            sock.close()

    def _gather(self) -> frozenset[str]:
        """Nobody may join any more; what those who did join lack, all together."""
        self._signals.wait(self._begun + GATHER_SECONDS - time.monotonic())
        with self._lock:
            self._closed = True
        until = time.monotonic() + LOOK_SECONDS
        for place in self._places:
            if not place.await_declaration(until):
                self._leave_behind(place)
        return frozenset().union(*(each.lacks or () for each in self._places if not each.gone))

    def _pass_on(
        self, sock: ChannelSocket, first: bytes, saved: SavedImage, about: ImageAbout, wanted: frozenset[str]
    ) -> None:
        """Up to the last layer that somebody lacks, which is seldom the archive's end."""
        data, takers, size = first, list[Place](), 0
        parcel = _Parcel(self._offer)
        while True:
            self.bytes_read += len(data)
            for part in saved.feed(data):
                if isinstance(part, LayerBegins):
                    parcel.add(layer_end(size))
                    parcel.send(takers)
                    size = about.sizes[part.diff_id] = part.size
                    takers = [each for each in self._places if part.diff_id in (each.lacks or ())]
                    parcel.add(layer_head(part.diff_id, size))
                elif takers:
                    parcel.add(part)
                if parcel.full:
                    parcel.send(takers)
            if saved.config is not None and wanted <= saved.complete:
                break
            data = sock.recv(_READ)
            if not data:
                raise UnknownArchive("it ended before it was complete")
        parcel.add(layer_end(size))
        parcel.send(takers)
        for place in self._places:
            self._offer([place], closing(about.image_id, saved.config))

    def _offer(self, takers: list[Place], piece: bytes) -> None:
        for place in takers:
            since = time.monotonic()
            while not place.offer(piece):
                self._signals.check()
                if self._tires(place, since):
                    self._leave_behind(place)
            place.blocked += time.monotonic() - since

    def _tires(self, place: Place, since: float) -> bool:
        """Has it kept the others waiting for too long?"""
        others = [each for each in self._places if each is not place and not each.gone]
        waited = place.blocked + time.monotonic() - since
        return waited > PATIENCE_SECONDS and bool(others) and all(each.idle for each in others)

    def _leave_behind(self, place: Place) -> None:
        place.end(LeftBehind())
        place.leave()

    def _copied(self) -> Exception:
        """An exception belongs to the thread that raises it."""
        assert self._problem is not None  # noqa: S101 - told by the callers
        return copy.copy(self._problem)

    def _unexpected(self, error: BaseException) -> HostError:
        return HostError(f"Server {self.builder_name}: sending the image failed ({type(error).__name__}: {error}).")

    def _for_receivers(self, error: HostError | HostLost | UnknownArchive) -> HostError | BuilderLost:
        """The builder's trouble, in words for those who wait for the image; their own servers are well."""
        name = self.builder_name
        if isinstance(error, NotFound):
            return NotFound(
                f"Image {self._image_id} is not on {name} any more, where it was built.",
                status=404,
                why="Somebody removed it there, and no registry has it.",
                remedy="Build and deploy it again.",
            )
        if isinstance(error, UnknownArchive):
            return HostError(
                f"Server {name}: the engine's archive of the image was not understood: {error}.",
                why="The engine is of a kind that Estiva doesn't know, or it broke off.",
                remedy="Deploy again; if it stays so, look into the engine's log there, or use a registry.",
            )
        if isinstance(error, HostLost):
            lasting = isinstance(error, AuthenticationRefused | HostKeyChanged | SocketRefused)
            return (HostError if lasting else BuilderLost)(
                f"The image comes from {name}, and that failed: {error.message}",
                why=error.why,
                remedy=f"Deploy again once {name} can be reached; layers that are complete are not sent twice.",
            )
        return error


class _Parcel:
    """Small parts go on together: each hand-over between threads has its price."""

    def __init__(self, offer: Callable[[list[Place], bytes], None]) -> None:
        self._offer = offer
        self._parts: list[bytes | memoryview] = []
        self._size = 0

    @property
    def full(self) -> bool:
        return self._size >= _PARCEL

    def add(self, part: bytes | memoryview) -> None:
        self._parts.append(part)
        self._size += len(part)

    def send(self, takers: list[Place]) -> None:
        if takers and self._size:
            self._offer(takers, b"".join(self._parts))
        self._parts, self._size = [], 0


def _first_bytes(sock: ChannelSocket, name: str) -> bytes:
    """Of the archive, once the engine has said yes; it gives no word while it prepares it."""
    answer, body = HttpBody(), b""
    while not body:
        data = sock.recv(_READ)
        if not data:
            break
        body = answer.feed(data)
        if answer.status >= 400:
            while len(body) < _LONGEST_REFUSAL and (data := sock.recv(_READ)):
                body += data
            raise refusal(body.decode("utf-8", "replace"), name, answer.status)
    if not body:
        raise UnknownArchive("there is none")
    return body
