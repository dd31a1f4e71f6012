"""Applications built from their repository: settings, plan, deployment and release pages."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from deployments.models import (
    Application,
    Deployment,
    Environment,
    Host,
    Placement,
    Plan,
    Repository,
    Role,
    Target,
    User,
)
from deployments.queries import log
from deployments.queries.plan_page import plan_page
from deployments.states import HostState, TargetStatus
from tests import factories as make
from tests.dashboard import shipyard
from tests.dashboard.harbour import plan_row

pytestmark = pytest.mark.django_db

SETTINGS = "/applications/python-web-app/staging/settings"


@pytest.fixture
def found() -> dict[str, Any]:
    """The shipyard in a small harbour."""
    hosts = [*(make.host(f"web-{number}") for number in (1, 2, 3)), make.host("lab-1")]
    staging = make.environment("staging", position=1)
    production = make.environment("production", position=2, is_production=True)
    application = make.application("python-web-app")
    placements = {
        "python-web-app/staging": make.placement(application, staging, hosts[3:]),
        "python-web-app/production": make.placement(application, production, hosts[:1]),
        "mailer/staging": make.placement(make.application("mailer"), staging, hosts[3:]),
    }
    known = {"hosts": hosts, "placements": placements}
    return {**known, **shipyard.shipyard(known)}


@pytest.fixture
def as_ana(found: dict[str, Any], client: Client) -> Client:
    client.force_login(User.objects.create(email="ana@example.com", name="Ana Prado", role=Role.ADMIN))
    return client


def page(client: Client, path: str) -> str:
    """What a page says."""
    answer = client.get(path)
    assert answer.status_code == 200, path
    return answer.content.decode()


def typed(found: dict[str, Any], **changes: str) -> dict[str, Any]:
    """The settings' form for staging, built from branch main."""
    staging: Placement = found["staging"]
    return {
        "source": "git",
        "image": "",
        "hosts": [str(each.pk) for each in staging.hosts.all()],
        "keep_releases": "5",
        "settings.health.kind": "running",
        "build.ref": "main",
        "build.dockerfile": "Dockerfile",
        "build.deadline": "1800",
        **changes,
    }


def test_settings_say_how_it_is_built(as_ana: Client, found: dict[str, Any]) -> None:
    make.variable(found["staging"], "NPM_TOKEN", "a long enough secret", secret=True)
    text = page(as_ana, SETTINGS)
    assert 'name="source" value="git" checked' in text
    assert 'list="known-ref"' in text
    assert '<option value="fix/session">' in text
    assert '<option value="NPM_TOKEN">' in text
    answer = as_ana.post(
        SETTINGS,
        typed(
            found,
            **{
                "build.ref": "fix/session",
                "build.args.0.name": "VERSION",
                "build.args.0.value": "3",
                "build.secrets.0.id": "npm",
                "build.secrets.0.variable": "NPM_TOKEN",
                "build.memory": "1g",
            },
        ),
    )
    assert answer.status_code == 302
    found["staging"].refresh_from_db()
    build = found["staging"].build
    assert (build["ref"], build["memory"], build["lfs"]) == ("fix/session", 1024**3, False)  # its box was left empty
    assert build["args"] == [{"name": "VERSION", "value": "3"}]
    assert build["secrets"] == [{"id": "npm", "variable": "NPM_TOKEN"}]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"build.ref": "-upload-pack=x"}, "Write the name of a branch or tag"),
        ({"build.subdirectory": "../secrets"}, "Write a path inside the repository"),
        ({"build.args.0.name": "NO WAY"}, "Use letters, digits"),
        ({"build.memory": "much"}, "Write a size such as 512m"),
        ({"build.platform": "windows"}, "Write a platform such as"),
        ({"settings.health.kind": "moon"}, "Choose one of"),
        ({"source": "svn"}, "Select a valid choice"),
        ({"source": "image"}, "This field is required."),
    ],
)
def test_what_can_not_be_is_said_at_its_field_and_nothing_is_lost(
    as_ana: Client, found: dict[str, Any], changes: dict[str, str], words: str
) -> None:
    answer = as_ana.post(SETTINGS, typed(found, **{"build.target": "runtime", **changes}))
    text = answer.content.decode()
    assert answer.status_code == 422
    assert words in text
    assert 'value="runtime"' in text
    found["staging"].refresh_from_db()
    assert found["staging"].build["target"] == ""


def test_without_a_repository_there_is_nothing_to_build_from(as_ana: Client, found: dict[str, Any]) -> None:
    path = "/applications/mailer/staging/settings"
    text = page(as_ana, path)
    assert 'name="source" value="git"' not in text
    assert "name the Git repository" in text
    answer = as_ana.post(path, typed(found, hosts=[]))  # type: ignore[arg-type]
    assert "has no repository yet" in answer.content.decode()


