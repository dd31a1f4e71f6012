"""Pages of terminals: opening one, typing into it, its record, and who may what."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from dashboard.forms.terminals import read_typed
from deployments import terminal_keys
from deployments.accounts import people
from deployments.actors import Actor
from deployments.models import AuditEntry, Environment, Role, Terminal, User
from deployments.queries import terminals as record
from deployments.terminal_keys import MOST_CHARACTERS, Answer, Keys
from tests import factories as make
from tests.dashboard.rooms import container, seen
from tests.dashboard.story import Story, tell
from tests.dashboard.terminals import terminal, wrote

pytestmark = pytest.mark.django_db

HOSTILE = [
    "/bin/sh",
    "-c",
    "; touch /tmp/canary",
    "$(touch /tmp/canary)",
    "`id`",
    "'\"\\",
    "<script>alert(1)</script>",
    "ünï",
]


@pytest.fixture
def story() -> Story:
    found = tell()
    Environment.objects.update(allows_terminal=True)
    return found


@pytest.fixture
def put(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What would have gone to the worker."""
    sent: list[tuple[Any, ...]] = []

    def taken(*entry: Any) -> Answer:
        sent.append(entry)
        return Answer(taken=True)

    monkeypatch.setattr(terminal_keys, "put", taken)
    return sent


def form(story: Story, **changes: Any) -> str:
    """The page on which one is opened into a container of staging, as it was listed."""
    row = container("web", story.staging, **changes)
    seen(story.host, row)
    return reverse("terminal_new", args=(story.host.name, row["id"][:12]))


def typed(client: Client, row: Terminal, **changes: Any) -> Any:
    entry = {"tab": "a-1", "number": 1, "text": "ls\n", **changes}
    return client.post(reverse("terminal_keys", args=(row.pk,)), json.dumps(entry), content_type="application/json")


def test_an_admin_opens_one(story: Story, client: Client) -> None:
    client.force_login(story.ana)
    address = form(story)
    page = client.get(address).content.decode()
    assert "Your keys are not" in page
    assert "/bin/sh" in page
    answer = client.post(address, {"command": "\r\n".join(HOSTILE)})
    row = Terminal.objects.get()
    assert answer.headers["Location"] == reverse("terminal", args=(row.pk,))
    assert row.command == HOSTILE
    assert client.session["terminals"] == [row.pk]
    page = client.get(answer.headers["Location"]).content.decode()
    assert "<script>alert(1)" not in page
    assert "data-keys-url" in page
    listed = client.get(reverse("container", args=(story.host.name, row.container_id[:12]))).content.decode()
    assert reverse("terminal", args=(row.pk,)) in listed


def test_a_container_that_is_not_ours_has_no_such_page(story: Story, client: Client) -> None:
    client.force_login(story.ana)
    row = container("somebodys")
    seen(story.host, row)
    assert client.get(reverse("terminal_new", args=(story.host.name, row["id"][:12]))).status_code == 404


def test_where_it_is_not_allowed_that_is_said(story: Story, client: Client) -> None:
    Environment.objects.update(allows_terminal=False)
    client.force_login(story.ana)
    address = form(story)
    assert "allows no terminals" in client.get(address).content.decode()
    answer = client.post(address, {"command": "/bin/sh"})
    assert answer.status_code == 422
    assert not Terminal.objects.exists()


@pytest.mark.parametrize("command", ["", " \n", "\n\n"])
def test_a_program_has_to_be_named(story: Story, client: Client, command: str) -> None:
    client.force_login(story.ana)
    assert client.post(form(story), {"command": command}).status_code == 422


def test_keys_go_on(story: Story, client: Client, put: list[tuple[Any, ...]]) -> None:
    row = terminal(story.host, story.staging, story.ana)
    client.force_login(story.ana)
    assert typed(client, row).json() == {"taken": 1}
    assert typed(client, row, number=2, text="", columns=120, rows=40).status_code == 200
    assert put == [(row.pk, "a-1", 1, Keys("ls\n")), (row.pk, "a-1", 2, Keys("", (120, 40)))]


def test_nobody_else_types(story: Story, client: Client, put: list[tuple[Any, ...]]) -> None:
    row = terminal(story.host, story.staging, story.ana)
    other = make.person("Eve Lane", Role.ADMIN)
    client.force_login(other)
    assert typed(client, row).status_code == 403
    assert "data-keys-url" not in client.get(reverse("terminal", args=(row.pk,))).content.decode()
    assert AuditEntry.objects.filter(actor_id=other.pk, outcome="denied").exists()
    assert put == []


def test_nothing_is_typed_without_the_token(story: Story, put: list[tuple[Any, ...]]) -> None:
    client = Client(enforce_csrf_checks=True)
    row = terminal(story.host, story.staging, story.ana)
    client.force_login(story.ana)
    assert typed(client, row).status_code == 403
    assert put == []


