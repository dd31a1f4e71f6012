"""What `bin/bench pages` keeps of its data set is as fresh, and as much of this code's making, as one made anew."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from bench.pages_health import KINDS, stretches
from deployments.host_samples import KEPT
from deployments.queries.health import FRESH


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
