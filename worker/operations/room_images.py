"""IMAGES: remove exactly the images of ours that were shown as unused. The result: `{"removed", "left", "bytes"}`.

Each is looked at once more: it must still be the image that was shown, used by no container, and of no need to the record.
Nothing is removed by force. `left` are pairs of an image and why it stays; `bytes` is what those removed were said to free.
"""

from collections.abc import Mapping
from typing import Any

from deployments import room, room_images
from deployments.actors import ESTIVA
from deployments.states import OperationStatus
from worker.operations.meet import host_of
from worker.operations.steps import Looking, Outcome
from worker.room import door
from worker.room.server_room import ServerRoom


def remove(looking: Looking) -> Outcome:
    """One after another; what can't go is said and stays."""
    host, rows = host_of(looking), looking.operation.request["images"]
    looking.plan_steps([("remove", "Unused images")])
    removed: list[str] = []
    left: list[list[str]] = []
    freed = 0
    with looking.step("remove") as step, door.enter(host, looking.signals) as (server, _masker):
        for row in rows:
            looking.signals.check()
            if why := _why_not(server, row):
                left.append([row["tags"][0], why])
                continue
            removed.append(row["tags"][0])
            freed += row["size"]
        said = f"{len(removed)} images removed" + (f", {len(left)} left." if left else ".")
        step.finish(said, status="warn" if left else "good")
    room.look_around(actor=ESTIVA, host=host)
    return Outcome(OperationStatus.SUCCEEDED, {"removed": removed, "left": left, "bytes": freed})


def _why_not(server: ServerRoom, row: Mapping[str, Any]) -> str:
    """Remove one; why it stays, "" when it is gone."""
    found = server.local_image(row["id"])
    if found is None:
        return ""  # an earlier attempt, or somebody else, was faster
    if set(found.repo_tags) != set(row["tags"]) or set(found.repo_digests) != set(row["digests"]):
        return "it bears other names than were shown"
    if any(str(each.get("ImageID")) == row["id"] for each in server.running(stopped=True)):
        return "a container uses it"
    if not room_images.still_unused(row["tags"]):
        return "a release that is kept needs it"
    for reference in (*row["tags"], *row["digests"]):
        server.remove_image(reference)
    return "" if server.local_image(row["id"]) is None else "the engine kept it: something else needs it"
