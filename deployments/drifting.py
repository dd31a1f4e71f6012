"""What differs on a server from the record, piece by piece, and the person who ignores it.

`PlacementHost.difference` is {} or: `{"fingerprint", "words", "container", "container_id", "status", "changes": [as a Plan's],
"settings": {name: value, None for what isn't set any more}, "variables": [{"name", "how": changed|added|removed, "value":
text, or None where it is a secret}], "image": {} or {"id", "reference", "digest", "tag"}, "release": the one that it bears,
"why_not": why it can't be adopted, "" where it can}`. `drift` is the words, "" while somebody ignores exactly this one.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from django.db import transaction
from django.utils.translation import gettext as _

from deployments import audit, clock, queue
from deployments.actors import Actor
from deployments.errors import Refused
from deployments.models import Host, PlacementHost

LONGEST: Final = 300
LONGEST_REASON: Final = 200
_NOT_TOLD: Final = frozenset({"fingerprint", "words", "why_not", "changes"})


def fingerprint(difference: Mapping[str, Any]) -> str:
    """The same for the same difference; of a secret only that it differs is in it."""
    told = {key: value for key, value in difference.items() if key not in _NOT_TOLD} or {"words": difference["words"]}
    text = json.dumps(told, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def in_words_alone(
    words: str, why_not: str, status: str = "", changes: Sequence[Mapping[str, str]] = ()
) -> dict[str, Any]:
    """A difference that can't be adopted; {} for none. `status` tells it from others of the same words and `changes`."""
    if not words:
        return {}
    found: dict[str, Any] = {"words": words, "why_not": why_not, "status": status}
    shown = {"changes": [dict(each) for each in changes]} if changes else {}
    return {**found, **shown, "fingerprint": fingerprint({**found, "said": words})}


def ignore(*, actor: Actor, seat_id: int, shown: str, reason: str) -> None:
    """Say no more about the difference whose fingerprint was `shown`, until it is another or a Deployment ends there."""
    reason = _checked(reason)
    with transaction.atomic():
        seat = _locked(seat_id)
        if not seat.drift or not shown or seat.difference.get("fingerprint") != shown:
            raise Refused(
                _("What differs there is not what was shown any more."), remedy=_("Look at it again, then decide.")
            )
        seat.ignored = {**_entry(actor, reason), "fingerprint": shown, "words": seat.drift}
        seat.drift = ""
        seat.save(update_fields=("ignored", "drift"))
        _tell(seat)
        after = {"server": seat.host.name, "differs": seat.ignored["words"], "reason": reason}
        audit.record(actor, "drift.ignore", seat.placement, after=after)


def heed(*, actor: Actor, seat_id: int) -> None:
    """Show the ignored difference again."""
    with transaction.atomic():
        seat = _locked(seat_id)
        before = seat.ignored
        if not before:
            raise Refused(_("Nothing is ignored there any more."))
        seat.drift, seat.ignored = str(before["words"]), {}
        seat.save(update_fields=("ignored", "drift"))
        _tell(seat)
        said = {"server": seat.host.name, "differs": seat.drift, "ignored_by": before["by"], "reason": before["reason"]}
        audit.record(actor, "drift.heed", seat.placement, before=said)


def ignore_container(*, actor: Actor, host: Host, container: Mapping[str, Any], reason: str) -> None:
    """Say no more about a container of ours that the record doesn't know, as long as it is there."""
    reason = _checked(reason)
    with transaction.atomic():
        host = Host.objects.select_for_update(no_key=True).get(pk=host.pk)
        kept = [each for each in host.ignored_containers if each["id"] != container["id"]]
        entry = {**_entry(actor, reason), "id": container["id"], "name": container["name"]}
        host.ignored_containers = [*kept, entry]
        host.save(update_fields=("ignored_containers",))
        queue.changed_on_commit("host", host.pk)
        after = {"container": container["name"], "id": container["id"][:12], "reason": reason}
        audit.record(actor, "drift.ignore", host, after=after)


def heed_container(*, actor: Actor, host: Host, container_id: str) -> None:
    """Show it again."""
    with transaction.atomic():
        host = Host.objects.select_for_update(no_key=True).get(pk=host.pk)
        gone = [each for each in host.ignored_containers if each["id"] == container_id]
        if not gone:
            raise Refused(_("It is not ignored any more."))
        host.ignored_containers = [each for each in host.ignored_containers if each["id"] != container_id]
        host.save(update_fields=("ignored_containers",))
        queue.changed_on_commit("host", host.pk)
        before = {"container": gone[0]["name"], "id": container_id[:12], "ignored_by": gone[0]["by"]}
        audit.record(actor, "drift.heed", host, before=before)


def seen(seat: PlacementHost, words: str, difference: Mapping[str, Any]) -> dict[str, Any]:
    """The columns for what a look found: what is ignored stays so only as long as it is exactly the same."""
    ignored = seat.ignored if difference and seat.ignored.get("fingerprint") == difference.get("fingerprint") else {}
    return {"drift": "" if ignored else words[:LONGEST], "difference": dict(difference), "ignored": ignored}


def _locked(seat_id: int) -> PlacementHost:
    rows = PlacementHost.objects.select_for_update(no_key=True, of=("self",))
    return rows.select_related("host", "placement__application", "placement__environment").get(pk=seat_id)


def _checked(reason: str) -> str:
    reason = reason.strip()
    if not reason:
        raise Refused(_("Say why it may stay so."), "reason")
    if len(reason) > LONGEST_REASON:
        raise Refused(_("That is too long: at most %(n)s characters.") % {"n": LONGEST_REASON}, "reason")
    return reason


def _entry(actor: Actor, reason: str) -> dict[str, str]:
    return {"by": actor.name, "reason": reason, "at": clock.now().isoformat(timespec="seconds")}


def _tell(seat: PlacementHost) -> None:
    queue.changed_on_commit("placement", seat.placement_id, seat.placement_id)
    queue.changed_on_commit("host", seat.host_id)
