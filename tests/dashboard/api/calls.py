"""What tests of the API share: tokens, and calls as a program makes them."""

from __future__ import annotations

import json
from typing import Any

from django.test import Client

from deployments.accounts import tokens
from deployments.actors import Actor
from deployments.models import Placement, User

PREFIX = "/api/v1/"
STAGING = "placements/storefront/staging"
PRODUCTION = "placements/storefront/production"


def token(user: User, scope: str, *, name: str = "ci", places: list[Placement] | None = None, days: int = 90) -> str:
    """A new token's text."""
    ids = None if places is None else [each.pk for each in places]
    _row, text = tokens.create(actor=Actor.of(user), user=user, name=name, scope=scope, days=days, placement_ids=ids)
    return text


class Api:
    """A program with a token."""

    def __init__(self, text: str = "", **headers: str) -> None:
        self.client = Client(enforce_csrf_checks=True, raise_request_exception=False)
        self.headers = {**({"Authorization": f"Bearer {text}"} if text else {}), **headers}

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """One call; the answer."""
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.client.generic(
            method,
            path if path.startswith("/") else PREFIX + path,
            data,
            content_type="application/json",
            headers={**self.headers, **headers},
        )

    def get(self, path: str, **headers: str) -> Any:
        """GET."""
        return self.ask("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        """POST, of an empty object unless another is given."""
        return self.ask("POST", path, {} if body is None else body, **headers)


def error(answer: Any, status: int) -> dict[str, Any]:
    """What an answer of this status says went wrong; the one shape."""
    assert answer.status_code == status, answer.content
    found = answer.json()
    assert set(found) == {"error"}
    assert {"code", "message"} <= set(found["error"]) <= {"code", "message", "field", "remedy", "fields", "changes"}
    assert found["error"]["message"]
    return dict(found["error"])
