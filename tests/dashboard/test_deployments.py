"""History and the page of one deployment."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.test import Client
from django.utils import timezone

from dashboard.templatetags.estiva import moment
from deployments import live
from deployments.models import AuditEntry, Deployment, Host, LogChunk, Step, Target
from deployments.queries import log
from deployments.states import DeploymentStatus, HostState, TargetStatus
from tests.dashboard.story import Story, deployment, first_target, tell, write_lines


@pytest.fixture
def story(db: None) -> Story:
    return tell()


@pytest.fixture
def as_ana(story: Story, client: Client) -> Client:
    client.force_login(story.ana)
    return client


async def whole(answer: Any) -> str:
    """All of a streamed answer."""
    return b"".join([piece async for piece in answer]).decode()


def fail_on(target: Target) -> None:
    """End a target as the engine does when the new version never became healthy."""
    target.status = TargetStatus.FAILED_RESTORED
    target.serving_release = 41
    target.outcome = {
        "what": "web-1 never became healthy.",
        "why": "The container exited with code 1.",
        "remedy": "Look at its last lines, then redeploy.",
        "remains": [],
    }
    target.ended_at = timezone.now()
    target.save()


def test_the_page_shows_state_servers_and_steps(as_ana: Client, story: Story) -> None:
    target = story.running.targets.first()
    assert target is not None
    Target.objects.filter(pk=target.pk).update(fence=1)
    Step.objects.create(
        target=target, fence=1, key="pull", started_at=timezone.now(), done=5, total=10, label="layer 1 of 2"
    )
    page = as_ana.get(f"/deployments/{story.running.pk}/").content.decode()
    assert f"Deployment #{story.running.pk}" in page
    assert "web-1" in page
    assert "web-2" in page
    assert f'data-progress="{target.pk}:pull" value="5" max="10"' in page
    assert "layer 1 of 2" in page
    assert "Cancel this deployment" in page


def test_a_failure_speaks_first(as_ana: Client, story: Story) -> None:
    target = story.running.targets.first()
    assert target is not None
    fail_on(target)
    story.running.targets.exclude(pk=target.pk).update(status=TargetStatus.SUCCEEDED)
    Deployment.objects.filter(pk=story.running.pk).update(status=DeploymentStatus.FAILED, ended_at=timezone.now())
    page = as_ana.get(f"/deployments/{story.running.pk}/").content.decode()
    assert page.index("web-1 never became healthy.") < page.index("log-viewer")
    assert "Release 41 serves there." in page
    assert "Look at its last lines, then redeploy." in page
    assert "Failed on web-1" in page


def test_a_queued_one_says_behind_what_it_waits(as_ana: Client, story: Story) -> None:
    deployment(story.staging, story.bruno, DeploymentStatus.QUEUED)
    third = deployment(story.staging, story.bruno, DeploymentStatus.QUEUED)
    page = as_ana.get(f"/deployments/{third.pk}/").content.decode()
    assert (
        f'Waits for <a href="/deployments/{story.running.pk}/">#{story.running.pk}</a>, which Ana Prado asked for.'
        in page
    )
    assert "Position 2 in line" in page


def test_a_stalled_one_says_so_and_why(as_ana: Client, story: Story) -> None:
    story.running.targets.update(status=TargetStatus.STALLED, stalled_reason="Worker w1 went silent.")
    page = as_ana.get(f"/deployments/{story.running.pk}/").content.decode()
    assert "Stalled on web-1" in page
    assert "Worker w1 went silent." in page
    assert "as soon as a worker takes it over" in page


def test_a_stalled_one_whose_server_shows_another_key_waits_for_an_admin(as_ana: Client, story: Story) -> None:
    page = stalled_page(as_ana, story, not_before=timezone.now() + timedelta(minutes=5))
    assert "trusts it" not in page
    Host.objects.filter(pk=story.host.pk).update(state=HostState.KEY_CHANGED)
    page = stalled_page(as_ana, story)
    assert 'An admin compares the new host key of <a href="/servers/web-1/">web-1</a> and trusts it.' in page
    assert "by itself" not in page


def test_also_where_it_is_a_server_on_the_way(as_ana: Client, story: Story) -> None:
    Host.objects.filter(pk=story.host.pk).update(via=story.foreign_host, state=HostState.UNREACHABLE)
    Host.objects.filter(pk=story.foreign_host.pk).update(state=HostState.KEY_CHANGED)
    assert 'the new host key of <a href="/servers/web-3/">web-3</a>' in stalled_page(as_ana, story)


def test_a_stalled_one_that_waits_says_when_it_is_tried_again(as_ana: Client, story: Story) -> None:
    at = timezone.now() + timedelta(minutes=5)
    page = stalled_page(as_ana, story, not_before=at)
    assert f"It is tried again by itself at {moment(at)}, while a worker runs." in page
    assert "as soon as a worker takes it over" not in page
    assert "as soon as a worker takes it over" in stalled_page(
        as_ana, story, not_before=timezone.now() - timedelta(seconds=1)
    )


def stalled_page(client: Client, story: Story, not_before: datetime | None = None) -> str:
    """The page of what runs, its first server's Target stalled."""
    Target.objects.filter(pk=first_target(story).pk).update(
        status=TargetStatus.STALLED, stalled_reason="It is away.", not_before=not_before
    )
    return client.get(f"/deployments/{story.running.pk}/").content.decode()


