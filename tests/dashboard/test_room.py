"""The server room's page: what is there, for whom, and when it is looked at anew."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import quote

import pytest
from django.test import Client
from django.utils import timezone

from deployments import host_samples
from deployments.models import Host, Installation, Operation
from deployments.states import HostState, OperationStatus
from tests.dashboard.rooms import container, seen
from tests.dashboard.story import Story, tell

PAGE = "/servers/web-1/room/"


@pytest.fixture
def story(db: None) -> Story:
    return tell()


@pytest.fixture
def as_ana(story: Story, client: Client) -> Client:
    client.force_login(story.ana)
    return client


def test_opening_the_page_asks_for_a_look(as_ana: Client, story: Story) -> None:
    page = as_ana.get(PAGE)
    assert page.status_code == 200
    look = Operation.objects.get(kind="room")
    assert (look.host, look.requested_by_name, look.status) == (story.host, "Ana Prado", "queued")
    as_ana.get(PAGE)
    as_ana.get(f"{PAGE}?fragment=room")
    assert Operation.objects.filter(kind="room").count() == 1


def test_a_fresh_look_is_enough_and_an_old_one_is_not(as_ana: Client, story: Story) -> None:
    look = seen(story.host)
    as_ana.get(PAGE)
    assert Operation.objects.filter(kind="room").count() == 1
    Operation.objects.filter(pk=look.pk).update(requested_at=timezone.now() - timedelta(minutes=5))
    as_ana.get(PAGE)
    assert Operation.objects.filter(kind="room").count() == 2


def test_looks_do_not_pile_up(as_ana: Client, story: Story) -> None:
    for _ in range(3):
        newest = seen(story.host)
    as_ana.post(f"{PAGE}look")
    assert set(Operation.objects.filter(kind="room", status="succeeded")) == {newest}
    as_ana.post(f"{PAGE}look")
    assert Operation.objects.filter(kind="room", status="queued").count() == 1


def test_a_server_that_is_not_trusted_is_not_looked_at(as_ana: Client, story: Story) -> None:
    Host.objects.filter(pk=story.host.pk).update(state=HostState.KEY_CHANGED)
    assert "Nothing is sent to this server now" in as_ana.get(PAGE).content.decode()
    assert as_ana.post(f"{PAGE}look").status_code == 302
    assert not Operation.objects.filter(kind="room").exists()


def test_ours_and_others_stand_apart(as_ana: Client, story: Story) -> None:
    seen(story.host, container("storefront-staging-r1.f1", story.staging), container("somebodys-database"))
    page = as_ana.get(PAGE).context["page"]
    assert [each["name"] for each in page.ours] == ["storefront-staging-r1.f1"]
    assert [each["name"] for each in page.others] == ["somebodys-database"]
    text = as_ana.get(PAGE).content.decode()
    assert "storefront · staging" in text
    assert "pgdata" in text
    assert "shown, never touched" in text


def test_a_deployer_sees_the_containers_of_their_own_placements_alone(client: Client, story: Story) -> None:
    seen(
        story.host,
        container("storefront-staging-r1.f1", story.staging),
        container("storefront-production-r9.f1", story.production),
        container("somebodys-database"),
    )
    client.force_login(story.bruno)
    text = client.get(PAGE).content.decode()
    assert "storefront-staging-r1.f1" in text
    for hidden in ("storefront-production-r9", "somebodys-database", "pgdata", "70.0 MB"):
        assert hidden not in text
    assert client.get("/servers/web-3/room/").status_code == 404


def test_a_look_that_failed_says_why_above_what_was_seen_before(as_ana: Client, story: Story) -> None:
    good = seen(story.host, container("storefront-staging-r1.f1", story.staging))
    bad = seen(story.host)
    bad.status, bad.result = OperationStatus.FAILED, {"what": "It does not answer.", "why": "", "remedy": "Wait."}
    bad.save()
    page = as_ana.get(PAGE)
    assert page.context["page"].seen == good
    for words in ("It does not answer.", "Wait.", "storefront-staging-r1.f1"):
        assert words in page.content.decode()


def test_names_from_the_server_are_text(as_ana: Client, story: Story) -> None:
    seen(story.host, container("x", None, name="<script>alert(1)</script>", image="<b>", status="<i>"))
    text = as_ana.get(PAGE).content.decode()
    assert "<script>alert" not in text
    assert "&lt;script&gt;" in text


def test_a_container_has_its_page(as_ana: Client, story: Story) -> None:
    row = container("storefront-staging-r1.f1", story.staging)
    seen(story.host, row, container("somebodys-database"))
    page = as_ana.get(f"{PAGE}{row['id'][:12]}/")
    assert [str(each) for each in page.context["acts"]] == ["restart", "stop"]
    theirs = as_ana.get(f"{PAGE}{container('somebodys-database')['id'][:12]}/")
    assert theirs.context["acts"] == []
    assert "never touched" in theirs.content.decode()
    assert as_ana.get(f"{PAGE}{'0' * 12}/").status_code == 404


def test_a_deployer_restarts_what_is_theirs_and_stops_nothing(client: Client, story: Story) -> None:
    story.running.targets.update(status="succeeded")
    row, foreign = container("mine", story.staging), container("foreign", story.production)
    seen(story.host, row, foreign)
    client.force_login(story.bruno)
    path = f"{PAGE}{row['id'][:12]}/"
    assert [str(each) for each in client.get(path).context["acts"]] == ["restart"]
    assert client.post(f"{path}restart").status_code == 302
    operation = Operation.objects.get(kind="container")
    assert (operation.request["act"], operation.request["id"]) == ("restart", row["id"])
    assert client.post(f"{path}stop").status_code == 403
    assert client.post(f"{path}remove").status_code == 403
    assert client.post(f"{path}explode").status_code == 404
    assert client.post(f"{PAGE}{foreign['id'][:12]}/restart").status_code == 404
    assert Operation.objects.filter(kind="container").count() == 1


def test_in_production_the_name_is_typed(as_ana: Client, story: Story) -> None:
    story.foreign.targets.update(status="succeeded")
    row = container("shop", story.production)
    seen(story.foreign_host, row)
    seat = story.production.seats.get()
    seat.running_release = story.foreign.release
    seat.save()
    path = f"/servers/web-3/room/{row['id'][:12]}/stop"
    page = as_ana.get(path).content.decode()
    assert "It serves nowhere else." in page
    assert as_ana.post(path).status_code == 422
    assert as_ana.post(path, {"name": "billing"}).status_code == 422
    assert not Operation.objects.filter(kind="container").exists()
    assert as_ana.post(path, {"name": "storefront"}).status_code == 302
    assert Operation.objects.filter(kind="container").count() == 1


def test_how_the_last_act_went_is_on_the_page(as_ana: Client, story: Story) -> None:
    story.running.targets.update(status="succeeded")
    row = container("mine", story.staging)
    seen(story.host, row)
    path = f"{PAGE}{row['id'][:12]}/"
    as_ana.post(f"{path}stop")
    assert "asked for by Ana Prado" in as_ana.get(path).content.decode()
    failure = {"what": "It runs again.", "why": "Somebody started it.", "remedy": "Ask around."}
    Operation.objects.filter(kind="container").update(status="failed", result=failure)
    assert "Ask around." in as_ana.get(f"{path}?fragment=container").content.decode()


def test_unused_images_are_listed_with_their_bytes_and_removed_as_listed(as_ana: Client, story: Story) -> None:
    tag = f"estiva/{Installation.objects.get().name}/long-gone:3"
    image = {"id": "sha256:9", "name": tag, "tags": [tag], "digests": [], "size": 80_000_000, "shared": 30_000_000}
    seen(story.host, images=[{**image, "created": 0, "used_by": [], "ours": True}])
    text = as_ana.get(f"{PAGE}images").content.decode()
    assert tag in text
    assert "about 50.0 MB" in text
    as_ana.post(f"{PAGE}images", {"image": ["sha256:other"]})
    assert not Operation.objects.filter(kind="images").exists()
    as_ana.post(f"{PAGE}images", {"image": ["sha256:9"]})
    operation = Operation.objects.get(kind="images")
    assert operation.request["images"] == [{"id": "sha256:9", "tags": [tag], "digests": [], "size": 50_000_000}]
    assert "Removing…" in as_ana.get(f"{PAGE}images?fragment=images").content.decode()


def test_draining_says_what_is_there_and_does_it(as_ana: Client, story: Story) -> None:
    text = as_ana.get("/servers/web-1/drain").content.decode()
    assert "storefront · staging" in text
    assert "runs nowhere else" in text
    as_ana.post("/servers/web-1/drain")
    story.host.refresh_from_db()
    assert story.host.drained_by_name == "Ana Prado"
    assert "Drained by Ana Prado" in as_ana.get("/servers/web-1/").content.decode()
    assert "drained" in as_ana.get("/servers/").content.decode()
    as_ana.post("/servers/web-1/drain", {"wanted": "in_use"})
    story.host.refresh_from_db()
    assert story.host.drained_at is None


def test_health_is_drawn_by_the_server(as_ana: Client, story: Story) -> None:
    assert "Nothing seen yet" in as_ana.get("/servers/web-1/health").content.decode()
    host_samples.record(story.host.pk, host_samples.Seen(20, 100, 50, 100, 0.25))
    host_samples.record(story.host.pk, None)
    for path in ("/servers/web-1/health", "/servers/web-1/health?span=60d", "/servers/web-1/health?fragment=health"):
        text = as_ana.get(path).content.decode()
        assert "80.0 % now, 80.0 % at most" in text
        assert "Reached at 1 of 2 looks" in text
        assert "<polyline" in text
        assert "style=" not in text


@pytest.mark.parametrize(
    "hostile",
    ["$(touch canary)", "`touch canary`", "1; touch canary", "../../etc/passwd", "-1", "1e9", "%00", "ⅷ", "100\n"],
)
def test_nothing_that_is_typed_reaches_a_server(as_ana: Client, story: Story, hostile: str) -> None:
    row = container("mine", story.staging)
    seen(story.host, row)
    path = f"{PAGE}{row['id'][:12]}/"
    for form in ({"tail": hostile, "since": "0"}, {"tail": "100", "since": hostile}, {"tail": hostile}):
        as_ana.post(f"{path}follow", form)
    as_ana.post(f"{PAGE}images", {"image": [hostile]})
    assert as_ana.get(f"{path}?log={quote(hostile)}").status_code == 200
    for place in (f"{PAGE}{quote(hostile, safe='')}/", f"{path}{quote(hostile, safe='')}"):
        assert as_ana.post(place).status_code in {404, 405}
    asked = Operation.objects.filter(kind__in=("follow", "images", "container")).values_list("request", flat=True)
    assert [each for each in asked if each != {"what": "usage"}] == []
