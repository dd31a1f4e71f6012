"""Pages of one-off runs: asking for one, its page, its lines, and the lists."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from deployments.live import LogLine, encode_lines
from deployments.models import AuditEntry, OneOffRun, Operation, RunChunk
from deployments.states import OperationStatus
from tests.dashboard.story import Story, command_run, tell

pytestmark = pytest.mark.django_db

AT = {"application": "storefront", "environment": "staging"}
FORM = reverse("run_new", kwargs={**AT, "number": 1})
HOSTILE = ["--help", "; touch /tmp/canary", "$(touch /tmp/canary)", "`id`", "'\"\\", "<script>alert(1)</script>", "ünï"]


@pytest.fixture
def story() -> Story:
    return tell()


def ask(client: Client, **changes: str) -> int:
    given = {"command": "./manage.py\nmigrate", "server": "web-1", "minutes": "10", **changes}
    answer = client.post(FORM, given)
    assert answer.status_code == 302, answer.content.decode()
    return int(answer.headers["Location"].strip("/").rpartition("/")[2])


def test_a_deployer_runs_a_command_and_sees_it(story: Story, client: Client) -> None:
    client.force_login(story.bruno)
    page = client.get(FORM).content.decode()
    assert "release 1" in page
    assert "no secrets here" in page
    run = OneOffRun.objects.get(pk=ask(client))
    assert (run.command, run.seconds, run.host_name) == (["./manage.py", "migrate"], 600, "web-1")
    page = client.get(reverse("run", args=(run.pk,))).content.decode()
    assert "<code>./manage.py</code> <code>migrate</code>" in page
    assert "Cancel this run" in page
    assert f'data-watch="operation:{run.pk} follow:{run.pk}"' in page
    assert f"/runs/{run.pk}/" in client.get(reverse("runs", kwargs=AT)).content.decode()


def test_the_words_are_kept_as_they_are_and_shown_escaped(story: Story, client: Client) -> None:
    client.force_login(story.bruno)
    number = ask(client, command="\r\n".join(HOSTILE))
    assert OneOffRun.objects.get(pk=number).command == HOSTILE
    for path in (reverse("run", args=(number,)), reverse("runs", kwargs=AT), f"{FORM}?again={number}"):
        page = client.get(path).content.decode()
        assert "<script>alert(1)" not in page
        assert "&lt;script&gt;alert(1)" in page


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"command": " \n"}, "program stands in the first line"),
        ({"command": "x\x00"}, "Null characters"),
        ({"server": "web-3"}, "Select a valid choice"),
        ({"minutes": "0"}, "greater than or equal to 1"),
        ({"minutes": "1441"}, "less than or equal to 1440"),
    ],
)
def test_what_is_refused(story: Story, client: Client, changes: dict[str, str], said: str) -> None:
    client.force_login(story.bruno)
    answer = client.post(FORM, {"command": "true", "server": "web-1", "minutes": "10", **changes})
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert not OneOffRun.objects.exists()


def test_of_a_compose_application_one_service_is_chosen(story: Story, client: Client) -> None:
    client.force_login(story.bruno)
    source = {"kind": "compose", "compose": {"ref": "main"}, "files": []}
    story.staging.releases.update(source=source)
    assert "not on record" in client.get(FORM).content.decode()
    images = {"web": "web@sha256:1", "db": "db@sha256:2"}
    story.staging.releases.update(source={**source, "images": images})
    page = client.get(FORM).content.decode()
    assert '<option value="db">' in page
    asked = {"command": "true", "server": "web-1", "minutes": "10"}
    for service in ("", "cache", "$(id)"):
        assert client.post(FORM, {**asked, "service": service}).status_code == 422
    answer = client.post(FORM, {**asked, "service": "db"}, follow=True)
    assert OneOffRun.objects.latest("pk").service == "db"
    assert "db" in answer.content.decode()


def test_power_that_no_admin_let_run_there_needs_one(story: Story, client: Client) -> None:
    powers = [["db", "privileged", "the container gets every right on the server"]]
    source = {"kind": "compose", "compose": {}, "files": [], "images": {"db": "db@sha256:2"}, "powers": powers}
    story.staging.releases.update(source=source)
    asked = {"command": "true", "server": "web-1", "minutes": "10", "service": "db"}
    client.force_login(story.bruno)
    refused = client.post(FORM, asked)
    assert (refused.status_code, "Only an admin" in refused.content.decode()) == (422, True)
    story.staging.seats.update(running_release=story.staging.releases.get())
    assert client.post(FORM, asked).status_code == 302


def test_its_lines_as_a_page_a_search_and_a_file(story: Story, client: Client) -> None:
    run = command_run(story.host, story.staging, last_line=3)
    rows = [LogLine(n, 1_700_000_000_000, "run", "stdout", f"line {n}") for n in (1, 2, 3)]
    RunChunk.objects.create(run=run, first_line=1, last_line=3, fence=1, lines=encode_lines(rows))
    client.force_login(story.carla)
    lines = reverse("run_lines", args=(run.pk,))
    found = client.get(lines, {"after": "1"}).json()
    assert ([row[0] for row in found["lines"]], found["last"], found["more"]) == ([2, 3], 3, False)
    found = client.get(lines, {"q": "LINE 2"}).json()
    assert [row[:2] for row in found["found"]] == [[-run.pk, 2]]
    answer = client.get(reverse("run_raw", args=(run.pk,)))
    assert answer.headers["Content-Disposition"] == f'attachment; filename="storefront-staging-run-{run.pk}.log"'
    assert AuditEntry.objects.filter(action="log.download", object_kind="run").exists()


def test_a_run_that_is_over_says_how(story: Story, client: Client) -> None:
    run = command_run(story.host, story.staging, exit_code=3)
    result = {"what": "It ended with exit code 3 on web-1.", "why": "", "remedy": "Its last lines say more."}
    Operation.objects.filter(pk=run.pk).update(status=OperationStatus.FAILED, result=result)
    client.force_login(story.bruno)
    page = client.get(reverse("run", args=(run.pk,))).content.decode()
    assert "It ended with exit code 3 on web-1." in page
    assert "data-complete" in page
    assert "Cancel this run" not in page
    assert f"?again={run.pk}" in page
    answer = client.post(reverse("run_cancel", args=(run.pk,)), follow=True)
    assert "It is over" in answer.content.decode()


def test_a_cancel_is_said(story: Story, client: Client) -> None:
    client.force_login(story.bruno)
    number = ask(client)
    Operation.objects.filter(pk=number).update(status=OperationStatus.RUNNING, attempts=1)
    page = client.post(reverse("run_cancel", args=(number,)), follow=True).content.decode()
    assert "Bruno Lima cancelled this" in page
    assert AuditEntry.objects.get(action="run.cancel").actor_name == "Bruno Lima"
