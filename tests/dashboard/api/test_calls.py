"""The API as a program meets it: what it sends is looked at like a form, what goes wrong has one shape."""

from __future__ import annotations

import json
import re
import time
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dashboard.api import gate
from deployments import deployable
from deployments.accounts import people
from deployments.actors import Actor
from deployments.models import AccessToken, Application, AuditEntry, Environment, Host, Placement, Target
from parts.environment import ROOT
from tests.dashboard.api.calls import PRODUCTION, STAGING, Api, error, token
from tests.dashboard.story import Story, deployment, first_target, placement, tell, write_lines

pytestmark = pytest.mark.django_db


@pytest.fixture
def story() -> Story:
    """Ana, Bruno, Carla, Dora and their shop."""
    cache.clear()
    return tell()


@pytest.fixture
def ana(story: Story) -> Api:
    """A program of the admin's that may do everything."""
    return Api(token(story.ana, "admin"))


@pytest.fixture
def bruno(story: Story) -> Api:
    """A deployer's."""
    return Api(token(story.bruno, "deploy"))


class TestGettingIn:
    """Tokens, and nothing else."""

    def test_who_am_i(self, story: Story, bruno: Api) -> None:
        said = bruno.get("me").json()
        assert (said["name"], said["role"], said["token"]["name"], said["token"]["scope"]) == (
            "Bruno Lima",
            "deployer",
            "ci",
            "deploy",
        )
        assert said["token"]["placements"] is None
        narrowed = Api(token(story.bruno, "read", name="narrow", places=[story.staging]))
        assert narrowed.get("me").json()["token"]["placements"] == ["storefront/staging"]

    @pytest.mark.parametrize(
        "header",
        [
            "",
            "Bearer",
            "Bearer ",
            "Basic abc",
            "estiva_x",
            "Bearer estiva_" + "x" * 43,
            "Bearer " + "x" * 5000,
            "Bearer é",
        ],
    )
    def test_what_is_no_token(self, story: Story, header: str) -> None:
        answer = Api().get("me", **({"Authorization": header} if header else {}))
        error(answer, 401)
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert answer.headers["Cache-Control"] == "no-store, private"

    def test_an_over_one_is_told_and_recorded_a_few_times(self, story: Story) -> None:
        text = token(story.ana, "read")
        AccessToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        for _number in range(8):
            assert "expired" in error(Api(text).get("me"), 401)["message"]
        assert AuditEntry.objects.filter(action="token.use", outcome="denied").count() == 5
        people.deactivate(actor=Actor.of(story.ana), user=story.bruno)

    def test_wrong_ones_are_slowed_down_and_right_ones_are_not(self, story: Story, ana: Api) -> None:
        wrong = Api("estiva_" + "x" * 43)
        statuses = [wrong.get("me").status_code for _number in range(33)]
        assert statuses == [401] * 30 + [429] * 3
        assert wrong.get("me").headers["Retry-After"] == "60"
        assert AuditEntry.objects.filter(action="token.use").count() == 5
        assert ana.get("me").status_code == 200

    def test_denials_are_recorded_a_few_times(self, story: Story, bruno: Api) -> None:
        for _number in range(8):
            error(bruno.get(PRODUCTION), 404)
        entries = AuditEntry.objects.filter(action="access.refused", outcome="denied")
        assert entries.count() == 5
        assert entries[0].actor_name == "Bruno Lima (token ci)"

    def test_a_token_in_an_address_is_refused_and_not_repeated(self, story: Story) -> None:
        text = token(story.ana, "read")
        for address in (f"me?token={text}", f"applications/{text}"):
            answer = Api(text).get(address)
            assert "Revoke it" in error(answer, 400)["remedy"]
            assert text not in answer.content.decode()

    def test_where_it_was_used_from_is_kept(self, story: Story, ana: Api) -> None:
        assert ana.get("me").status_code == 200
        assert AccessToken.objects.get().last_used_from == "127.0.0.1"

    def test_the_description_is_whole_and_loads_nothing(self) -> None:
        said = Api().get("openapi.json").json()
        assert said["openapi"].startswith("3")
        assert "/api/v1/placements/{application}/{environment}/deploy" in said["paths"]
        operations = [each for path in said["paths"].values() for each in path.values()]
        assert len(operations) == len({each["operationId"] for each in operations}) == 40
        assert all(each["responses"]["default"]["content"] for each in operations)
        named = set(re.findall(r"#/components/schemas/([^\"]+)", json.dumps(said)))
        assert named <= set(said["components"]["schemas"])
        deploy = said["paths"]["/api/v1/placements/{application}/{environment}/deploy"]["post"]
        assert [each["name"] for each in deploy["parameters"]] == ["application", "environment", "Idempotency-Key"]
        assert next(iter(said["components"]["securitySchemes"].values())) == {"type": "http", "scheme": "bearer"}

    def test_every_address_is_documented(self) -> None:
        rows = [line for line in (ROOT / "docs" / "api.md").read_text().splitlines() if line.startswith("| `")]
        for path, methods in Api().get("openapi.json").json()["paths"].items():
            short = path.removeprefix("/api/v1/").replace("placements/{application}/{environment}", "{place}")
            short = re.sub(r"\{(plan|deployment)\}", "{id}", short)
            last = f"…/{short.rpartition('/')[2]}"
            row = next((line for line in rows if f"`{short}`" in line or f"`{last}`" in line), "")
            assert [method for method in methods if method.upper() not in row] == [], path


