"""What row 14 expects people to be told, against what Estiva says: each cause is told by its own words alone."""

from __future__ import annotations

import re

import pytest

from parts.faults.disks import LITTLE_SPACE, NO_INODES, NO_SPACE, READ_ONLY, Cause
from worker.connections.engine_errors import refusal
from worker.connections.fake import FakeHost, FakeServer
from worker.engine.failure import StepFailed
from worker.engine.full_disk import tell_of_what
from worker.engine.preflight import disk_finding

GB = 10**9
CAUSES = (LITTLE_SPACE, NO_SPACE, NO_INODES, READ_ONLY)


def told(cause: Cause, said: str, remedy: str) -> bool:
    """Whether the campaign takes this for the cause."""
    return bool(re.search(cause.said, said) and re.search(cause.remedy, remedy))


class Full:
    """A deploy on a server whose disk has so much left, of bytes or of files."""

    server = "web-1"

    def __init__(self, *, space: int = GB, files: int = 100_000) -> None:
        there = FakeServer()
        there.disk, there.files = (space, 2 * GB), (files, 200_000)
        self.host = FakeHost(there)
        self.facts = self.host.facts()


@pytest.mark.parametrize("tag", ["page", "disk-files1", "disk-sealed1", "disk-before1"])
@pytest.mark.parametrize(("run", "cause"), [(Full(space=0), NO_SPACE), (Full(files=3), NO_INODES)])
def test_a_full_disk_is_told_by_the_deploy(tag: str, run: Full, cause: Cause) -> None:
    error = refusal(f"failed to register layer of {tag}: write /layer: no space left on device", "web-1")
    failure = StepFailed.of(error, "The pull failed")
    tell_of_what(run, failure)
    said = f"{failure.what} {failure.why}"
    assert [each for each in CAUSES if told(each, said, failure.remedy)] == [cause]


def test_a_disk_that_takes_no_writes_is_told_by_the_engine() -> None:
    error = refusal("mkdir /var/lib/docker/tmp: read-only file system", "web-1")
    assert [each for each in CAUSES if told(each, f"{error.message} {error.why}", error.remedy)] == [READ_ONLY]


def test_little_space_is_told_by_the_plan() -> None:
    finding = disk_finding((GB // 20, 4 * GB), already_here=False, folder="/var/lib/docker", server="web-1")
    assert told(LITTLE_SPACE, finding.message, finding.remedy)
    assert not re.search(NO_SPACE.said, finding.message)


def test_enough_space_is_not_taken_for_little() -> None:
    finding = disk_finding((3 * GB, 4 * GB), already_here=False, folder="/var/lib/docker", server="web-1")
    assert not re.search(LITTLE_SPACE.said, finding.message)


def test_a_name_is_no_cause() -> None:
    error = refusal("manifest for team/page:disk-sealed1 not found", "web-1")
    for cause in CAUSES:
        assert not re.search(cause.said, f"{error.message} {error.why} disk-sealed1 read-only-1")


def test_no_remedy_is_none() -> None:
    assert not told(READ_ONLY, "mkdir /var/lib/docker: read-only file system", "")
