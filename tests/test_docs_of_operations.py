"""What the docs say to watch is there to be watched: every metric is described, and every name that the docs and the alerts use exists."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from dashboard import metrics
from deployments import measures, tallies
from deployments.states import DeploymentStatus, HostState, TargetStatus
from parts.faults import campaign
from tests.factories import worker

DOCS = Path(__file__).resolve().parents[1] / "docs"
OPERATIONS = DOCS / "operations.md"
ALERTS = DOCS / "prometheus" / "alerts.yml"
_NAME = re.compile(r"\bestiva_[a-z_]+")
_CHOICE = re.compile(r"([a-z]+)(=~|=|!=|!~)\"([^\"]*)\"")


@pytest.fixture
def series(db: None) -> dict[str, list[dict[str, str]]]:
    """The labels of each series by its full name, in an installation in which everything has happened."""
    times = {name: {"sum": 1.0, "each": [1] * (len(known.buckets) + 1)} for name, known in measures.TIMES.items()}
    now = dict.fromkeys(measures.GAUGES, 1)
    for role in ("deploy", "look", "reconciler"):
        counts = {"duty_failures": {"hints": 1}} if role == "reconciler" else {}
        worker(role=role, measured={"times": times, "counts": counts, "now": now})
    tallies.add({tallies.Key(tallies.BACKUPS): tallies.ONE})
    found: dict[str, list[dict[str, str]]] = {"estiva_broker_hints": [], "estiva_broker_live_entries": []}
    for family in text_string_to_metric_families(metrics.text("1", 0).decode()):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample.labels)
    return found


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def base(name: str) -> str:
    """A histogram's or summary's series is described by the family's name."""
    return re.sub(r"_(bucket|sum|count)$", "", name)


def test_every_metric_is_described(series: dict[str, Any]) -> None:
    described = {
        name for line in OPERATIONS.read_text().splitlines() if line.startswith("| `") for name in _NAME.findall(line)
    }
    assert {base(name) for name in series} - described == set()


def test_what_the_docs_name_is_there(series: dict[str, Any]) -> None:
    there = set(series) | {base(name) for name in series}
    for page in (*DOCS.glob("*.md"), *DOCS.glob("prometheus/*.yml")):
        named = {name for name in _NAME.findall(page.read_text()) if not name.endswith("_")}
        if page.name in {"operations.md", "scaling.md"} or page.suffix == ".yml":
            assert named - there == set(), page


def test_what_the_alerts_choose_is_there(series: dict[str, list[dict[str, str]]]) -> None:
    for rule in rules():
        for name, choices in re.findall(r"(estiva_[a-z_]+)(\{[^}]*\})?", rule["expr"]):
            assert name in series, rule["alert"]
            for label, how, wanted in _CHOICE.findall(choices):
                values = {labels.get(label, "") for labels in series[name]}
                wanted_values = wanted.split("|") if how in {"=~", "!~"} else [wanted]
                assert set(wanted_values) <= values, f"{rule['alert']}: {name} has no {label} {wanted}"
        for label in re.findall(r"\$labels\.([a-z]+)", str(rule["annotations"])):
            assert re.search(rf"by \([a-z, ]*{label}", rule["expr"]), rule["alert"]


def test_every_alert_says_what_to_do() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names)) > 15
    for rule in rules():
        assert rule["labels"]["severity"] in {"page", "warn"}
        assert set(rule["annotations"]) == {"summary", "action"}
        assert all(text.endswith(".") for text in rule["annotations"].values()), rule["alert"]


def test_the_campaign_has_the_rows_that_the_docs_name() -> None:
    known = {row.name for row in campaign.ROWS}
    text = OPERATIONS.read_text()
    table = text[text.index("## What each process may lose") : text.index("## What was changed by hand")]
    cells = [line.rsplit(" | ", 1)[1] for line in table.splitlines() if line.startswith("|") and " | " in line]
    named = {name for cell in cells if "no row" not in cell for name in re.findall(r"`([a-z-]+)`", cell)}
    assert len(named) > 10
    assert named - known == set()


def test_the_labels_that_are_statuses_are_ours(series: dict[str, list[dict[str, str]]]) -> None:
    assert {each["status"] for each in series["estiva_targets"]} <= set(TargetStatus.values)
    assert {each["status"] for each in series["estiva_deployments_ended_total"]} <= set(DeploymentStatus.values)
    assert {each["state"] for each in series["estiva_servers"]} <= set(HostState.values)
