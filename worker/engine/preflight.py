"""Before anything is touched: would this work on this server? The Plan shows the same findings before the click."""

import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass

from worker.engine.at_once import at_once
from worker.engine.container_host import Container, ContainerHost, EngineFacts, LocalImage, Platform, RemoteImage
from worker.engine.errors import HostError
from worker.engine.events import Event, Finding
from worker.engine.failure import listed
from worker.engine.inventory import Inventory, labels_of, take_inventory
from worker.engine.lacking import asks_much, lacking
from worker.engine.podman import podman_findings, podman_misfits
from worker.engine.ports import Published, check_ports, published_ports
from worker.engine.rootless import rootless_findings
from worker.engine.spec import DeploySpec
from worker.engine.strategy import Strategy, inherited, replacement

_LOW_DISK_SHARE = 0.10
_LEAST_DISK = 500_000_000
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")


@dataclass(frozen=True, slots=True)
class Preflight:
    """What was found out. `digest` is what the reference stands for now; `reasons` say why `strategy`."""

    facts: EngineFacts
    inventory: Inventory
    local: LocalImage | None
    remote: RemoteImage | None
    digest: str | None
    strategy: Strategy
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Glance:
    """What preflight looks at wherever it is, all at the same time. `holder` has our container's name."""

    facts: EngineFacts
    space: tuple[int, int] | None
    present: LocalImage | None
    published: Published
    holder: Container | None


def glance(spec: DeploySpec, host: ContainerHost, told: EngineFacts | None = None) -> Glance:
    """Look. `told` is what the engine said of itself a moment ago."""
    (facts, space), (present, published), holder = at_once(
        host,
        lambda: _engine(spec, host, told),
        lambda: (_present(spec, host), published_ports(host, spec.container.ports)),
        lambda: _holder(spec, host),
    )
    return Glance(facts, space, present, published, holder)


def preflight(
    spec: DeploySpec, host: ContainerHost, known: Inventory | None = None, seen: Glance | None = None
) -> Generator[Event, None, Preflight]:
    """Look at everything and change nothing; a `Finding` for each check. Which of them are fatal is the caller's
    choice. `known` is what was found of the Placement a moment ago, `seen` what else was.
    """
    server = spec.host_name or "the server"
    inventory, sight = at_once(
        host, lambda: known or take_inventory(host, spec.identity), lambda: seen or glance(spec, host)
    )
    facts = sight.facts
    yield engine_finding(facts, server)
    yield from podman_findings(facts, server)
    local, remote, findings = _image(spec, host, facts, server, sight.present)
    yield from findings
    yield disk_finding(sight.space, already_here=local is not None, folder=facts.root_folder, server=server)
    yield from check_ports(host, spec.container.ports, labels_of(spec.identity), server, sight.published)
    yield from _names(spec, sight.holder, inventory, server)
    yield from _restart(spec, server)
    yield from lacking(spec.container.options, facts, server)
    yield from podman_misfits(spec.container, facts, server)
    yield from rootless_findings(spec.container, facts, server)
    old = inventory.incumbent.container if inventory.incumbent else None
    carried = inherited(old, local, spec.container)
    strategy, reasons = replacement(spec.container, sorted(carried))
    digest = spec.image.digest or (remote.digest if remote else None)
    return Preflight(facts, inventory, local, remote, digest, strategy, reasons)


def _engine(
    spec: DeploySpec, host: ContainerHost, told: EngineFacts | None
) -> tuple[EngineFacts, tuple[int, int] | None]:
    """What it is, and (free, total) bytes where it keeps images."""
    facts = told or host.facts(anew=asks_much(spec.container.options))
    return facts, host.disk_free(facts.root_folder)


def _present(spec: DeploySpec, host: ContainerHost) -> LocalImage | None:
    """The image, where it is on the server already."""
    return None if _unborn(spec) else host.local_image(spec.image.image_id or spec.image.reference)


def _unborn(spec: DeploySpec) -> bool:
    """It is built first."""
    return spec.image.arrives and not (spec.image.image_id or spec.image.digest)


def _holder(spec: DeploySpec, host: ContainerHost) -> Container | None:
    """Whoever has our container's name."""
    name = spec.identity.container_name
    return host.container(name) if _NAME.fullmatch(name) else None


def engine_finding(facts: EngineFacts, server: str) -> Finding:
    """Only a Linux engine will do."""
    if facts.os_type == "linux":
        return Finding("engine", "good", f"{facts.name} on {server}, linux/{facts.architecture}.")
    return Finding(
        "engine",
        "bad",
        f"The Docker Engine on {server} runs {facts.os_type} containers ({facts.os_type}/{facts.architecture}).",
        "Estiva deploys to Linux engines only: switch Docker on that machine to Linux containers, or register a Linux "
        "server.",
    )


def disk_finding(space: tuple[int, int] | None, *, already_here: bool, folder: str, server: str) -> Finding:
    """Is there room for the pull?"""
    if space is None:
        return Finding(
            "disk", "unknown", f"How much space is free on {server} is not known: `df` gave no answer for {folder}."
        )
    free, total = space
    shown = f"{free / 1e9:.1f} of {total / 1e9:.1f} GB free under {folder} on {server}."
    remedy = (
        f"Make room on {server}: `docker system df` shows what takes it, `docker image prune` removes unused images."
    )
    if free < _LEAST_DISK:
        return Finding("disk", "warn" if already_here else "bad", f"Too little space: {shown}", remedy)
    if total and free / total < _LOW_DISK_SHARE:
        return Finding("disk", "warn", f"Space is getting short: {shown}", remedy)
    return Finding("disk", "good", shown)


