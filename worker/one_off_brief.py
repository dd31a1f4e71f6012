"""Rows → what a one-off run takes: the Release as it was recorded, its secrets opened, the server."""

from dataclasses import dataclass, replace

from django.conf import settings as configured

from deployments import clock, releases, sources
from deployments.models import Host, OneOffRun, Operation, Placement, PlacementHost
from worker.brief import (
    NO_TARGET,
    Brief,
    CannotBrief,
    environment_of,
    host_connection,
    identity_of,
    image_of,
    image_source,
    network_of,
    open_secrets,
    secrets_of,
    with_registries,
)
from worker.compose_brief import approved, built_elsewhere, open_variables, recorded
from worker.container_spec import container_spec
from worker.engine.compose.spec import ComposeSpec
from worker.engine.one_off import OneOff
from worker.engine.spec import ContainerSpec, DeploySpec, HealthSpec, ImageSpec


@dataclass(frozen=True, slots=True)
class RunBrief(Brief):
    """`compose` is what the service is resolved from, where it is one of a Compose application."""

    compose: ComposeSpec | None = None


def run_brief(operation: Operation, run: OneOffRun) -> RunBrief:
    """Everything about one run. `CannotBrief` when something is missing."""
    placement, host, release = operation.placement, operation.host, run.release
    if placement is None or host is None:
        raise CannotBrief("What this was to run for is gone.")
    seat = PlacementHost.objects.get(placement=placement, host=host)
    if sources.is_compose(release.source):
        return _compose_brief(operation, run, placement, host, seat)
    opened = open_secrets([release])
    container = container_spec(
        release.settings, environment_of(release.variables, opened), network_of(placement, release.settings)
    )
    spec = DeploySpec(
        identity=identity_of(placement, release.number, None, NO_TARGET, operation.fence, seat),
        image=image_of(release),
        container=replace(container, health=HealthSpec()),  # nobody asks it whether it is well
        host_name=host.name,
    )
    connection = with_registries(host_connection(host), [spec.image.reference])
    image_from = image_source(host.pk, release)
    logins = [*secrets_of(connection), *(secrets_of(image_from) if image_from else ())]
    return RunBrief(spec, connection, (*opened.values(), *logins), image_from)


def _compose_brief(
    operation: Operation, run: OneOffRun, placement: Placement, host: Host, seat: PlacementHost
) -> RunBrief:
    """The Release's own file, variables and images; the container is made by Compose, in a project of the run's own."""
    release = run.release
    opened = open_variables([release.variables])
    identity = identity_of(placement, release.number, None, NO_TARGET, operation.fence, seat)
    wanted = recorded(release, opened)
    if wanted.lost:
        raise CannotBrief(f"The value of {', '.join(wanted.lost)} was deleted.", "Set it again, and deploy.")
    compose = ComposeSpec(
        identity=identity,
        project=releases.project_name(placement),
        wanted=wanted,
        allowed_binds=tuple(configured.ESTIVA_ALLOWED_BINDS),
        host_name=host.name,
        approved=approved(release.source.get("powers", [])),
        run_project=f"estiva-{identity.installation}-run-{run.pk}",
    )
    spec = DeploySpec(identity, ImageSpec(sources.label(release.source), None), ContainerSpec(), host_name=host.name)
    connection = with_registries(host_connection(host), [image for _service, image in wanted.images])
    image_from = built_elsewhere(host.pk, [release])
    logins = [*secrets_of(connection), *(secrets_of(image_from) if image_from else ())]
    return RunBrief(spec, connection, (*opened.values(), *logins), image_from, compose)


def asked_of(run: OneOffRun, *, stop: bool) -> OneOff:
    """What is asked for, from how far the record says that it came."""
    ran = (clock.now() - run.begun_at).total_seconds() if run.begun_at else 0.0
    return OneOff(
        number=run.pk,
        words=tuple(run.command),
        seconds=max(0.0, run.seconds - ran),
        begun=run.begun_at is not None,
        heard=run.heard,
        stop=stop,
    )