def test_lines_are_paged_without_gap_or_repeat(as_ana: Client, story: Story) -> None:
    target = story.running.targets.first()
    assert target is not None
    for _chunk in range(5):
        write_lines(target, 30, publish=False)
    seen: list[int] = []
    more = True
    while more:
        after = seen[-1] if seen else 0
        answer = as_ana.get(f"/deployments/{story.running.pk}/lines?target={target.pk}&after={after}&limit=40").json()
        seen += [line[0] for line in answer["lines"]]
        more = answer["more"]
    assert seen == list(range(1, 151))


def test_search_goes_over_the_whole_log(as_ana: Client, story: Story) -> None:
    first, second = story.running.targets.order_by("pk")
    write_lines(first, 200, publish=False)
    write_lines(second, 10, publish=False)
    answer = as_ana.get(f"/deployments/{story.running.pk}/lines?q=LINE 7 of").json()
    assert [(row[0], row[1]) for row in answer["found"]] == [(first.pk, 7), (second.pk, 7)]
    assert answer["more"] is False


@pytest.mark.parametrize(("bound", "value"), [("LOOK_SECONDS", 0), ("MOST_FOUND", 2)])
def test_a_search_goes_on_from_where_it_stopped(
    as_ana: Client, story: Story, monkeypatch: pytest.MonkeyPatch, bound: str, value: int
) -> None:
    monkeypatch.setattr(log, bound, value)
    first, second = story.running.targets.order_by("pk")
    for target in (first, second, first):
        write_lines(target, 3, publish=False)
    found: list[tuple[int, int]] = []
    place: str | None = ""
    asked = 0
    while place is not None:
        answer = as_ana.get(f"/deployments/{story.running.pk}/lines?q=LINE&next={place}").json()
        assert answer["more"] is (answer["next"] is not None)
        found += [(row[0], row[1]) for row in answer["found"]]
        place, asked = answer["next"], asked + 1
    assert found == [(first.pk, number) for number in range(1, 7)] + [(second.pk, number) for number in range(1, 4)]
    assert asked > 2


def test_letter_case_is_ignored_in_every_alphabet(as_ana: Client, story: Story) -> None:
    target = story.running.targets.order_by("pk")[0]
    text = live.encode_lines([live.LogLine(1, 0, "pull", "stdout", 'ÇA VA, "Zoë"')])
    LogChunk.objects.create(target=target, first_line=1, last_line=1, fence=1, lines=text)
    answer = as_ana.get(f"/deployments/{story.running.pk}/lines", {"q": 'ça va, "ZOË"'}).json()
    assert [row[1] for row in answer["found"]] == [1]


def test_one_steps_lines_are_looked_for_where_it_began(
    as_ana: Client, story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "LOOK_SECONDS", 0)
    target = story.running.targets.order_by("pk")[0]
    for _number in range(3):
        write_lines(target, 3, publish=False)
    Step.objects.create(target=target, fence=1, key="pull", started_at=timezone.now(), first_line=5)
    path = f"/deployments/{story.running.pk}/lines?target={target.pk}"
    answer = as_ana.get(f"{path}&step=pull").json()
    assert ([row[0] for row in answer["lines"]], answer["last"], answer["more"]) == ([5, 6], 6, True)
    answer = as_ana.get(f"{path}&step=health&after=3").json()
    assert (answer["lines"], answer["last"], answer["more"]) == ([], 6, True)
    assert as_ana.get(f"{path}&step=made-up").status_code == 400