def platform_finding(
    platforms: tuple[Platform, ...], facts: EngineFacts, reference: str, server: str, chosen: str = ""
) -> Finding:
    """Does the image exist for this server, or for the platform that was chosen? What an engine says only in the middle of a
    pull: `no matching manifest`.
    """
    known = [each for each in platforms if each.os not in ("", "unknown")]
    here = chosen or f"{facts.os_type}/{facts.architecture}"
    wanted = here.split("/")[:2]
    if not known:
        return Finding("platform", "unknown", f"The registry doesn't say which platforms {reference} is built for.")
    if any([each.os, each.architecture] == wanted for each in known):
        return Finding("platform", "good", f"The image exists for {here}.")
    built = listed([str(each) for each in known])
    return Finding(
        "platform",
        "bad",
        f"no matching manifest for {here}: the image is built for {built} only, "
        f"and {f'the settings ask for {here}' if chosen else f'{server} is {here}'}.",
        f"Build it for this server too, for example `docker buildx build --platform {here} --push …`, or deploy to a "
        "server of its platform.",
    )


def _image(
    spec: DeploySpec, host: ContainerHost, facts: EngineFacts, server: str, local: LocalImage | None
) -> tuple[LocalImage | None, RemoteImage | None, list[Finding]]:
    """Local by digest: no question to the registry. Else the registry is asked through the server's own engine."""
    reference, chosen = spec.image.image_id or spec.image.reference, spec.container.options.platform
    if chosen and local is not None and [local.os, local.architecture] != chosen.split("/")[:2]:
        local = None  # the platform that was chosen is still to be pulled
    if local is not None and (spec.image.digest or spec.image.image_id):
        found = [
            Finding("image", "good", f"The image is on {server} already."),
            platform_finding((Platform(local.os, local.architecture),), facts, reference, server, chosen),
        ]
        return local, None, found
    if _unborn(spec) or spec.image.image_id:
        return None, None, [_not_here_yet(spec, server)]
    if "distribution" in facts.lacks:
        return local, None, [_not_askable(local, reference, facts, server)]
    try:
        remote = host.remote_image(reference)
    except HostError as error:
        return local, None, [_unreachable(error, local, reference, server)]
    good = Finding("image", "good", f"{server} reaches {reference}, digest {remote.digest[:19]}….")
    return local, remote, [good, platform_finding(remote.platforms, facts, reference, server, chosen)]


def _not_here_yet(spec: DeploySpec, server: str) -> Finding:
    """An image that no registry has. Its platform shows when it is here, before anything is touched."""
    image_id = spec.image.image_id
    if not spec.image.arrives:
        said = f"Image {image_id} is not on {server}, and it was built without a registry."
        return Finding("image", "bad", said, "Build it again.")
    if not image_id:
        return Finding(
            "image", "good", f"{spec.image.reference} is built first, and comes to {server} before anything changes."
        )
    return Finding("image", "good", f"The image {image_id[:19]}… comes to {server} from where it was built.")


def _not_askable(local: LocalImage | None, reference: str, facts: EngineFacts, server: str) -> Finding:
    """An engine that can't ask a registry: the pull comes before the first change, and shows."""
    older = " A copy is on the server, which may be older." if local is not None else ""
    return Finding(
        "image",
        "unknown",
        f"Whether {server} can pull {reference}, and for which platforms it is built, is not known: {facts.name} can't ask a "
        f"registry. The pull shows it, before anything is changed.{older}",
    )


def _unreachable(error: HostError, local: LocalImage | None, reference: str, server: str) -> Finding:
    said = f"{server} could not ask the registry for {reference}: {error.message}"
    if local is not None:
        return Finding("image", "warn", f"{said} An older copy is on the server.", error.remedy)
    remedy = (
        error.remedy
        or f"Check the name and tag, that the registry is up, and that {server} reaches it: `docker pull {reference}` "
        "there shows the same error."
    )
    return Finding("image", "bad", f"{said} {error.why}".rstrip(), remedy)


def _names(spec: DeploySpec, holder: Container | None, inventory: Inventory, server: str) -> Iterator[Finding]:
    name = spec.identity.container_name
    if not _NAME.fullmatch(name):
        yield Finding(
            "name",
            "bad",
            f"{name!r} can't be a container's name.",
            "Use letters, digits, '.', '-' and '_' in the names of application and environment.",
        )
        return
    if holder is not None and name not in inventory.names:
        yield Finding(
            "name",
            "warn",
            f"A container that isn't Estiva's is called {name} on {server}: ours gets the name {name}-2.",
        )
        return
    yield Finding("name", "good", f"The container will be called {name}.")


def _restart(spec: DeploySpec, server: str) -> Iterator[Finding]:
    if spec.container.restart == "no":
        yield Finding(
            "restart",
            "warn",
            f'The restart policy is "no": after a reboot of {server} nothing serves.',
            'Choose "unless-stopped" in the settings.',
        )
