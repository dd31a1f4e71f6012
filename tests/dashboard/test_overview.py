"""The first page: what runs where, for whom, at what cost."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from deployments.models import Attention, Host, User
from deployments.queries.cells import Cell
from deployments.queries.overview import APPLICATIONS, overview
from deployments.states import DeploymentStatus, HostState, TargetStatus
from tests import factories as make

pytestmark = pytest.mark.django_db


@pytest.fixture
def ana() -> User:
    return make.ana()


@pytest.fixture
def as_ana(ana: User, client: Client) -> Client:
    client.force_login(ana)
    return client


def page(client: Client, path: str = "/") -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.content.decode()


def only_cell(user: User) -> Cell:
    (cell,) = overview(user).cells
    return cell


def test_a_new_installation_says_what_to_do_first(as_ana: Client) -> None:
    text = page(as_ana)
    assert "First steps" in text
    assert 'href="/servers/new"' in text
    assert "What runs where" in text


def test_steps_that_were_taken_are_ticked(as_ana: Client) -> None:
    make.host("web-1")
    text = page(as_ana)
    assert text.count('state good">Done') == 2, "a server is there, and its key is confirmed"
    assert 'class="button small main" href="/applications/new"' in text


def test_a_deployer_without_grants_is_told_whom_to_ask(client: Client) -> None:
    make.placement(make.application("storefront"))
    client.force_login(make.bruno())
    text = page(client)
    assert "Nothing is here for you yet" in text
    assert "storefront" not in text


def test_a_running_release_says_since_when_by_whom_and_on_how_many_servers(as_ana: Client) -> None:
    placement = make.placement(hosts=[make.host(), make.host()], url="https://shop.example.com/")
    make.ran(make.release(placement, "2.4.1"), ago=timedelta(hours=2), requested_by_name="Bruno Lima")
    text = page(as_ana)
    for words in ("2.4.1", "Healthy", "2 h ago", "2 servers", 'title="Bruno Lima"', 'href="https://shop.example.com/"'):
        assert words in text


def test_a_deploy_moves_inside_its_cell(as_ana: Client, ana: User) -> None:
    hosts = [make.host(), make.host()]
    placement = make.placement(hosts=hosts)
    make.ran(make.release(placement, "2.4.1"))
    deployment = make.deployment(
        make.release(placement, "2.4.2"), status=DeploymentStatus.RUNNING, started_at=timezone.now()
    )
    make.target(deployment, hosts[0], TargetStatus.SUCCEEDED)
    moving = make.target(deployment, hosts[1], TargetStatus.RUNNING, fence=1)
    make.step(moving, "pull", done=30, total=60)
    text = page(as_ana, "/?fragment=board")
    assert f'<progress data-progress="{moving.pk}:pull" value="30" max="60"' in text
    assert "2.4.1 → 2.4.2" in text
    assert "1 of 2 servers" in text
    assert only_cell(ana).label == "Pulling"
    assert "<html" not in text, "a fragment is only a part of the page"


def test_a_queued_deploy_is_first_in_line_and_shows_who_waits_behind(ana: User) -> None:
    placement = make.placement(hosts=[make.host()])
    first = make.deployment(make.release(placement))
    make.deployment(make.release(placement))
    cell = only_cell(ana)
    assert (cell.state, cell.motion and cell.motion.deployment, cell.motion and cell.motion.waiting) == (
        "queued",
        first,
        1,
    )


def test_after_a_failure_the_cell_says_whether_the_old_version_serves(ana: User) -> None:
    placement = make.placement(hosts=[make.host()])
    make.failed(make.release(placement))
    assert [pill.text for pill in only_cell(ana).pills] == ["nothing serves"]
    make.ran(make.release(placement))
    make.failed(make.release(placement))
    assert (only_cell(ana).state, [pill.text for pill in only_cell(ana).pills]) == ("failed", ["old version serves"])


def test_a_cancelled_deploy_changes_nothing_about_what_is_said(ana: User) -> None:
    placement = make.placement(hosts=[make.host()])
    make.ran(make.release(placement))
    make.ran(make.release(placement), status=DeploymentStatus.CANCELLED, targets=TargetStatus.CANCELLED)
    assert (only_cell(ana).state, only_cell(ana).pills) == ("good", [])


def test_servers_on_different_releases_are_said(ana: User) -> None:
    placement = make.placement(hosts=[make.host(), make.host()])
    make.ran(make.release(placement))
    seat = placement.seats.order_by("pk")[0]
    seat.running_release = make.release(placement, "2.0")
    seat.save()
    assert "servers differ" in [pill.text for pill in only_cell(ana).pills]


def test_drift_is_a_warning_with_its_words(ana: User) -> None:
    placement = make.placement(hosts=[make.host("web-1")])
    make.ran(make.release(placement))
    placement.seats.update(drift="the container was stopped by hand")
    cell = only_cell(ana)
    assert (cell.state, cell.pills[0].text) == ("warn", "the container was stopped by hand")
    assert [words for _state, words in overview(ana).counts] == ["1 drifted"]


def test_a_server_out_of_reach_is_never_called_healthy(ana: User) -> None:
    server = make.host("web-1")
    make.ran(make.release(make.placement(hosts=[server])))
    Host.objects.update(state=HostState.UNREACHABLE)
    assert only_cell(ana).label == "Not seen now"
    assert "web-1 can't be reached." in [alarm.title for alarm in overview(ana).alarms]


def test_a_changed_host_key_is_the_first_alarm(as_ana: Client, ana: User) -> None:
    make.worker()
    make.host("a-1", state=HostState.UNREACHABLE)
    make.host("b-1", state=HostState.KEY_CHANGED, state_text="It shows another host key.")
    assert [alarm.title for alarm in overview(ana).alarms] == [
        "b-1 shows another host key.",
        "a-1 can't be reached.",
    ]
    assert 'href="/servers/b-1/"' in page(as_ana)


def test_work_that_stalls_is_an_alarm_until_a_later_deploy_succeeds(ana: User) -> None:
    make.worker()
    server = make.host("web-1")
    placement = make.placement(hosts=[server])
    deployment = make.deployment(make.release(placement), status=DeploymentStatus.RUNNING)
    make.target(deployment, server, TargetStatus.STALLED)
    assert [alarm.deployment for alarm in overview(ana).alarms] == [deployment.pk]
    make.ran(make.release(placement))
    assert overview(ana).alarms == []


def test_what_is_in_doubt_is_an_alarm_until_somebody_has_dealt_with_it(ana: User) -> None:
    make.worker()
    server = make.host()
    deployment = make.deployment(make.release(make.placement(hosts=[server])), status=DeploymentStatus.NEEDS_ATTENTION)
    make.target(deployment, server, TargetStatus.NEEDS_ATTENTION)
    assert [alarm.deployment for alarm in overview(ana).alarms] == [deployment.pk]
    assert (only_cell(ana).label, only_cell(ana).pills[0].text) == ("Needs attention", f"in doubt: {server.name}")
    Attention.objects.update(way="as_is")
    assert overview(ana).alarms == []
    assert only_cell(ana).label == "Not deployed yet"


def test_no_worker_is_an_alarm_and_a_loud_one_where_work_waits(ana: User) -> None:
    make.worker(beat_at=timezone.now() - timedelta(minutes=2))
    make.worker(role="reconciler")
    assert [(alarm.tone, alarm.title) for alarm in overview(ana).alarms] == [("warn", "No worker is running.")]
    make.deployment(make.release(make.placement(hosts=[make.host()])))
    assert [alarm.tone for alarm in overview(ana).alarms] == ["bad"]


def test_a_worker_that_only_looks_deploys_nothing(ana: User) -> None:
    make.worker(role="look")
    assert [alarm.title for alarm in overview(ana).alarms] == ["No worker for deploys is running."]
    make.worker()
    assert overview(ana).alarms == []


def test_a_deployer_sees_only_what_was_granted(client: Client) -> None:
    granted = make.placement(make.application("storefront"), hosts=[make.host("web-1")])
    foreign = make.placement(make.application("payroll"), hosts=[make.host("web-2", state=HostState.KEY_CHANGED)])
    for placement in (granted, foreign):
        make.ran(make.release(placement))
    client.force_login(make.bruno(granted))
    text = page(client)
    assert "storefront" in text
    assert "payroll" not in text
    assert "web-2" not in text


def test_an_auditor_sees_everything_and_is_offered_nothing(client: Client) -> None:
    make.ran(make.release(make.placement(make.application("payroll"), hosts=[make.host()])))
    client.force_login(make.carla())
    text = page(client)
    assert "payroll" in text
    assert "Deploy…" not in text
    assert "New application" not in text


def test_archived_applications_are_not_shown(as_ana: Client) -> None:
    make.placement(make.application("gone", archived_at=timezone.now()))
    assert "gone" not in page(as_ana).partition("<main")[2]


def test_the_chart_counts_days_and_leaves_cancelled_ones_out(ana: User) -> None:
    placement = make.placement(hosts=[make.host()])
    release = make.release(placement)
    for days, status in (
        (0, DeploymentStatus.SUCCEEDED),
        (0, DeploymentStatus.FAILED),
        (3, DeploymentStatus.SUCCEEDED),
        (3, DeploymentStatus.CANCELLED),
        (20, DeploymentStatus.SUCCEEDED),
    ):
        make.ran(release, status=status, ago=timedelta(days=days), seconds=10)
    found = overview(ana).rhythm
    assert (found.total, found.failed, found.percent) == (3, 1, 67)
    assert found.seconds == pytest.approx(10, abs=0.1)
    assert [(day.good, day.bad) for day in found.days][-4:] == [(1, 0), (0, 0), (0, 0), (1, 1)]
    assert all(day.bad_y >= 0 and day.good_y + day.good_height <= 56 for day in found.days)


def test_the_number_of_queries_does_not_grow_with_the_rows(as_ana: Client) -> None:
    def grow(times: int) -> None:
        for _each in range(times):
            placement = make.placement(hosts=[make.host(), make.host(state=HostState.UNREACHABLE)])
            make.ran(make.release(placement))
            deployment = make.deployment(make.release(placement), status=DeploymentStatus.RUNNING)
            share = make.target(deployment, placement.seats.order_by("pk")[0].host, TargetStatus.RUNNING)
            make.step(share)

    def queries() -> int:
        with CaptureQueriesContext(connection) as found:
            page(as_ana)
        return len(found)

    grow(1)
    page(as_ana)  # the first view of a session writes it
    few = queries()
    grow(6)
    assert queries() == few
    assert few <= 28


def test_many_applications_come_in_pages_those_that_deserve_a_look_first(as_ana: Client, ana: User) -> None:
    staging = make.environment()
    names = [f"app-{number:02}" for number in range(APPLICATIONS + 2)]
    placements = [make.placement(make.application(name), staging, [make.host()]) for name in names]
    make.failed(make.release(placements[-1]))
    make.deployment(make.release(placements[-2]))
    found = overview(ana)
    assert [row.application.name for row in found.rows] == [*names[-2:], *names[: APPLICATIONS - 2]]
    assert [row.application.name for row in overview(ana, 2).rows] == names[APPLICATIONS - 2 : APPLICATIONS]
    assert found.counts == overview(ana, 2).counts == [("queued", "1 queued"), ("failed", "1 failed")]
    assert f"1 to {APPLICATIONS} of {APPLICATIONS + 2}" in page(as_ana)
    second = page(as_ana, "/?page=2")
    assert 'rel="prev" href="?page=1"' in second
    assert "fragment=board&amp;page=2" in second, "what is fetched anew is the same page"
    assert names[APPLICATIONS - 1] in page(as_ana, "/?page=99"), "the last"


def test_what_is_counted_is_what_the_cells_say(ana: User) -> None:
    staging, server = make.environment(), make.host()
    stands = {}
    for name in ("running", "queued", "stalled", "failed", "warn", "good"):
        stands[name] = make.placement(make.application(name), staging, [server])
        make.ran(make.release(stands[name]))
    running = make.deployment(make.release(stands["running"]), status=DeploymentStatus.RUNNING)
    make.target(running, server, TargetStatus.RUNNING)
    make.deployment(make.release(stands["queued"]))
    stalled = make.deployment(make.release(stands["stalled"]), status=DeploymentStatus.RUNNING)
    make.target(stalled, server, TargetStatus.STALLED)
    make.failed(make.release(stands["failed"]))
    stands["warn"].seats.update(drift="runs another image")
    found = overview(ana)
    assert {cell.placement.application.name: cell.state for cell in found.cells} == {name: name for name in stands}
    assert sorted(found.standings) == sorted(["running", "queued", "stalled", "failed", "warn", ""])
