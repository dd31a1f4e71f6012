"""Small pieces of templates."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.test import RequestFactory

from dashboard.templatetags import estiva
from deployments.states import DeploymentStatus, HostState, OperationStatus, TargetStatus

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("past", "said"),
    [
        (timedelta(seconds=1), "just now"),
        (timedelta(seconds=42), "42 s ago"),
        (timedelta(minutes=12), "12 min ago"),
        (timedelta(hours=2, minutes=50), "2 h ago"),
        (timedelta(days=1, hours=2), "yesterday"),
        (timedelta(days=6), "6 days ago"),
        (timedelta(weeks=3), "3 weeks ago"),
        (timedelta(days=100), "24 Nov 2025"),
        (timedelta(seconds=-90), "in 1 min 30 s"),
    ],
)
def test_ago(past: timedelta, said: str) -> None:
    with time_machine.travel(NOW, tick=False):
        assert f">{said}</time>" in estiva.ago(NOW - past)


def test_ago_without_a_moment_says_what_it_was_told() -> None:
    assert estiva.ago(None, "<never>") == "&lt;never&gt;"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, ""),
        (0.84, "0.8 s"),
        (12.9, "12 s"),
        (184, "3 min 4 s"),
        (7500, "2 h 5 min"),
        (273_600, "3 d 4 h"),
        (-1, "0.0 s"),
    ],
)
def test_duration(seconds: float | None, said: str) -> None:
    assert estiva.duration(seconds) == said


@pytest.mark.parametrize(
    ("count", "said"), [(None, ""), (0, "0 B"), (999, "999 B"), (38_200_000, "38.2 MB"), (5 * 10**15, "5000.0 TB")]
)
def test_bytes(count: int | None, said: str) -> None:
    assert estiva.in_bytes(count) == said


@pytest.mark.parametrize("status", [*DeploymentStatus, *TargetStatus, *OperationStatus, *HostState])
def test_every_status_has_a_shape_and_a_word(status: str) -> None:
    assert status in estiva._STATE_CLASS
    shown = estiva.state(status)
    assert f">{status}<" not in shown or status.islower() is False


def test_a_state_escapes_what_it_is_given() -> None:
    assert "&lt;b&gt;" in estiva.state("running", "<b>")


@pytest.mark.parametrize(
    ("name", "initials"),
    [("Ana Prado", "AP"), ("Ana Maria do Prado", "AP"), ("ana", "A"), ("", "·"), ("<x> y", "&lt;Y")],
)
def test_faces(name: str, initials: str) -> None:
    assert f">{initials}</span>" in estiva.face(name)


def test_query_keeps_the_other_filters() -> None:
    request = RequestFactory().get("/audit/?person=3&before=9&fragment=list")
    assert estiva.query({"request": request}, before="", action="host check") == "?person=3&action=host+check"


def test_short_digest() -> None:
    assert estiva.short_digest("sha256:" + "9f2c41" + "0" * 54 + "77ab") == "sha256:9f2c41…77ab"
    assert estiva.short_digest("latest") == "latest"
    assert estiva.short_digest(None) == ""


def test_changes_leave_out_what_stayed() -> None:
    rows = estiva.changes({"a": 1, "b": "x", "c": None}, {"a": 2, "b": "x", "d": ["y"]})
    assert rows == [{"name": "a", "before": "1", "after": "2"}, {"name": "d", "before": None, "after": '["y"]'}]
