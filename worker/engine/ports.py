"""Host ports: whether they are free, and else by whom they are held. Looking only."""

from collections.abc import Iterator, Mapping, Sequence

from worker.engine.container_host import ContainerHost, PublishedPort
from worker.engine.events import Finding
from worker.engine.spec import PortSpec

_EVERYWHERE = ("", "0.0.0.0", "::")  # noqa: S104 - Docker's words for every address
_STARTING = (0.2, 0.4, 0.8)  # seconds; an engine binds a container's ports a moment before it says that it runs
Published = Sequence[PublishedPort]
Whose = Mapping[str, str]


def holders(port: PortSpec, published: Published) -> list[str]:
    """The names of the running containers that hold this host port."""
    return sorted({each.name for each in _holding(port, published)})


def _holding(port: PortSpec, published: Published) -> list[PublishedPort]:
    return [
        each
        for each in published
        if each.port == port.host_port and each.protocol == port.protocol and _overlap(each.address, port.host_address)
    ]


def published_ports(host: ContainerHost, ports: Sequence[PortSpec]) -> Published:
    """Who holds which port on the server; nobody is asked where none of these is a host port."""
    return host.all_published_ports() if _fixed(ports) else ()


def check_ports(
    host: ContainerHost, ports: Sequence[PortSpec], whose: Whose, server: str, published: Published
) -> Iterator[Finding]:
    """One finding per published host port. `whose` marks the Placement's own containers, which will give theirs up: told
    by their labels, since a deploy that is at work meanwhile makes some and renames others."""
    for port in _fixed(ports):
        yield _check(host, port, whose, server, published)


def _fixed(ports: Sequence[PortSpec]) -> list[PortSpec]:
    return [port for port in ports if port.host_port is not None]


def _check(host: ContainerHost, port: PortSpec, whose: Whose, server: str, published: Published) -> Finding:
    held = _held(port, whose, server, published)
    if held is not None:
        return held
    shown = _shown(port)
    if port.protocol == "udp":
        return Finding(
            "port",
            "unknown",
            f"No container holds port {shown} on {server}; whether another program does can't be seen for UDP.",
        )
    return _try(host, port, whose, server)


def _held(port: PortSpec, whose: Whose, server: str, published: Published) -> Finding | None:
    """By a container: whose it is; None where none holds it."""
    shown, held = _shown(port), _holding(port, published)
    foreign = sorted({each.name for each in held if not whose.items() <= each.labels.items()})
    if foreign:
        return Finding(
            "port",
            "bad",
            f"Port {shown} on {server} is taken by container {', '.join(foreign)}.",
            f"Stop that container, or choose another host port than {port.host_port} in the settings.",
        )
    if held:
        names = ", ".join(sorted({each.name for each in held}))
        return Finding("port", "good", f"Port {shown} on {server} is held by the version that is replaced ({names}).")
    return None


def _try(host: ContainerHost, port: PortSpec, whose: Whose, server: str) -> Finding:
    """No container holds it: another program shows by accepting a connection."""
    shown = _shown(port)
    address = "127.0.0.1" if port.host_address in _EVERYWHERE else port.host_address
    probe = host.probe_tcp(address, port.host_port or 0, timeout=2.0)
    if probe.ok:
        return _answered(host, port, whose, server)
    if probe.unreachable:
        return Finding(
            "port",
            "unknown",
            f"No container holds port {shown} on {server}; other programs can't be seen ({probe.problem}).",
        )
    return Finding("port", "good", f"Port {shown} on {server} is free.")


def _answered(host: ContainerHost, port: PortSpec, whose: Whose, server: str) -> Finding:
    """Something answers where no container was: one that was started meanwhile, or another program."""
    for pause in (*_STARTING, None):
        is_starting = any(not each.running for each in host.containers(whose))  # asked first: then it runs, or does not
        held = _held(port, whose, server, host.all_published_ports())
        if held is not None:
            return held
        if pause is None or not is_starting:
            break
        host.wait(pause)
    return Finding(
        "port",
        "bad",
        f"Port {_shown(port)} on {server} is taken by a program that isn't a Docker container.",
        f"See who it is with `ss -ltnp 'sport = :{port.host_port}'` on {server}, and stop it or choose another host port.",
    )


def _shown(port: PortSpec) -> str:
    return f"{port.host_address}:{port.host_port}/{port.protocol}"


def _overlap(one: str, other: str) -> bool:
    return one in _EVERYWHERE or other in _EVERYWHERE or one == other