def test_a_written_dockerfile_is_read_before_it_is_used(as_ana: Client) -> None:
    application = Application.objects.create(name="timetable")
    place = Placement(application=application)
    look = shipyard.look(shipyard.repository(place), dockerfiles=[], detected=shipyard.detected())
    path = f"/applications/timetable/add?look={look.pk}"
    text = page(as_ana, path)
    assert "FROM python:3.12-slim" in text
    assert "I have read it" in text
    form = {
        "environment": "staging",
        "source": "git",
        "keep_releases": "5",
        "settings.health.kind": "running",
        "build.ref": "main",
        "build.dockerfile": "Dockerfile",
        "build.dockerfile_text": "FROM python:3.11\r\nCMD true\r\n",
        "build.lfs": "on",
    }
    unread = as_ana.post(path, form)
    assert unread.status_code == 422
    assert "Read it, and say that it may be used." in unread.content.decode()
    assert "FROM python:3.11" in unread.content.decode()
    assert not application.placements.exists()
    assert as_ana.post(path, {**form, "accept_dockerfile": "on"}).status_code == 302
    made = application.placements.get()
    assert (made.source, made.build["dockerfile_text"]) == ("git", "FROM python:3.11\nCMD true\n")
    assert made.build["lfs"] is True


def test_ports_of_a_new_one_begin_with_what_the_dockerfile_exposes(as_ana: Client) -> None:
    application = Application.objects.create(name="timetable")
    repository = shipyard.repository(Placement(application=application))
    ports = [{"container_port": 5000, "protocol": "tcp"}, {"container_port": 5353, "protocol": "udp"}]
    text = page(as_ana, f"/applications/timetable/add?look={shipyard.look(repository, ports=ports).pk}")
    for name in ("container_port", "host_port"):
        assert re.search(rf'name="settings.ports.0.{name}"[^>]* value="5000"', text)
        assert re.search(rf'name="settings.ports.1.{name}"[^>]* value="5353"', text)
    assert "filled in from EXPOSE" in text
    without = page(as_ana, f"/applications/timetable/add?look={shipyard.look(repository).pk}")
    assert "filled in from EXPOSE" not in without


def test_the_plan_shows_commits_and_where_it_builds(as_ana: Client, found: dict[str, Any]) -> None:
    plan: Plan = found["plan"]
    text = page(as_ana, f"/plans/{plan.pk}/")
    for words in (
        "Answer with the commit that is serving",
        "Builds on <strong>web-1</strong>",
        "; web-2 and web-3 get the image from there.",
        "and 6 more commits since what runs",
        "Build again without cache",
        "build setting",
    ):
        assert words in text
    left = page(as_ana, f"/plans/{plan.pk}/?leave_out={found['hosts'][1].pk}&leave_out={found['hosts'][2].pk}")
    assert "get the image from there" not in left
    Environment.objects.filter(name="production").update(builder=found["hosts"][3])
    assert "Builds on <strong>lab-1</strong>" in page(as_ana, f"/plans/{plan.pk}/")


def test_a_builder_that_can_not_be_used_stands_in_the_way(as_ana: Client, found: dict[str, Any]) -> None:
    Environment.objects.filter(name="production").update(builder=found["hosts"][3])
    Host.objects.filter(name="lab-1").update(state=HostState.KEY_CHANGED)
    text = page(as_ana, f"/plans/{found['plan'].pk}/")
    assert "lab-1, which builds for production, can&#x27;t be used." in text
    assert 'class="button main go" disabled' in text


def test_an_image_that_was_built_is_said_to_be_used_again(as_ana: Client, found: dict[str, Any]) -> None:
    old = found["production"].releases.get(number=1)
    rows = [plan_row(found["hosts"][0])]
    plan = make.planned(found["production"], rows, image="", tag="", digest="", source=old.source, of_release=old)
    reused = plan_page(plan, set()).build
    assert reused is not None
    assert reused.reused == old
    assert "The image of release 1 is used" in page(as_ana, f"/plans/{plan.pk}/")


def test_building_without_cache_is_asked_for(as_ana: Client) -> None:
    as_ana.post("/applications/python-web-app/staging/plan", {"build_anew": "1"})
    plan = Plan.objects.latest("pk")
    assert plan.build_anew
    assert plan.source["build"]["ref"] == "main"
    assert "In the repository and on each server" in page(as_ana, f"/plans/{plan.pk}/")


def test_without_a_repository_a_plan_leads_to_naming_one(as_ana: Client, found: dict[str, Any]) -> None:
    Repository.objects.filter(application__name="python-web-app").delete()
    answer = as_ana.post("/applications/python-web-app/staging/plan")
    assert answer["Location"] == "/applications/python-web-app/repository"


def test_the_build_comes_first_and_the_servers_wait(as_ana: Client, found: dict[str, Any]) -> None:
    row: Deployment = found["building"]
    text = page(as_ana, f"/deployments/{row.pk}/")
    build = row.targets.get(role=Target.Role.BUILD)
    assert text.index("Build on web-1") < text.index("<span>web-1</span>")
    for words in (
        f'data-target="{build.pk}" data-name="build"',
        'href="#build:L3"',
        "Building on web-1",
        "0 of 3 servers on release",
        f'data-progress="{build.pk}:build" value="4" max="7"',
        "4 commits since what ran before",
    ):
        assert words in text
    assert text.count("Waits for the image.") == 3
    assert "Publish" not in text


