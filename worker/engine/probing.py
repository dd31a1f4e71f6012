"""One question to one container: is it well, right now?"""

from dataclasses import dataclass

from worker.engine.container_host import Container, ContainerHost, Probe
from worker.engine.spec import HealthSpec

_HERE = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: `text` for people; `final` when asking again is of no use."""

    ok: bool
    text: str
    final: bool = False


_NOWHERE = Answer(ok=False, text="its port is not published, and its address is not reached from the server")


def question(health: HealthSpec, port: int | None) -> str:
    """What is asked, for people."""
    match health.kind:
        case "http":
            return f"HTTP GET :{port}{health.path} for a status from {health.status_min} to {health.status_max}"
        case "tcp":
            return f"TCP connection to port {port}"
        case "image":
            return "the image's own health check"
        case "command":
            return f"the command {' '.join(health.command)} in the container"
        case "running":
            return f"runs for {health.run_seconds:g} s without a restart"


def ask(
    host: ContainerHost,
    container: Container,
    health: HealthSpec,
    port: int | None,
    network: str | None,
    *,
    reaches: bool = True,
) -> Answer:
    """Ask once. For HTTP and TCP at the container's own address, or at a published port where that can't be reached.

    `reaches` False: the server doesn't reach its address, and what answers there is something else.
    """
    if health.kind in ("image", "command"):
        return _image_says(container)
    if port is None:
        return Answer(ok=False, text="no port to ask is known", final=True)
    published = _published(container, port)
    if not reaches:
        return _judged(_probe(host, health, *published), health) if published else _NOWHERE
    address = address_of(container, network)
    if not address:
        return Answer(ok=False, text="the container has no address yet")
    answer = _probe(host, health, address, port)
    if answer.unreachable and published is not None:
        answer = _probe(host, health, *published)
    return _judged(answer, health)


def address_of(container: Container, network: str | None) -> str:
    """Where the container answers, seen from its server; "" while it has no address."""
    if container.network_mode == "host":
        return _HERE
    if network is not None:
        return container.networks.get(network, "")
    return next((address for address in container.networks.values() if address), "")


def open_ports(host: ContainerHost, container: Container, network: str | None, ports: list[int]) -> list[int]:
    """Which of these ports accept a connection at the container's address."""
    address = address_of(container, network)
    return [port for port in ports if address and host.probe_tcp(address, port, timeout=1.0).ok]


def _image_says(container: Container) -> Answer:
    last = container.health_log[-1].strip() if container.health_log else ""
    said = f"{container.health}: {last}" if last else container.health
    if not container.health:
        return Answer(ok=False, text="the container has no health check of its own", final=True)
    return Answer(ok=container.health == "healthy", text=said, final=container.health == "unhealthy")


def _probe(host: ContainerHost, health: HealthSpec, address: str, port: int) -> Probe:
    if health.kind == "http":
        return host.probe_http(address, port, health.path, timeout=health.timeout)
    return host.probe_tcp(address, port, timeout=health.timeout)


def _judged(probe: Probe, health: HealthSpec) -> Answer:
    if not probe.ok:
        return Answer(ok=False, text=probe.problem or "no answer")
    if health.kind == "tcp":
        return Answer(ok=True, text="accepts connections")
    return Answer(ok=health.status_min <= probe.status <= health.status_max, text=f"HTTP {probe.status}")


def _published(container: Container, port: int) -> tuple[str, int] | None:
    """Where this TCP port of the container is published on its server."""
    for address, host_port, inner, protocol in container.published:
        if inner == port and protocol == "tcp":
            return (_HERE if address in ("", "0.0.0.0", "::") else address), host_port  # noqa: S104 - Docker's word for everywhere
    return None
