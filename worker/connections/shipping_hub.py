"""Where the Targets of one worker that want the same image at the same time find each other."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import docker.errors

from worker.connections.engine_errors import translated
from worker.connections.engine_http import EngineClient
from worker.connections.image_place import LeftBehind, Place
from worker.connections.image_tar import opening
from worker.connections.pool import Pool
from worker.connections.shared_read import SharedRead
from worker.connections.shipping import EngineDoor, ImageAbout, Loading, Tally, check_room, lacking
from worker.connections.signals import Signals
from worker.connections.ssh import HostKey, SshAddress, SshCredential
from worker.engine.container_host import PullProgress
from worker.engine.errors import HostError

_ATTEMPTS = 3
_PROGRESS_SPACING = 0.1  # seconds


@dataclass(frozen=True, slots=True)
class Builder:
    """The server where an image was built, and how to log in to it."""

    address: SshAddress
    credential: SshCredential
    host_key: HostKey
    socket_path: str


class ShippingHub:
    """Made once per process. The first who wants an image of a builder begins a read; who comes within a moment joins it."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._reads: dict[tuple[Builder, str], SharedRead] = {}
        self._lock = threading.Lock()

    def source(self, builder: Builder) -> "BuilderImages":
        """What a `DockerHost` takes as its `source`."""
        return BuilderImages(self, builder)

    def join(self, builder: Builder, image_id: str) -> tuple[SharedRead, Place]:
        """A place at a read that has not passed anything on yet."""
        key = (builder, image_id)
        with self._lock:
            read = self._reads.get(key)
            place = read.join() if read is not None else None
            if read is None or place is None:
                read = self._reads[key] = SharedRead(
                    builder.address.host_name, lambda signals: self._open(builder, signals), image_id
                )
                place = read.join()
            if place is None:  # it ended before anybody could join
                raise LeftBehind
            return read, place

    def leave(self, builder: Builder, image_id: str, read: SharedRead, place: Place) -> None:
        """Give the place back."""
        read.leave(place)
        with self._lock:
            if read.over and self._reads.get((builder, image_id)) is read:
                del self._reads[builder, image_id]

    @contextmanager
    def _open(self, builder: Builder, signals: Signals) -> Iterator[EngineDoor]:
        session = self._pool.session(builder.address, builder.credential, builder.host_key, signals)
        with translated(session), session:
            yield EngineDoor(session, builder.socket_path, EngineClient(session, builder.socket_path))


class BuilderImages:
    """Implements `worker.connections.shipping.ImageSource`."""

    def __init__(self, hub: ShippingHub, builder: Builder) -> None:
        self._hub, self._builder = hub, builder

    def ship_to(self, receiver: EngineDoor, image_id: str, deadline: float) -> Iterator[PullProgress]:
        """As `ImageSource.ship_to` says."""
        until = time.monotonic() + deadline
        trusting = True
        for _ in range(_ATTEMPTS):
            try:
                yield from self._attempt(receiver, image_id, until, trusting=trusting)
            except LeftBehind:
                continue
            except _LayerVanished:
                trusting = False
            except HostError as error:
                if time.monotonic() < until:
                    raise
                raise _too_slow(receiver.name, self._name, deadline) from error
            else:
                return
        raise HostError(
            f"Server {receiver.name} could not be brought the image: {_ATTEMPTS} attempts were overtaken.",
            why="It takes data much more slowly than the other servers, or images are being removed there.",
            remedy="Deploy again.",
        )

    @property
    def _name(self) -> str:
        return self._builder.address.host_name

    def _attempt(self, receiver: EngineDoor, image_id: str, until: float, *, trusting: bool) -> Iterator[PullProgress]:
        read, place = self._hub.join(self._builder, image_id)
        try:
            with translated(receiver.session), _stalling(receiver, self._name):
                about = read.know(lambda: _check(receiver, until))
                lacks = lacking(receiver, about) if trusting else frozenset(about.diff_ids)
                check_room(receiver, about.size(lacks))
                place.declare(lacks)
                tally = Tally(about, lacks, self._name)
                yield tally.announcement()
                yield from self._load(receiver, place, tally, until)
                _verify(receiver, about)
            yield tally.progress(complete=True)
        finally:
            self._hub.leave(self._builder, image_id, read, place)

    def _load(self, receiver: EngineDoor, place: Place, tally: Tally, until: float) -> Iterator[PullProgress]:
        loading, shown_at = Loading(receiver, until), 0.0
        try:
            # so early that the engine there makes ready while the builder's, which writes the whole image first, does
            loading.send(opening(tally.about.image_id, tally.about.diff_ids))
            for piece in _pieces(receiver, place, until):
                loading.send(piece)
                tally.sent += len(piece)
                if time.monotonic() - shown_at > _PROGRESS_SPACING:
                    shown_at = time.monotonic()
                    yield tally.progress()
            if not tally.sent:
                raise LeftBehind
            for event in loading.finish():
                if tally.hear(event):
                    yield tally.progress()
        except HostError as error:
            if "no such file or directory" in error.message and len(tally.lacks) < len(tally.about.diff_ids):
                raise _LayerVanished from error
            raise
        finally:
            loading.close()


def _pieces(receiver: EngineDoor, place: Place, until: float) -> Iterator[bytes]:
    """The archive, as it comes."""
    while not place.over:
        _check(receiver, until)
        yield from place.take()


def _check(receiver: EngineDoor, until: float) -> None:
    """Raise what somebody asked for, or that time is up."""
    receiver.session.check()
    if time.monotonic() > until:
        raise TimeoutError("the deadline passed")


class _LayerVanished(Exception):
    """A layer that the server had is gone again."""


def _verify(receiver: EngineDoor, about: ImageAbout) -> None:
    """End of a load isn't success: the image is looked at, under its own ID."""
    try:
        told = str(receiver.api.inspect_image(about.image_id)["Id"])
    except docker.errors.NotFound as error:
        raise HostError(
            f"Server {receiver.name} took the image in without an error, but has none with the ID {about.image_id}.",
            why="Its engine keeps images in another way (the containerd image store gives them other IDs), or somebody "
            "removed it at that moment.",
            remedy="Use a registry for this application, or switch the engine there to the classic image store "
            '("features": {"containerd-snapshotter": false} in /etc/docker/daemon.json).',
        ) from error
    if told != about.image_id:
        raise HostError(f"Server {receiver.name} calls the image {told}, the builder {about.image_id}.")


@contextmanager
def _stalling(receiver: EngineDoor, builder: str) -> Iterator[None]:
    """A load that falls silent while the connection lives."""
    try:
        yield
    except TimeoutError as error:
        if not receiver.session.transport.is_active():
            raise
        raise HostError(
            f"Server {receiver.name}: taking in the image from {builder} came to a standstill and was broken off.",
            why="The engine there is overloaded or hangs, or its disk is very slow.",
            remedy="Look at the server's load and at: journalctl -u docker. Then deploy again.",
        ) from error


def _too_slow(server: str, builder: str, deadline: float) -> HostError:
    return HostError(
        f"Server {server}: bringing the image from {builder} took longer than {deadline:g} s and was broken off.",
        why="The connection to one of the two is slow, or one of them is very busy.",
        remedy="Deploy again, with more time for it; what came completely is not sent twice.",
    )
