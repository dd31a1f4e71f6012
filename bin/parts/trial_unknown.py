"""Work that workers of the earlier version have never heard of, asked for while they are there: they leave it, and a new one takes it.

Two versions that follow each other rarely differ in what may be asked for. So the new one is taught something first: a setting of
containers that changes nothing, and a kind of operation that does what a check of a server does.
"""

from __future__ import annotations

import functools
import json
import shutil
import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Final

from parts.processes import PartError
from parts.trial_acts import SERVER, Acts, Deployed, check
from parts.trial_record import StackRecord
from parts.trial_stack import Stack

WARM_UP: Final = (
    "SAMPLE_BEHAVIOUR=slow_start",
    "SAMPLE_SECONDS=30",
)  # as long the first deploy holds the second one up
SETTING, KIND = "ballast", "weigh"
NOBODYS: Final = "ballast_of_tomorrow"  # a setting that the new version doesn't know either
LEFT: Final = "left for a worker that knows it"
UNTOUCHED: Final = ("queued", 0, 0, "", None)
LESSONS: Final = (
    (
        "deployments/container_settings.py",
        "    *OPTIONS,\n)  # fmt: skip\n",
        f'    Field("{SETTING}", "text", "Ballast", sparse=True, section="network"),\n',
    ),
    (
        "deployments/models/operation.py",
        '        CHECK = "check", ',
        f'        {KIND.upper()} = "{KIND}", "Weighing"\n',
    ),
    (
        "worker/operations/running.py",
        "    Operation.Kind.CHECK: check.check,\n",
        f"    Operation.Kind.{KIND.upper()}: check.check,\n",
    ),
)


def later(tree: Path, place: Path) -> Path:
    """A copy of a source tree in which the setting and the kind of operation are known; PartError where they have no place there."""
    shutil.copytree(tree, place)
    for name, before, lesson in LESSONS:
        file = place / name
        text = file.read_text()
        if text.count(before) != 1:
            raise PartError(
                f"{name} has no single place for {lesson.strip()}: {before!r} is there {text.count(before)} times."
            )
        file.write_text(text.replace(before, lesson + before))
    return place


