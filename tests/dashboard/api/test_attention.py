"""Servers left in doubt, by a program: the same acts, once, with the same words."""

from __future__ import annotations

from typing import Any

import pytest

from deployments import attention, sights
from deployments.models import Attention, AuditEntry, Deployment, Operation, Target
from tests.dashboard.api.calls import Api, error, token
from tests.dashboard.story import Story, in_doubt, release, tell

pytestmark = pytest.mark.django_db


@pytest.fixture
def story() -> Story:
    """Release 1 of storefront ended in doubt on web-1, where release 2 had served."""
    told = tell()
    in_doubt(told.running)
    Target.objects.filter(attention__isnull=False).update(replaced=release(told.staging, told.ana))
    return told


@pytest.fixture
def api(story: Story) -> Api:
    return Api(token(story.bruno, "deploy"))


def path(story: Story, act: str = "") -> str:
    return f"deployments/{story.running.pk}/attention{act}"


def seen() -> str:
    row: dict[str, Any] = {
        "name": "storefront-staging-r1.f7", "id": "c" * 64, "image": "shop:1", "image_id": "sha256:1", "release": 1,
        "target": 0, "service": "", "status": "running", "running": True, "health": "", "serves": True,
        "answer": "HTTP 200", "published": [["127.0.0.1", 8080, 5000, "tcp"]],
    }  # fmt: skip
    sight = sights.sighted([row], [{"port": "127.0.0.1:8080/tcp", "holders": [row["name"]]}], 1)
    attention.seen(Attention.objects.get().pk, sight)
    return str(sight["fingerprint"])


def test_what_is_there_is_told_and_looked_at(story: Story, api: Api) -> None:
    (server,) = api.get(path(story)).json()["servers"]
    assert (server["server"], server["seen_at"], server["fingerprint"]) == ("web-1", None, "")
    assert not Operation.objects.filter(kind="check").exists()
    (server,) = api.post(path(story, "/look")).json()["servers"]
    assert server["is_looking"] is True
    mark = seen()
    (server,) = api.get(path(story)).json()["servers"]
    assert (server["fingerprint"], server["matches"], server["before"]) == (mark, 1, 2)
    assert server["containers"][0]["published"] == [["127.0.0.1", 8080, 5000, "tcp"]]
    assert server["ports"] == [{"port": "127.0.0.1:8080/tcp", "holders": ["storefront-staging-r1.f7"]}]
    assert api.get(f"deployments/{story.foreign.pk}/attention").status_code == 404
    assert Api(token(story.ana, "read")).get(f"deployments/{story.foreign.pk}/attention").json()["servers"] == []


def test_each_way_is_taken_once(story: Story, api: Api) -> None:
    wanted = {"servers": ["web-1"], "reason": "by the pipeline"}
    made = api.post(path(story, "/resume"), wanted)
    assert (made.status_code, made.json()["release"], len(made.json()["targets"])) == (201, 1, 1)
    again = error(api.post(path(story, "/restore"), wanted), 409)
    assert "Bruno Lima (token ci) has dealt with it" in again["message"]
    assert Deployment.objects.count() == 3
    entry = AuditEntry.objects.get(action="target.settle")
    assert (entry.actor_name, entry.after["reason"]) == ("Bruno Lima (token ci)", "by the pipeline")
    (server,) = api.get(path(story)).json()["servers"]
    assert (server["way"], server["dealt_with"]) == ("resume", made.json()["id"])


def test_what_served_before_comes_back(story: Story, api: Api) -> None:
    made = api.post(path(story, "/restore"), {"servers": ["web-1"]})
    assert made.status_code == 201, made.content
    assert [each["release"] for each in made.json()["deployments"]] == [2]


def test_it_is_taken_as_it_was_shown(story: Story, api: Api) -> None:
    wanted = {"servers": [{"server": "web-1", "fingerprint": ""}]}
    assert "not looked at" in error(api.post(path(story, "/as-is"), wanted), 409)["message"]
    mark = seen()
    wanted["servers"][0]["fingerprint"] = mark
    answer = api.post(path(story, "/as-is"), wanted)
    assert (answer.status_code, answer.json()["servers"][0]["is_settling"]) == (202, True)
    assert Operation.objects.get(kind="settle").request["shown"] == mark


@pytest.mark.parametrize("body", [{}, {"servers": "web-1"}, {"servers": []}, {"servers": ["nobody"]}, {"servers": [1]}])
def test_nonsense_is_refused(story: Story, api: Api, body: Any) -> None:
    assert api.post(path(story, "/resume"), body).status_code in {409, 422}
    assert Deployment.objects.count() == 2
