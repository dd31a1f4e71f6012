"""Engines that run without root keep their containers in a network of their own, which their server doesn't reach.

A container's address means something else on the server itself: another engine's container may have it. So a container is
asked at a published port or not at all. The forwarder behind such a port takes every TCP connection, whether anything listens
or not (seen with RootlessKit's), so a TCP check would prove nothing.
"""

from collections.abc import Iterator

from worker.engine.container_body import asked_port
from worker.engine.container_host import EngineFacts
from worker.engine.events import Finding
from worker.engine.spec import ContainerSpec

_REMEDY = "Publish the port that is asked, or choose a check by a command in the container or the image's own."


def addresses_reach(facts: EngineFacts | None, host_network: bool) -> bool:
    """Whether the server reaches a container where the engine says it is. Rootless podman's host network is the server's."""
    if facts is None or not facts.rootless:
        return True
    return host_network and facts.product == "Podman"


def rootless_findings(container: ContainerSpec, facts: EngineFacts, server: str) -> Iterator[Finding]:
    """Bad where the health check couldn't be asked there, or its answer would prove nothing."""
    health = container.health
    host_network = container.options.network_mode == "host"
    if health.kind not in ("http", "tcp") or addresses_reach(facts, host_network):
        return
    if health.kind == "tcp":
        said = f"{facts.name} on {server} takes every TCP connection to a published port, also where nothing listens behind it."
        yield Finding("health", "bad", said, "Choose an HTTP check, or one by a command in the container.")
        return
    published = [port.container_port for port in container.ports if port.protocol == "tcp"]
    port = asked_port(container)
    if not published or (port is not None and port not in published):
        which = f"port {port}" if port is not None else "a port"
        said = (
            f"The health check asks {which}, which is not published, and {facts.name} on {server} keeps its containers in a "
            "network that the server itself doesn't reach."
        )
        yield Finding("health", "bad", said, _REMEDY)
