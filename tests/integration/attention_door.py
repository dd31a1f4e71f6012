"""Somebody, or a program, that deals over HTTP with what a Deployment left in doubt."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from deployments.accounts import tokens
from deployments.models import Attention, Deployment, PlacementHost, User
from parts.processes import PartError, wait_until
from parts.sshd import SshServer
from tests.dashboard.web import Web
from tests.integration import harness


@dataclass
class Door:
    """The real web, and a token of an admin's."""

    web: Web
    token: str

    @classmethod
    def of(cls, web: Web) -> Door:
        """With a token of its own."""
        admin = User.objects.get(email="ada@example.com")
        _row, text = tokens.create(actor=harness.admin(), user=admin, name="ci", scope="deploy")
        return cls(web, text)

    def ask(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        asked = http.client.HTTPConnection("127.0.0.1", self.web.port, timeout=15)
        try:
            headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
            asked.request(method, f"/api/v1/{path}", json.dumps(body or {}), headers)
            answer = asked.getresponse()
            found: dict[str, Any] = json.loads(answer.read())
            assert answer.status < 300, found
            return found
        finally:
            asked.close()

    def seen(self, deployment: Deployment, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Have a worker look until what it sees is as wanted."""
        found: dict[str, Any] = {}

        def is_so() -> bool:
            answer = self.ask("GET", f"deployments/{deployment.pk}/attention")["servers"][0]
            found.update(answer)
            if answer["seen_at"] and wanted(answer):
                return True
            if not answer["is_looking"]:
                self.ask("POST", f"deployments/{deployment.pk}/attention/look")
            return False

        try:
            wait_until(is_so, "a worker sees it", timeout=30)
        except PartError as late:
            raise AssertionError(f"Seen was only {found}") from late
        return found

    def as_is(self, deployment: Deployment, seen: dict[str, Any], reason: str) -> PlacementHost:
        """Have what was seen recorded; where it now stands that the Release it matches runs."""
        wanted = {"servers": [{"server": "web-1", "fingerprint": seen["fingerprint"]}], "reason": reason}
        self.ask("POST", f"deployments/{deployment.pk}/attention/as-is", wanted)
        row = Attention.objects.filter(target__deployment=deployment)
        wait_until(lambda: row.get().way == "as_is", "it is recorded", timeout=30)
        seat = PlacementHost.objects.get()
        assert seat.running_release is not None
        assert seat.running_release.number == seen["matches"]
        assert (seat.running_target, seat.drift) == (deployment.targets.get(), "")
        return seat

    def restore(self, deployment: Deployment) -> Deployment:
        """Have what served before brought back; the Deployment that does it."""
        answer = self.ask("POST", f"deployments/{deployment.pk}/attention/restore", {"servers": ["web-1"]})
        (made,) = answer["deployments"]
        return Deployment.objects.get(pk=made["id"])


def lose(deployment: Deployment, sshd: SshServer, patience: float = 60.0) -> None:
    """Its server goes away for good, in the middle; when the worker has given up, it is back."""
    sshd.stop()
    harness.until_target(deployment, lambda each: each.status == "stalled", "handed back")
    deployment.targets.update(connections_lost=8)  # as if it had been away for a quarter of an hour
    assert harness.ended(deployment, timeout=patience).status == "needs_attention", deployment.targets.get().outcome
    sshd.start()
