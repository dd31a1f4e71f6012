"""What a server holds under a project's name, and whose it is. Pure but for `look`, which looks once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from worker.engine.compose.compose_host import ComposeHost, Resource
from worker.engine.compose.spec import ComposeSpec
from worker.engine.container_host import Container, ContainerHost

PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
ONE_OFF = "com.docker.compose.oneoff"
NUMBER = "com.docker.compose.container-number"
HASH = "com.docker.compose.config-hash"


@dataclass(frozen=True, slots=True)
class Sight:
    """Containers by service, ours alone; `foreign` are the names of things of this project that aren't ours."""

    services: Mapping[str, Sequence[Container]]
    foreign: tuple[str, ...]
    resources: Sequence[Resource]

    @property
    def containers(self) -> tuple[Container, ...]:
        """All of ours."""
        return tuple(each for several in self.services.values() for each in several)

    @property
    def serves(self) -> bool:
        """Anything of ours runs."""
        return any(each.running for each in self.containers)

    def release_of(self, service: str) -> int:
        """The Release that made its containers; 0 if nothing says so."""
        return max((release_of(each) for each in self.services.get(service, ())), default=0)


def look(host: ComposeHost, spec: ComposeSpec) -> Sight:
    """Look once."""
    services: dict[str, list[Container]] = {}
    foreign: list[str] = []
    for each in of_project(host, spec.project):
        if not _ours(each.labels, spec):
            foreign.append(f"container {each.name}")
        elif each.labels.get(ONE_OFF, "").lower() != "true":
            services.setdefault(each.labels.get(SERVICE, ""), []).append(each)
    resources = host.resources()
    foreign += [
        f"{each.kind} {each.name}"
        for each in resources
        if each.labels.get(PROJECT) == spec.project and not _ours(each.labels, spec)
    ]
    for several in services.values():
        several.sort(key=lambda each: each.name)
    return Sight(services, tuple(sorted(foreign)), resources)


def of_project(host: ContainerHost, project: str) -> list[Container]:
    """Its containers. One has its image's labels too, and Compose labels the images that it builds: what bears the project's
    name by its image alone, and not what Compose itself looks for, is none of them.
    """
    return [each for each in host.containers({PROJECT: project}) if HASH in each.labels or not _inherits(host, each)]


def _inherits(host: ContainerHost, container: Container) -> bool:
    image = host.local_image(container.image_id)
    labels = (image.config.get("Labels") if image is not None else None) or {}
    return labels.get(PROJECT) == container.labels.get(PROJECT)


def release_of(container: Container) -> int:
    """By its label; 0 if that says nothing sensible."""
    said = container.labels.get("estiva.release", "")
    return int(said) if said.isdigit() else 0


def _ours(labels: Mapping[str, str], spec: ComposeSpec) -> bool:
    identity = spec.identity
    return (labels.get("estiva.installation"), labels.get("estiva.placement")) == (
        identity.installation,
        str(identity.placement),
    )
