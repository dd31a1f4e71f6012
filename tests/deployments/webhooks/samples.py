"""What each service sends, as its own documentation describes it, for one imaginary shop."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

from deployments.webhooks.request import WebhookRequest

SECRET = "gull-Harbour-71-lantern"
BEFORE = "3f0a5d" + "1" * 34
AFTER = "9c41e2" + "2" * 34
TAG_OBJECT = "d00df0" + "3" * 34
ZERO = "0" * 40
NOW = 1_790_000_000.0
DIGEST = "sha256:" + "5e" * 32
URL = "https://git.example.com/harbour/storefront.git"
SSH_URL = "ssh://git@git.example.com:2222/harbour/storefront.git"
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


def request(body: bytes | dict[str, Any], at: float = NOW, /, **headers: str) -> WebhookRequest:
    """A request with these headers, their `_` for `-`."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return WebhookRequest({name.replace("_", "-").lower(): value for name, value in headers.items()}, raw, at)


def sign(body: bytes, secret: str = SECRET) -> str:
    """HMAC-SHA-256, written down once more than the program does it."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def commit(
    number: str = AFTER, message: str = "Sort the cart by price\n\nIt was by name.", **paths: list[str]
) -> dict[str, Any]:
    """One commit of a push's list."""
    return {
        "id": number,
        "message": message,
        "timestamp": "2026-09-21T10:12:44+02:00",
        "url": f"https://git.example.com/harbour/storefront/commit/{number}",
        "author": {"name": "Ana Prado", "email": "ana@example.com"},
        **{"added": [], "modified": ["shop/cart.py"], "removed": [], **paths},
    }


def github(**changes: Any) -> dict[str, Any]:
    """GitHub's `push`, of one commit to main."""
    return {
        "ref": "refs/heads/main",
        "before": BEFORE,
        "after": AFTER,
        "created": False,
        "deleted": False,
        "forced": False,
        "base_ref": None,
        "compare": "https://git.example.com/harbour/storefront/compare/3f0a5d...9c41e2",
        "commits": [commit()],
        "head_commit": commit(),
        "pusher": {"name": "ana-prado", "email": "ana@example.com"},
        "sender": {"login": "ana-prado", "id": 71},
        "repository": {
            "id": 5150,
            "name": "storefront",
            "full_name": "harbour/storefront",
            "fork": False,
            "private": True,
            "html_url": "https://git.example.com/harbour/storefront",
            "clone_url": URL,
            "ssh_url": "git@git.example.com:harbour/storefront.git",
            "default_branch": "main",
        },
        **changes,
    }


def gitlab(**changes: Any) -> dict[str, Any]:
    """GitLab's `Push Hook`, of one commit to main."""
    return {
        "object_kind": "push",
        "event_name": "push",
        "before": BEFORE,
        "after": AFTER,
        "ref": "refs/heads/main",
        "ref_protected": True,
        "checkout_sha": AFTER,
        "user_id": 4,
        "user_name": "Ana Prado",
        "user_username": "ana",
        "project_id": 15,
        "project": {
            "id": 15,
            "name": "Storefront",
            "web_url": "https://git.example.com/harbour/storefront",
            "git_ssh_url": "git@git.example.com:harbour/storefront.git",
            "git_http_url": URL,
            "path_with_namespace": "harbour/storefront",
            "default_branch": "main",
        },
        "commits": [commit(title="Sort the cart by price")],  # type: ignore[arg-type]
        "total_commits_count": 1,
        "push_options": {},
        **changes,
    }


def gitea(**changes: Any) -> dict[str, Any]:
    """Gitea's and Forgejo's `push`, of one commit to main."""
    return {
        "ref": "refs/heads/main",
        "before": BEFORE,
        "after": AFTER,
        "compare_url": "https://git.example.com/harbour/storefront/compare/3f0a5d...9c41e2",
        "commits": [commit()],
        "total_commits": 1,
        "head_commit": commit(),
        "repository": {
            "id": 9,
            "full_name": "harbour/storefront",
            "fork": False,
            "html_url": "https://git.example.com/harbour/storefront",
            "ssh_url": SSH_URL,
            "clone_url": URL,
        },
        "pusher": {"id": 2, "login": "ana", "username": "ana", "email": "ana@example.com"},
        "sender": {"id": 2, "login": "ana"},
        **changes,
    }


def registry_event(number: str = "e-1", action: str = "push", **target: Any) -> dict[str, Any]:
    """One event of the registry: a tag that was pushed."""
    return {
        "id": number,
        "timestamp": "2026-09-21T08:12:44.120351Z",
        "action": action,
        "target": {
            "mediaType": MANIFEST,
            "digest": DIGEST,
            "size": 1570,
            "length": 1570,
            "repository": "harbour/storefront",
            "url": f"http://registry.example.com:5000/v2/harbour/storefront/manifests/{DIGEST}",
            "tag": "2.4.2",
            **target,
        },
        "request": {"id": "r-1", "addr": "203.0.113.9:40112", "host": "registry.example.com:5000", "method": "PUT"},
        "actor": {"name": "ci"},
        "source": {"addr": "registry-1:5000", "instanceID": "7f"},
    }
