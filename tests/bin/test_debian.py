"""What is made from another Debian release is made once, and a failure leaves nothing that looks made."""

from __future__ import annotations

from pathlib import Path

import pytest

from parts import debian
from parts.processes import PartError


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_a_recipe_is_made_once_and_another_one_anew() -> None:
    made: list[Path] = []

    def make(into: Path) -> None:
        made.append(into)
        (into / "file").write_text("made")

    places = [debian.cached("thing", recipe, make) for recipe in ("first", "first", "second")]
    assert places[0] == places[1] != places[2]
    assert len(made) == 2
    assert (places[0] / "file").read_text() == "made"


def test_what_failed_is_tried_again(tmp_path: Path) -> None:
    def fail(into: Path) -> None:
        (into / "half").touch()
        raise PartError("the archive was away")

    for _ in range(2):
        with pytest.raises(PartError, match="away"):
            debian.cached("thing", "recipe", fail)
    assert [path.name for path in (tmp_path / "estiva").iterdir()] == ["thing.lock"]


def test_another_system_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian, "_os_release", lambda: ["ID=fedora"])
    with pytest.raises(PartError, match="not Debian"):
        debian.mirror()
