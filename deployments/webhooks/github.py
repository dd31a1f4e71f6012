"""GitHub: signed with HMAC-SHA-256 over the body; the event and the delivery's number are headers. Pure."""

from typing import Any, Final

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

KIND: Final = "github"
_MOST_COMMITS: Final = 2048  # GitHub lists no more in one push
_MOST_FILES: Final = 3000  # nor more files of one commit
_OTHERS: Final = {
    "ping": "A ping: the hook reaches Estiva and its secret is right.",
    "create": "A branch or tag was made; its push arrives by itself.",
    "delete": "A branch or tag was deleted.",
    "fork": "Somebody forked the repository.",
}


def verify(request: WebhookRequest, secret: str) -> str:
    """Unauthentic unless the body is signed with the secret. Returns what proves this very content."""
    expected = signature_of(secret, request.body)
    check_same(request.header("x-hub-signature-256"), f"sha256={expected}", "No X-Hub-Signature-256: set the secret.")
    return expected


def read(request: WebhookRequest) -> tuple[Received, ...]:
    """What was pushed, of a request that was verified."""
    event = request.header("x-github-event")[:60]
    delivery_id = request.delivery_id("x-github-delivery")
    if event != "push":
        return (Ignored(KIND, delivery_id, event, other_event(event, _OTHERS)),)
    return (_push(form_or_json(request), delivery_id),)


def other_event(event: str, known: dict[str, str]) -> str:
    """Why this event deploys nothing."""
    return known.get(event, f"Only pushes deploy; this was “{event}”." if event else "The request names no event.")


def _push(sent: dict[str, Any], delivery_id: str) -> Received:
    repository, head = object_at(sent, "repository"), object_at(sent, "head_commit")
    branch, tag = branch_or_tag(text_at(sent, "ref"))
    if not branch and not tag:
        return Ignored(KIND, delivery_id, "push", "Neither a branch nor a tag was pushed.")
    commits = objects_at(sent, "commits")
    paths, all_paths = paths_of(commits)
    before, deleted, forced = commit_at(sent, "before"), sent.get("deleted") is True, sent.get("forced") is True
    commit = (
        "" if deleted else commit_at(head, "id") or commit_at(sent, "after")
    )  # an annotated tag's `after` is the tag
    if not commit and not deleted:
        raise Malformed("The push names no commit.")
    return Push(
        kind=KIND,
        delivery_id=delivery_id,
        event="push",
        repository_urls=urls_of(*(text_at(repository, name) for name in ("clone_url", "ssh_url", "html_url"))),
        branch=branch,
        tag=tag,
        before=before,
        commit=commit,
        deleted=deleted,
        forced=forced,
        is_fork=repository.get("fork") is True,
        commits=len(commits),
        paths=paths,
        # What a forced push took away, and what a new branch already held, is in no commit of the list
        all_paths=all_paths and bool(commits and before) and not forced and _is_whole(commits),
        message=text_at(head, "message", longest=LONGEST_MESSAGE),
        pusher=text_at(sent, "pusher", "name", longest=120),
    )


def _is_whole(commits: list[dict[str, Any]]) -> bool:
    files = (sum(len(each.get(name) or ()) for name in ("added", "modified", "removed")) for each in commits)
    return len(commits) < _MOST_COMMITS and all(count < _MOST_FILES for count in files)