class TestWhatIsSent:
    """Bodies and parameters."""

    @pytest.mark.parametrize(
        ("body", "status", "code"),
        [
            (b"", 422, "invalid"),
            (b"{", 400, "bad_request"),
            (b"[]", 400, "bad_request"),
            (b'"text"', 400, "bad_request"),
            (b"null", 400, "bad_request"),
            (b'{"name": NaN}', 400, "bad_request"),
            (b'{"name": 1e999}', 422, "invalid"),
            (b'{"name": 99999999999999999999}', 422, "invalid"),
            (b"[" * 100_000, 400, "bad_request"),
            (b"\xff\xfe", 400, "bad_request"),
            (b'{"name": "a\\u0000b"}', 422, "invalid"),
            (b'{"name": "\\ud800"}', 422, "invalid"),
            (b'{"\\ud800": "x"}', 422, "invalid"),
            (b'{"name": 5}', 422, "invalid"),
            (b"{}", 422, "invalid"),
            (b'{"name": "x", "colour": "red"}', 422, "invalid"),
        ],
    )
    def test_wrong_bodies(self, ana: Api, body: bytes, status: int, code: str) -> None:
        assert error(ana.ask("POST", "applications", body), status)["code"] == code
        assert Application.objects.count() == 1

    def test_deep_nesting(self, ana: Api) -> None:
        deep: Any = {}
        for _level in range(30):
            deep = {"a": deep}
        assert "deep" in error(ana.ask("PATCH", STAGING, {"settings": deep}), 422)["message"]

    def test_a_field_that_is_none_is_named(self, ana: Api) -> None:
        said = error(ana.post("applications", {"name": "x", "colour": "red"}), 422)
        assert (said["field"], said["message"]) == ("colour", "There is no field of this name.")
        assert error(ana.post("applications", {}), 422)["field"] == "name"

    @pytest.mark.parametrize("path", ["me?x=1", "deployments?state=failed", "applications?cursor=&page=2"])
    def test_a_parameter_that_is_none(self, ana: Api, path: str) -> None:
        assert error(ana.get(path), 422)["message"] == "There is no parameter of this name."

    @pytest.mark.parametrize("path", ["servers/%00", "variables?name=%00", f"{STAGING}/variables?name=%00"])
    def test_null_characters_in_addresses(self, ana: Api, path: str) -> None:
        error(ana.ask("DELETE", path), 404)

    def test_large_bodies(self, ana: Api) -> None:
        body = json.dumps({"name": "x", "description": "y" * gate.BODY_LIMIT}).encode()
        assert error(ana.ask("POST", "applications", body), 413)["code"] == "too_large"
        answer = ana.client.generic(
            "POST",
            "/api/v1/applications",
            b"",
            headers={**ana.headers, "Transfer-Encoding": "chunked"},
            CONTENT_LENGTH="",
        )
        error(answer, 411)

    def test_several_wrong_fields_are_all_said(self, ana: Api) -> None:
        sent = {"image": "not an image", "keep_releases": 0, "settings": {"memory": "lots", "nonsense": 1}}
        said = error(ana.ask("PATCH", STAGING, sent), 422)
        assert {"image", "keep_releases", "settings.memory"} <= set(said["fields"])
        assert said["field"] in said["fields"]

    @pytest.mark.parametrize("text", ["x", "WzFd", "WyJhIl0", "WzEsMiwzXQ", "bnVsbA", "é"])
    def test_a_cursor_that_is_none(self, ana: Api, text: str) -> None:
        if text == "WyJhIl0":  # ["a"]: fits names, not numbers
            assert ana.get(f"applications?cursor={text}").status_code == 200
        else:
            assert error(ana.get(f"applications?cursor={text}"), 422)["field"] == "cursor"
        error(ana.get(f"environments?cursor={text}"), 422)

    @pytest.mark.parametrize("limit", ["0", "-1", "x", "201", "9" * 30, ""])
    def test_a_limit_that_is_none(self, ana: Api, limit: str) -> None:
        assert error(ana.get(f"applications?limit={limit}"), 422)["field"] == "limit"


