"""What `bin/bench click` reads from the pages is there, and what it says of its figures follows from them."""

from __future__ import annotations

import json
from http.client import HTTPConnection
from types import SimpleNamespace
from typing import cast

import pytest
from django.test import Client
from django.urls import reverse

from bench import click, click_queue, far, tab
from bench.click_queue import Cell, Cells
from bench.click_runs import Clicks
from bench.clicked import Clicked, News
from bench.far_runs import Far
from deployments.states import DeploymentStatus
from parts.faults.world import World
from parts.processes import PartError
from tests.dashboard import story


@pytest.mark.django_db
def test_a_tab_finds_the_form_the_target_and_how_it_stands() -> None:
    told = story.tell()
    client = Client(enforce_csrf_checks=True)
    client.force_login(told.ana)
    page = client.get(reverse("placement", args=["storefront", "staging"])).content.decode()
    assert tab._TOKEN.search(page)
    page = client.get(reverse("deployment", args=[told.running.pk])).content.decode()
    targets = {int(number) for number, _last in tab._TARGET.findall(page)}
    assert targets == set(told.running.targets.values_list("pk", flat=True))
    head = tab._HEAD.search(page)
    assert head is not None
    assert head[2], "it is open"


@pytest.mark.django_db
def test_a_tab_sees_that_it_is_over() -> None:
    told = story.tell()
    over = story.deployment(told.staging, told.ana, DeploymentStatus.SUCCEEDED)
    client = Client()
    client.force_login(told.ana)
    page = client.get(reverse("deployment", args=[over.pk]) + "?fragment=head").content.decode()
    head = tab._HEAD.search(page)
    assert head is not None
    assert not head[2]


def test_lines_that_are_missing_or_came_twice_are_counted() -> None:
    assert Clicked(numbers=[1, 2, 3]).judge() == (0, 0)
    assert Clicked(numbers=[1, 3, 3]).judge() == (1, 1)
    assert Clicked().judge() == (0, 0)


def test_a_stream_that_says_nothing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tab, "SECONDS", 0.01)
    stream = tab.Stream(HTTPConnection("127.0.0.1"), {}, deployment=7, target=9, last=0)
    with pytest.raises(PartError, match=r"deployment%3A7.* said nothing"):
        next(stream.events())


def test_the_figure_of_the_first_line_is_that_of_nearly_all_clicks() -> None:
    clicked = [Clicked(first_line=0.1) for _ in range(19)] + [Clicked(first_line=1.1)]
    for each in clicked:
        each.container_line = each.first_line + 0.4
    found = Clicks(clicked=clicked, done=[1.0] * 20, floor=[0.5] * 20, plans=[0.25] * 20)
    _, figures, rounds = click.single(found)
    assert figures["click_to_first_line_p50_ms"] == pytest.approx(100)
    assert 100 < figures["click_to_first_line_ms"] < 1100
    assert figures["click_to_container_line_ms"] == pytest.approx(figures["click_to_first_line_ms"] + 400)
    assert figures["click_to_done_over_floor"] == 2
    assert figures["plan_and_click_over_floor"] == 2.5
    assert [each > 150 for each in rounds["click_to_first_line_ms"]] == [False] * 9 + [True], "not in every part"


def test_estivas_own_lines_are_not_the_containers() -> None:
    clicked = Clicked()
    for at, stream in ((10.1, "estiva"), (10.2, "stderr"), (10.5, "stdout"), (10.9, "stdout")):
        row = [round(at * 10), 1_790_000_000_000, "replace", stream, "hello", "info"]
        clicked.note(News(at, "log", json.dumps({"target": 7, "lines": [row]})), 10.0)

    assert clicked.first_line == pytest.approx(0.1)
    assert clicked.container_line == pytest.approx(0.5)


def cell(deploys: int, workers: int, seconds: float, busy: float = 0.5) -> Cell:
    return Cell(deploys, workers, [0.1, 0.2], seconds, busy, 0.3)


def test_workers_are_compared_round_by_round_where_most_was_asked_at_once() -> None:
    one, four = (
        [cell(50, 1, seconds) for seconds in (150, 300, 150)],
        [cell(50, 4, seconds) for seconds in (40, 80, 75)],
    )
    once = [cell(1, 1, 6), cell(1, 2, 6), cell(50, 2, 80), cell(1, 4, 6)]

    rows, figures, factors, full = click.crowd(Cells(once, {1: one, 4: four}), 2)

    assert factors == pytest.approx([3.75, 3.75, 2])
    assert figures["scaling_4_over_1"] == pytest.approx(3.75)
    waits = {(deploys, workers) for deploys in (1, 50) for workers in (1, 2, 4)}
    assert {f"queue_wait_p95_s_{deploys}_on_{workers}" for deploys, workers in waits} <= figures.keys()
    assert {row.what: row.seconds for row in rows}["50 at once, 4 × 2 places"] == 75
    assert not full


class Workers:
    """As `Estiva` starts and ends them; how many ran, and most at once."""

    def __init__(self) -> None:
        self.running = self.most = 0

    def worker(self, *, concurrency: int, wait: bool) -> Workers:
        self.running += 1
        self.most = max(self.most, self.running)
        return self

    def end(self, _worker: Workers) -> None:
        self.running -= 1


def test_the_most_deploys_on_one_worker_and_on_four_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    workers, met = Workers(), list[tuple[int, int]]()
    crowd = object.__new__(click_queue.Crowd)
    crowd._world, crowd._concurrency = cast(World, SimpleNamespace(estiva=workers)), 2

    def one(count: int, running: int) -> Cell:
        assert workers.running == running
        met.append((count, running))
        return cell(count, running, 10.0)

    monkeypatch.setattr(click_queue, "until_ready", lambda _process: None)
    monkeypatch.setattr(crowd, "_cell", one)

    found = crowd.table([1, 50], 3)

    assert met[0] == (50, 4), "each application is deployed once before"
    assert [(each.deploys, each.workers) for each in found.once] == [(1, 1), (1, 2), (50, 2), (1, 4)]
    assert {number: len(cells) for number, cells in found.turns.items()} == {1: 3, 4: 3}
    assert (workers.running, workers.most) == (0, 4)


def test_full_cores_leave_the_factor_untold() -> None:
    turns = {1: [cell(50, 1, 150)], 4: [cell(50, 4, 40, busy=0.97)]}

    *_, full = click.crowd(Cells([], turns), 2)

    assert "cores were full" in full


def test_a_far_deploy_is_compared_with_a_near_one_of_the_same_round() -> None:
    found = Far(shares={"near": 2, "near too": 1, "far": 1}, lost=1)
    for side, done in ((found.near, [1.0, 2.0, 1.0]), (found.far, [6.0, 12.0, 3.0])):
        side.done, side.first = done, [each / 2 for each in done]
        side.requests = {"database": 100.0, "broker": 20.0, "ssh": 60.0}

    rows, figures, rounds = far.table(found)

    assert rounds == {"far_over_near": [6, 6, 3]}
    assert figures["far_over_near"] == 6
    assert figures["far_database_requests"] == 100
    assert figures["lost"] == 1
    assert figures["far_share"] == 1
    assert far.AT_LEAST.keys() <= figures.keys()
    assert "1 by near too" in {row.what: row.note for row in rows}["many at once on all three"]