@pytest.mark.parametrize("how", ["environment", "epoch", "ended", "outcome"])
def test_nothing_is_typed_once_it_is_over(story: Story, client: Client, put: list[tuple[Any, ...]], how: str) -> None:
    row = terminal(story.host, story.staging, story.ana)
    if how == "environment":
        Environment.objects.update(allows_terminal=False)
    elif how == "epoch":
        Terminal.objects.update(session_epoch=9)
    elif how == "ended":
        type(row.operation).objects.update(status="succeeded")
    else:
        Terminal.objects.update(outcome={"status": "cancelled"})
    client.force_login(story.ana)
    answer = typed(client, row)
    assert (answer.status_code, answer.json()) == (200, {"over": True})
    assert put == []


@pytest.mark.parametrize(("answer", "said"), [(Answer(False, 7), {"expected": 7}), (Answer(False), {})])
def test_what_is_not_taken_is_told(
    story: Story, client: Client, monkeypatch: pytest.MonkeyPatch, answer: Answer, said: dict[str, int]
) -> None:
    monkeypatch.setattr(terminal_keys, "put", lambda *_: answer)
    client.force_login(story.ana)
    told = typed(client, terminal(story.host, story.staging, story.ana))
    assert (told.status_code, told.json()) == (200, said)


@pytest.mark.parametrize(
    "changes",
    [
        {"tab": ""},
        {"tab": "x" * 37},
        {"tab": "a:b"},
        {"tab": 7},
        {"number": 0},
        {"number": True},
        {"number": "1"},
        {"number": 10**12},
        {"text": None},
        {"text": ""},
        {"text": "x" * (MOST_CHARACTERS + 1)},
    ],
)
def test_what_can_not_be_typed(changes: dict[str, Any]) -> None:
    assert read_typed(json.dumps({"tab": "a", "number": 1, "text": "x", **changes}).encode()) is None


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"1", b'"x"', b"\xff", b" " * 200_000, b"[" * 100_000])
def test_what_is_no_entry(body: bytes) -> None:
    assert read_typed(body) is None


def test_its_record_is_read_and_taken(story: Story, client: Client) -> None:
    row = terminal(story.host, story.staging, story.ana)
    wrote(row, "# ls\r\n", "\x1b[1mapp\x1b[m\r\n", size="100x30")
    client.force_login(story.carla)
    found = client.get(reverse("terminal_pieces", args=(row.pk,)), {"after": "1"}).json()
    assert [piece[4] for piece in found["lines"]] == ["# ls\r\n", "\x1b[1mapp\x1b[m\r\n"]
    assert (found["last"], found["more"]) == (3, False)
    assert "".join(record.as_text(row)) == "# ls\r\n\x1b[1mapp\x1b[m\r\n"
    answer = client.get(reverse("terminal_raw", args=(row.pk,)))
    assert answer.headers["Content-Disposition"].endswith(f'-terminal-{row.pk}.log"')
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert AuditEntry.objects.filter(action="log.download", object_kind="terminal").exists()


def test_a_deployer_sees_that_there_was_one_and_no_more(story: Story, client: Client) -> None:
    row = terminal(story.host, story.staging, story.ana)
    client.force_login(story.bruno)
    page = client.get(reverse("runs", args=("storefront", "staging"))).content.decode()
    assert row.container_name in page
    assert reverse("terminal", args=(row.pk,)) not in page


def test_any_admin_ends_it(story: Story, client: Client) -> None:
    row = terminal(story.host, story.staging, story.ana)
    client.force_login(make.person("Eve Lane", Role.ADMIN))
    client.post(reverse("terminal_end", args=(row.pk,)))
    row.refresh_from_db()
    assert (row.ended_by_name, row.end_requested_why) == ("Eve Lane", "person")
    page = client.get(reverse("terminal", args=(row.pk,)), {"fragment": "terminal"}).content.decode()
    assert "Eve Lane ended this" in page


def test_signing_out_ends_it(story: Story, client: Client) -> None:
    client.force_login(story.ana)
    client.post(form(story), {"command": "/bin/sh"})
    row = Terminal.objects.get()
    client.post(reverse("account_logout"))
    row.refresh_from_db()
    assert row.end_requested_why == "signed_out"
    assert User.objects.get(pk=story.ana.pk).is_active


def test_somebody_else_in_the_same_browser_ends_it(story: Story, client: Client) -> None:
    client.force_login(story.ana)
    client.post(form(story), {"command": "/bin/sh"})
    token = people.issue_sign_in_token(actor=Actor.of(story.ana), user=story.carla)
    client.post(reverse("account_link", args=(token,)))
    assert Terminal.objects.get().end_requested_why == "signed_out"
