"""Telling a Git service how a deploy goes: what it is sent, and what is done when it doesn't take it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from deployments import clock
from deployments.models import CommitStatus, Deployment, Placement, Repository
from deployments.sealing import CannotOpen, open_sealed, seal
from deployments.webhooks import outbox
from parts.processes import free_port, wait_until
from tests import factories as make
from worker import commit_status
from worker.engine.spec import Secret

pytestmark = pytest.mark.django_db

AFTER = "9c41e2" + "2" * 34
TOKEN = "ghp_gull71"
URL = "https://github.com/harbour/storefront"


@dataclass
class Service:
    """A Git service on loopback that answers as told and writes down what it was sent."""

    port: int
    code: int = 201
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    calls: list[tuple[str, dict[str, str], dict[str, Any]]] = field(default_factory=list)


@pytest.fixture
def service() -> Iterator[Service]:
    told = Service(0)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent = self.rfile.read(int(self.headers["Content-Length"]))
            told.calls.append((self.path, dict(self.headers), json.loads(sent)))
            self.send_response(told.code)
            for name, value in {"Content-Length": str(len(told.body)), **told.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(told.body)

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        told.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield told
        server.shutdown()
        thread.join()


def token_of(repository: Repository) -> Secret | None:
    return Secret(open_sealed(repository.token)) if repository.token else None


@pytest.fixture
def deployment() -> Deployment:
    placement = make.placement(make.application("storefront"), source=Placement.Source.GIT)
    Repository.objects.create(application=placement.application, url=URL, credential="token", token=seal(TOKEN))
    return make.deployment(make.release(placement, source={"kind": "git", "url": URL, "commit": AFTER}))


def tell(deployment: Deployment, port: int, state: str = "success") -> CommitStatus:
    status = outbox.tell(deployment, state, "Runs on 2 servers")
    assert status is not None
    CommitStatus.objects.filter(pk=status.pk).update(api=f"http://127.0.0.1:{port}")
    return status


def test_it_is_sent_once(deployment: Deployment, service: Service) -> None:
    status = tell(deployment, service.port)
    assert commit_status.send_due(token_of) == 1
    assert commit_status.send_due(token_of) == 0
    ((path, headers, sent),) = service.calls
    assert path == f"/repos/harbour/storefront/statuses/{AFTER}"
    assert headers["Authorization"] == f"Bearer {TOKEN}"
    assert sent["state"] == "success"
    assert sent["target_url"].endswith(f"/deployments/{deployment.pk}/")
    status.refresh_from_db()
    assert (status.next_try, status.error, status.attempts) == (None, "", 1)
    assert status.sent_at is not None


@pytest.mark.parametrize(("code", "again"), [(503, True), (429, True), (401, False), (422, False)])
def test_a_refusal_is_kept_and_tried_again_where_that_can_help(
    deployment: Deployment, service: Service, code: int, again: bool
) -> None:
    service.code, service.body = code, f"no: {TOKEN}\x1b[31m\n now".encode()
    status = tell(deployment, service.port)
    assert commit_status.send_due(token_of) == 0
    status.refresh_from_db()
    assert (status.next_try is not None) is again
    assert status.error == f"{code}: no: [redacted] [31m now"


def test_a_service_that_is_away_is_tried_again(deployment: Deployment) -> None:
    status = tell(deployment, free_port())
    assert commit_status.send_due(token_of) == 0
    status.refresh_from_db()
    assert status.next_try is not None
    assert "can't be reached" in status.error


def test_no_redirect_is_followed(deployment: Deployment, service: Service) -> None:
    service.code, service.headers = 307, {"Location": f"http://127.0.0.1:{service.port}/elsewhere"}
    status = tell(deployment, service.port)
    assert commit_status.send_due(token_of) == 0
    status.refresh_from_db()
    assert len(service.calls) == 1
    assert status.next_try is None


def test_a_netrc_does_not_replace_the_token(
    deployment: Deployment, service: Service, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login other password other\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    tell(deployment, service.port)
    assert commit_status.send_due(token_of) == 1
    assert service.calls[0][1]["Authorization"] == f"Bearer {TOKEN}"


def test_the_token_never_goes_where_the_repository_was_not(deployment: Deployment, service: Service) -> None:
    tell(deployment, service.port)
    Repository.objects.update(url="https://github.com/harbour/other")
    assert commit_status.send_due(token_of) == 0
    assert service.calls == []
    assert "another address" in CommitStatus.objects.get().error


def test_without_a_token_nothing_is_sent(deployment: Deployment, service: Service) -> None:
    tell(deployment, service.port)
    Repository.objects.update(token=None)
    assert commit_status.send_due(token_of) == 0
    assert service.calls == []


def test_a_pending_state_is_not_sent_after_the_end(deployment: Deployment, service: Service) -> None:
    tell(deployment, service.port, "pending")
    tell(deployment, service.port, "failure")
    assert commit_status.send_due(token_of) == 1
    assert [sent["state"] for _path, _headers, sent in service.calls] == ["failure"]


@pytest.mark.django_db(transaction=True)
def test_a_thread_sends_until_it_is_stopped(deployment: Deployment, service: Service) -> None:
    tell(deployment, service.port)
    stop = threading.Event()
    thread = commit_status.start_sending(token_of, stop)
    wait_until(lambda: CommitStatus.objects.get().sent_at is not None, "the status is sent")
    stop.set()
    thread.join(10)
    assert not thread.is_alive()
    assert len(service.calls) == 1


@pytest.mark.django_db(transaction=True)
def test_what_fails_unforeseen_is_tried_in_the_next_round(
    deployment: Deployment, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit_status, "ROUND_SECONDS", 0.01)
    tell(deployment, service.port)
    failures = ["a bug"]

    def failing_once(repository: Repository) -> Secret | None:
        CommitStatus.objects.update(next_try=clock.now())
        if failures:
            raise RuntimeError(failures.pop())
        return token_of(repository)

    stop = threading.Event()
    thread = commit_status.start_sending(failing_once, stop)
    wait_until(lambda: CommitStatus.objects.get().sent_at is not None, "the status is sent")
    stop.set()
    thread.join(10)


def test_a_token_that_cannot_be_opened_is_said(deployment: Deployment, service: Service) -> None:
    def closed(repository: Repository) -> Secret | None:
        raise CannotOpen("The key was changed.")

    status = tell(deployment, service.port)
    assert commit_status.send_due(closed) == 0
    status.refresh_from_db()
    assert (status.error, service.calls) == ("The repository's token can't be opened: The key was changed.", [])
