"""Who did what: an append-only chain of entries, each bound to the one before by an HMAC.

Without ESTIVA_AUDIT_KEY nobody can write, change, remove or reorder an entry unseen; the signed head, noted elsewhere,
also shows that the newest ones are gone. The chain's head is locked last in every transaction: record, then commit.
"""

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from django.conf import settings
from django.db import models, transaction
from django.utils.translation import gettext as _

from deployments import clock
from deployments.actors import Actor
from deployments.audit_export import csv_rows, ndjson_rows
from deployments.errors import Refused
from deployments.models import AuditEntry, AuditHead

__all__ = [
    "AuditBroken",
    "SignedHead",
    "Verification",
    "csv_rows",
    "denied",
    "ndjson_rows",
    "record",
    "signed_head",
    "verify",
]

_HEAD: Final = 1
_MOST_PROBLEMS: Final = 50
_AT_ONCE: Final = 1000
_SIGNED: Final = (
    "number",
    "actor_id",
    "actor_name",
    "address",
    "action",
    "object_kind",
    "object_id",
    "object_name",
    "before",
    "after",
    "outcome",
    "message",
    "previous_mac",
)


class AuditBroken(Refused):
    """The chain's head is gone or was not signed with our key: nothing is recorded, or done, until somebody has looked."""


def record(
    actor: Actor,
    action: str,
    obj: models.Model | tuple[str, int | str, str] | None = None,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    outcome: str = AuditEntry.Outcome.DONE,
    message: str = "",
) -> AuditEntry:
    """Append one entry, in the caller's transaction; call it last, since it takes the last lock.

    `action` is noun.verb; `obj` a row or (kind, id, name). Secrets belong in neither `before` nor `after`.
    """
    return record_all([Act(actor, action, obj, before or {}, after or {}, outcome, message)])[0]


@dataclass(frozen=True, slots=True)
class Act:
    """What one entry says; see `record`."""

    actor: Actor
    action: str
    obj: models.Model | tuple[str, int | str, str] | None = None
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)
    outcome: str = AuditEntry.Outcome.DONE
    message: str = ""


def record_all(acts: Sequence[Act]) -> list[AuditEntry]:
    """As `record`, several at once: everybody else's entries wait for as many answers of the database as for one."""
    if not acts:
        return []
    with transaction.atomic(savepoint=False):
        head = _locked_head()
        at, entries = clock.now(), []
        for act in acts:
            entry = _entry(act, head, at)
            entries.append(entry)
            head.number, head.mac = entry.number, entry.mac
        AuditEntry.objects.bulk_create(entries)
        head.head_mac = _head_mac(head)
        head.save(update_fields=("number", "mac", "head_mac"))
    return entries


def _entry(act: Act, head: AuditHead, at: datetime) -> AuditEntry:
    """The one that follows the head, not saved."""
    kind, object_id, object_name = _described(act.obj)
    entry = AuditEntry(
        number=head.number + 1,
        at=at,
        actor_id=act.actor.user_id,
        actor_name=_clean(act.actor.name)[:120],
        address=_clean(act.actor.address)[:64],
        action=act.action,
        object_kind=kind,
        object_id=object_id,
        object_name=_clean(object_name)[:200],
        before=_plain(act.before),
        after=_plain(act.after),
        outcome=str(act.outcome),
        message=_clean(act.message),
        previous_mac=head.mac,
    )
    entry.mac = _mac_of(entry)
    return entry


def denied(
    actor: Actor, action: str, obj: models.Model | tuple[str, int | str, str] | None = None, message: str = ""
) -> AuditEntry:
    """Append the entry of an attempt that was refused."""
    return record(actor, action, obj, outcome=AuditEntry.Outcome.DENIED, message=message)


@dataclass(frozen=True, slots=True)
class SignedHead:
    """The newest entry's number and MAC with their signature: noted elsewhere, it shows a missing end."""

    number: int
    mac: str
    signature: str

    def __str__(self) -> str:
        return f"{self.number}:{self.mac}:{self.signature}"


@dataclass(frozen=True, slots=True)
class Verification:
    """What `verify` found; `problems` are sentences, at most 50 of them."""

    ok: bool
    problems: tuple[str, ...]
    number: int
    head: SignedHead


def signed_head() -> SignedHead:
    """The head as it stands, to be noted outside of the database."""
    return _signed(AuditHead.objects.filter(pk=_HEAD).first())


def _signed(head: AuditHead | None) -> SignedHead:
    head = head or AuditHead(pk=_HEAD)
    return SignedHead(head.number, head.mac, head.head_mac or _head_mac(head))


