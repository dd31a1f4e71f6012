"""The trial's own look into a backup's file, and what it compares after a restore."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.db.models import F

from deployments import backup
from deployments.backup import load
from deployments.models import Placement
from deployments.states import TargetStatus
from parts import trial_backup
from parts.faults.events import Event
from parts.processes import PartError
from parts.trial_backup import OpenTarget
from parts.trial_reconciled import (
    AHEAD,
    HELD,
    LINED_UP,
    OVERTAKEN,
    STILL,
    UNWANTED,
    check_open,
    taken_away,
    wrong_drift,
    wrong_ends,
)
from tests import factories

OPENED = OpenTarget(7, 5, HELD, "running", 2, touched=True)


@pytest.mark.django_db(transaction=True)
def test_what_was_open_in_a_backup_is_found(tmp_path: Path) -> None:
    placement = factories.placement(hosts=[factories.host()])
    done = factories.ran(factories.release(placement))
    under_way = factories.deployment(done.release)
    server = factories.host()
    running = factories.target(under_way, server, TargetStatus.RUNNING, fence=3, touched=True)
    waiting = factories.target(factories.deployment(done.release), server, TargetStatus.QUEUED)
    file = tmp_path / "estiva.backup"
    with file.open("wb") as out:
        written = backup.write(out)

    tables = trial_backup.read(file)
    assert {name: len(table.rows) for name, table in tables.items()} == written.rows
    name = done.application_name
    opened = trial_backup.open_targets(tables)
    assert opened == [
        OpenTarget(running.pk, under_way.pk, name, "running", 3, touched=True),
        OpenTarget(waiting.pk, waiting.deployment_id, name, "queued", 0, touched=False),
    ]
    assert trial_backup.by_status(opened) == {"queued": 1, "running": 1}
    assert trial_backup.differing(tables, trial_backup.read(file)) == []


@pytest.mark.django_db(transaction=True)
def test_a_row_that_changed_between_two_backups_is_told(tmp_path: Path) -> None:
    factories.placement()
    files = []
    for number in (1, 2):
        files.append(tmp_path / f"{number}.backup")
        with files[-1].open("wb") as out:
            backup.write(out)
        if number == 1:
            factories.host(name="pier-9")
    (found,) = trial_backup.differing(*map(trial_backup.read, files))
    assert found.startswith("deployments_host: ")


@pytest.mark.django_db(transaction=True)
def test_a_restore_lets_the_numbers_of_releases_leap_and_changes_nothing_else(tmp_path: Path) -> None:
    factories.placement()
    files = []
    for number in (1, 2):
        files.append(tmp_path / f"{number}.backup")
        with files[-1].open("wb") as out:
            backup.write(out)
        Placement.objects.update(next_release=F("next_release") + load.LEAP)
    one, other = map(trial_backup.read, files)
    assert trial_backup.differing(trial_backup.as_restored(one), other) == []
    (found,) = trial_backup.differing(one, other)
    assert found.startswith("deployments_placement: ")


def test_a_file_without_tables_is_no_backup(tmp_path: Path) -> None:
    file = tmp_path / "empty"
    with file.open("wb") as out:
        backup.file.Writer(out).end({})
    with pytest.raises(PartError, match="holds no table"):
        trial_backup.read(file)


def test_nothing_may_be_open_but_what_was_meant() -> None:
    check_open([OPENED], {5: "running"})
    for due in ({5: "queued"}, {}, {5: "running", 6: "queued"}):
        with pytest.raises(PartError, match="open in the backup"):
            check_open([OPENED], due)


def container(number: str, state: str = "running") -> dict[str, Any]:
    """As an engine lists it."""
    return {"Id": number, "State": state, "Names": [f"/{number}"]}


def test_a_container_that_stays_is_not_taken_away() -> None:
    there = {STILL: [container("a")]}
    renamed = Event(1.0, "quay-1", "rename", "a", "still-r1.f2", {})
    assert taken_away(there, there, [renamed], [STILL]) == []
    assert taken_away(there, {STILL: [container("a"), container("b", "exited")]}, [], [STILL]) == []


@pytest.mark.parametrize("action", ["kill", "stop", "die", "destroy"])
def test_a_container_that_was_stopped_meanwhile_was_taken_away_even_if_it_runs_again(action: str) -> None:
    there = {STILL: [container("a")]}
    (found,) = taken_away(there, there, [Event(1.0, "quay-1", action, "a", "still-r1.f1", {})], [STILL])
    assert action in found


def test_another_container_in_its_place_is_told() -> None:
    (found,) = taken_away({STILL: [container("a")]}, {STILL: [container("b")]}, [], [STILL])
    assert "['b']" in found
    assert len(taken_away({}, {STILL: [container("b")]}, [], [STILL])) == 2
    assert len(taken_away({STILL: [container("a")]}, {}, [], [STILL])) == 1


def test_what_was_open_ends_as_it_should() -> None:
    assert wrong_ends([OPENED], {7: "succeeded"}) == []
    for status in ("needs_attention", "failed_restored", "lost", "cancelled"):
        (found,) = wrong_ends([OPENED], {7: status})
        assert status in found


def test_the_record_says_where_the_server_is_ahead_and_nowhere_else() -> None:
    names = (STILL, AHEAD, HELD, OVERTAKEN, UNWANTED, LINED_UP)
    words = "Release 2 runs, release 1 is on record."
    right = {AHEAD: words, UNWANTED: words, STILL: "", HELD: ""}
    assert wrong_drift(right, names) == []
    assert len(wrong_drift({**right, AHEAD: ""}, names)) == 1
    assert len(wrong_drift({**right, STILL: words}, names)) == 1
