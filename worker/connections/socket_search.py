"""Where else an engine may listen: rootless Docker's socket in the user's own folder, and podman's."""

from dataclasses import dataclass

from worker.connections.pool import SshSession
from worker.connections.socket_refusal import holds
from worker.connections.transport import ChannelRefused
from worker.engine.errors import HostLost


@dataclass(frozen=True, slots=True)
class FoundSocket:
    """A socket that the login user may open. `kind` is for people."""

    path: str
    kind: str


def sockets_elsewhere(session: SshSession, path: str) -> list[FoundSocket]:
    """Those at other usual places than `path`; none where the server runs no command for us."""
    try:
        user = session.run(["id", "-u"]).stdout.decode("ascii", "replace").strip()
        places = [("/var/run/docker.sock", "Docker"), ("/run/podman/podman.sock", "Podman")]
        if user.isdecimal() and user != "0":
            folder = f"/run/user/{user}"
            places += [
                (f"{folder}/docker.sock", "rootless Docker"),
                (f"{folder}/podman/podman.sock", "rootless Podman"),
            ]
        return [
            FoundSocket(place, kind)
            for place, kind in places
            if place != path and holds(session, "-S", place) and holds(session, "-w", place)
        ]
    except (ChannelRefused, TimeoutError, HostLost):
        return []
