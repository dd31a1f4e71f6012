"""PLAN of a Compose application: its files read, then what would become of each service, on every server at once."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from deployments import builds, compose_settings, operations
from deployments.errors import Refused
from deployments.inventory import sharing
from deployments.models import Host, PlacementHost, Plan, Release
from deployments.states import OperationStatus
from worker.brief import CannotBrief, HostConnection
from worker.compose_brief import composition, images_of, open_variables, plan_spec, previous_of
from worker.connections.signals import Signals
from worker.engine.compose.names import BUILT
from worker.engine.compose.preflight import Looked, compose_finding, preflight
from worker.engine.compose.privilege import Power
from worker.engine.compose.spec import ComposeSpec, Composition
from worker.engine.events import Finding
from worker.engine.podman import podman_compose
from worker.engine.preflight import engine_finding
from worker.engine.spec import Secret
from worker.log_text import storable
from worker.logs import open_secrets
from worker.operations.compose_source import find_compose
from worker.operations.looks import Look, look_again, look_everywhere, reachable, secrets_of_looks
from worker.operations.source import Found
from worker.operations.steps import Looking, Outcome
from worker.redact import Masker
from worker.servers import open_compose


@dataclass(slots=True)
class ComposeLook(Look):
    """One server, and how the services would fare there. No `spec` where the files can't be read."""

    spec: ComposeSpec | None = None
    looked: Looked | None = None

    @property
    def images(self) -> dict[str, str]:
        """Service to image, as this server's engine sees them."""
        return dict(self.looked.images) if self.looked else {}

    def as_row(self) -> dict[str, Any]:
        """For `deployments.plan`."""
        looked = self.looked
        changes = [asdict(each) for each in looked.changes] if looked else []
        return {
            **Look.as_row(self),
            "first": looked is not None and not looked.sight.containers,
            "services": [{**each, "reasons": list(each["reasons"])} for each in changes],
            "powers": _powers([self]),
        }

    def others_volumes(self) -> list[Power]:
        """Volumes that the file names itself and that are another placement's by the record; what is on a server already, its preflight refuses."""
        looked, spec = self.looked, self.spec
        if looked is None or looked.wanted is None or spec is None:
            return []
        named = {
            str(body.get("name")): name
            for name, body in (looked.wanted.tree.get("volumes") or {}).items()
            if body and not body.get("external") and not str(body.get("name", "")).startswith(f"{spec.project}_")
        }
        foreign = sharing.volumes_of_others(spec.identity.placement, named)
        return [Power(named[each], "volumes", f"{each} is another placement's volume") for each in sorted(foreign)]


def plan(looking: Looking, row: Plan) -> Outcome:
    """Read the files, look everywhere, and agree on one image for each service."""
    opened = open_variables([row.variables, *_variables_that_run(row)])
    own = [each.reveal() for each in opened.values()]
    with open_secrets.using(Masker(own)):
        found = find_compose(looking, row, _values(row.variables, opened), Masker(own))
        looks = _looks(row, found, opened, looking.operation.request.get("hosts", []))
        masker = Masker([*own, *secrets_of_looks(looks)])
        for each in looks:
            each.mask = lambda text: masker.mask(storable(text))
        with open_secrets.using(masker):
            look_everywhere(looking, looks, _look)
            images = _agree(looking.signals, looks)
    _fill(row, found, looks, images, masker)
    rows = _masked([each.as_row() for each in looks], masker)
    result = {"digest": "", "tag": "", "hosts": rows, "source": found.source, "commits": found.commits}
    return Outcome(OperationStatus.SUCCEEDED, result)


def _fill(row: Plan, found: Found, looks: Sequence[ComposeLook], images: Mapping[str, str], masker: Masker) -> None:
    """What was found out of the services; of an earlier Release that is on record and stays as it is."""
    known = [each for each in looks if each.looked is not None and each.looked.wanted is not None]
    built = sorted({name for each in known if each.looked for name in each.looked.builds})
    _refuse(row, looks, built, images, masker)
    if known and "files" not in row.source:
        pins = {name: image for name, image in images.items() if name not in built}
        found.source["images"] = _masked(pins, masker)  # one that differs so is refused
        found.source |= {"builds": built, "powers": _masked(_powers(known), masker)}
    for each in looks:
        each.findings[:0] = found.findings


def _looks(row: Plan, found: Found, opened: Mapping[int, Secret], host_ids: Iterable[int]) -> list[ComposeLook]:
    hosts = Host.objects.in_bulk(list(host_ids))
    looks = [ComposeLook(hosts[each]) for each in host_ids if each in hosts]
    wanted = _wanted(row, found, opened)
    settings = {**compose_settings.defaults(), **row.source["compose"]}
    builder = row.placement.environment.builder or (looks[0].host if looks else None)
    for each in looks:
        each.connect_for(None)
        if wanted is not None:
            each.spec = plan_spec(row, each.host, wanted, opened, settings, builder.name if builder else "")
    return looks


