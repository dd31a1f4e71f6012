"""Containers of somebody else's that have a name we want: they are left alone, and the log says whose they are."""

from typing import Final

from worker.engine.container_host import Container, ContainerHost
from worker.engine.events import Line
from worker.engine.failure import StepFailed
from worker.engine.run import Run
from worker.engine.spec import Identity

_SHORT_ID: Final = 12
_LONGEST: Final = 80  # characters of what others wrote into a label or an image's name
_MAKERS: Final = (
    ("com.docker.compose.project", "the Compose project"),
    ("com.docker.swarm.service.name", "the Swarm service"),
    ("io.kubernetes.pod.name", "the pod"),
)


def name_taken(host: ContainerHost, identity: Identity, name: str, instead: str = "another name") -> Line:
    """That a name was refused: who has it, and that ours gets another one."""
    who = whose(host.container(name), identity)
    return Line(f"The name {name} is taken by {who}. That one is left alone; ours gets {instead}.", level="warn")


def name_refused(run: Run, name: str, there: Container) -> StepFailed:
    """As `name_taken`, where no other name would do."""
    return StepFailed(
        f"The name {name} is taken on {run.server} by {whose(there, run.identity)}. That one was left alone.",
        why="Two installations of Estiva on one server may come to the same name.",
        remedy="Remove or rename it if it is not needed, or try again: what is tried then has another name.",
    )


def whose(container: Container | None, identity: Identity) -> str:
    """Who has a container, as far as its labels tell."""
    if container is None:
        return "a container that is gone again"
    kind, _, digest = container.image.partition(":")
    image = f"{kind}:{digest[:_SHORT_ID]}" if kind == "sha256" else _plain(container.image)
    which = f"{container.id[:_SHORT_ID]}, image {image}, {container.status}"
    installation = container.labels.get("estiva.installation", "")
    if installation == identity.installation:
        return f"another container of this Estiva's ({which})"
    if installation:
        return f"a container of another Estiva, {_plain(installation)} ({which})"
    for label, maker in _MAKERS:
        if name := container.labels.get(label):
            return f"a container of {maker} {_plain(name)} ({which})"
    return f"a container that is not Estiva's ({which})"


def _plain(text: str) -> str:
    return "".join(each for each in text if each.isprintable())[:_LONGEST]