class TestWhatGoesWrong:
    """Every error is JSON."""

    def test_methods(self, ana: Api) -> None:
        answer = ana.ask("PUT", "me", {})
        assert error(answer, 405)["code"] == "method_not_allowed"
        assert answer.headers["Allow"] == "GET"

    def test_our_own_faults_say_nothing_but_where_to_look(self, ana: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: object) -> None:
            raise RuntimeError("secret detail")

        monkeypatch.setattr("dashboard.api.shown.application", fail)
        answer = ana.get("applications/storefront")
        assert "secret detail" not in answer.content.decode()
        assert answer.headers["X-Request-Id"] in error(answer, 500)["message"]

    def test_another_persons_things_are_not_there(self, bruno: Api) -> None:
        there, missing = bruno.get(PRODUCTION), bruno.get("placements/storefront/nowhere")
        assert error(there, 404) == error(missing, 404)

    def test_a_refusal_has_its_remedy(self, story: Story, ana: Api) -> None:
        ana.post("servers/web-1/drain")
        said = error(ana.post("servers/web-1/drain"), 409)
        assert (said["code"], said["message"]) == ("refused", "web-1 is drained already.")
        Placement.objects.filter(pk=story.staging.pk).update(image="")
        said = error(ana.post(f"{STAGING}/deploy"), 422)
        assert (said["field"], said["remedy"]) == ("image", "Name one in the settings.")


