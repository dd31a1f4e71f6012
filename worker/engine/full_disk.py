"""A full disk: of what it is full, and starting the old version again where there is no room even for that.

A disk can fill between the moment the new container was made and the one when it was to start, with the old one stopped. An engine
writes some files at each start. What is ours to give is the new container, and its image where nobody else has it. So that goes first.
"""

from contextlib import suppress
from typing import Final, Protocol

from worker.engine.cleanup import drop_image
from worker.engine.container_host import ContainerHost, EngineFacts
from worker.engine.errors import HostError
from worker.engine.events import Line
from worker.engine.failure import StepFailed
from worker.engine.fixed_policy import hold
from worker.engine.inventory import Owned
from worker.engine.run import Run, Steps, attempt
from worker.engine.takeover import discard

_SCARCE: Final = 0.05  # of all: an engine that ran out has given some back by the time that we look
_LEAST_BYTES: Final = 100_000_000


class OnServer(Protocol):
    """Whatever is done on one server."""

    @property
    def host(self) -> ContainerHost: ...

    @property
    def facts(self) -> EngineFacts | None: ...

    @property
    def server(self) -> str: ...


def tell_of_what(run: OnServer, failure: StepFailed) -> None:
    """Of a failure for want of space: say whether bytes or files (inodes) ran out, where the server lets us know.

    The engine's words are the same for both. Asked at once, since putting things back frees some of either.
    """
    if not is_full(failure) or run.facts is None:
        return
    folder = run.facts.root_folder
    with suppress(HostError):  # then both stay named
        space, files = run.host.disk_free(folder), run.host.files_free(folder)
        if space is None or files is None:
            return
        no_bytes = space[0] < _LEAST_BYTES or space[0] < _SCARCE * space[1]
        no_files = files[0] < _SCARCE * files[1]
        free = f"{space[0] / 1e9:.1f} of {space[1] / 1e9:.1f} GB"
        if no_files and not no_bytes:
            failure.why = (
                f"The disk of {run.server} holds as many files as it can: {files[0]} of {files[1]} inodes are left "
                f"under {folder}, though {free} are free."
            )
            failure.remedy = (
                f"Remove what consists of many files on {run.server}, for example: docker image prune, docker builder "
                f"prune. `df -i {folder}` shows how many are left."
            )
        elif no_bytes and not no_files:
            failure.why = f"The disk of {run.server} is full: {free} are free under {folder}."
            failure.remedy = (
                f"Free space on {run.server}, for example: docker image prune, docker builder prune. "
                f"`docker system df` and `df -h {folder}` show what takes it."
            )


def start_again(run: Run, old: Owned, mine: Owned | None) -> Steps:
    """Start the old version, under the policy that a reboot starts; `mine` makes room where there is none."""
    try:
        _start(run, old)
    except StepFailed as failure:
        if mine is None or not is_full(failure):
            raise
        yield Line(
            f"The disk of {run.server} is full: removing what the new version brought, for the old one to start.",
            level="warn",
        )
        yield from _make_room(run, old, mine)
        _start(run, old)
    yield Line(f"{old.name} was paused by hand: it goes on." if old.container.paused else f"Started {old.name} again.")


def is_full(failure: StepFailed) -> bool:
    """Whether this is what it failed of."""
    return "no space left" in failure.what.lower()


def _start(run: Run, old: Owned) -> None:
    if old.container.restart_policy != "always":
        hold(run, old, "always")
    attempt(f"The old version {old.name} could not be started again on {run.server}", run.host.start, old.name)


def _make_room(run: Run, old: Owned, mine: Owned) -> Steps:
    """While it is there the new container tells that the old one was stopped by us; so that it can go now, this attempt has seen it."""
    attempt(f"{mine.name} could not be removed", discard, run.host, mine.name)
    if mine.container.image_id == old.container.image_id:
        return
    with suppress(HostError):  # the container's own room may be enough
        image = run.host.local_image(mine.container.image_id)
        if image is not None:
            yield from drop_image(run, image, [run.identity.kept_tag])
