"""Which services an earlier attempt of a deploy took away, and for how long: by the server's own times, since nobody of us saw it."""

from collections.abc import Sequence

from worker.engine.compose.run import ComposeRun
from worker.engine.compose.settle import lasting_name
from worker.engine.compose.sight import NUMBER, Sight
from worker.engine.container_host import Container
from worker.engine.server_clock import ServerClock

_SLACK = 2.0  # seconds by which clocks and the record may differ


def note_what_went(run: ComposeRun, sight: Sight) -> None:
    """Containers that this Deployment made stand in for others, which ended at that moment; others it has stopped."""
    before = run.spec.previous
    if not (run.spec.touched and run.served) or before is None:
        return
    clock, begun = ServerClock(run.host), run.host.now() - run.spec.begun_ago - _SLACK
    known = dict(before.images).keys() - (run.wanted.jobs() if run.wanted else set())
    for service in known & sight.services.keys():
        for each in sight.services[service]:
            _note(run, clock, begun, each, sight.services[service])


def _note(
    run: ComposeRun, clock: ServerClock, begun: float, container: Container, several: Sequence[Container]
) -> None:
    """Not where the one that it replaces still runs, nor what ended before the first attempt began."""
    is_ours = container.labels.get("estiva.deployment") == str(run.identity.deployment)
    since = clock.ours(container.created_at if is_ours else container.finished_at)
    if since is None or since < begun or (container.running and not is_ours) or _another_runs(container, several):
        return
    name = lasting_name(container)
    run.gap_is_whole = True
    run.gone_down(name, since)
    if container.running and container.health in ("", "healthy"):
        well = clock.ours(container.passed_at if container.health else container.started_at)
        run.back_up(name, None if well is None else max(well, since))


def _another_runs(container: Container, several: Sequence[Container]) -> bool:
    number = container.labels.get(NUMBER)
    return any(each.running and each.id != container.id and each.labels.get(NUMBER) == number for each in several)
