"""Host ports: whether they are free, and else by whom they are held. Looking only."""

from collections.abc import Iterator, Sequence

from worker.engine.container_host import ContainerHost
from worker.engine.events import Finding
from worker.engine.spec import PortSpec

_EVERYWHERE = ("", "0.0.0.0", "::")  # noqa: S104 - Docker's words for every address
Published = Sequence[tuple[str, int, str, str]]


def holders(port: PortSpec, published: Published) -> list[str]:
    """The names of the running containers that hold this host port."""
    return sorted(
        {
            name
            for address, host_port, protocol, name in published
            if host_port == port.host_port and protocol == port.protocol and _overlap(address, port.host_address)
        }
    )


def published_ports(host: ContainerHost, ports: Sequence[PortSpec]) -> Published:
    """Who holds which port on the server; nobody is asked where none of these is a host port."""
    return host.all_published_ports() if _fixed(ports) else ()


def check_ports(
    host: ContainerHost, ports: Sequence[PortSpec], ours: frozenset[str], server: str, published: Published
) -> Iterator[Finding]:
    """One finding per published host port. `ours` are the Placement's own containers, which will give theirs up."""
    for port in _fixed(ports):
        yield _check(host, port, holders(port, published), ours, server)


def _fixed(ports: Sequence[PortSpec]) -> list[PortSpec]:
    return [port for port in ports if port.host_port is not None]


def _check(host: ContainerHost, port: PortSpec, held_by: list[str], ours: frozenset[str], server: str) -> Finding:
    shown = f"{port.host_address}:{port.host_port}/{port.protocol}"
    foreign = [name for name in held_by if name not in ours]
    if foreign:
        return Finding(
            "port",
            "bad",
            f"Port {shown} on {server} is taken by container {', '.join(foreign)}.",
            f"Stop that container, or choose another host port than {port.host_port} in the settings.",
        )
    if held_by:
        return Finding(
            "port", "good", f"Port {shown} on {server} is held by the version that is replaced ({', '.join(held_by)})."
        )
    if port.protocol == "udp":
        return Finding(
            "port",
            "unknown",
            f"No container holds port {shown} on {server}; whether another program does can't be seen for UDP.",
        )
    return _try(host, port, shown, server)


def _try(host: ContainerHost, port: PortSpec, shown: str, server: str) -> Finding:
    """No container holds it: another program shows by accepting a connection."""
    address = "127.0.0.1" if port.host_address in _EVERYWHERE else port.host_address
    probe = host.probe_tcp(address, port.host_port or 0, timeout=2.0)
    if probe.ok:
        return Finding(
            "port",
            "bad",
            f"Port {shown} on {server} is taken by a program that isn't a Docker container.",
            f"See who it is with `ss -ltnp 'sport = :{port.host_port}'` on {server}, and stop it or choose another "
            "host port.",
        )
    if probe.unreachable:
        return Finding(
            "port",
            "unknown",
            f"No container holds port {shown} on {server}; other programs can't be seen ({probe.problem}).",
        )
    return Finding("port", "good", f"Port {shown} on {server} is free.")


def _overlap(one: str, other: str) -> bool:
    return one in _EVERYWHERE or other in _EVERYWHERE or one == other