class TestPages:
    """Long lists."""

    def test_every_row_once(self, story: Story, ana: Api) -> None:
        for number in range(7):
            Application.objects.create(name=f"app-{number}")
            deployment(story.staging, story.ana, "succeeded")  # type: ignore[arg-type]
        assert names(ana, "applications?limit=3", "name") == sorted(names(ana, "applications", "name"))
        numbers = names(ana, "deployments?limit=4", "id")
        assert len(numbers) == 9
        assert numbers == sorted(numbers, reverse=True)
        assert names(ana, "environments?limit=1", "name") == ["staging", "production"]
        assert len(names(ana, "placements?limit=1", "environment")) == 2
        assert len(names(ana, "servers?limit=2", "name")) == 3
        assert names(ana, f"{STAGING}/releases?limit=3", "number") == list(range(8, 0, -1))

    def test_filters(self, story: Story, ana: Api) -> None:
        assert names(ana, "deployments?environment=production", "id") == [story.foreign.pk]
        assert names(ana, "deployments?status=failed", "id") == []
        assert error(ana.get("deployments?status=sunk"), 422)["field"] == "status"

    @pytest.mark.parametrize(
        "path", ["applications", "environments", "servers", "placements", "deployments", f"{STAGING}/releases"]
    )
    def test_as_many_queries_for_many_rows(self, story: Story, ana: Api, path: str) -> None:
        ana.get(path)
        few = queries(ana, path)
        for number in range(5):
            application = Application.objects.create(name=f"app-{number}")
            host = Host.objects.create(name=f"host-{number}", address="192.0.2.1")
            deployment(placement(application, story.staging.environment, host), story.ana, "succeeded")  # type: ignore[arg-type]
            deployment(story.staging, story.ana, "succeeded")  # type: ignore[arg-type]
        assert queries(ana, path) <= few

    def test_quick(self, ana: Api) -> None:
        """Page time at most 50 ms: the best of several, since other tests share this machine."""
        for path in ("me", "placements", STAGING, "deployments", f"{STAGING}/releases"):
            ana.get(path)
            assert min(took(ana, path) for _number in range(5)) < 0.05, path


