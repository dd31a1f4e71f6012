"""Compose brings a model up, and the log says what it does."""

import re
from collections.abc import Mapping

from worker.engine.compose.compose_host import ComposeLine, ComposeRefused, UpOrder
from worker.engine.compose.fence import fence_volume, hold, take
from worker.engine.compose.model import Model, fenced
from worker.engine.compose.run import ComposeRun
from worker.engine.events import Line
from worker.engine.run import Steps

_MARGIN = 90  # seconds: what stopping, creating and starting may take besides the wait for health
_CONTAINER = re.compile(r"Container (?P<name>\S+)\s+(?P<what>\w+)")
_DOWN = ("Recreate", "Stopping", "Recreated", "Removed")
_UP = ("Healthy", "Exited")


def take_fence(run: ComposeRun) -> Steps:
    """Once an attempt, before its first change of a container."""
    if not run.holds_fence:
        yield from run.touch()
        take(run.host, run.identity, run.spec.project)
        run.holds_fence = True


def bring_up(run: ComposeRun, model: Model, gone: Mapping[str, str]) -> Steps:
    """`up` with our fence; services in `gone` lose their containers. `ComposeRefused`, or `NewerFence`."""
    yield from take_fence(run)
    try:
        yield from _up(run, model, gone)
    except ComposeRefused as error:
        if not _fence_missing(run, error):
            raise
        take(run.host, run.identity, run.spec.project)  # `NewerFence`, unless somebody removed our volume by hand
        yield Line("Somebody removed the volume that stands for this run; made it again.", level="warn")
        yield from _up(run, model, gone)


def _up(run: ComposeRun, model: Model, gone: Mapping[str, str]) -> Steps:
    volume = fence_volume(run.identity, run.spec.project)
    text = fenced(model, volume, gone).text()
    deadline = run.spec.wait_seconds + _MARGIN + stop_seconds(model)
    order = UpOrder(run.spec.project, run.identity.fence, text, run.spec.wait_seconds, deadline)
    for line in run.host.compose_up(order):
        said = line.text.strip()
        if said:
            run.recent.append(said)
            _note(run, line)
            yield Line(said, stream=line.stream)


def _note(run: ComposeRun, line: ComposeLine) -> None:
    found = _CONTAINER.search(line.text)
    if found is None:
        return
    if found["what"] in _DOWN:
        run.gone_down(found["name"])
    elif found["what"] in _UP:
        run.back_up(found["name"])


def _fence_missing(run: ComposeRun, error: ComposeRefused) -> bool:
    """Compose found no volume of our fence. Looks whether somebody newer is here: `NewerFence`."""
    if fence_volume(run.identity, run.spec.project) not in error.said:
        return False
    hold(run.host, run.identity, run.spec.project)
    return True


def stop_seconds(model: Model) -> int:
    """The longest a service is given to end, as far as it says so in seconds."""
    found = [
        re.fullmatch(r"(?:(\d+)m)?(\d+)s", str(body.get("stop_grace_period", ""))) for body in model.services.values()
    ]
    return max((int(each[1] or 0) * 60 + int(each[2]) for each in found if each), default=10)
