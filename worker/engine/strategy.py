"""Start-first or stop-first, and why. Pure; the Plan shows the same answer before the click."""

from collections.abc import Sequence
from typing import Literal

from worker.engine.container_host import Container, LocalImage
from worker.engine.spec import ContainerSpec

Strategy = Literal["start-first", "stop-first"]
_ANONYMOUS_LENGTH = 64


def replacement(container_spec: ContainerSpec, inherited_volumes: Sequence[str]) -> tuple[Strategy, tuple[str, ...]]:
    """How the old container is replaced, with the reasons in words.

    Start-first only where nothing can collide while both run. `inherited_volumes` are the paths of anonymous volumes
    that the new container takes over from the old one (see `inherited`).
    """
    ports = [
        f"host port {port.host_port}/{port.protocol} can be held by one container at a time"
        for port in container_spec.ports
        if port.host_port
    ]
    volumes = [
        f"volume {each.name} at {each.path} must not be written by two versions at once"
        for each in container_spec.volumes
        if not each.read_only
    ]
    carried = [f"the data at {path} is carried over in the old container's volume" for path in inherited_volumes]
    reasons = (*ports, *volumes, *carried, *_held(container_spec))
    if reasons:
        return "stop-first", reasons
    return "start-first", ("no host port and no writable volume is shared, so old and new can run side by side",)


def _held(container: ContainerSpec) -> list[str]:
    """What else only one of two versions can have."""
    options = container.options
    held = [
        f"{each.source} of the server at {each.path} must not be written by two versions at once"
        for each in options.binds
        if not each.read_only
    ]
    if options.network_mode == "host":
        held.append("both would listen on the same ports of the server's own network")
    held += [
        f"address {address} in {each.name} can be held by one container at a time"
        for each in options.networks
        for address in (each.ipv4, each.ipv6)
        if address
    ]
    if options.mac_address:
        held.append(f"MAC address {options.mac_address} can be held by one container at a time")
    return held + [f"device {each.source} is used by one version at a time" for each in options.devices]


def inherited(incumbent: Container | None, image: LocalImage | None, container_spec: ContainerSpec) -> dict[str, str]:
    """Path → name of the old container's anonymous volumes that go on in the new one.

    Only where the new image declares the path with VOLUME, or a setting does, and none covers it. With the image not here yet
    (`None`) every anonymous volume counts: it is said before the click, and "may carry data" is the careful answer.
    """
    if incumbent is None:
        return {}
    options = container_spec.options
    covered = {volume.path for volume in container_spec.volumes}
    covered |= {bind.path for bind in options.binds} | {tmpfs.path for tmpfs in options.tmpfs}
    return {
        mount.path: mount.name
        for mount in incumbent.mounts
        if mount.kind == "volume"
        and is_anonymous(mount.name)
        and mount.path not in covered
        and (image is None or mount.path in (*image.volumes, *options.anonymous_volumes))
    }


def is_anonymous(volume: str) -> bool:
    """Docker names a volume that nobody named by 64 hex digits."""
    return len(volume) == _ANONYMOUS_LENGTH and all(each in "0123456789abcdef" for each in volume)
