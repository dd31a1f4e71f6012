"""From one server on to the next: the SSH port of a server as the one before it reaches it."""

from paramiko.channel import Channel

from worker.connections.login import SshAddress
from worker.connections.session import SshSession
from worker.connections.transport import ChannelRefused
from worker.engine.errors import HostLost

_PROHIBITED = 1  # RFC 4254: SSH_OPEN_ADMINISTRATIVELY_PROHIBITED


def lead_on(session: SshSession, address: SshAddress, seconds: float) -> Channel:
    """A channel to that server's SSH port, within so many seconds. HostLost says which of the two it is about."""
    try:
        return session.to_port(address.address, address.port, deadline=seconds)
    except TimeoutError as error:
        raise HostLost(
            f"Server {address.host_name} does not answer at {address}.",
            why=f"No answer within {seconds:g} s.",
            remedy=f"Is the server up, and does a firewall let {session.address.host_name} through?",
        ) from error
    except ChannelRefused as refusal:
        raise _refused(refusal, session.address.host_name, address) from refusal


def _refused(refusal: ChannelRefused, hop: str, address: SshAddress) -> HostLost:
    if refusal.code == _PROHIBITED:
        return HostLost(
            f"On the way to server {address.host_name}: sshd on server {hop} forbids leading on to other servers.",
            why=f"It said: {refusal.words or 'prohibited'}.",
            remedy=f"In sshd_config of {hop}: AllowTcpForwarding yes (or local), no DisableForwarding, and PermitOpen "
            f"any or {address.address}:{address.port}; no such restriction in authorized_keys.",
        )
    return HostLost(
        f"Server {address.host_name} does not answer at {address}.",
        why=f"{hop} was told: {refusal.words or 'no reason given'}.",
        remedy=f"Is sshd running there, on port {address.port}, and does {hop} reach it? {hop} also resolves its name.",
    )
