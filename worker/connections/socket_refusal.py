"""Opening the engine's socket, and, where sshd refuses, finding out why: it gives the same answer to every cause."""

from worker.connections import beside
from worker.connections.channels import ChannelSocket
from worker.connections.dialing import CLIENTS, NoDial, dial
from worker.connections.pool import SshSession
from worker.connections.transport import ChannelRefused
from worker.engine.errors import HostLost, SocketRefused

_SSHD = (
    "sshd_config needs AllowStreamLocalForwarding and AllowTcpForwarding yes (or local), and neither DisableForwarding "
    "nor PermitOpen; in authorized_keys no restriction may stand before the key."
)
_CLIENT = "Or install the docker client there (docker-cli): Estiva then goes through `docker system dial-stdio`."
_PROHIBITED = 1  # RFC 4254: SSH_OPEN_ADMINISTRATIVELY_PROHIBITED
_MAY_BE_SSHD = ("forbidden", "not listening")


def open_engine_socket(session: SshSession, path: str) -> ChannelSocket:
    """A connection to the Docker socket; `SocketRefused` with the reason.

    Through sshd where it opens one, else through the engine's client on the server.
    """
    if session.address.beside is not None:
        return _beside(session, path)
    dialled = session.transport.dialled
    if path in dialled:
        return _dialled(session, path, dialled[path])
    try:
        return session.to_unix_socket(path)
    except ChannelRefused as refusal:
        reason = "forbidden" if refusal.code == _PROHIBITED else _look(session, path)
        if reason not in _MAY_BE_SSHD:
            raise _explained(session, path, reason, refusal.words) from refusal
        return _first_dial(session, path, reason, refusal.words)


def _beside(session: SshSession, path: str) -> ChannelSocket:
    try:
        return session.to_unix_socket(path)
    except ChannelRefused as refusal:
        raise beside.unreachable(session.address.host_name, f"{path}: {refusal.words}.") from refusal


def _first_dial(session: SshSession, path: str, reason: str, words: str) -> ChannelSocket:
    said = ""
    for client in CLIENTS:
        try:
            sock = dial(session, path, client)
        except NoDial as no:
            if no.missing:
                continue
            said = no.words or "nothing"
        except (ChannelRefused, TimeoutError) as error:
            said = str(error) or "nothing"
        else:
            session.transport.dialled[path] = client
            return sock
    raise _explained(session, path, reason, words, dialling=said)


def _dialled(session: SshSession, path: str, client: str) -> ChannelSocket:
    try:
        return dial(session, path, client)
    except (NoDial, ChannelRefused, TimeoutError) as no:
        raise _explained(session, path, "not listening", "", dialling=str(no) or "nothing") from no


def _explained(session: SshSession, path: str, reason: str, words: str, dialling: str = "") -> SocketRefused:
    """`dialling` is what a client said that was there; "" when there was none."""
    name, user = session.address.host_name, session.address.user
    client = f"`docker system dial-stdio` said there: {dialling}." if dialling else "There is no docker client either."
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
            f"running, or sshd forbids forwarding to sockets. {client}",
            f"On the server: systemctl status docker. If it runs: {_SSHD} {'' if dialling else _CLIENT}".strip(),
        ),
        "forbidden": (
            f"sshd forbids forwarding to sockets. {client}",
            f"On the server: {_SSHD} {'' if dialling else _CLIENT}".strip(),
        ),
    }.get(
        reason,
        (
            f"sshd said: {words or 'refused'}. It doesn't say whether {path} is absent, closed to {user}, or "
            "whether it forbids forwarding to sockets.",
            f"On the server, as {user}: ls -l {path}. If that is as it should be: {_SSHD}",
        ),
    )
    return SocketRefused(f"The Docker socket of server {name} can't be reached.", reason=reason, why=why, remedy=remedy)


def _look(session: SshSession, path: str) -> str:
    """Ask the server's own `test`, whose exit codes need no parsing."""
    try:
        if not (holds(session, "-d", "/") and not holds(session, "-f", "/")):
            return "unknown"  # a forced command answers whatever it likes
        if not holds(session, "-S", path):
            return "absent"
        return "not listening" if holds(session, "-w", path) else "permission"
    except (ChannelRefused, TimeoutError, HostLost):
        return "unknown"


def holds(session: SshSession, question: str, path: str) -> bool:
    """Does `test` there say so? ChannelRefused, TimeoutError, HostLost."""
    return session.run(["test", question, path], deadline=5.0).exit_code == 0
