"""Rows → what a one-off run takes: the Release as it was recorded, its secrets opened, the server."""

from dataclasses import replace

from deployments import clock
from deployments.models import OneOffRun, Operation, PlacementHost
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
from worker.container_spec import container_spec
from worker.engine.one_off import OneOff
from worker.engine.spec import DeploySpec, HealthSpec


def run_brief(operation: Operation, run: OneOffRun) -> Brief:
    """Everything about one run. `CannotBrief` when something is missing."""
    placement, host, release = operation.placement, operation.host, run.release
    if placement is None or host is None:
        raise CannotBrief("What this was to run for is gone.")
    seat = PlacementHost.objects.get(placement=placement, host=host)
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
    return Brief(spec, connection, (*opened.values(), *logins), image_from)


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
