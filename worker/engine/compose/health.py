"""Is every service what it should be? Healthy, unrestarted for a while, and of the image that was meant."""

from collections.abc import Generator, Mapping, Sequence

from worker.engine.compose.left import read
from worker.engine.compose.model import Model
from worker.engine.compose.run import ComposeRun
from worker.engine.compose.sight import SERVICE, Sight, look, release_of
from worker.engine.container_host import Container, LocalImage
from worker.engine.diagnosis import exited
from worker.engine.events import Event, Line, Observed, Progress
from worker.engine.failure import StepFailed, listed
from worker.engine.spec import Secret

_TICK = 0.25
_LAST_LINES = 40


def prove(run: ComposeRun, model: Model) -> Generator[Event, None, Sight]:
    """Every service runs and is healthy, and stays so for a while. `StepFailed` with a diagnosis otherwise."""
    begun, settled_at = run.host.now(), None
    counts: dict[str, int] = {}
    while True:
        sight = look(run.host, run.spec)
        bad = _gone_wrong(model, sight, counts)
        if bad is not None:
            raise (yield from diagnosed(run, *bad))
        waiting = _not_yet(model, sight)
        now = run.host.now()
        if waiting:
            settled_at = None
            if now - begun > run.spec.wait_seconds:
                raise (yield from _too_slow(run, waiting, sight))
        else:
            settled_at = now if settled_at is None else settled_at
            counts = counts or {each.id: each.restart_count for each in sight.containers}
            yield Progress(
                run.step, int(now - settled_at), int(run.spec.settle_seconds), "seconds without trouble", "passes"
            )
            if now - settled_at >= run.spec.settle_seconds:
                run.restarts = counts
                return sight
        run.host.wait(_TICK)


def find_trouble(run: ComposeRun, model: Model) -> Generator[Event, None, StepFailed | None]:
    """After Compose gave up: which service is the cause, if one shows."""
    sight = look(run.host, run.spec)
    bad = _gone_wrong(model, sight, {})
    if bad is None:
        restarted = [(name, each) for name, each in _expected(model, sight) if each.restart_count]
        starting = [(name, each) for name, each in _expected(model, sight) if each.health == "starting"]
        bad = next(iter(restarted or starting), None)
    return (yield from diagnosed(run, *bad)) if bad is not None else None


def diagnosed(run: ComposeRun, service: str, container: Container) -> Generator[Event, None, StepFailed]:
    """The container's last lines into the log, and the failure in words."""
    lines = run.host.logs(container.name, tail=_LAST_LINES)
    if lines:
        yield Line(f"The last lines of {container.name}:", level="bad")
    for each in lines:
        yield Line(each.text, stream=each.stream)
    image = run.host.local_image(container.image_id)
    if container.health == "unhealthy" or (
        container.running and container.status != "restarting" and not container.restart_count
    ):
        return _unhealthy(run, service, container)
    failure = exited(container, 0.0, [each.text for each in lines], run.server, image)
    how = "again and again, " if container.restart_count else ""
    what = f"The container of {service} on {run.server} exited {how}with code {container.exit_code}."
    return StepFailed(what, why=failure.why, remedy=failure.remedy, exit_code=container.exit_code)


def observed(run: ComposeRun, sight: Sight) -> Sequence[Observed]:
    """What runs, container by container; each with the Release that made it."""
    key = run.spec.left_key
    return [observed_of(each, run.host.local_image(each.image_id), key) for each in sight.containers]


def observed_of(container: Container, image: LocalImage | None, key: Secret) -> Observed:
    """One container, with its image at hand; the `key` is that of what is hashed of it."""
    return Observed(
        container.name,
        container.id,
        container.image_id,
        _digest(image),
        release_of(container),
        container.started_at,
        container.published,
        container.labels.get(SERVICE, ""),
        container.running,
        left=read(container, image, key),
    )


def differences(run: ComposeRun, model: Model, sight: Sight, image_ids: Mapping[str, str]) -> list[str]:
    """What of the running containers isn't what was meant, in words."""
    wrong = []
    for name in model.services:
        containers = sight.services.get(name, ())
        if len(containers) != model.scale(name):
            wrong.append(f"{name} has {len(containers)} containers instead of {model.scale(name)}")
        for each in containers:
            wrong += [f"{each.name} {said}" for said in _wrong(run, model, name, each, image_ids.get(name))]
    return wrong


def _wrong(
    run: ComposeRun, model: Model, service: str, container: Container, image_id: str | None
) -> Generator[str, None, None]:
    if image_id is not None and container.image_id != image_id:
        yield f"runs the image {container.image_id[:19]}…"
    if service in model.jobs():
        if container.exit_code or container.running:
            yield f"is {container.status} with exit code {container.exit_code}"
        return
    if not container.up:
        yield f"is {container.status}"
    if container.health not in ("", "healthy"):
        yield f"is {container.health}"
    if container.restart_count != run.restarts.get(container.id, container.restart_count):
        yield "was restarted since it was proven"


def _gone_wrong(model: Model, sight: Sight, counts: Mapping[str, int]) -> tuple[str, Container] | None:
    jobs = model.jobs()
    for name, each in _expected(model, sight):
        if name in jobs:
            if not each.running and each.status == "exited" and each.exit_code:
                return name, each
            continue
        restarted = each.restart_count > counts.get(each.id, each.restart_count)
        if each.status in ("exited", "dead") or each.health == "unhealthy" or restarted:
            return name, each
    return None


def _not_yet(model: Model, sight: Sight) -> list[tuple[str, Container | None]]:
    """Services that aren't where they should be, but may come there."""
    jobs = model.jobs()
    found: list[tuple[str, Container | None]] = [
        (name, None) for name in model.services if len(sight.services.get(name, ())) < model.scale(name)
    ]
    for name, each in _expected(model, sight):
        done = each.status == "exited" if name in jobs else each.running and each.status == "running"
        if not done or (name not in jobs and each.health == "starting"):
            found.append((name, each))
    return found


def _expected(model: Model, sight: Sight) -> list[tuple[str, Container]]:
    return [(name, each) for name in model.services for each in sight.services.get(name, ())]


def _too_slow(
    run: ComposeRun, waiting: Sequence[tuple[str, Container | None]], sight: Sight
) -> Generator[Event, None, StepFailed]:
    name, container = waiting[0]
    if container is not None:
        return (yield from diagnosed(run, name, container))
    return StepFailed(
        f"{listed(sorted({each for each, _ in waiting}))} did not appear on {run.server} within "
        f"{run.spec.wait_seconds} s.",
        why="Compose made no container for it, or somebody removed it.",
        remedy="Deploy again; the log shows what Compose did.",
    )


def _unhealthy(run: ComposeRun, service: str, container: Container) -> StepFailed:
    last = container.health_log[-1].strip() if container.health_log else ""
    said = f" Its check says: {last}" if last else ""
    state = container.status if container.paused else container.health or container.status
    return StepFailed(
        f"The service {service} on {run.server} is not healthy ({state}).{said}",
        why=f"Its health check did not pass within {run.spec.wait_seconds} s, or gave up.",
        remedy="Look at its lines in the log; if it only needs longer, raise the deadline, or start_period in the file.",
    )


def _digest(image: LocalImage | None) -> str | None:
    return image.repo_digests[0].rpartition("@")[2] if image is not None and image.repo_digests else None
