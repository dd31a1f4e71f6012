"""`DockerHost`: the engine's door to a real server, through the Docker Engine API over SSH.

Every call has a deadline, ends within ~50 ms of a signal, and raises only the errors of `worker.engine.errors`. An answer
that was lost is `HostLost`: what the call did is then unknown. One thread uses a DockerHost; what it asks for `together`
may be several calls at once.
"""

import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

import docker.errors
from docker.utils import parse_repository_tag

from worker.connections import inspected, networks, podman, probes
from worker.connections.channels import ChannelSocket
from worker.connections.engine_errors import engine_words, is_momentary, pull_too_slow, refusal, stalling, translated
from worker.connections.engine_http import CALL_SECONDS, EngineClient
from worker.connections.keychain import NOBODY, Keychain, Login
from worker.connections.log_stream import LogStream
from worker.connections.pool import SshSession
from worker.connections.pulling import PullTracker
from worker.connections.shipping import EngineDoor, ImageSource
from worker.connections.signals import Signals
from worker.connections.socket_refusal import open_engine_socket
from worker.connections.together import together
from worker.connections.transport import ChannelRefused
from worker.connections.withdrawing import Asked, Parting, withdraw
from worker.engine.container_host import (
    Container,
    EngineFacts,
    LocalImage,
    LogLine,
    Probe,
    PublishedPort,
    PullProgress,
    RemoteImage,
)
from worker.engine.errors import Conflict, HostError, NotFound

_REGISTRY_PAUSES = (0.5, 2.0)  # seconds before one that failed is asked again


