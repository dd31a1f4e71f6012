"""What is on a server that a Deployment left in doubt: its containers, who holds the ports, whether anything answers.

`deployments.sights` documents the shape. Looking changes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import structlog

from deployments import attention, releases, sights, sources
from deployments.apart import apart
from deployments.known import reads
from deployments.models import Attention, Host, PlacementHost, Release, Target
from deployments.states import TARGET_HELD
from worker.brief import CannotBrief, host_connection, open_secrets
from worker.compose_brief import left_key, record_spec
from worker.connections.signals import Signals
from worker.container_spec import container_spec, health_spec
from worker.engine.compose.health import observed_of as service_observed
from worker.engine.compose.matching import runs_whole
from worker.engine.compose.sight import SERVICE, release_of
from worker.engine.container_host import Container, ContainerHost, LocalImage
from worker.engine.errors import HostError
from worker.engine.failure import StepFailed
from worker.engine.inventory import Owned, as_recorded
from worker.engine.judging import tcp_ports
from worker.engine.ports import holders
from worker.engine.probing import Answer, ask
from worker.engine.rootless import addresses_reach
from worker.engine.spec import HealthSpec, Identity, PortSpec
from worker.engine.verify import observed_of
from worker.log_text import storable
from worker.operations.compose_drift import compose_containers
from worker.operations.drift import ENDS_A_LOOK, identity_of_seat
from worker.redact import Masker
from worker.servers import open_compose

log = structlog.get_logger(__name__)

LONGEST_ANSWER: Final = 200


@dataclass(frozen=True, slots=True)
class Doubt:
    """What was seen: `sight` to write down, `observed` of what serves, as `PlacementHost.observed` has it."""

    sight: dict[str, Any]
    observed: dict[str, Any] | None


def look_at_doubts(host: Host, server: ContainerHost) -> None:
    """Look at what is in doubt on a server, but where a deploy is at work, and of Releases that this version can read."""
    busy = Target.objects.filter(host=host, status__in=TARGET_HELD).values("placement")
    for row in attention.open_on(host.pk).exclude(placement__in=busy).select_related("target__deployment__release"):
        if reads(row.target.deployment.release):
            with apart("a doubt could not be looked at", *ENDS_A_LOOK, placement=row.placement_id, host=host.pk):
                attention.seen(row.pk, look_at(row, server).sight)


def look_at(row: Attention, server: ContainerHost) -> Doubt:
    """Look once, at one Placement."""
    seats = PlacementHost.objects.select_related(
        "running_release", "placement__application", "placement__environment", "host"
    )
    seat = seats.get(placement=row.placement_id, host=row.host_id)
    known = {each.number: each for each in Release.objects.filter(placement=row.placement_id)}
    brought = row.target.deployment.release
    masker = Masker(each.reveal() for each in open_secrets(list(known.values())).values())
    looking = _Look(server, seat, known, masker)
    wanted = [brought, *([row.target.replaced] if row.target.replaced else [])]
    if sources.is_compose(brought.source):
        return looking.of_compose(wanted)
    return looking.of_container(wanted)


class _Look:
    """One look at one Placement: what is there, asked as its own Release says."""

    def __init__(
        self, server: ContainerHost, seat: PlacementHost, known: Mapping[int, Release], masker: Masker
    ) -> None:
        self.server, self.seat, self.known, self.masker = server, seat, known, masker
        self.identity: Identity = identity_of_seat(seat)
        self.facts = server.facts()

    def of_container(self, wanted: Sequence[Release]) -> Doubt:
        """A single container's; `wanted` are the Releases whose ports matter."""
        whose = {
            "estiva.installation": self.identity.installation,
            "estiva.placement": str(self.identity.placement),
        }
        found = [Owned(as_recorded(each, self.identity)) for each in self.server.containers(whose)]
        found.sort(key=lambda each: (not each.running, -each.release, each.name))
        images = {each.container.image_id: self.server.local_image(each.container.image_id) for each in found}
        rows = [self._row(each, images[each.container.image_id]) for each in found]
        serving = [each for each, row in zip(found, rows, strict=True) if row["serves"]]
        # of several that serve nothing can be said that would be true of both
        only = serving[0] if len(serving) == 1 else None
        image = images[only.container.image_id] if only else None
        number = self._matching(only, image) if only else None
        observed = asdict(observed_of(only.container, number, image)) if only and number is not None else None
        return Doubt(sights.sighted(rows, self._ports(wanted), number), observed)

    def of_compose(self, wanted: Sequence[Release]) -> Doubt:
        """Everything of the project that is ours; `wanted` are the Releases that it may be besides what its labels say."""
        ours = [each for each in self._of_project() if self._is_ours(each)]
        ours.sort(key=lambda each: each.name)
        rows = [self._service(each) for each in ours]
        number = self._whole(rows, wanted)
        key = left_key()
        seen = [asdict(service_observed(each, self.server.local_image(each.image_id), key)) for each in ours]
        return Doubt(sights.sighted(rows, [], number), {"containers": seen} if number is not None else None)

    def _whole(self, rows: Sequence[Mapping[str, Any]], wanted: Sequence[Release]) -> int | None:
        """The Release that all of it is: by the newest label there, else one of those that it may be."""
        newest = self.known.get(max((int(row["release"]) for row in rows), default=0))
        candidates = {each.number: each for each in (newest, *wanted) if each and sources.is_compose(each.source)}
        if not any(row["serves"] for row in rows):
            return None
        return next((number for number, each in candidates.items() if self._runs_whole(each)), None)

    def _runs_whole(self, release: Release) -> bool:
        try:
            spec = record_spec(self.seat, release)
            with open_compose(host_connection(self.seat.host), Signals()) as server:
                return runs_whole(server, spec)
        except (CannotBrief, StepFailed, HostError) as error:  # a server without Compose by now is one that can't tell
            log.info("whether a release runs could not be told", release=release.number, why=self._said(str(error)))
            return False

    def _of_project(self) -> list[Container]:
        return compose_containers(self.server, releases.project_name(self.seat.placement))

    def _is_ours(self, container: Container) -> bool:
        labels = container.labels
        return (labels.get("estiva.installation"), labels.get("estiva.placement")) == (
            self.identity.installation,
            str(self.identity.placement),
        )

    def _row(self, each: Owned, image: LocalImage | None) -> dict[str, Any]:
        container = each.container
        answer = self._asked(each, image) if each.running else Answer(ok=False, text="")
        return {**_plain(container, each.release, each.target), "serves": answer.ok, "answer": self._said(answer.text)}

    def _service(self, container: Container) -> dict[str, Any]:
        runs = container.up
        target = container.labels.get("estiva.target", "")
        return {
            **_plain(container, release_of(container), int(target) if target.isdigit() else 0),
            "service": container.labels.get(SERVICE, ""),
            "serves": runs and container.health in ("", "healthy"),
            "answer": "is paused" if container.paused else self._said(container.health),
        }

    def _asked(self, each: Owned, image: LocalImage | None) -> Answer:
        """By the check of its own Release, once; one that only has to run runs."""
        container, release = each.container, self.known.get(each.release)
        health = health_spec(release.settings) if release is not None else HealthSpec()
        if container.status == "restarting":
            return Answer(ok=False, text="restarts again and again")
        if container.paused:
            return Answer(ok=False, text="is paused")
        if health.kind == "running":
            return Answer(ok=True, text="runs")
        published = [inner for _, _, inner, protocol in container.published if protocol == "tcp"]
        port = health.port or each.health_port or next(iter([*published, *tcp_ports(image)]), None)
        network = next((name for name, address in container.networks.items() if address), None)
        reaches = addresses_reach(self.facts, container.network_mode == "host")
        return ask(self.server, container, health, port, network, reaches=reaches)

    def _said(self, text: str) -> str:
        return self.masker.mask(storable(text))[:LONGEST_ANSWER]

    def _matching(self, each: Owned, image: LocalImage | None) -> int | None:
        """The Release on record that it is, by its labels and its image both."""
        adopted = self.identity.adopted
        if adopted is not None and adopted.container_id == each.container.id:
            release = self.known.get(each.release)
        else:
            release = releases.brought_by(self.seat.placement_id, each.release, each.target)
        if release is None:
            return None
        digests = {reference.rpartition("@")[2] for reference in (image.repo_digests if image else ())}
        digests.add(each.container.image.rpartition("@")[2])
        return release.number if sights.is_of(release, each.container.image_id, digests) else None

    def _ports(self, wanted: Sequence[Release]) -> list[dict[str, Any]]:
        """Who holds the server's ports that these Releases want."""
        ports = {port for release in wanted for port in _fixed_ports(release)}
        if not ports:
            return []
        published = self.server.all_published_ports()
        return [
            {"port": f"{port.host_address}:{port.host_port}/{port.protocol}", "holders": holders(port, published)}
            for port in sorted(ports, key=lambda each: (each.host_port or 0, each.protocol, each.host_address))
        ]


def _fixed_ports(release: Release) -> list[PortSpec]:
    return [port for port in container_spec(release.settings, (), None).ports if port.host_port is not None]


def _plain(container: Container, release: int, target: int) -> dict[str, Any]:
    return {
        "name": container.name,
        "id": container.id,
        "image": container.image,
        "image_id": container.image_id,
        "release": release,
        "target": target,
        "service": "",
        "status": container.status,
        "running": container.running,
        "health": container.health,
        "published": [list(each) for each in container.published],
    }
