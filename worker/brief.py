"""Rows → what the engine and the connections take. The only place where a sealed secret is opened."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from deployments import hooks, image_reference, releases, sources, stalls
from deployments.models import (
    Deployment,
    Host,
    Installation,
    Placement,
    PlacementHost,
    Plan,
    Release,
    SecretVersion,
    Target,
)
from deployments.sealing import open_sealed
from deployments.states import HostState, TargetStatus
from worker import local_engine
from worker.connections.keychain import NOBODY, Keychain
from worker.connections.login import HostKey, Login, SshAddress, SshCredential
from worker.container_spec import container_spec, health_spec
from worker.engine.container_body import own_labels
from worker.engine.options import NetworkSpec
from worker.engine.spec import Adopted, DeploySpec, HealthSpec, Identity, ImageSpec, Secret
from worker.record_store import lines_heard
from worker.registries import opening

NO_TARGET = -1
NO_CREDENTIAL, NO_HOST_KEY = SshCredential(Secret("")), HostKey("", "")  # of what is reached without SSH


class CannotBrief(Exception):
    """Something the work needs is missing. `message` and `remedy` are for people; nothing was touched."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message, self.remedy = message, remedy


class KeyAlarm(CannotBrief):
    """The server showed another host key than the trusted one: an admin's word is awaited, nothing goes there until then."""


@dataclass(frozen=True, slots=True)
class HostConnection:
    """How to reach a server, and who we are for the registries that its engine is to ask."""

    address: SshAddress
    credential: SshCredential
    host_key: HostKey
    docker_socket: str
    keychain: Keychain = NOBODY


@dataclass(frozen=True, slots=True)
class Brief:
    """One deploy Target's work. `secrets` are for the Masker."""

    spec: DeploySpec
    connection: HostConnection
    secrets: tuple[Secret, ...] = field(default=())
    image_from: HostConnection | None = None  # who has an image that is in no registry


def target_brief(target_id: int, fence: int) -> Brief:
    """Everything about one Target, with its secrets opened. `CannotBrief` when something is missing."""
    target = Target.objects.select_related(
        "deployment__release", "placement__application", "placement__environment", "host"
    ).get(pk=target_id)
    seat = PlacementHost.objects.select_related("running_release").get(placement=target.placement, host=target.host)
    release, incumbent = target.deployment.release, seat.running_release
    opened = open_secrets([release, *([incumbent] if incumbent else [])])
    before, after, hook_deadline = hooks.commands(
        release.settings,
        goes_back=target.deployment.kind == Deployment.Kind.ROLLBACK,
        rollout=target.deployment.rollout,
        wave=target.wave,
    )
    spec = DeploySpec(
        identity=identity_of(target.placement, release.number, target.deployment, target.pk, fence, seat),
        image=image_of(release),
        container=container_spec(
            release.settings, environment_of(release.variables, opened), network_of(target.placement, release.settings)
        ),
        incumbent_health=_health_of(incumbent),
        incumbent_networks=_networks_of(target.placement, incumbent),
        keep_releases=kept_of(target, release.number),
        host_name=target.host_name,
        touched=target.touched,
        give_up=stalls.is_last_attempt(target),
        before=before,
        after=after,
        hook_deadline=hook_deadline,
        heard=lines_heard(target.pk, target.heard),
    )
    connection = with_registries(host_connection(target.host), [spec.image.reference])
    image_from = image_source(target.host_id, release)
    logins = [*secrets_of(connection), *(secrets_of(image_from) if image_from else ())]
    return Brief(spec, connection, (*opened.values(), *logins), image_from)


def image_source(host_id: int, release: Release) -> HostConnection | None:
    """Another server that has the image: one that runs it, else the one that built it."""
    if not release.image_id or release.digest:
        return None
    running = Host.objects.filter(seats__running_release=release).order_by("pk")
    built = Host.objects.filter(pk=release.built.get("host"))
    for host in (*running, *built):
        if host.pk == host_id:
            continue
        try:
            return host_connection(host)
        except CannotBrief:
            continue  # the next one may be usable; if none is, the server says that it lacks the image
    return None