def _wanted(row: Plan, found: Found, opened: Mapping[int, Secret]) -> Composition | None:
    """What is planned; None, and a finding where there is none yet, when its files can't be read."""
    source = operations.plan_content(row, found.source).source
    if "documents" not in source:
        return None
    number = row.of_release.number if row.of_release else row.placement.next_release
    try:
        return composition(number, source, row.variables, opened, _known_images(row, source))
    except CannotBrief as error:
        found.findings.append(Finding("file", "bad", error.message, error.remedy))
        return None


def _known_images(row: Plan, source: Mapping[str, Any]) -> dict[str, str]:
    """A Release's own; else what the newest was built to from the same files and variables: a build finds it again."""
    if row.of_release is not None:
        return dict(source.get("images", {})) if row.build_anew else images_of(row.of_release)
    newest: Release | None = row.placement.releases.order_by("-number").first()
    if newest is None or row.build_anew or newest.variables != row.variables:
        return {}
    parts = ("url", "compose", "commit", "documents", "files")
    if any(newest.source.get(each) != source.get(each) for each in parts):
        return {}
    return {name: each["image_id"] for name, each in newest.built.get("services", {}).items()}


def _look(look: ComposeLook, connection: HostConnection, signals: Signals) -> None:
    with open_compose(connection, signals) as server:
        look.findings.append(reachable(look))
        if look.spec is None:
            facts = server.facts()
            look.findings += [engine_finding(facts, look.host.name), compose_finding(server, look.host.name)]
            look.findings += podman_compose(facts, look.host.name)
            look.about(server, facts)
            return
        look.looked = look.take(preflight(look.spec, server))
        look.about(server, look.looked.facts)


def _agree(signals: Signals, looks: Sequence[ComposeLook]) -> dict[str, str]:
    """The same images everywhere: a server whose registry said otherwise is looked at once more, with those of the others."""
    agreed: dict[str, str] = {}
    for each in looks:
        for name, image in each.images.items():
            if name not in agreed or not _is_pinned(agreed[name]):
                agreed[name] = image
    for each in looks:
        differing = sorted(name for name, image in each.images.items() if agreed[name] != image)
        if differing and each.spec is not None:
            said = f"On {each.host.name} the tags of {', '.join(differing)} stand for other images than elsewhere."
            each.findings = [Finding("image", "warn", f"{said} Those of the other servers are deployed.")]
            each.spec = replace(each.spec, wanted=replace(each.spec.wanted, images=tuple(agreed.items())))
            look_again(each, signals, _look)
    return agreed


def _is_pinned(image: str) -> bool:
    return "@" in image or image.startswith(BUILT)


def _refuse(
    row: Plan, looks: Sequence[ComposeLook], built: list[str], images: Mapping[str, str], masker: Masker
) -> None:
    """What stands in the way on every server alike."""
    bad = []
    if built and not row.source.get("url"):
        said = (
            f"{', '.join(built)} would have to be built, but a Compose file that is kept here has no folder beside it."
        )
        bad.append(Finding("build", "bad", said, "Name an image instead of `build:`, or use a repository."))
    elif set(built) - images.keys():
        try:
            builds.builder_of(row.placement, [each.host for each in looks])
        except Refused as error:
            bad.append(Finding("build", "bad", str(error.message), str(error.remedy)))
    for name, image in images.items():
        if masker.mask(image) != image:
            said = f"The image of {name} is named by a secret variable."
            bad.append(Finding("image", "bad", said, "Names of images are shown: use a plain variable for it."))
    for each in looks:
        each.findings += bad


def _powers(looks: Iterable[ComposeLook]) -> list[list[str]]:
    looks = list(looks)
    found = [each for look in looks if look.looked for each in look.looked.powers]
    found += [each for look in looks for each in look.others_volumes()]
    return [[each.service, each.key, each.reason] for each in dict.fromkeys(found)]


def _variables_that_run(row: Plan) -> list[list[dict[str, Any]]]:
    seats = PlacementHost.objects.select_related("running_release").filter(placement=row.placement)
    return [each.variables for each in (previous_of(seat) for seat in seats) if each is not None]


def _values(variables: Sequence[Mapping[str, Any]], opened: Mapping[int, Secret]) -> dict[str, str]:
    found = {each["name"]: str(each["value"]) for each in variables if "secret" not in each}
    return found | {each["name"]: opened[each["secret"]].reveal() for each in variables if each.get("secret") in opened}


def _masked(tree: Any, masker: Masker) -> Any:
    """Fit to be kept and shown, in every text."""
    if isinstance(tree, str):
        return masker.mask(storable(tree))
    if isinstance(tree, dict):
        return {key: _masked(each, masker) for key, each in tree.items()}
    return [_masked(each, masker) for each in tree] if isinstance(tree, list | tuple) else tree
