"""The plain kind, for whatever can run curl: the moment and the body signed with HMAC-SHA-256. Pure."""

import re
from typing import Any, Final

from deployments.webhooks.push import LONGEST_MESSAGE, Ignored, Malformed, Push, Received, Unauthentic
from deployments.webhooks.request import (
    WebhookRequest,
    branch_or_tag,
    check_same,
    checked_id,
    commit_at,
    json_of,
    signature_of,
    text_at,
    urls_of,
)

KIND: Final = "plain"
WINDOW_SECONDS: Final = 300
_MOMENT: Final = re.compile(r"[0-9]{1,12}")
_REF: Final = re.compile(r"[^\x00-\x20\x7f~^:?*\[\\]{1,200}")


def verify(request: WebhookRequest, secret: str) -> str:
    """Unauthentic unless `t.body` is signed and t lies within five minutes. Returns what proves this very content."""
    parts = dict(part.strip().partition("=")[::2] for part in request.header("x-estiva-signature").split(","))
    moment = parts.get("t", "")
    if not _MOMENT.fullmatch(moment):
        raise Unauthentic("No X-Estiva-Signature, or one without t=<seconds since 1970>.")
    expected = signature_of(secret, f"{moment}.".encode() + request.body)
    check_same(parts.get("v1", ""), expected, "The X-Estiva-Signature has no v1=<signature>.")
    if abs(request.at - int(moment)) > WINDOW_SECONDS:
        raise Unauthentic("The signature is right and older, or newer, than five minutes: look at the sender's clock.")
    return expected


def read(request: WebhookRequest) -> tuple[Received, ...]:
    """What is said to be pushed, of a request that was verified."""
    sent = json_of(request.body)
    header = request.header("x-estiva-delivery")
    # Without an id of its own the signature is one: it holds the moment
    delivery_id = checked_id(header or request.header("x-estiva-signature"))
    if sent.get("ping") is True:
        return (Ignored(KIND, delivery_id, "ping", "A ping: the hook reaches Estiva and its signature is right."),)
    return (_push(sent, delivery_id),)


def _push(sent: dict[str, Any], delivery_id: str) -> Push:
    ref, tag = text_at(sent, "ref"), text_at(sent, "tag")
    branch, tag_of_ref = branch_or_tag(ref)
    branch, tag = branch or ("" if tag_of_ref else ref), tag or tag_of_ref
    if bool(branch) == bool(tag):
        raise Malformed('Name what was pushed: {"ref": "main"} for a branch, or {"tag": "v1.2"}.')
    if not _REF.fullmatch(branch or tag):
        raise Malformed("That is no name of a branch or tag.")
    return Push(
        kind=KIND,
        delivery_id=delivery_id,
        event="push",
        repository_urls=urls_of(text_at(sent, "repository")),
        branch=branch,
        tag=tag,
        commit=commit_at(sent, "commit"),
        message=text_at(sent, "message", longest=LONGEST_MESSAGE),
        pusher=text_at(sent, "pusher", longest=120),
    )
