"""What preflight finds about the images of the services: where they are, and whether they run on this server."""

from collections.abc import Generator, Iterator

from worker.engine.compose.builds import built_services, refusals
from worker.engine.compose.compose_host import ComposeHost
from worker.engine.compose.model import Model, pinned
from worker.engine.compose.names import AWAITED, BUILT, shown
from worker.engine.compose.resolving import Resolved
from worker.engine.compose.spec import ComposeSpec
from worker.engine.container_host import EngineFacts, LocalImage, Platform, RemoteImage
from worker.engine.errors import HostError
from worker.engine.events import Event, Finding
from worker.engine.failure import listed
from worker.engine.preflight import disk_finding, platform_finding


def look_at_images(
    spec: ComposeSpec, host: ComposeHost, facts: EngineFacts, resolved: Resolved, server: str
) -> Generator[Event, None, tuple[Model, dict[str, str]]]:
    """Every service's image, pinned: what was shown, else what its tag stands for now; none where it is built first."""
    images = dict(spec.wanted.images)
    awaited = [name for name in built_services(resolved.model) if name not in images]
    yield from _awaited(spec, resolved, awaited)
    found: dict[str, str] = {}
    missing = False
    for name, body in resolved.pinned.services.items():
        reference = str(body.get("image") or "")
        if name in awaited:
            continue
        if reference not in found:
            local, remote, finding = _ask(host, reference, server)
            missing = missing or local is None
            yield finding
            yield from _platforms(local, remote, facts, reference, server)
            found[reference] = _pin(reference, remote)
        images[name] = found[reference]
    yield disk_finding(
        host.disk_free(facts.root_folder), already_here=not missing, folder=facts.root_folder, server=server
    )
    coming = {name: f"{AWAITED}:{number}" for number, name in enumerate(awaited)}
    return pinned(resolved.model, {**images, **coming}, spec.identity), images


def _awaited(spec: ComposeSpec, resolved: Resolved, awaited: list[str]) -> Iterator[Finding]:
    if not awaited:
        return
    for name in awaited if not spec.builder else ():
        yield Finding("image", "bad", f"{name} is built from the repository, but no built image is known for it.")
    refused = refusals(resolved.model)
    for said in refused:
        yield Finding("build", "bad", said, "Change it in the Compose file, or name an image that is built elsewhere.")
    if spec.builder and not refused:
        are = "is" if len(awaited) == 1 else "are"
        yield Finding("build", "good", f"{listed(awaited)} {are} built on {spec.builder} first.")


def _ask(host: ComposeHost, reference: str, server: str) -> tuple[LocalImage | None, RemoteImage | None, Finding]:
    local = host.local_image(reference)
    if reference.startswith(BUILT):
        here = f"The built image {reference[:19]}… is on {server} already."
        coming = f"The built image {reference[:19]}… comes from its builder."
        return local, None, Finding("image", "good", here if local else coming)
    if local is not None and "@" in reference:
        return local, None, Finding("image", "good", f"{shown(reference)} is on {server} already.")
    try:
        remote = host.remote_image(reference)
    except HostError as error:
        said = f"{server} could not ask the registry for {reference}: {error.message} {error.why}".rstrip()
        remedy = error.remedy or f"`docker pull {reference}` on {server} shows the same error."
        return local, None, Finding("image", "bad", said, remedy)
    return local, remote, Finding("image", "good", f"{server} reaches {shown(reference)}.")


def _platforms(
    local: LocalImage | None, remote: RemoteImage | None, facts: EngineFacts, reference: str, server: str
) -> Iterator[Finding]:
    if remote is not None:
        yield platform_finding(remote.platforms, facts, shown(reference), server)
    elif local is not None:
        yield platform_finding((Platform(local.os, local.architecture),), facts, shown(reference), server)


def _pin(reference: str, remote: RemoteImage | None) -> str:
    if "@" in reference or remote is None or not remote.digest:
        return reference
    head, slash, tail = reference.rpartition("/")
    return f"{head}{slash}{tail.partition(':')[0]}@{remote.digest}"
