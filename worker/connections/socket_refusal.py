"""Opening the engine's socket, and, where sshd refuses, finding out why: it gives the same answer to every cause."""

from worker.connections.channels import ChannelSocket
from worker.connections.pool import SshSession
from worker.connections.transport import ChannelRefused
from worker.engine.errors import HostLost, SocketRefused

_SSHD = (
    "sshd_config needs AllowStreamLocalForwarding and AllowTcpForwarding yes (or local), and neither DisableForwarding "
    "nor PermitOpen; in authorized_keys no restriction may stand before the key."
)
_PROHIBITED = 1  # RFC 4254: SSH_OPEN_ADMINISTRATIVELY_PROHIBITED


def open_engine_socket(session: SshSession, path: str) -> ChannelSocket:
    """A channel to the Docker socket; `SocketRefused` with the reason.

    The seam for servers that forbid stream forwarding: an exec of `docker system dial-stdio` would be returned here.
    """
    try:
        return session.to_unix_socket(path)
    except ChannelRefused as refusal:
        raise _explained(session, path, refusal) from refusal


def _explained(session: SshSession, path: str, refusal: ChannelRefused) -> SocketRefused:
    name, user = session.address.host_name, session.address.user
    reason = "forbidden" if refusal.code == _PROHIBITED else _look(session, path)
    why, remedy = {
        "absent": (
            f"There is no socket at {path}: Docker is not installed, or its socket is elsewhere.",
            "Install Docker (Debian and Ubuntu: apt-get install docker.io), or correct the path on the server's page.",
        ),
        "permission": (
            f"The user {user} may not open {path}.",
            f"On the server: usermod -aG docker {user}; it counts from the next login on.",
        ),
        "not listening": (
            f"The socket {path} is there, and {user} may open it, but the connection was refused: the engine is not "
            "running, or sshd forbids forwarding to sockets.",
            f"On the server: systemctl status docker. If it runs: {_SSHD}",
        ),
        "forbidden": (
            "sshd forbids forwarding to sockets.",
            f"On the server: {_SSHD}",
        ),
    }.get(
        reason,
        (
            f"sshd said: {refusal.words or 'refused'}. It doesn't say whether {path} is absent, closed to {user}, or "
            "whether it forbids forwarding to sockets.",
            f"On the server, as {user}: ls -l {path}. If that is as it should be: {_SSHD}",
        ),
    )
    return SocketRefused(f"The Docker socket of server {name} can't be reached.", reason=reason, why=why, remedy=remedy)


def _look(session: SshSession, path: str) -> str:
    """Ask the server's own `test`, whose exit codes need no parsing."""
    try:
        if not (_holds(session, "-d", "/") and not _holds(session, "-f", "/")):
            return "unknown"  # a forced command answers whatever it likes
        if not _holds(session, "-S", path):
            return "absent"
        return "not listening" if _holds(session, "-w", path) else "permission"
    except (ChannelRefused, TimeoutError, HostLost):
        return "unknown"


def _holds(session: SshSession, question: str, path: str) -> bool:
    return session.run(["test", question, path], deadline=5.0).exit_code == 0
