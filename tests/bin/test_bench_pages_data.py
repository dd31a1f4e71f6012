"""What `bin/bench pages` keeps of its data set is as fresh, and as much of this code's making, as one made anew."""

from __future__ import annotations

import re
import signal
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bench import pages_kept
from bench.pages_health import KINDS, stretches
from deployments.host_samples import KEPT
from deployments.queries.health import FRESH
from parts.part import remember
from parts.processes import PartError


def test_health_is_fresh_from_now_until_pages_have_been_measured() -> None:
    now = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    found = list(stretches(now))

    for is_hourly, span, amount, ahead in KINDS:
        moments = [at for hourly, at in found if hourly is is_hourly]
        assert len(set(moments)) == amount
        assert {int(at.timestamp()) % span.total_seconds() for at in moments} == {0}
        assert now - span < max(moments) - ahead * span <= now
        assert moments[0] > now - KEPT[is_hourly], "a stretch that Estiva would have deleted"
    fresh = [at for hourly, at in found if not hourly and at >= now - FRESH]
    assert len([at for at in fresh if at <= now]) == 3
    later = now + timedelta(minutes=40)
    assert [at for at in fresh if later - FRESH <= at <= later]


def test_a_data_set_that_other_code_made_is_made_anew(tmp_path: Path) -> None:
    source, kept = tmp_path / "pages_world.py", tmp_path / "kept"
    kept.mkdir()
    source.write_text("SEED = 20")
    maker = pages_kept.made_by([source])
    assert pages_kept.counts(kept, maker) is None
    pages_kept.keep(kept, maker, {"deployments": 7})
    assert pages_kept.counts(kept, maker) == {"deployments": 7}

    source.write_text("SEED = 21")
    assert pages_kept.counts(kept, pages_kept.made_by([source])) is None

    pages_kept.begin(kept)
    assert pages_kept.counts(kept, maker) is None, "it was being made when somebody ended it"


def test_every_source_that_writes_rows_is_a_maker() -> None:
    assert pages_kept.made_by() == pages_kept.made_by()
    folder = Path(pages_kept.__file__).parent
    writers = {
        path.stem.removeprefix("pages_")
        for path in folder.glob("pages_*.py")
        if re.search(r"bulk_create|copies\(|def make\(", path.read_text())
    }
    assert writers <= set(pages_kept.SOURCES)


def test_one_at_a_time_stands_on_a_data_set_and_ends_what_was_left_there(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "600"]) as left:
        remember(tmp_path, left.pid)
        with pages_kept.alone(tmp_path):
            assert left.wait(10) == -signal.SIGKILL
            with pytest.raises(PartError, match="Another benchmark"), pages_kept.alone(tmp_path):
                pass
        with pages_kept.alone(tmp_path):
            pass
