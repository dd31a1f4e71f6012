"""Putting in order what a run left that was cut off, before Compose is asked to do anything.

Compose recreates a container under a temporary name beside the old one. A run that ended in between leaves it there, and
Compose 2.26 stumbles over it ever after.
"""

import re
from contextlib import suppress

from worker.engine.compose.bring_up import take_fence
from worker.engine.compose.fence import hold
from worker.engine.compose.run import ComposeRun
from worker.engine.compose.sight import NUMBER, look
from worker.engine.container_host import Container
from worker.engine.errors import NotFound
from worker.engine.events import Line
from worker.engine.run import Steps

_TEMPORARY = re.compile(r"[0-9a-f]{12}_(?P<name>.+)")


def settle(run: ComposeRun) -> Steps:
    """Holding the fence, remove temporary containers that have a place to take no longer, and finish the others' way; continue
    what somebody paused, since Compose starts no such container, and would leave one that it needn't change as it is.

    They are named by ID, and seen before the fence is looked at again: a stale worker can't mean a newer one's.
    """
    yield from take_fence(run)
    sight = look(run.host, run.spec)
    left = [
        (each, several) for several in sight.services.values() for each in several if _TEMPORARY.fullmatch(each.name)
    ]
    paused = [each for each in sight.containers if each.paused]
    if not left and not paused:
        return
    hold(run.host, run.identity, run.spec.project)
    for each, several in left:
        yield from _put_right(run, each, list(several))
    for each in paused:
        yield from _continue(run, each)


def _continue(run: ComposeRun, paused: Container) -> Steps:
    with suppress(NotFound):  # put right just before
        run.host.start(paused.id)
        yield Line(f"{lasting_name(paused)} was paused by hand: it goes on.", level="warn")


def lasting_name(container: Container) -> str:
    """What it is called, or will be once Compose is through."""
    match = _TEMPORARY.fullmatch(container.name)
    return match["name"] if match else container.name


def _put_right(run: ComposeRun, left: Container, several: list[Container]) -> Steps:
    number = left.labels.get(NUMBER)
    name = lasting_name(left)
    replaced = any(each.id != left.id and each.labels.get(NUMBER) == number for each in several)
    try:
        if replaced:
            run.host.remove(left.id)
            yield Line(f"Removed {left.name}, which a run that was cut off had made beside {name}.")
        else:
            run.host.rename(left.id, name)
            yield Line(f"Called {left.name} {name}: the one it replaces is gone already.")
    except NotFound:
        return