class DockerHost:
    """Implements `worker.engine.container_host.ContainerHost`. Closing the session ends it; it holds nothing else."""

    def __init__(
        self,
        session: SshSession,
        socket_path: str,
        signals: Signals | None = None,
        source: ImageSource | None = None,
        keychain: Keychain = NOBODY,
    ) -> None:
        self._session, self._socket_path, self._source = session, socket_path, source
        self._keychain, self._asked = keychain, Asked()
        if signals is not None:
            session.signals = signals

    @cached_property
    def _api(self) -> EngineClient:
        return EngineClient(self._session, self._socket_path)

    # clock
    def now(self) -> float:
        """Monotonic seconds of the worker."""
        return time.monotonic()

    def wait(self, seconds: float) -> None:
        """Wait; `Cancelled` or `LeaseLost` at once when either is known."""
        self._session.signals.wait(seconds)

    def shield(self) -> None:
        """No `Cancelled` from now on."""
        self._session.signals.shield()

    def together(self, calls: Sequence[Callable[[], Any]]) -> Sequence[Any]:
        """Each on a channel of its own; one after the other where a channel costs a process there, or a whole connection."""
        with translated(self._session):
            _ = self._api  # made once, by this thread; from here on it is known how the socket is reached
        if self._socket_path in self._session.transport.dialled:
            return [call() for call in calls]
        return together(calls)

    # looking
    def facts(self, *, anew: bool = True) -> EngineFacts:
        """Version, platform, the server's clock. Podman is always asked anew: much of it is its distribution's to change."""
        with translated(self._session):
            known = None if anew else self._api.remembered
            if known is not None:
                return known
            version, info = self._api.engine, self._api.info()
            if podman.is_podman(version):
                return podman.facts(self._api, self._session, version, info)
            found = inspected.facts(version, info)
            self._api.remember(replace(found, server_time="", containers_running=0, images=0))
            return found

    def disk_free(self, path: str) -> tuple[int, int] | None:
        """By `df`; None where the server runs no command for us or doesn't know the path."""
        return inspected.disk_free(self._df("-Pk", path))

    def files_free(self, path: str) -> tuple[int, int] | None:
        """As `disk_free`."""
        return inspected.files_free(self._df("-Pi", path))

    def _df(self, how: str, path: str) -> bytes:
        try:
            said = self._session.run(["df", how, path], may_greet=True)
        except (ChannelRefused, TimeoutError):
            return b""
        return said.stdout if said.exit_code == 0 else b""

    def remote_image(self, reference: str) -> RemoteImage:
        """Asked of the registry by the server's own engine; one that fails is asked again, as an engine does that pulls layers."""
        for pause in _REGISTRY_PAUSES:
            try:
                return self._ask_registry(reference)
            except HostError as error:
                if not is_momentary(error):
                    raise
            self.wait(pause)
        return self._ask_registry(reference)

    def _ask_registry(self, reference: str) -> RemoteImage:
        with self._keychain.signing_in(reference) as who, translated(self._session):
            return inspected.remote_image(self._api.inspect_distribution(reference, who))

    def sign_in(self, login: Login) -> None:
        """Have the engine try a login at its registry; HostError with the registry's words. Nothing is kept there."""
        alone = Keychain((login,))
        with alone.signing_in(f"{login.name}/image") as who, translated(self._session):
            address = f"{self._api.base_url}/v{self._api.api_version}/auth"
            answer = self._api.post(address, json=who, timeout=CALL_SECONDS)
            if answer.status_code >= 400:
                raise refusal(engine_words(answer), self._session.address.host_name, answer.status_code)

    def local_image(self, reference: str) -> LocalImage | None:
        """By ID, tag or name@digest."""
        try:
            with translated(self._session):
                return inspected.local_image(self._api.inspect_image(reference))
        except NotFound:
            return None

    def local_images(self, reference_filter: str) -> Sequence[LocalImage]:
        """Images with a tag that matches."""
        with translated(self._session):
            listed = self._api.images(filters={"reference": reference_filter})
        found = self.together([partial(self.local_image, str(each["Id"])) for each in listed])
        return [image for image in found if image is not None]

    def containers(self, labels: Mapping[str, str]) -> Sequence[Container]:
        """Inspected; one that vanishes meanwhile is left out."""
        found = self.together([partial(self.container, str(each["Id"])) for each in self._listed(labels)])
        return [each for each in found if each is not None]

    def names(self, labels: Mapping[str, str]) -> Sequence[str]:
        """As the engine lists them; one that vanishes meanwhile may be left out."""
        found = (inspected.own_name(each) or self._name_of(str(each["Id"])) for each in self._listed(labels))
        return [name for name in found if name]

    def _name_of(self, container_id: str) -> str:
        found = self.container(container_id)
        return found.name if found is not None else ""

    def _listed(self, labels: Mapping[str, str]) -> Sequence[Mapping[str, Any]]:
        wanted = [f"{name}={value}" for name, value in labels.items()]
        with translated(self._session):
            listed: Sequence[Mapping[str, Any]] = self._api.containers(all=True, filters={"label": wanted})
        return listed

    def all_published_ports(self) -> Sequence[PublishedPort]:
        """Of every running container on the server, ours or not."""
        with translated(self._session):
            return inspected.published_ports(self._api.containers())

    def container(self, name: str) -> Container | None:
        """By name."""
        try:
            with translated(self._session):
                return inspected.container(self._api.inspect_container(name))
        except NotFound:
            return None

    def logs(self, name: str, *, tail: int) -> Sequence[LogLine]:
        """The last lines, of both streams in their order."""
        with translated(self._session):
            stream = self._log_stream(name, f"tail={tail}")
            try:
                return stream.all(CALL_SECONDS)
            finally:
                stream.close()

    def follow(self, name: str) -> LogStream:
        """What it has written and goes on writing."""
        with translated(self._session):
            return self._log_stream(name, "follow=1")

    def _log_stream(self, name: str, how: str) -> LogStream:
        tty, sock = self._terminal_and_socket(name)
        path = f"/v{self._api.api_version}/containers/{urllib.parse.quote(name, safe='')}/logs"
        request = f"GET {path}?stdout=1&stderr=1&{how} HTTP/1.1\r\nHost: docker\r\nUser-Agent: estiva\r\n\r\n"
        stream = LogStream(sock, request.encode("ascii"), tty=tty)
        try:
            stream.await_answer(CALL_SECONDS)
        except BaseException:
            stream.close()
            raise
        return stream

    def _terminal_and_socket(self, name: str) -> tuple[bool, ChannelSocket]:
        """Whether its output is a terminal's, and meanwhile the channel that it comes on."""
        opened: list[ChannelSocket] = []

        def dial() -> None:
            opened.append(open_engine_socket(self._session, self._socket_path))

        try:
            about, _ = self.together([lambda: self._api.inspect_container(name), dial])
        except BaseException:
            for each in opened:
                each.close()
            raise
        return bool(about["Config"].get("Tty")), opened[0]

    def probe_http(self, address: str, port: int, path: str, *, timeout: float) -> Probe:
        """One GET from the server to a container's address."""
        return probes.probe_http(self._session, address, port, path, timeout)

    def probe_tcp(self, address: str, port: int, *, timeout: float) -> Probe:
        """One connection from the server to an address."""
        return probes.probe_tcp(self._session, address, port, timeout)

    # changing
    def pull(self, reference: str, *, platform: str | None, deadline: float) -> Iterator[PullProgress]:
        """Pull as the engine does; at the end the image was seen. Ends with HostError `deadline` seconds from now."""
        name, tag = parse_repository_tag(reference)
        until, tracker = time.monotonic() + deadline, PullTracker()
        host = self._session.address.host_name
        signing_in = self._keychain.signing_in(reference)
        with signing_in as who, translated(self._session), stalling(self._session, reference):
            stream = self._api.pull(name, tag or "latest", stream=True, decode=True, platform=platform, auth_config=who)
            try:
                for event in stream:
                    if "error" in event:
                        said = str((event.get("errorDetail") or {}).get("message") or event["error"])
                        raise refusal(said, host)
                    if (progress := tracker.feed(event)) is not None:
                        yield progress
                    if time.monotonic() > until:
                        raise pull_too_slow(host, reference, deadline)
            finally:
                stream.close()
        yield tracker.progress("")
        if self.local_image(reference) is None:
            raise HostError(
                f"Server {host}: the pull of {reference} ended without an error, but the image is not there.",
                why="Somebody removed it at that moment, or the engine was stopped.",
                remedy="Deploy again.",
            )

    def receive_image(self, image_id: str, *, deadline: float) -> Iterator[PullProgress]:
        """From the builder, through the worker; at the end the image was seen here under the same ID."""
        if self._source is None:
            raise NotFound(f"No builder is known from which {image_id} could come.", status=404)
        door = EngineDoor(self._session, self._socket_path, self._api, self._image_room)
        yield from self._source.ship_to(door, image_id, deadline)

    def _image_room(self) -> tuple[int, int] | None:
        return self.disk_free(self.facts().root_folder)

    def tag(self, image: str, tag: str) -> None:
        """One more local reference."""
        name, label = parse_repository_tag(tag)
        with translated(self._session):
            self._api.tag(image, name, label)

    def remove_image(self, reference: str) -> bool:
        """Drop one reference, never by force; False when absent or in use."""
        try:
            with translated(self._session):
                self._api.remove_image(reference, force=False)
        except (NotFound, Conflict):
            return False
        return True

    def ensure_network(self, name: str, labels: Mapping[str, str]) -> None:
        """A bridge network of that name, unless there is one."""
        with translated(self._session):
            networks.unambiguous(self._api, self.wait, partial(networks.ensure_network, self._api, name, labels))

    def keeps_addresses(self, network: str) -> bool:
        """Whether Docker lets a container of it be given an address."""
        with translated(self._session):
            return networks.unambiguous(self._api, self.wait, partial(networks.keeps_addresses, self._api, network))

    def ensure_volume(self, name: str, labels: Mapping[str, str]) -> None:
        """A local volume of that name, unless there is one."""
        with translated(self._session):
            self._api.create_volume(name, labels=dict(labels))

    def create(self, name: str, body: Mapping[str, Any]) -> Sequence[str]:
        """POST /containers/create with the given body as it is."""
        with translated(self._session):
            api = self._api  # before anything is sent
            self._asked.sent(name, body.get("Labels") or {})
            try:
                made: Mapping[str, Any] = networks.unambiguous(
                    api, self.wait, partial(api.create_container_from_config, dict(body), name)
                )
            except docker.errors.APIError:
                self._asked.answered(made=False)
                raise
        self._asked.answered(made=True)
        return [str(each) for each in made.get("Warnings") or ()]

    def withdraw(self) -> list[str]:
        """Take back what it created and nobody started, though the lease is lost; the names removed. See `withdrawing`."""
        if not self._asked.labels or not self._session.alive:
            return []
        self._session.signals = Parting()
        return withdraw(self, self._asked)

    def start(self, name: str) -> None:
        """Start; a running one stays as it is. A paused one goes on: no engine starts it."""
        try:
            with translated(self._session):
                networks.unambiguous(self._api, self.wait, partial(self._api.start, name))
        except HostError:
            if not self._continued(name):
                raise

    def stop(self, name: str, *, timeout: int) -> None:
        """SIGTERM, then SIGKILL after `timeout` seconds; a stopped one stays as it is."""
        self._even_if_paused(name, lambda: self._api.stop(name, timeout=timeout))

    def _even_if_paused(self, name: str, call: Callable[[], object]) -> None:
        """Podman neither stops nor restarts what is paused; Docker does."""
        try:
            with translated(self._session):
                call()
        except HostError:
            if not self._continued(name):
                raise
            with translated(self._session):
                call()

    def _continued(self, name: str) -> bool:
        """Continue one that somebody paused, since an engine refuses something for that; False where it isn't paused."""
        found = self.container(name)
        if found is None or not found.paused:
            return False
        with translated(self._session):
            self._api.unpause(name)
        return True

    def rename(self, name: str, new_name: str) -> None:
        """Give another name; `Conflict` when it is taken."""
        with translated(self._session):
            self._api.rename(name, new_name)

    def remove(self, name: str) -> None:
        """Remove by force; volumes, anonymous ones too, stay."""
        with translated(self._session):
            self._api.remove_container(name, v=False, force=True)

    def set_restart_policy(self, name: str, policy: str, retries: int = 0) -> None:
        """`retries` counts for "on-failure" alone."""
        wanted: Any = {"Name": policy, "MaximumRetryCount": retries if policy == "on-failure" else 0}
        with translated(self._session):
            self._api.update_container(name, restart_policy=wanted)

    def connect_network(
        self, network: str, name: str, aliases: Sequence[str], *, ipv4: str = "", ipv6: str = ""
    ) -> None:
        """Join a network under these aliases, at these addresses where some are given."""
        with translated(self._session):
            join = partial(self._api.connect_container_to_network, name, network, ipv4 or None, ipv6 or None)
            networks.unambiguous(self._api, self.wait, partial(join, aliases=list(aliases)))

    def disconnect_network(self, network: str, name: str) -> None:
        """Leave a network."""
        with translated(self._session):
            leave = partial(self._api.disconnect_container_from_network, name, network)
            networks.unambiguous(self._api, self.wait, leave)