def verify(noted: str = "") -> Verification:
    """Walk the whole chain; `noted` is a signed head written down earlier (`number:mac:signature`).

    Finds edited, removed (the newest too, where the head or a noted one remembers them), added and reordered entries.
    Entries that are written meanwhile are no problem: the head is compared where it stood before the walk.
    """
    problems: list[str] = []
    expected, previous = 1, ""
    head = AuditHead.objects.filter(pk=_HEAD).first()
    at_head = "" if head is None or head.number else head.mac
    remembered = _read_noted(noted, problems) if noted else None
    seen_noted = remembered is None or remembered.number == 0
    for entry in _walk():
        if entry.number != expected:
            problems.append(f"Entries {expected} to {entry.number - 1} are missing.")
        if entry.previous_mac != previous and entry.number == expected:
            problems.append(f"Entry {entry.number} does not follow the entry before it.")
        if not hmac.compare_digest(entry.mac, _mac_of(entry)):
            problems.append(f"Entry {entry.number} was changed after it was written.")
        if remembered and entry.number == remembered.number:
            seen_noted = True
            if not hmac.compare_digest(entry.mac, remembered.mac):
                problems.append(f"Entry {entry.number} is not the one that the noted head names.")
        if head and entry.number == head.number:
            at_head = entry.mac
        expected, previous = entry.number + 1, entry.mac
    problems.extend(_problems_of_head(head, expected - 1, at_head))
    if remembered and not seen_noted:
        problems.append(f"Entry {remembered.number}, which the noted head names, is missing.")
    shown = tuple(problems[:_MOST_PROBLEMS])
    return Verification(ok=not problems, problems=shown, number=expected - 1, head=_signed(head))


def _walk() -> Iterator[AuditEntry]:
    """All entries by their number, in queries of their own: a cursor outside of a transaction does not pass a pooler of transactions."""
    entries = AuditEntry.objects.order_by("number")
    page = list(entries[:_AT_ONCE])
    while page:
        yield from page
        page = list(entries.filter(number__gt=page[-1].number)[:_AT_ONCE])


def _problems_of_head(head: AuditHead | None, walked: int, mac: str) -> list[str]:
    """`head` as it stood before the walk up to entry `walked`; `mac` is that of the entry with the head's number."""
    now = AuditHead.objects.filter(pk=_HEAD).first()
    if now is None:
        return ["The chain's head is missing."] if walked else []
    if now.number == 0 and not now.head_mac:
        return [] if walked == 0 else ["The chain's head was emptied."]
    if any(each and each.number and not _is_signed(each) for each in (head, now)):
        return ["The chain's head was changed."]
    if head and head.number > walked:
        return [f"The newest entries, {walked + 1} to {head.number}, are missing."]
    if now.number < walked:  # an entry and the head that covers it are committed at once
        return [f"Entries {now.number + 1} to {walked} are not covered by the chain's head."]
    return [] if head is None or head.mac == mac else [f"The chain's head names another entry {head.number}."]


def _is_signed(head: AuditHead) -> bool:
    return hmac.compare_digest(head.head_mac, _head_mac(head))


def _read_noted(noted: str, problems: list[str]) -> SignedHead | None:
    number, _colon, rest = noted.strip().partition(":")
    mac, _colon, signature = rest.partition(":")
    if not number.isdecimal():
        problems.append("The noted head can't be read; it looks like NUMBER:MAC:SIGNATURE.")
        return None
    head = AuditHead(number=int(number), mac=mac)
    if not hmac.compare_digest(signature, _head_mac(head)):
        problems.append("The noted head was not signed with this installation's audit key.")
        return None
    return SignedHead(int(number), mac, signature)


def _locked_head() -> AuditHead:
    """The head, believed only with its signature: an entry built on a forged one would sign the forgery."""
    head = AuditHead.objects.select_for_update().filter(pk=_HEAD).first()
    if head is not None and head.number > 0:
        if not _is_signed(head):
            raise AuditBroken(
                _("The audit trail's head was not signed with this installation's audit key; nothing was done."),
                remedy=_(
                    "Compare ESTIVA_AUDIT_KEY with the key that was used before, then run manage.py audit verify."
                ),
            )
        return head
    if AuditEntry.objects.exists():
        raise AuditBroken(
            _("The audit trail's head is missing although entries exist; nothing was done."),
            remedy=_("Run manage.py audit verify."),
        )
    return head or AuditHead.objects.create(pk=_HEAD)


def _described(obj: models.Model | tuple[str, int | str, str] | None) -> tuple[str, str, str]:
    if obj is None:
        return "", "", ""
    if isinstance(obj, models.Model):
        return str(obj._meta.model_name), str(obj.pk), str(obj)
    kind, object_id, name = obj
    return kind, str(object_id), name


def _plain(value: Any) -> Any:
    """Only what both databases give back as it was stored: a float becomes text, since jsonb may rewrite it."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, Mapping):
        return {_clean(str(key)): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(each) for each in value]
    if isinstance(value, datetime):
        return _moment(value)
    return _clean(str(value))


def _clean(text: str) -> str:
    """Without the characters that PostgreSQL can't store."""
    return str(text).replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def _moment(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="microseconds")


def _mac_of(entry: AuditEntry) -> str:
    fields: dict[str, Any] = {name: getattr(entry, name) for name in _SIGNED}
    fields["at"] = _moment(entry.at)
    return _sign("entry", fields)


def _head_mac(head: AuditHead) -> str:
    return _sign("head", {"number": head.number, "mac": head.mac})


def _sign(purpose: str, fields: dict[str, Any]) -> str:
    text = json.dumps([purpose, fields], sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hmac.new(settings.ESTIVA_AUDIT_KEY.encode(), text.encode("utf-8"), hashlib.sha256).hexdigest()
