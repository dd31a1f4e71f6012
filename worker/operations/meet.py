"""MEET: resolve the address, reach the port, see the host key. No credential is sent; the admin confirms what was seen.

Behind other servers, those are logged in to, each with its own trusted key; the address is resolved by the last of them.

The result: `{"addresses", "key_type", "key", "fingerprint", "banner", "state"}`; `state` is the Host's afterwards.
"""

from deployments import sightings
from deployments.models import Host
from deployments.states import HostState, OperationStatus
from worker.alarms import sound_alarm
from worker.brief import address_of
from worker.connections import ssh
from worker.connections.login import SshAddress
from worker.connections.way import lead_on
from worker.engine.errors import HostKeyChanged
from worker.logs import open_secrets
from worker.operations.steps import Looking, Outcome
from worker.redact import Masker
from worker.servers import pool


def meet(looking: Looking) -> Outcome:
    """Get to know a server as far as its host key."""
    host = host_of(looking)
    way = [("way", f"Through {host.via.name}")] if host.via else [("resolve", "Address")]
    looking.plan_steps([*way, ("port", f"Port {host.port}"), ("key", "Host key")])
    if host.via is None:
        address = address_of(host)
        return _met(looking, host, address, *_straight(looking, address))
    with looking.step("way"):
        address = address_of(host)
    with open_secrets.using(Masker(_secrets(address))):
        try:
            return _met(looking, host, address, *_led(looking, address))
        except HostKeyChanged as error:
            sound_alarm(host.pk, address.where, error)
            raise


def _straight(looking: Looking, address: SshAddress) -> tuple[list[str], ssh.OfferedKey]:
    with looking.step("resolve") as step:
        found = ssh.resolve(address)
        step.finish(", ".join(found))
    with looking.step("port") as step:
        sock = ssh.open_socket(address, looking.signals.check)
        step.finish(f"{sock.getpeername()[0]} answers on port {address.port}.")
    return found, _shown(looking, sock, address)


def _led(looking: Looking, address: SshAddress) -> tuple[list[str], ssh.OfferedKey]:
    with looking.step("way") as step:
        session = pool().way_to(address, looking.signals)
        if session is None:
            raise ValueError("The address is reached from here.")
        step.finish(f"Logged in to {session.address} as {session.address.user}.")
    with session:
        with looking.step("port") as step:
            channel = lead_on(session, address, ssh.CONNECT_SECONDS)
            step.finish(f"{address.address} answers on port {address.port}, seen from {session.address.host_name}.")
        return [], _shown(looking, channel, address)


def _shown(looking: Looking, stream: ssh.Stream, address: SshAddress) -> ssh.OfferedKey:
    with looking.step("key") as step:
        offered = ssh.offered_host_key(stream, address, looking.signals.check)
        step.finish(f"{offered.key.type} {offered.key.fingerprint}")
    return offered


def _met(looking: Looking, host: Host, address: SshAddress, found: list[str], offered: ssh.OfferedKey) -> Outcome:
    state = sightings.host_offered_key(host.pk, address.where, offered.key.type, offered.key.base64)
    result = {
        "addresses": found,
        "key_type": offered.key.type,
        "key": offered.key.base64,
        "fingerprint": offered.key.fingerprint,
        "banner": offered.banner,
        "state": str(state),
    }
    changed = state == HostState.KEY_CHANGED
    return Outcome(OperationStatus.FAILED if changed else OperationStatus.SUCCEEDED, result)


def _secrets(address: SshAddress) -> list[str]:
    logins = [hop.credential for hop in address.way()]
    opened = [each.passphrase.reveal() for each in logins if each.passphrase]
    return [*(each.private_key_pem.reveal() for each in logins), *opened]


def host_of(looking: Looking) -> Host:
    """The server that the Operation is about."""
    host = looking.operation.host
    if host is None:
        raise RuntimeError(f"Operation {looking.operation.pk} names no server.")
    return host
