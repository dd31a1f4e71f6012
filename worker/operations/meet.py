"""MEET: resolve the address, reach the port, see the host key. No credential is sent; the admin confirms what was seen.

The result: `{"addresses", "key_type", "key", "fingerprint", "banner", "state"}`; `state` is the Host's afterwards.
"""

from deployments import sightings
from deployments.models import Host
from deployments.states import HostState, OperationStatus
from worker.brief import address_of
from worker.connections import ssh
from worker.operations.steps import Looking, Outcome


def meet(looking: Looking) -> Outcome:
    """Get to know a server as far as its host key."""
    host = host_of(looking)
    address = address_of(host)
    looking.plan_steps([("resolve", "Address"), ("port", f"Port {host.port}"), ("key", "Host key")])
    with looking.step("resolve") as step:
        found = ssh.resolve(address)
        step.finish(", ".join(found))
    with looking.step("port") as step:
        sock = ssh.open_socket(address)
        step.finish(f"{sock.getpeername()[0]} answers on port {host.port}.")
    with looking.step("key") as step:
        offered = ssh.offered_host_key(sock, address, looking.signals.check)
        step.finish(f"{offered.key.type} {offered.key.fingerprint}")
    state = sightings.host_offered_key(host.pk, (host.address, host.port), offered.key.type, offered.key.base64)
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


def host_of(looking: Looking) -> Host:
    """The server that the Operation is about."""
    host = looking.operation.host
    if host is None:
        raise RuntimeError(f"Operation {looking.operation.pk} names no server.")
    return host
