"""Whether what is on a server is one Composition, whole. Nothing is changed."""

from collections.abc import Sequence

from worker.engine.compose.compose_host import ComposeHost
from worker.engine.compose.model import CONFIG_LABEL, Model, definition
from worker.engine.compose.resolving import resolve
from worker.engine.compose.sight import look
from worker.engine.compose.spec import ComposeSpec
from worker.engine.container_host import Container


def runs_whole(host: ComposeHost, spec: ComposeSpec) -> bool:
    """Each service of `spec.wanted` has its containers, they were made by just its definition and run, and nothing is there besides.

    A deploy leaves alone what it doesn't change: such containers bear an older release's number, and are of this one too.
    `StepFailed` where the server's Compose can't read the files.
    """
    if spec.wanted.lost:
        return False  # what its variables were is not known any more
    sight = look(host, spec)
    model = resolve(host, spec, spec.wanted).pinned
    wanted = {name for name in model.services if model.scale(name)}
    return wanted == set(sight.services) and all(_is_whole(model, name, sight.services[name], spec) for name in wanted)


def _is_whole(model: Model, service: str, containers: Sequence[Container], spec: ComposeSpec) -> bool:
    word, is_job = definition(model, service, spec.identity.installation), service in model.jobs()
    return len(containers) == model.scale(service) and all(
        each.labels.get(CONFIG_LABEL) == word and (_runs(each) or (is_job and each.exit_code == 0))
        for each in containers
    )


def _runs(container: Container) -> bool:
    return container.up and container.health in ("", "healthy")
