"""Gitea and Forgejo: signed with HMAC-SHA-256 over the body, in headers of their own names. Pure."""

from typing import Any, Final

from deployments.webhooks.github import other_event
from deployments.webhooks.push import LONGEST_MESSAGE, Ignored, Malformed, Push, Received
from deployments.webhooks.request import (
    WebhookRequest,
    branch_or_tag,
    check_same,
    commit_at,
    form_or_json,
    object_at,
    objects_at,
    paths_of,
    signature_of,
    text_at,
    urls_of,
)

KIND: Final = "gitea"
_OTHERS: Final = {
    "create": "A branch or tag was made; its push arrives by itself.",
    "delete": "A branch or tag was deleted.",
    "fork": "Somebody forked the repository.",
}


def verify(request: WebhookRequest, secret: str) -> str:
    """Unauthentic unless the body is signed with the secret. Returns what proves this very content."""
    expected = signature_of(secret, request.body)
    sent = request.header("x-forgejo-signature") or request.header("x-gitea-signature")
    check_same(
        sent or request.header("x-hub-signature-256").removeprefix("sha256="),
        expected,
        "No X-Gitea-Signature: set the secret.",
    )
    return expected


def read(request: WebhookRequest) -> tuple[Received, ...]:
    """What was pushed, of a request that was verified."""
    event = (request.header("x-forgejo-event") or request.header("x-gitea-event"))[:60]
    delivery_id = request.delivery_id("x-forgejo-delivery", "x-gitea-delivery")
    if event != "push":
        return (Ignored(KIND, delivery_id, event, other_event(event, _OTHERS)),)
    return (_push(form_or_json(request), delivery_id),)


def _push(sent: dict[str, Any], delivery_id: str) -> Received:
    repository, head = object_at(sent, "repository"), object_at(sent, "head_commit")
    branch, tag = branch_or_tag(text_at(sent, "ref"))
    if not branch and not tag:
        return Ignored(KIND, delivery_id, "push", "Neither a branch nor a tag was pushed.")
    commits = objects_at(sent, "commits")
    paths, all_paths = paths_of(commits)
    before, after = commit_at(sent, "before"), commit_at(sent, "after")
    if "after" not in sent:
        raise Malformed("The push names no commit.")
    return Push(
        kind=KIND,
        delivery_id=delivery_id,
        event="push",
        repository_urls=urls_of(*(text_at(repository, name) for name in ("clone_url", "ssh_url", "html_url"))),
        branch=branch,
        tag=tag,
        before=before,
        commit=(commit_at(head, "id") or after) if after else "",
        deleted=not after,
        is_fork=repository.get("fork") is True,
        commits=len(commits),
        paths=paths,
        all_paths=all_paths and bool(commits and before) and sent.get("total_commits") == len(commits),
        message=text_at(head, "message", longest=LONGEST_MESSAGE),
        pusher=text_at(sent, "pusher", "login", longest=120) or text_at(sent, "pusher", "username", longest=120),
    )
