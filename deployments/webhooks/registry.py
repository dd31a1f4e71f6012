"""The distribution registry's notifications: an envelope of events, the secret in the Authorization header. Pure."""

import re
from typing import Any, Final

from deployments.webhooks.push import Ignored, Image, Malformed, Push, Received
from deployments.webhooks.request import (
    WebhookRequest,
    check_same,
    checked_id,
    json_of,
    object_at,
    objects_at,
    text_at,
    urls_of,
)

KIND: Final = "registry"
_MOST_EVENTS: Final = 100
_MANIFESTS: Final = frozenset(
    {
        "application/vnd.docker.distribution.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.index.v1+json",
    }
)
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST: Final = re.compile(r"sha256:[a-f0-9]{64}")


def verify(request: WebhookRequest, secret: str) -> str:
    """Unauthentic unless the Authorization header holds the secret, as `Bearer SECRET`. It proves no content, hence ""."""
    sent = request.header("authorization")
    scheme, _space, value = sent.partition(" ")
    check_same(
        value.strip() if scheme.lower() == "bearer" else sent, secret, "No Authorization header: set the secret."
    )
    return ""


def read(request: WebhookRequest) -> tuple[Received, ...]:
    """What each event of the envelope says, of a request that was verified."""
    envelope = json_of(request.body)
    if not isinstance(envelope.get("events"), list):
        raise Malformed("The envelope has no list “events”.")
    events = objects_at(envelope, "events")
    if len(events) > _MOST_EVENTS:
        raise Malformed(f"The envelope holds {len(events)} events; at most {_MOST_EVENTS} are read.")
    return tuple(_event(each) for each in events)


def _event(event: dict[str, Any]) -> Received:
    target = object_at(event, "target")
    action, delivery_id = text_at(event, "action", longest=60), text_at(event, "id", longest=1000)
    if not delivery_id:
        raise Malformed("An event has no “id”.")
    delivery_id = checked_id(delivery_id)
    repository, tag, digest = (text_at(target, name) for name in ("repository", "tag", "digest"))
    if reason := _ignored(action, text_at(target, "mediaType"), tag):
        return Ignored(KIND, delivery_id, action, reason, is_noise=True)
    if not repository or not _TAG.fullmatch(tag) or (digest and not _DIGEST.fullmatch(digest)):
        raise Malformed("The pushed image's repository, tag or digest can't be read.")
    return Push(
        kind=KIND,
        delivery_id=delivery_id,
        event=action,
        repository_urls=urls_of(text_at(event, "request", "host")),
        image=Image(repository, tag, digest),
        pusher=text_at(event, "actor", "name", longest=120),
    )


def _ignored(action: str, media_type: str, tag: str) -> str:
    if action != "push":
        return f"Only pushes deploy; this was “{action}”."
    if media_type not in _MANIFESTS:
        return "A layer was pushed; its image's tag follows."
    return "" if tag else "An image was pushed without a tag."