def test_another_deployments_target_is_not_served(as_ana: Client, story: Story) -> None:
    foreign = story.foreign.targets.get()
    write_lines(foreign, 3, publish=False)
    answer = as_ana.get(f"/deployments/{story.running.pk}/lines?target={foreign.pk}")
    assert answer.status_code == 400


@pytest.mark.django_db(transaction=True)
def test_raw_is_the_whole_log_as_text(as_ana: Client, story: Story) -> None:
    target = story.running.targets.order_by("pk").first()
    assert target is not None
    write_lines(target, 120, publish=False)
    answer = as_ana.get(f"/deployments/{story.running.pk}/raw")
    text = async_to_sync(whole)(answer)
    assert len(text.splitlines()) == 120
    assert text.startswith("2023-11-14T22:13:20.001+00:00 web-1 pull stdout | line 1 of")
    entry = AuditEntry.objects.get(action="log.download")
    assert (entry.actor_name, entry.object_id) == ("Ana Prado", str(story.running.pk))


def test_cancelling_asks_and_says_so(as_ana: Client, story: Story) -> None:
    answer = as_ana.post(f"/deployments/{story.running.pk}/cancel", follow=True)
    story.running.refresh_from_db()
    assert story.running.cancelled_by_name == "Ana Prado"
    assert "Cancelling" in answer.content.decode()


def test_cancelling_what_is_over_is_refused_in_words(as_ana: Client, story: Story) -> None:
    done = deployment(story.staging, story.ana, DeploymentStatus.SUCCEEDED)
    answer = as_ana.post(f"/deployments/{done.pk}/cancel", follow=True)
    assert "is over already" in answer.content.decode()


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("application=storefront&environment=staging", ["staging"]),
        ("environment=production", ["production"]),
        ("server=web-3", ["production"]),
        ("state=succeeded", []),
        ("person=ana", ["production", "staging"]),
        ("since=2100-01-01T00:00", []),
    ],
)
def test_history_filters_by_the_url(as_ana: Client, query: str, expected: list[str]) -> None:
    answer = as_ana.get(f"/deployments/?{query}")
    assert [row.environment_name for row in answer.context["page"].deployments] == expected


def test_history_pages_by_key_both_ways(as_ana: Client, story: Story) -> None:
    for _number in range(60):
        deployment(story.production, story.ana, DeploymentStatus.SUCCEEDED)
    first = as_ana.get("/deployments/").context["page"]
    second = as_ana.get(f"/deployments/?before={first.older}").context["page"]
    back = as_ana.get(f"/deployments/?after={second.newer}").context["page"]
    ids = [row.pk for row in first.deployments] + [row.pk for row in second.deployments]
    assert ids == sorted(Deployment.objects.values_list("pk", flat=True), reverse=True)
    assert [row.pk for row in back.deployments] == [row.pk for row in first.deployments]


def test_a_deployer_sees_only_what_is_granted(client: Client, story: Story) -> None:
    client.force_login(story.bruno)
    rows = client.get("/deployments/").context["page"].deployments
    assert [row.environment_name for row in rows] == ["staging"]
    assert client.get(f"/deployments/{story.foreign.pk}/").status_code == 404
    assert client.get(f"/deployments/{story.foreign.pk}/lines").status_code == 404


def test_an_auditor_sees_no_button(client: Client, story: Story) -> None:
    client.force_login(story.carla)
    page = client.get(f"/deployments/{story.running.pk}/").content.decode()
    assert "Cancel this deployment" not in page
    assert client.post(f"/deployments/{story.running.pk}/cancel").status_code == 403


def test_queries_do_not_grow_with_rows(
    as_ana: Client, story: Story, django_assert_max_num_queries: Callable[[int], object]
) -> None:
    as_ana.get("/deployments/")
    for _number in range(30):
        deployment(story.staging, story.ana, DeploymentStatus.SUCCEEDED)
    with django_assert_max_num_queries(8):  # type: ignore[attr-defined]
        as_ana.get("/deployments/")
    with django_assert_max_num_queries(14):  # type: ignore[attr-defined]
        as_ana.get(f"/deployments/{story.running.pk}/")
