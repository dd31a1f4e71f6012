"""Before anything is touched: would this work on this server? The Plan shows the same before the click."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace

from worker.engine.compose.builds import built_services
from worker.engine.compose.by_hand import changed_by_hand
from worker.engine.compose.changes import ServiceChange, compose_changes
from worker.engine.compose.compose_host import ComposeHost
from worker.engine.compose.image_findings import look_at_images
from worker.engine.compose.model import Model, marked
from worker.engine.compose.names import shown
from worker.engine.compose.privilege import Power, privileged
from worker.engine.compose.resolving import Resolved, resolve
from worker.engine.compose.sight import HASH, Sight, look, release_of
from worker.engine.compose.spec import ComposeSpec, Composition
from worker.engine.container_host import EngineFacts
from worker.engine.events import Event, Finding
from worker.engine.failure import StepFailed, listed
from worker.engine.inventory import labels_of
from worker.engine.podman import podman_compose
from worker.engine.ports import check_ports, published_ports
from worker.engine.preflight import engine_finding
from worker.engine.spec import PortSpec

LEAST = (2, 24)
_INSTALL = (
    "Install Compose v2 there: docker-compose-plugin from Docker's own repository, docker-compose-v2 on Ubuntu, "
    "docker-compose on Debian 13 and Fedora; then `docker compose version` answers."
)


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found out. `wanted` and `previous` are None where they can't be resolved. `images` pins each service."""

    facts: EngineFacts
    sight: Sight
    wanted: Model | None
    previous: Model | None
    images: tuple[tuple[str, str], ...] = ()
    powers: tuple[Power, ...] = ()
    changes: tuple[ServiceChange, ...] = ()
    builds: tuple[str, ...] = ()  # services with a `build:`


def preflight(spec: ComposeSpec, host: ComposeHost) -> Generator[Event, None, Looked]:
    """Look at everything and change nothing; a `Finding` for each check. Which are fatal is the caller's choice."""
    server = spec.host_name or "the server"
    facts = host.facts()
    yield engine_finding(facts, server)
    yield from podman_compose(facts, server)
    sight = look(host, spec)
    yield _project(spec, sight, server)
    compose = compose_finding(host, server)
    yield compose
    if compose.result == "bad":
        return Looked(facts, sight, None, None)
    try:
        resolved = resolve(host, spec, spec.wanted)
    except StepFailed as failure:
        yield Finding("model", "bad", f"{failure.what} {failure.why}".strip(), failure.remedy)
        return Looked(facts, sight, None, None)
    yield from _model(resolved)
    wanted, images = yield from look_at_images(spec, host, facts, resolved, server)
    yield from _resources(wanted, sight, server)
    ports = _ports(wanted)
    yield from check_ports(host, ports, labels_of(spec.identity), server, published_ports(host, ports))
    yield from _restart(wanted, server)
    previous = yield from _way_back(spec, host, sight, server)
    changes = _changes(spec, host, wanted, previous, sight)
    yield Finding("changes", "good", f"On {server}: {'; '.join(str(each) for each in changes)}.")
    powers = tuple(privileged(resolved.model, spec.allowed_binds))
    yield from unapproved(spec, resolved.model, server)
    builds = tuple(built_services(resolved.model))
    return Looked(facts, sight, wanted, previous, tuple(images.items()), powers, tuple(changes), builds)


def unapproved(spec: ComposeSpec, model: Model, server: str) -> Iterator[Finding]:
    """Nothing comes to have power over a server by what Compose makes of the file there and not where it was planned."""
    if spec.approved is None:
        return
    for each in privileged(model, spec.allowed_binds):
        known = (each.service, each.key, each.reason), (each.service, each.key, "")
        if not set(known) & set(spec.approved):
            yield Finding(
                "power",
                "bad",
                f"On {server} {each.service} would get more than was approved: {each.key} ({each.reason}).",
                "Plan and deploy again; an admin has to see it first.",
            )


def compose_finding(host: ComposeHost, server: str) -> Finding:
    """Is there a Compose that can do it?"""
    found = host.compose_version()
    if found.version is None:
        said = f" (`docker compose version` says: {found.said})" if found.said else ""
        return Finding("compose", "bad", f"Compose v2 is missing on {server}{said}.", _INSTALL)
    if found.numbers and found.numbers < LEAST:
        least = ".".join(map(str, LEAST))
        message = f"Compose on {server} is {found.version}; {least} or later is needed."
        return Finding("compose", "bad", message, _INSTALL)
    return Finding("compose", "good", f"Compose {found.version} on {server}.")


def _project(spec: ComposeSpec, sight: Sight, server: str) -> Finding:
    if not sight.foreign:
        return Finding("name", "good", f"The project will be called {spec.project}.")
    shown = listed(sight.foreign[:3]) + (f" and {len(sight.foreign) - 3} more" if len(sight.foreign) > 3 else "")
    return Finding(
        "name",
        "bad",
        f"A Compose project called {spec.project} that isn't Estiva's is on {server} already: {shown}.",
        f"Remove it there (`docker compose -p {spec.project} down` keeps its volumes), or give the application another "
        "name. Volumes it shall keep using have to be named as `external` in the Compose file.",
    )


