"""Bringing an image to a server without a registry: what it lacks, and the load of an archive that holds just that.

The bytes come from a shared read of the builder's engine (`shipping_hub`); here they become the body of the receiving
server's own `POST /images/load`. Nothing is kept: what is read is passed on, and a receiver that is slow slows the read.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import docker.errors

from worker.connections import podman
from worker.connections.channels import ConnectionGone
from worker.connections.engine_errors import refusal
from worker.connections.engine_http import STREAM_SECONDS, EngineClient
from worker.connections.image_tar import shared_layers
from worker.connections.log_stream import HttpBody
from worker.connections.pool import SshSession
from worker.connections.socket_refusal import open_engine_socket
from worker.engine.container_host import PullProgress
from worker.engine.errors import HostError

_READ = 1 << 16
_MOST_IMAGES = 100  # that are asked for their layers
_LOOK_SECONDS = 5.0
_WORTH_ASKING = 100_000_000  # bytes; preflight wants five times as much free in any case


@dataclass(frozen=True, slots=True)
class EngineDoor:
    """A Docker Engine by its session. `room`: (free, total) bytes where its images lie, None where that isn't known."""

    session: SshSession
    socket_path: str
    api: EngineClient
    room: Callable[[], tuple[int, int] | None] = lambda: None

    @property
    def name(self) -> str:
        """The server's name for people."""
        return self.session.address.host_name


class ImageSource(Protocol):
    """Where an image that no registry has comes from."""

    def ship_to(self, receiver: EngineDoor, image_id: str, deadline: float) -> Iterator[PullProgress]:
        """Bring it to the receiver, within `deadline` seconds; at the end it was seen there, under the same ID.

        The first progress announces what comes from where. `NotFound` when the builder has no such image, `HostError`
        with the reason otherwise; `HostLost` is about the receiver alone, `BuilderLost` about where the image comes from.
        """
        ...


@dataclass(frozen=True, slots=True)
class ImageAbout:
    """An image on its builder. `sizes` are estimates per layer until the layer itself was met."""

    image_id: str
    diff_ids: tuple[str, ...]
    sizes: dict[str, int]

    @classmethod
    def ask(cls, builder: EngineDoor, image_id: str) -> "ImageAbout":
        """Inspect it there; docker's `NotFound` when it's gone."""
        found: Mapping[str, Any] = builder.api.inspect_image(image_id)
        diff_ids = tuple(str(each) for each in (found.get("RootFS") or {}).get("Layers") or ())
        history: Sequence[Mapping[str, Any]] = builder.api.history(image_id)
        made = [int(each.get("Size") or 0) for each in reversed(history)]
        return cls(str(found["Id"]), diff_ids, _sizes(diff_ids, made, int(found.get("Size") or 0)))

    def size(self, layers: Sequence[str] | frozenset[str]) -> int:
        """Bytes of these layers, as far as they are known."""
        return sum(self.sizes.get(each, 0) for each in layers)


