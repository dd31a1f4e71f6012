"""What row 14 expects people to be told, against what Estiva says: each cause is told by its own words alone."""

from __future__ import annotations

import re

import pytest

from parts.faults.disks import LITTLE_SPACE, NO_SPACE, READ_ONLY, Cause
from worker.connections.engine_errors import refusal
from worker.engine.preflight import disk_finding

GB = 10**9


def told(cause: Cause, said: str, remedy: str) -> bool:
    """Whether the campaign takes this for the cause."""
    return bool(re.search(cause.said, said) and re.search(cause.remedy, remedy))


@pytest.mark.parametrize("tag", ["page", "disk-files1", "disk-sealed1", "disk-before1"])
def test_a_full_disk_is_told_by_the_engine(tag: str) -> None:
    error = refusal(f"failed to register layer of {tag}: write /layer: no space left on device", "web-1")
    said = f"{error.message} {error.why}"
    assert told(NO_SPACE, said, error.remedy)
    assert not re.search(LITTLE_SPACE.said, said)
    assert not re.search(READ_ONLY.said, said)


def test_little_space_is_told_by_the_plan() -> None:
    finding = disk_finding((GB // 20, 4 * GB), already_here=False, folder="/var/lib/docker", server="web-1")
    assert told(LITTLE_SPACE, finding.message, finding.remedy)
    assert not re.search(NO_SPACE.said, finding.message)


def test_enough_space_is_not_taken_for_little() -> None:
    finding = disk_finding((3 * GB, 4 * GB), already_here=False, folder="/var/lib/docker", server="web-1")
    assert not re.search(LITTLE_SPACE.said, finding.message)


def test_a_name_is_no_cause() -> None:
    error = refusal("manifest for team/page:disk-sealed1 not found", "web-1")
    for cause in (LITTLE_SPACE, NO_SPACE, READ_ONLY):
        assert not re.search(cause.said, f"{error.message} {error.why} disk-sealed1 read-only-1")


def test_no_remedy_is_none() -> None:
    assert not told(READ_ONLY, "mkdir /var/lib/docker: read-only file system", "")