def test_a_build_in_line_says_what_it_waits_for(as_ana: Client, found: dict[str, Any]) -> None:
    other = make.deployment(make.release(found["staging"], "", image="", digest="", source=shipyard.source()))
    make.target(other, found["hosts"][0], role=Target.Role.BUILD)
    number = found["building"].pk
    assert f"web-1 builds #{number} first." in page(as_ana, f"/deployments/{other.pk}/")


def test_a_failed_build_opens_at_its_step_and_skips_calmly(as_ana: Client, found: dict[str, Any]) -> None:
    text = page(as_ana, f"/deployments/{found['failed'].pk}/")
    for words in (
        "The build failed",
        'data-open-at="build:L5"',
        "Not begun: the image was not built.",
        "no Flask 3.99",
    ):
        assert words in text
    assert text.count('class="note bad"') == 1


def test_the_log_as_text_begins_with_the_build(found: dict[str, Any]) -> None:
    targets = list(found["failed"].targets.order_by("role", "host_name"))
    assert [each.label for each in targets] == ["build", "lab-1"]
    assert " build connect | " in next(log.as_text(targets))


def test_lists_say_the_commit(as_ana: Client, found: dict[str, Any]) -> None:
    short = shipyard.commits()[0]["commit"][:7]
    assert f"· {short}" in page(as_ana, "/deployments/")
    overview = page(as_ana, "/")
    assert f"main@{short}" in overview
    assert "Building on web-1" in overview
    assert f"main@{short}" in page(as_ana, "/applications/python-web-app/production/")
    assert '<span class="pill">build</span>' in page(as_ana, "/servers/web-1/")


def test_a_release_tells_what_it_was_built_from(as_ana: Client, found: dict[str, Any]) -> None:
    number = found["production"].releases.filter(built__host_name="web-1").first().number
    text = page(as_ana, f"/applications/python-web-app/production/releases/{number}/")
    for words in (shipyard.URL, "3.4 MB more than release", "python:3.12-slim", "on web-1", "linux/amd64", "Image ID"):
        assert words in text
    commit = shipyard.commits()[4]["commit"]
    assert f'href="https://git.harbour.example/intranet/python-web-app/commit/{commit}"' in text


def test_what_the_branch_has_is_no_waiting_change(as_ana: Client, found: dict[str, Any]) -> None:
    Deployment.objects.filter(pk=found["building"].pk).update(status="cancelled")
    Target.objects.filter(deployment=found["building"]).update(status=TargetStatus.CANCELLED)
    path = "/applications/python-web-app/production/"
    assert "Set, but not deployed yet" not in page(as_ana, path)
    found["production"].build = {**found["production"].build, "target": "runtime"}
    found["production"].save()
    text = page(as_ana, path)
    assert "Set, but not deployed yet" in text
    assert "build setting" in text


def test_an_environment_names_its_builder(as_ana: Client, found: dict[str, Any]) -> None:
    path, lab = "/environments/staging/edit", found["hosts"][3]
    as_ana.post(path, {"position": "1", "builder": str(lab.pk)})
    assert Environment.objects.get(name="staging").builder == lab
    assert "built on lab-1" in page(as_ana, "/environments/")
    assert "Builds for" in page(as_ana, "/servers/lab-1/")
    assert as_ana.post(path, {"position": "1", "builder": "999999"}).status_code == 422
    as_ana.post(path, {"position": "1", "builder": ""})
    assert Environment.objects.get(name="staging").builder is None


@pytest.mark.parametrize("number", ["0", "17", "many"])
def test_builds_at_once_have_bounds(as_ana: Client, number: str) -> None:
    form = {"name": "web-1", "address": "web-1.example.com", "port": "22", "user": "deploy"}
    form |= {"docker_socket": "/var/run/docker.sock", "builds_at_once": number}
    answer = as_ana.post("/servers/web-1/edit", form)
    assert answer.status_code == 422
    assert answer.context["form"].errors["builds_at_once"]


@pytest.mark.parametrize("what", ["deployment", "plan", "overview"])
def test_the_number_of_queries_does_not_grow_with_servers(as_ana: Client, found: dict[str, Any], what: str) -> None:
    row, plan = found["building"], found["plan"]
    path = {"deployment": f"/deployments/{row.pk}/", "plan": f"/plans/{plan.pk}/", "overview": "/"}[what]

    def queries() -> int:
        with CaptureQueriesContext(connection) as asked:
            page(as_ana, path)
        return len(asked)

    few = queries()
    for number in range(4, 8):
        host = make.host(f"web-{number}")
        found["production"].seats.create(host=host)
        make.target(row, host)
        plan.hosts.append(plan_row(host))
    plan.save()
    assert queries() == few