class TestSettings:
    """What is set, by the same rules as in the form."""

    def test_power_is_refused_in_the_words_of_the_form(self, story: Story, bruno: Api) -> None:
        sent = {"settings": {"privileged": True}}
        said = error(bruno.ask("PATCH", STAGING, sent), 422)
        assert said["field"] == "settings.privileged"
        client = bruno.client
        client.force_login(story.bruno)
        form = {"source": "image", "image": "registry.test/shop:1", "keep_releases": "5", "version": "1"}
        page = client.get("/applications/storefront/staging/settings")
        posted = client.post(
            "/applications/storefront/staging/settings",
            {
                **form,
                "hosts": [str(story.host.pk)],
                "settings.privileged": "on",
                "csrfmiddlewaretoken": page.context["csrf_token"],
            },
        )
        assert posted.status_code == 422
        assert said["message"] in posted.content.decode().replace("&#x27;", "'")
        limited = Api(token(story.ana, "deploy", name="limited"))  # an admin's, that may not administer
        assert error(limited.ask("PATCH", STAGING, sent), 422)["message"] == said["message"]
        assert "privileged" not in Placement.objects.get(pk=story.staging.pk).settings
        assert Api(token(story.ana, "admin", name="all")).ask("PATCH", STAGING, sent).json()["settings"]["privileged"]

    def test_only_what_is_sent_changes(self, story: Story, bruno: Api) -> None:
        before = bruno.get(STAGING).json()
        after = bruno.ask(
            "PATCH", STAGING, {"settings": {"memory": "512m", "health": {"kind": "tcp", "port": 80}}}
        ).json()
        assert after["settings"]["memory"] == 512 * 1024**2
        assert after["settings"]["health"]["port"] == 80
        assert after["settings"]["restart"] == "unless-stopped"
        assert {name: after[name] for name in ("image", "url", "source")} == {
            name: before[name] for name in ("image", "url", "source")
        }
        assert [each["server"] for each in after["servers"]] == ["web-1", "web-2"]
        again = bruno.ask("PATCH", STAGING, {"settings": {"cpus": 2}}).json()
        assert (again["settings"]["memory"], again["settings"]["cpus"]) == (512 * 1024**2, 2)

    def test_servers_by_name(self, story: Story, bruno: Api) -> None:
        assert [each["server"] for each in bruno.ask("PATCH", STAGING, {"servers": ["web-2"]}).json()["servers"]] == [
            "web-2"
        ]
        assert error(bruno.ask("PATCH", STAGING, {"servers": ["web-3"]}), 422)["field"] == "servers"  # not his

    def test_somebody_saved_since(self, bruno: Api) -> None:
        version = bruno.get(STAGING).json()["version"]
        assert bruno.ask("PATCH", STAGING, {"version": version, "keep_releases": 4}).status_code == 200
        assert (
            "Somebody else"
            in error(bruno.ask("PATCH", STAGING, {"version": version, "keep_releases": 3}), 409)["message"]
        )

    def test_two_at_the_same_moment_undo_nothing(
        self, story: Story, bruno: Api, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What isn't sent stays as it is, not as it was read."""
        check = deployable.check_in_use

        def meanwhile(row: Placement) -> None:
            monkeypatch.setattr(deployable, "check_in_use", check)
            assert bruno.ask("PATCH", STAGING, {"settings": {"memory": "512m"}}).status_code == 200
            check(row)

        monkeypatch.setattr(deployable, "check_in_use", meanwhile)
        assert "Somebody else" in error(bruno.ask("PATCH", STAGING, {"keep_releases": 4}), 409)["message"]
        story.staging.refresh_from_db()
        assert story.staging.settings["memory"]

    def test_a_new_application_all_the_way(self, ana: Api) -> None:
        assert ana.post("environments", {"name": "review"}).status_code == 201
        assert ana.post("applications", {"name": "mailer", "description": "Sends mail"}).status_code == 201
        assert error(ana.post("applications", {"name": "mailer"}), 422)["message"] == "This name is taken."
        sent = {
            "application": "mailer",
            "environment": "review",
            "image": "mailer:1",
            "servers": ["web-1"],
            "settings": {"ports": [{"container_port": 80}]},
        }
        made = ana.post("placements", sent)
        assert made.status_code == 201, made.content
        assert made.json()["settings"]["ports"][0]["container_port"] == 80
        assert error(ana.post("placements", sent), 422)["field"] == "environment"
        assert ana.ask("PATCH", "applications/mailer", {"description": "Mail"}).json()["description"] == "Mail"
        assert ana.ask("PATCH", "environments/review", {"is_production": True}).json()["is_production"]

    def test_a_server_waits_for_a_persons_trust(self, ana: Api, bruno: Api) -> None:
        made = ana.post("servers", {"name": "web-9", "address": "192.0.2.9", "via": "web-1"})
        assert made.status_code == 201, made.content
        assert (made.json()["server"]["is_trusted"], made.json()["server"]["via"]) == (False, "web-1")
        assert made.json()["server"]["public_key"].startswith("ssh-ed25519 ")
        changed = ana.ask("PATCH", "servers/web-9", {"via": "", "builds_at_once": 3}).json()
        assert (changed["server"]["via"], changed["server"]["builds_at_once"]) == (None, 3)
        assert error(ana.ask("PATCH", "servers/web-9", {"via": "nowhere"}), 422)["field"] == "via"
        assert error(ana.ask("PATCH", "servers/web-9", {"port": 99999}), 422)["field"] == "port"
        assert error(ana.ask("PATCH", "servers/web-9", {"port": None}), 422)["field"] == "port"
        assert ana.post("servers/web-9/check").status_code == 202
        assert bruno.get("servers/web-1").json()["public_key"] is None

    def test_names_of_servers_are_for_those_who_see_them(self, story: Story, ana: Api, bruno: Api) -> None:
        Environment.objects.filter(name="staging").update(builder=story.foreign_host)
        Host.objects.filter(pk=story.host.pk).update(via=story.foreign_host)
        for api, name in (
            (ana, "web-3"),
            (bruno, None),
            (Api(token(story.ana, "read", name="x", places=[story.staging])), None),
        ):
            assert api.get("environments/staging").json()["builder"] == name
            assert api.get("servers/web-1").json()["via"] == name

    def test_a_secret_is_never_read_again(self, story: Story, bruno: Api, ana: Api) -> None:
        sent = {"name": "API_KEY", "value": "correct-horse-battery", "is_secret": True}
        answers = [bruno.ask("PUT", f"{STAGING}/variables", sent)]
        assert answers[0].json() == {"name": "API_KEY", "is_secret": True, "value": None, "version": 1}
        bruno.ask("PUT", f"{STAGING}/variables", {"name": "COLOUR", "value": "blue"})
        answers += [ana.get(f"{STAGING}/variables"), ana.get(STAGING), ana.get(f"{STAGING}/releases/1")]
        assert [each["value"] for each in answers[1].json()] == [None, "blue"]
        assert "correct-horse" not in "".join(each.content.decode() for each in answers)
        assert (
            error(bruno.ask("PUT", f"{STAGING}/variables", {**sent, "is_secret": False}), 422)["field"] == "is_secret"
        )
        assert error(bruno.ask("PUT", f"{STAGING}/variables", {**sent, "name": "a=b"}), 422)["field"] == "name"
        assert bruno.ask("DELETE", f"{STAGING}/variables?name=API_KEY").status_code == 204
        assert error(bruno.ask("DELETE", f"{STAGING}/variables?name=API_KEY"), 404)["field"] == "name"
        assert error(bruno.ask("DELETE", f"{STAGING}/variables"), 422)["field"] == "name"

    def test_an_empty_body_is_as_set(self, bruno: Api) -> None:
        for path in ("deploy", "plans"):
            answer = bruno.ask("POST", f"{STAGING}/{path}")
            assert answer.status_code in {201, 202}, answer.content
            assert answer.json()["image"] == "registry.test/shop:1"


class TestLog:
    """Lines by their numbers."""

    def test_from_a_given_number(self, story: Story, bruno: Api) -> None:
        target = first_target(story)
        write_lines(target, 20, publish=False)
        path = f"deployments/{story.running.pk}/log"
        answer = bruno.get(path)
        assert answer.headers["Content-Type"] == "application/x-ndjson"
        lines = [json.loads(line) for line in answer.content.decode().splitlines()]
        assert [each["line"] for each in lines] == list(range(1, 21))
        assert set(lines[0]) == {"server", "line", "time_ms", "step", "stream", "level", "text"}
        some = bruno.get(f"{path}?from=8&limit=5&server={target.host_name}")
        assert [json.loads(line)["line"] for line in some.content.splitlines()] == [8, 9, 10, 11, 12]
        assert some.headers["Estiva-More"] == "yes"
        assert bruno.get(f"{path}?from=21").content == b""
        for query, field in (("from=0x", "from"), ("from=-1", "from"), ("limit=0", "limit"), ("from=", "from")):
            assert error(bruno.get(f"{path}?{query}"), 422)["field"] == field
        error(bruno.get(f"{path}?server=web-9"), 404)

    def test_the_state_of_each_server(self, story: Story, bruno: Api) -> None:
        Target.objects.filter(deployment=story.running).update(
            outcome={"what": "It failed.", "why": "Because", "remedy": "Try"}
        )
        said = bruno.get(f"deployments/{story.running.pk}").json()
        assert [(each["server"], each["status"], each["what"]) for each in said["targets"]] == [
            ("web-1", "running", "It failed."),
            ("web-2", "running", "It failed."),
        ]
        assert bruno.get(said["log"].partition("/api/v1/")[2]).status_code == 200


def names(api: Api, path: str, name: str) -> list[Any]:
    """This of every row, page by page."""
    found, following = [], path
    while True:
        said = api.get(following).json()
        found += [row[name] for row in said["items"]]
        if said["next"] is None:
            return found
        following = f"{path}{'&' if '?' in path else '?'}cursor={said['next']}"


def queries(api: Api, path: str) -> int:
    """How many one call takes."""
    with CaptureQueriesContext(connection) as captured:
        assert api.get(path).status_code == 200
    return len(captured)


def took(api: Api, path: str) -> float:
    """Seconds of this process's own time."""
    begun = time.thread_time()
    api.get(path)
    return time.thread_time() - begun