def _sizes(diff_ids: Sequence[str], made: Sequence[int], whole: int) -> dict[str, int]:
    """The history doesn't say which of its entries made no layer; where the numbers don't tell, layers count alike."""
    filled = [size for size in made if size]
    for candidates in (made, filled):
        if len(candidates) == len(diff_ids):
            return dict(zip(diff_ids, candidates, strict=True))
    return dict.fromkeys(diff_ids, whole // max(1, len(diff_ids)))


def lacking(receiver: EngineDoor, about: ImageAbout) -> frozenset[str]:
    """The layers that the receiver needs to be sent.

    The newest images are asked first, those that Estiva keeps before all; with very many images some aren't asked, which
    sends more than is needed and never less.
    """
    if podman.is_podman(receiver.api.version()):
        return frozenset(about.diff_ids)  # it takes whole archives alone
    listed: list[Mapping[str, Any]] = receiver.api.images()
    listed.sort(key=lambda each: (not _kept_by_us(each), -int(each.get("Created") or 0)))
    until = time.monotonic() + _LOOK_SECONDS
    most = 0
    for each in listed[:_MOST_IMAGES]:
        if most >= len(about.diff_ids) - 1 or time.monotonic() > until:
            break
        try:
            found: Mapping[str, Any] = receiver.api.inspect_image(str(each["Id"]))
        except docker.errors.NotFound:  # removed meanwhile
            continue
        layers = (found.get("RootFS") or {}).get("Layers") or ()
        most = max(most, shared_layers(about.diff_ids, [layers]))
    return frozenset(about.diff_ids[most:])


def _kept_by_us(listed: Mapping[str, Any]) -> bool:
    return any(str(tag).startswith("estiva/") for tag in listed.get("RepoTags") or ())


def check_room(receiver: EngineDoor, size: int) -> None:
    """The engine lays a layer down twice while it loads: as it came, and unpacked. Little isn't worth a question."""
    space = receiver.room() if size >= _WORTH_ASKING else None
    if space is not None and space[0] < 2 * size:
        raise HostError(
            f"Server {receiver.name}: too little space for the image: {space[0] / 1e6:.0f} MB are free, "
            f"{2 * size / 1e6:.0f} MB are needed while it is taken in.",
            why="The engine keeps what arrives and what it unpacks side by side until it is done.",
            remedy="Make room there, for example: docker image prune, docker builder prune. Then deploy again.",
        )


class Loading:
    """One `POST /images/load`: the archive goes up in pieces, then the engine tells what it does with it."""

    def __init__(self, receiver: EngineDoor, until: float) -> None:
        self.name = receiver.name
        self._body, self._events = HttpBody(), _Events()
        self._sock = open_engine_socket(receiver.session, receiver.socket_path)
        self._sock.settimeout(STREAM_SECONDS)
        self._sock.deadline = until
        head = (
            f"POST /v{receiver.api.api_version}/images/load?quiet=0 HTTP/1.1\r\nHost: docker\r\nUser-Agent: estiva\r\n"
            "Content-Type: application/x-tar\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        )
        self._sock.sendall(head.encode("ascii"))

    def send(self, data: bytes) -> None:
        """One piece. HostError with the engine's words when it has given up."""
        if self._sock.ready:
            self._given_up()
        try:
            self._sock.sendall(b"%x\r\n%b\r\n" % (len(data), data))
        except BrokenPipeError:
            self._given_up()

    def _given_up(self) -> None:
        for _ in self._answer():
            pass
        raise ConnectionGone("the engine ended the connection before it had the whole image")

    def finish(self) -> Iterator[Mapping[str, Any]]:
        """The end of the archive; then the engine's account, event by event. HostError when there is an error in it."""
        self._sock.sendall(b"0\r\n\r\n")
        yield from self._answer()

    def _answer(self) -> Iterator[Mapping[str, Any]]:
        refused = bytearray()
        while not self._body.ended and (data := self._sock.recv(_READ)):
            body = self._body.feed(data)
            if self._body.status >= 400:
                refused += body
                continue
            for event in self._events.feed(body):
                if "error" in event:
                    said = str((event.get("errorDetail") or {}).get("message") or event["error"])
                    raise refusal(said, self.name)
                yield event
        if self._body.status >= 400:
            raise refusal(_message(bytes(refused)), self.name, self._body.status)
        if not self._body.status:
            raise ConnectionGone("the engine ended the connection without an answer")

    def close(self) -> None:
        """Close the channel: before the end of the archive, the engine drops what it has."""
        self._sock.close()


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return body.decode("utf-8", "replace")


class _Events:
    """JSON values, one a line."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        """Those that are complete."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [json.loads(line) for line in lines if line.strip()]


@dataclass(slots=True)
class Tally:
    """How far it is. A byte counts half when it was sent and wholly when it is unpacked; `done` never falls."""

    about: ImageAbout
    lacks: frozenset[str]
    sender: str
    sent: int = 0
    unpacked: dict[str, int] = field(default_factory=dict)
    _done: int = 0

    def hear(self, event: Mapping[str, Any]) -> bool:
        """An event of the load; True when it changes something."""
        detail = event.get("progressDetail") or {}
        layer = str(event.get("id") or "")
        if not layer or "current" not in detail:
            return False
        self.unpacked[layer] = max(self.unpacked.get(layer, 0), int(detail["current"] or 0))
        return True

    def progress(self, *, complete: bool = False) -> PullProgress:
        """For the bar."""
        total = max(self.about.size(self.lacks), self._done)  # an estimate may turn out too large
        sent = min(self.sent, total)
        self._done = total if complete else max(self._done, min(total, (sent + sum(self.unpacked.values())) // 2))
        layers = len(self.lacks) if complete else max(0, len(self.unpacked) - 1)
        phase = "complete:" if complete else "unpacking" if self.unpacked else "receiving"
        said = f"{phase} {sent / 1e6:.1f} of {total / 1e6:.1f} MB, {layers} of {len(self.lacks)} layers"
        return PullProgress(self._done, total, layers, len(self.lacks), said)

    def announcement(self) -> PullProgress:
        """What comes, and from where."""
        total, every = self.about.size(self.lacks), len(self.about.diff_ids)
        said = f"{len(self.lacks)} of {every} layers come from {self.sender}, about {total / 1e6:.1f} MB"
        return PullProgress(0, total, 0, len(self.lacks), said)
