"""What the trial teaches the new version, so that there is something that the earlier one doesn't know."""

from __future__ import annotations

import ast
import json
import shutil
from pathlib import Path

import pytest

from deployments import known
from deployments.models import Operation
from parts import trial_unknown
from parts.environment import ROOT
from parts.processes import PartError
from parts.trial_unknown import KIND, LESSONS, NOBODYS, SETTING, later, says_left


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Of the source, what is changed."""
    for name, _before, _lesson in LESSONS:
        (tmp_path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / "tree" / name)
    return tmp_path / "tree"


def test_the_new_version_learns_what_this_one_does_not_know(tree: Path, tmp_path: Path) -> None:
    taught = later(tree, tmp_path / "later")
    for name, before, lesson in LESSONS:
        text = (taught / name).read_text()
        ast.parse(text)
        assert text.count(lesson + before) == 1
        assert (tree / name).read_text() == (ROOT / name).read_text(), "its own source stays as it is"
    fields, operations, running = ((taught / name).read_text() for name, _before, _lesson in LESSONS)
    assert f'"{SETTING}"' in fields.partition('FIELDS: Final = (\n    Field("ports"')[2]
    assert f'{KIND.upper()} = "{KIND}"' in operations.partition("class Kind(")[2]
    assert f"Operation.Kind.{KIND.upper()}: check.check" in running.partition("KINDS: Final")[2].partition("}")[0]


def test_where_it_has_no_place_that_is_said(tree: Path, tmp_path: Path) -> None:
    name, before, _lesson = LESSONS[0]
    (tree / name).write_text((tree / name).read_text().replace(before, ")\n"))
    with pytest.raises(PartError, match="no single place"):
        later(tree, tmp_path / "later")


def test_this_version_knows_none_of_it() -> None:
    for setting in (SETTING, NOBODYS):
        assert setting in known.unknown_in_content({}, {setting: "lead"}, [])
    assert KIND not in Operation.Kind.values


def test_what_a_worker_says_of_work_that_it_leaves_is_understood(caplog: pytest.LogCaptureFixture) -> None:
    known.leave.cache_clear()
    known.leave("target", 12, "the setting “ballast”")
    (record,) = caplog.records
    assert record.getMessage() == trial_unknown.LEFT
    line = json.dumps({"event": record.getMessage(), "target": record.target, "level": "warning"})  # type: ignore[attr-defined]
    log = f"starting\n{line}\n{{not quite\n"
    assert says_left(log, "target", 12)
    assert not says_left(log, "target", 1)
    assert not says_left(log, "operation", 12)
    assert not says_left("", "target", 12)
