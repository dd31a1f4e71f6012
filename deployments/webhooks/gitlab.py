"""GitLab: the secret itself comes as a header; the event is a header in words. Pure."""

from typing import Any, Final

from deployments.webhooks.push import LONGEST_MESSAGE, Ignored, Malformed, Push, Received
from deployments.webhooks.request import (
    WebhookRequest,
    branch_or_tag,
    check_same,
    commit_at,
    json_of,
    object_at,
    objects_at,
    paths_of,
    text_at,
    urls_of,
)

KIND: Final = "gitlab"
_PUSHES: Final = {"Push Hook", "Tag Push Hook"}


def verify(request: WebhookRequest, secret: str) -> str:
    """Unauthentic unless the token is the secret. It proves no content, hence ""."""
    check_same(request.header("x-gitlab-token"), secret, "No X-Gitlab-Token: set the secret token.")
    return ""


def read(request: WebhookRequest) -> tuple[Received, ...]:
    """What was pushed, of a request that was verified."""
    event = request.header("x-gitlab-event")[:60]
    delivery_id = request.delivery_id("idempotency-key", "x-gitlab-event-uuid")
    if event not in _PUSHES:
        reason = f"Only pushes deploy; this was “{event}”." if event else "The request names no event."
        if event == "System Hook":
            reason = "This came from a system hook; make a webhook in the project itself."
        return (Ignored(KIND, delivery_id, event, reason),)
    return (_push(json_of(request.body), delivery_id, event),)


def _push(sent: dict[str, Any], delivery_id: str, event: str) -> Received:
    project = object_at(sent, "project")
    branch, tag = branch_or_tag(text_at(sent, "ref"))
    if not branch and not tag:
        return Ignored(KIND, delivery_id, event, "Neither a branch nor a tag was pushed.")
    commits = objects_at(sent, "commits")
    paths, all_paths = paths_of(commits)
    before, after = commit_at(sent, "before"), commit_at(sent, "after")
    commit = commit_at(sent, "checkout_sha") or after  # an annotated tag's `after` is the tag
    if "after" not in sent:
        raise Malformed("The push names no commit.")
    total = sent.get("total_commits_count")
    return Push(
        kind=KIND,
        delivery_id=delivery_id,
        event=event,
        repository_urls=urls_of(*(text_at(project, name) for name in ("git_http_url", "git_ssh_url", "web_url"))),
        branch=branch,
        tag=tag,
        before=before,
        commit=commit if after else "",
        deleted=not after,
        commits=total if isinstance(total, int) and not isinstance(total, bool) else len(commits),
        paths=paths,
        all_paths=all_paths and bool(commits and before) and total == len(commits),  # GitLab lists 20 at most
        message=_message(commits, commit),
        pusher=text_at(sent, "user_name", longest=120) or text_at(sent, "user_username", longest=120),
    )


def _message(commits: list[dict[str, Any]], newest: str) -> str:
    """The newest commit's; they come oldest first."""
    found = next((each for each in commits if each.get("id") == newest), commits[-1] if commits else {})
    return text_at(found, "message", longest=LONGEST_MESSAGE)