class Unknown:
    """A deploy and an operation, from the asking to the end. `earlier` are the containers of the version before."""

    def __init__(self, acts: Acts, stack: Stack, record: StackRecord) -> None:
        self._acts, self._stack, self._record = acts, stack, record
        self._waited: list[float] = []
        self._left_by_new = 0

    def deploy(self, earlier: Collection[str], new: Collection[str]) -> None:
        """All of them are at work: nobody takes what nobody knows. Once the new version knows it, one of its workers does."""
        application = self._acts.create("unknown", *WARM_UP)
        self._acts.deploy(application, wait=False)
        first = application.deployment
        self._acts.set_version(application, "2")
        self._acts.deploy(application, wait=False)
        target = self._set_for_tomorrow(application, first)
        self._acts.person.wait_for(f"/deployments/{first}/", "Succeeded", timeout=150)
        fence = self._fence(target)
        self._left("target", target, [*earlier, *new])
        self._left_by_new = len(new)
        check(self._fence(target) == fence, f"somebody has claimed target {target}, which nobody knows")
        release = f"(SELECT release_id FROM deployments_deployment WHERE id = {application.deployment})"
        self._change(
            f"UPDATE deployments_release SET settings = settings - '{NOBODYS}' || '{{\"{SETTING}\": \"lead\"}}' WHERE id = {release}"
        )
        self._acts.finished(application)
        self._taken_by_another("target", target, earlier)
        check(self._fence(target) == fence + 1, f"target {target} was claimed more than once")

    def operation(self, looker: str) -> int:
        """Asked for where only the earlier looker is, who leaves it; its number."""
        number = self._change(
            "INSERT INTO deployments_operation (kind, host_id, status, fence, holder, attempts, deadline_at, request, steps,"
            f" result, requested_by_name, requested_at) SELECT '{KIND}', id, 'queued', 0, '', 0, now() + interval '1 hour',"
            f" '{{}}', '[]', '{{}}', '', now() FROM deployments_host WHERE name = '{SERVER}'"
        )
        self._left("operation", number, [looker])
        return number

    def operation_ends(self, number: int, looker: str) -> None:
        """A looker of the new version is there in place of that one: it is carried out."""
        query = f"SELECT status FROM deployments_operation WHERE id = {number}"
        self._until(lambda: self._record.rows(query) == [("succeeded",)], f"operation {number} succeeds")
        self._taken_by_another("operation", number, [looker])

    def figures(self, earlier: Collection[str]) -> dict[str, Any]:
        """What was left by how many (`earlier`: all of that version that had to), and how long the last of each took to come by."""
        return {
            "left_by_earlier": len(earlier),
            "left_by_new_as_nobody_knew_it": self._left_by_new,
            "left_after_seconds_at_most": max(self._waited),
            "then_taken_and_ended_well": 2,
        }

    def _set_for_tomorrow(self, application: Deployed, first: int) -> int:
        """Of what waits behind `first` the settings get one that nobody knows; the Target's number."""
        waits = f"d.status = 'queued' AND EXISTS (SELECT FROM deployments_deployment WHERE id = {first} AND status = 'running')"
        return self._change(
            f'UPDATE deployments_release r SET settings = r.settings || \'{{"{NOBODYS}": "lead"}}\''
            " FROM deployments_deployment d JOIN deployments_target t ON t.deployment_id = d.id"
            f" WHERE d.release_id = r.id AND d.id = {application.deployment} AND {waits}",
            "t.id",
        )

    def _change(self, statement: str, returning: str = "id") -> int:
        told = self._stack.ask(f"{statement} RETURNING {returning}").split()
        if len(told) != 1:
            raise PartError(f"{len(told)} rows, not one, were changed by: {statement}")
        return int(told[0])

    def _left(self, noun: str, number: int, containers: Collection[str]) -> None:
        began = time.monotonic()
        for container in containers:
            self._until(
                functools.partial(self._says_left, container, noun, number),
                f"{container[:12]} says that it left {noun} {number}",
            )
        self._waited.append(round(time.monotonic() - began, 1))

    def _says_left(self, container: str, noun: str, number: int) -> bool:
        found = self._row(noun, number)
        check(found == UNTOUCHED, f"{noun} {number}, which nobody knows, is {found}, not {UNTOUCHED}")
        return says_left(self._stack.log(container), noun, number)

    def _taken_by_another(self, noun: str, number: int, earlier: Collection[str]) -> None:
        status, _fence, attempts, holder, _started = self._row(noun, number)
        theirs = [each for each in earlier if each[:12] in holder]
        good = status == "succeeded" and attempts == 1 and holder and not theirs
        check(
            bool(good),
            f"{noun} {number} is {status} after {attempts} attempts, the last by {holder!r}; earlier are {earlier}",
        )

    def _row(self, noun: str, number: int) -> tuple[Any, ...]:
        columns = "status, fence, attempts, holder, started_at"
        (row,) = self._record.rows(f"SELECT {columns} FROM deployments_{noun} WHERE id = {number}")
        return row

    def _fence(self, target: int) -> int:
        """The highest that was given for this application on the server."""
        ((fence,),) = self._record.rows(
            "SELECT s.fence FROM deployments_placementhost s JOIN deployments_target t"
            f" ON t.placement_id = s.placement_id AND t.host_id = s.host_id WHERE t.id = {target}"
        )
        return int(fence)

    def _until(self, holds: Callable[[], bool], what: str, timeout: float = 180) -> None:
        until = time.monotonic() + timeout
        while not holds():
            check(time.monotonic() < until, f"waited {timeout:g} s in vain: {what}")
            threading.Event().wait(1)


def says_left(log: str, noun: str, number: int) -> bool:
    """Whether a process that logs in JSON, a line each, said that it leaves this one for others."""
    return any(
        told.get("event") == LEFT and told.get(noun) == number
        for told in (json.loads(line) for line in log.splitlines() if line.startswith("{") and LEFT in line)
    )