def plan_spec(plan: Plan, host: Host, content: releases.Content) -> DeploySpec:
    """What would be deployed, for preflight: names instead of values, since nothing is created."""
    placement = plan.placement
    seat = PlacementHost.objects.select_related("running_release").get(placement=placement, host=host)
    number = plan.of_release.number if plan.of_release else placement.next_release
    return DeploySpec(
        identity=identity_of(placement, number, None, NO_TARGET, seat.fence + 1, seat),
        image=_planned_image(plan, content),
        container=container_spec(content.settings, (), network_of(placement, content.settings)),
        incumbent_health=_health_of(seat.running_release),
        host_name=host.name,
    )


def host_connection(host: Host) -> HostConnection:
    """How to log in to a trusted server. `CannotBrief` when trust or credential is missing, or its key changed.

    That holds for each server on the way there as well.
    """
    if host.is_beside:
        return _beside(host)
    login = _login(host)
    return HostConnection(login.address, login.credential, login.host_key, host.docker_socket)


def _beside(host: Host) -> HostConnection:
    if host.engine_id not in local_engine.held():
        raise CannotBrief(
            f"{host.name} is the engine beside another worker, and only that one reaches it.",
            "Look at the workers on the health page: one with ESTIVA_LOCAL_ENGINE has to run on that machine.",
        )
    here = local_engine.beside(host.engine_id)
    address = SshAddress(host.name, host.address, host.port, host.user, beside=here)
    return HostConnection(address, NO_CREDENTIAL, NO_HOST_KEY, here.socket)


def _login(host: Host) -> Login:
    if not host.is_trusted:
        raise CannotBrief(
            f"The host key of {host.name} is not confirmed.", f"Confirm its fingerprint on the page of {host.name}."
        )
    if host.state == HostState.KEY_CHANGED:
        raise KeyAlarm(
            f"{host.name} showed another host key than the trusted one. Nothing is sent to it.",
            f"Find out why, then trust the new key, or refuse it, on the page of {host.name}.",
        )
    if host.private_key is None:
        raise CannotBrief(f"{host.name} has no key to log in with.", f"Give it one on the page of {host.name}.")
    passphrase = Secret(open_sealed(host.passphrase)) if host.passphrase else None
    return Login(
        address_of(host),
        SshCredential(Secret(open_sealed(host.private_key)), passphrase),
        HostKey(host.host_key_type, host.host_key),
    )


def with_registries(connection: HostConnection, images: Iterable[str] | None) -> HostConnection:
    """The same connection with the logins for these images (None: for all); `secrets_of` has their passwords."""
    return replace(connection, keychain=opening.keychain(images))


def address_of(host: Host) -> SshAddress:
    """Where it is, without its own secret; with the logins to the servers on the way. `CannotBrief` as `host_connection`."""
    return SshAddress(host.name, host.address, host.port, host.user, _login(host.via) if host.via else None)


def installation_name() -> str:
    """What labels everything of ours on a server."""
    return str(Installation.objects.values_list("name", flat=True).get())


def network_of(placement: Placement, settings: Mapping[str, Any]) -> str | None:
    """Containers with an alias share one network per Environment; the others stay on Docker's own bridge."""
    if not settings.get("network_aliases"):
        return None
    return f"estiva-{installation_name()}-{placement.environment.name}"


def open_secrets(releases: Sequence[Release]) -> dict[int, Secret]:
    """SecretVersion id → value, for all variables of these Releases; those destroyed since are left out."""
    wanted = {each["secret"] for release in releases for each in release.variables if "secret" in each}
    versions = SecretVersion.objects.filter(pk__in=wanted, sealed__isnull=False)
    return {each.pk: Secret(open_sealed(each.sealed)) for each in versions if each.sealed is not None}


