"""Several servers at once: all are registered, or none, and what is wrong is said at its line."""

from collections.abc import Sequence

from django.db import transaction
from django.utils.translation import gettext as _

from deployments.actors import Actor
from deployments.errors import FieldErrors, Refused
from deployments.inventory import hosts
from deployments.models import Host
from deployments.server_list import Listed


class LineErrors(Refused):
    """Refusals by the line that they are about."""

    def __init__(self, lines: dict[int, list[str]]) -> None:
        self.lines = dict(sorted(lines.items()))
        super().__init__(" ".join(f"{line}: {' '.join(texts)}" for line, texts in self.lines.items()))


def register_hosts(*, actor: Actor, listed: Sequence[Listed]) -> list[Host]:
    """Register them all, each with a key of its own and met on its own; `via` names one of the list or one that is there.

    LineErrors where one can't be: then none was. A server of the list may be named as a way before its key is confirmed;
    those behind it are met once it is.
    """
    errors: dict[int, list[str]] = {}
    _check_names(listed, errors)
    try:
        with transaction.atomic():
            made = _register(actor, listed, errors)
            if errors:
                raise LineErrors(errors)
    except LineErrors:
        raise
    return made


def _check_names(listed: Sequence[Listed], errors: dict[int, list[str]]) -> None:
    first: dict[str, int] = {}
    for each in listed:
        name = each.name.lower()
        if name in first:
            text = _("%(name)s stands in line %(line)s already.") % {"name": each.name, "line": first[name]}
            errors.setdefault(each.line, []).append(text)
        first.setdefault(name, each.line)


def _register(actor: Actor, listed: Sequence[Listed], errors: dict[int, list[str]]) -> list[Host]:
    """Those on the way before those behind them; what is left in the end leads in a circle."""
    names = {each.name.lower() for each in listed}
    made: dict[str, Host] = {}
    refused: set[str] = set()
    waiting = list(listed)
    while waiting:
        ready = [each for each in waiting if each.via.lower() not in names or each.via.lower() in {*made, *refused}]
        if not ready:
            for each in waiting:
                errors.setdefault(each.line, []).append(
                    _("The way through %(via)s leads in a circle.") % {"via": each.via}
                )
            break
        for each in ready:
            host = _one(actor, each, made, errors)
            if host is None:
                refused.add(each.name.lower())
            else:
                made[each.name.lower()] = host
        waiting = [each for each in waiting if each not in ready]
    return list(made.values())


def _one(actor: Actor, each: Listed, made: dict[str, Host], errors: dict[int, list[str]]) -> Host | None:
    via = made.get(each.via.lower()) or Host.objects.filter(name=each.via.lower(), retired_at=None).first()
    if each.via and via is None:
        text = _("Through %(via)s: no server of that name is registered, nor could be from this list.") % {
            "via": each.via
        }
        errors.setdefault(each.line, []).append(text)
    try:
        with transaction.atomic():
            return hosts.register_host(
                actor=actor,
                name=each.name,
                address=each.address,
                port=each.port,
                user=each.user,
                via=via,
                awaiting=each.via.lower() in made,
            )[0]
    except FieldErrors as refusal:
        said = [f"{field}: {' '.join(map(str, texts))}" for field, texts in refusal.errors.items()]
    except Refused as refusal:
        said = [str(refusal)]
    errors.setdefault(each.line, []).extend(said)
    return None