def _model(resolved: Resolved) -> Iterator[Finding]:
    names = sorted(resolved.pinned.services)
    yield Finding("model", "good", f"Compose resolves {len(names)} services: {listed(names)}.")
    if resolved.unset:
        yield Finding(
            "variables",
            "warn",
            f"Used in the Compose file without a default, and not set: {listed(resolved.unset)}.",
            "They become empty texts. Set them as variables of the application.",
        )


def _resources(wanted: Model, sight: Sight, server: str) -> Iterator[Finding]:
    """Volumes and networks of that name that aren't ours are neither taken over nor changed."""
    there = {(each.kind, each.name): each for each in sight.resources}
    for kind, entries in (("network", "networks"), ("volume", "volumes")):
        for body in (wanted.tree.get(entries) or {}).values():
            name = str(body.get("name", ""))
            found = there.get((kind, name))  # type: ignore[arg-type]  # the two words are literals above
            if body.get("external") and found is None:
                yield Finding("name", "bad", f"The external {kind} {name} is not on {server}.", "Make it there first.")
            elif not body.get("external") and found is not None and not _same(found.labels, body["labels"]):
                yield Finding(
                    "name",
                    "bad",
                    f"A {kind} called {name} that isn't this application's is on {server} already.",
                    f"To use it as it is, name it as external in the Compose file; else give the {kind} another name.",
                )


def _same(there: dict[str, str] | object, ours: dict[str, str]) -> bool:
    labels = dict(there) if isinstance(there, dict) else {}
    return all(labels.get(key) == ours[key] for key in ("estiva.installation", "estiva.placement"))


def _ports(wanted: Model) -> list[PortSpec]:
    found = []
    for body in wanted.services.values():
        for each in body.get("ports") or []:
            published = str(each.get("published") or "")
            if published.isdigit():
                protocol = "udp" if each.get("protocol") == "udp" else "tcp"
                address = str(each.get("host_ip") or "0.0.0.0")  # noqa: S104 - Docker's own default
                found.append(PortSpec(int(each.get("target") or 0), int(published), address, protocol))  # type: ignore[arg-type]
    return found


def _restart(wanted: Model, server: str) -> Iterator[Finding]:
    jobs = wanted.jobs()
    without = [
        name
        for name, body in sorted(wanted.services.items())
        if name not in jobs
        and str(body.get("restart") or "no") == "no"
        and not (body.get("deploy") or {}).get("restart_policy")
    ]
    if without:
        yield Finding(
            "restart",
            "warn",
            f"After a reboot of {server} these don't come back: {listed(without)}.",
            "Give them `restart: unless-stopped` in the Compose file.",
        )


def _way_back(spec: ComposeSpec, host: ComposeHost, sight: Sight, server: str) -> Generator[Event, None, Model | None]:
    """Can the version that serves be brought up again?"""
    if spec.previous is None:
        return None
    if spec.previous.lost:
        lost = listed(spec.previous.lost)
        said = f"Release {spec.previous.release} could be brought back only without {lost}, whose value was deleted."
        yield Finding("restore", "warn", said)
    try:
        model = as_it_ran(resolve(host, spec, spec.previous).pinned, spec.previous, sight)
    except StepFailed as failure:
        yield Finding("restore", "warn", f"Release {spec.previous.release} could not be brought back: {failure.what}")
        return None
    gone = sorted(
        {str(body["image"]) for body in model.services.values() if host.local_image(str(body["image"])) is None}
    )
    if gone:
        yield Finding(
            "restore",
            "warn",
            f"Images of release {spec.previous.release} are not on {server} any more: {listed([shown(each) for each in gone])}.",
            "They would have to be pulled to bring it back.",
        )
    return model


def as_it_ran(model: Model, composition: Composition, sight: Sight) -> Model:
    """Services of which no image was recorded get the one that their containers of that Release were made from."""
    known = dict(composition.images)
    services = {
        name: body if name in known or not several else {**body, "image": several[0].image}
        for name, body in model.services.items()
        for several in [[each for each in sight.services.get(name, ()) if release_of(each) <= composition.release]]
    }
    return Model({**model.tree, "services": services})


def _changes(
    spec: ComposeSpec, host: ComposeHost, wanted: Model, previous: Model | None, sight: Sight
) -> list[ServiceChange]:
    """Service by service; Compose's own hash has the last word on what is recreated."""
    by_hand = changed_by_hand(spec, host, sight)
    model = marked(wanted, spec.identity, sight.services, by_hand)
    hashes = host.compose_hashes(spec.project, model.text())
    found = []
    for change in compose_changes(previous, wanted, by_hand):
        running = sight.services.get(change.service, ())
        differs = any(each.labels.get(HASH) != hashes.get(change.service) for each in running)
        found.append(
            _decided(change, bool(running), differs, all(each.running and not each.paused for each in running))
        )
    known = {each.service for each in found}
    found += [ServiceChange(name, "removed") for name in sight.services if name not in known]
    return found


def _decided(change: ServiceChange, there: bool, differs: bool, running: bool) -> ServiceChange:
    if change.kind == "removed":
        return change
    if not there:
        return replace(change, kind="added")
    if differs:
        return replace(change, kind="recreated", reasons=change.reasons or ("its definition changed",))
    reasons = () if running else ("it is started again",)
    return replace(change, kind="unchanged", reasons=reasons)