def environment_of(
    variables: Sequence[Mapping[str, Any]], opened: Mapping[int, Secret]
) -> tuple[tuple[str, str | Secret], ...]:
    """The variables with their secrets opened; `CannotBrief` where one is gone."""
    missing = [each["name"] for each in variables if "secret" in each and each["secret"] not in opened]
    if missing:
        raise CannotBrief(
            f"The value of {', '.join(missing)} was deleted after this Release was recorded.",
            "Set it again and deploy, or roll back with today's secret values.",
        )
    return tuple(
        (each["name"], opened[each["secret"]] if "secret" in each else str(each["value"])) for each in variables
    )


def identity_of(
    placement: Placement, number: int, deployment: Deployment | None, target_id: int, fence: int, seat: PlacementHost
) -> Identity:
    """Whose work this is; a Plan has no Deployment."""
    return Identity(
        installation=installation_name(),
        placement=placement.pk,
        placement_name=releases.placement_name(placement),
        release=number,
        deployment=deployment.pk if deployment else 0,
        target=target_id,
        fence=fence,
        incumbent_target=seat.running_target_id,
        adopted=adopted_of(seat),
    )


def adopted_of(seat: PlacementHost) -> Adopted | None:
    """What the record says of a container that was taken over there: its Release, and how that one is restarted and asked."""
    release = seat.running_release
    if release is None or seat.adopted.get("release") != release.number:
        return None
    spec = container_spec(release.settings, (), None)
    labels = {"estiva.release": str(release.number), **own_labels(spec)}
    return Adopted(seat.adopted["container_id"], tuple(labels.items()))


def _planned_image(plan: Plan, content: releases.Content) -> ImageSpec:
    if content.source:
        if plan.of_release is not None and not plan.build_anew and not sources.needs_build(plan.of_release):
            return image_of(plan.of_release)
        return ImageSpec(sources.label(content.source), None, arrives=True)
    reference = image_reference.parse(plan.image)
    return ImageSpec(
        reference=f"{reference.name}@{plan.digest}" if plan.digest else reference.pullable,
        digest=plan.digest or reference.digest,
        tag=reference.tag,
    )


def image_of(release: Release) -> ImageSpec:
    """What a Release runs, as servers are asked for it."""
    if release.source and release.digest:
        return ImageSpec(
            f"{release.built['repository']}@{release.digest}", release.digest, sources.label(release.source)
        )
    if release.image_id:
        return ImageSpec(sources.label(release.source) or release.image, None, None, release.image_id, arrives=True)
    reference = image_reference.parse(release.image).with_digest(release.digest)
    return ImageSpec(reference.pullable, release.digest, release.tag or None)


def _health_of(release: Release | None) -> HealthSpec | None:
    return health_spec(release.settings) if release else None


def _networks_of(placement: Placement, release: Release | None) -> tuple[NetworkSpec, ...]:
    if release is None:
        return ()
    return container_spec(release.settings, (), network_of(placement, release.settings)).networks


def kept_of(target: Target, number: int) -> tuple[int, ...]:
    """This Release and those that last ended well on this server, newest first, as many as the Placement keeps."""
    numbers = (
        Target.objects.filter(
            placement=target.placement_id,
            host=target.host_id,
            role=Target.Role.DEPLOY,
            status=TargetStatus.SUCCEEDED,
        )
        .order_by("-id")
        .values_list("deployment__release__number", flat=True)[:200]
    )
    adopted = target.placement.releases.filter(adopted__host=target.host_id).values_list("number", flat=True)
    known = sorted({*numbers, *adopted}, reverse=True) if adopted else numbers
    return tuple(dict.fromkeys([number, *known]))[: max(1, target.placement.keep_releases)]


def secrets_of(connection: HostConnection) -> tuple[Secret, ...]:
    """What of a connection is for the Masker."""
    logins = [connection.credential, *(hop.credential for hop in connection.address.way())]
    keys = [each.private_key_pem for each in logins]
    return (*keys, *(each.passphrase for each in logins if each.passphrase), *connection.keychain.secrets)
