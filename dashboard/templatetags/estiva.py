"""Small pieces that every template may use (they are built in: no load needed): times, sizes, states, faces, links of filters."""

import json
import re
from datetime import UTC, datetime
from typing import Any

from django import template
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from dashboard import words
from deployments import git_url, sources
from deployments.models import Step
from deployments.states import DeploymentStatus, HostState, OperationStatus, RepositoryState, TargetStatus

register = template.Library()

_STATE_CLASS: dict[str, str] = {
    **dict.fromkeys(("succeeded", "ready", "good", "done"), "good"),
    **dict.fromkeys(("running",), "run"),
    **dict.fromkeys(
        ("queued", "new", "untrusted", "skipped", "cancelled", "retired", "waiting", "cancelled_restored"), "wait"
    ),
    **dict.fromkeys(("stalled", "unsupported", "warn", "broken_off"), "warn"),
    **dict.fromkeys(
        (
            "failed",
            "failed_untouched",
            "failed_restored",
            "needs_attention",
            "unreachable",
            "key_changed",
            "bad",
            "denied",
            "refused",
        ),
        "bad",
    ),
}
_LABELS: dict[str, Any] = {
    **dict(Step.Status.choices),
    **dict(OperationStatus.choices),
    **dict(HostState.choices),
    "refused": RepositoryState.REFUSED.label,
    **dict(DeploymentStatus.choices),
    **dict(TargetStatus.choices),
    "denied": pgettext("audit", "Denied"),
    "done": pgettext("audit", "Done"),
    "warn": pgettext("step", "Look at this"),
    "waiting": pgettext("step", "Waiting"),
}


@register.filter
def state_class(status: object) -> str:
    """The class that gives a status its colour and shape: good, bad, run, wait or warn."""
    return _STATE_CLASS.get(str(status), "wait")


@register.simple_tag
def state(status: object, label: object = None, small: bool = False) -> SafeString:
    """A status as colour, shape and word: `{% state target.status %}`, `{% state host.state "…" small=True %}`."""
    word = label or _LABELS.get(str(status), str(status))
    size = " small" if small else ""
    return format_html('<span class="state {}{}">{}</span>', state_class(status), size, word)


@register.simple_tag
def ago(when: datetime | None, empty: object = "") -> SafeString:
    """A moment as people say it ("12 min ago"), the exact time beneath: `{% ago deployment.requested_at %}`."""
    if when is None:
        return format_html("{}", empty)
    exact = date_format(timezone.localtime(when), "Y-m-d H:i:s T")
    return format_html('<time data-ago datetime="{}" title="{}">{}</time>', when.isoformat(), exact, _spoken(when))


def _spoken(when: datetime) -> str:
    seconds = (timezone.now() - when).total_seconds()
    if seconds < -5:
        return _("in %(span)s") % {"span": duration(-seconds)}
    if seconds < 5:
        return _("just now")
    if seconds < 60:
        return _("%(n)d s ago") % {"n": seconds}
    if seconds < 3600:
        return _("%(n)d min ago") % {"n": seconds // 60}
    if seconds < 24 * 3600:
        return _("%(n)d h ago") % {"n": seconds // 3600}
    days = int(seconds // (24 * 3600))
    if days < 14:
        return ngettext("yesterday", "%(n)d days ago", days) % {"n": days}
    if days < 60:
        return _("%(n)d weeks ago") % {"n": days // 7}
    return date_format(timezone.localtime(when), "j M Y")


@register.filter
def moment(when: datetime | None) -> str:
    """A moment in full, in the installation's time zone."""
    return date_format(timezone.localtime(when), "Y-m-d H:i:s") if when else ""


@register.filter
def duration(seconds: float | None) -> str:
    """Seconds as people say them: 0.8 s, 12 s, 3 min 4 s, 2 h 5 min, 3 d 4 h."""
    if seconds is None:
        return ""
    if seconds < 10:
        return _("%(n)s s") % {"n": f"{max(0.0, seconds):.1f}"}
    whole = int(seconds)
    if whole < 60:
        return _("%(n)s s") % {"n": whole}
    if whole < 3600:
        return _("%(m)d min %(s)d s") % {"m": whole // 60, "s": whole % 60}
    if whole < 24 * 3600:
        return _("%(h)d h %(m)d min") % {"h": whole // 3600, "m": whole % 3600 // 60}
    return _("%(d)d d %(h)d h") % {"d": whole // 86400, "h": whole % 86400 // 3600}


@register.filter
def between(start: datetime | None, end: datetime | None) -> float | None:
    """Seconds from one moment to another (to now when there is no other yet)."""
    if start is None:
        return None
    return ((end or timezone.now()) - start).total_seconds()


@register.filter(name="bytes")
def in_bytes(count: int | None) -> str:
    """A number of bytes with its unit, decimal as Docker counts: 38.2 MB."""
    if count is None:
        return ""
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if abs(size) < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


@register.filter
def short_digest(digest: str | None) -> str:
    """`sha256:9f2c41…77ab` of a digest or image ID."""
    if not digest:
        return ""
    algorithm, colon, value = digest.partition(":")
    if not colon or len(value) <= 12:
        return digest
    return f"{algorithm}:{value[:6]}…{value[-4:]}"


_DIGEST_IN_TEXT = re.compile(r"\b(sha256:[0-9a-f]{6})[0-9a-f]{54}([0-9a-f]{4})\b")


@register.filter
def short_digests(text: object) -> str:
    """A text with every digest in it shortened."""
    return _DIGEST_IN_TEXT.sub(r"\1…\2", str(text))


@register.simple_tag
def face(name: object) -> SafeString:
    """The round face of a person: initials, the name as its title."""
    text = str(name or "")
    parts = text.split()
    initials = "".join(part[0] for part in (parts[0], parts[-1] if len(parts) > 1 else "") if part) if parts else "·"
    return format_html('<span class="face" title="{}">{}</span>', text, initials.upper())


@register.simple_tag(takes_context=True)
def query(context: dict[str, Any], **changes: object) -> str:
    """The present page's query with some parameters changed ("" or None removes one): `href="{% query after=next %}"`."""
    parameters = context["request"].GET.copy()
    parameters.pop("fragment", None)
    for name, value in changes.items():
        if value in ("", None):
            parameters.pop(name, None)
        else:
            parameters[name] = str(value)
    return f"?{parameters.urlencode()}"


@register.filter
def get(mapping: dict[Any, Any], key: object) -> Any:
    """`mapping[key]`, or None: for tables whose columns are known only when they are drawn."""
    return mapping.get(key)


@register.filter
def release_label(release: Any, other: Any = None) -> str:
    """What people call a Release: `2.4.1`, or `main@41aa7d` for a tag that moves; its number where `other` is called the same."""
    label = _version(release)
    return _("release %(n)s") % {"n": release.number} if other is not None and _version(other) == label else label


def _version(release: Any) -> str:
    if release.source.get("commit"):
        return source_label(release.source)
    if release.source:  # a file that is kept here has no other name
        return _("release %(n)s") % {"n": release.number}
    short = release.digest.partition(":")[2][:6]
    if not release.tag:
        return str(short or image_tag(release.image))
    is_version = any(character.isdigit() for character in release.tag)
    return str(release.tag) if is_version or not short else f"{release.tag}@{short}"


@register.filter
def source_label(source: dict[str, Any]) -> str:
    """What a source is called where there is little room: `main@41aa7d0`; the branch alone while no commit is known.

    "" for a Compose file that is kept here.
    """
    if sources.is_compose(source) and not source.get("url"):
        return ""
    settings = source.get("build") or source.get("compose") or {}
    ref, commit = str(settings.get("ref", "")), str(source.get("commit", ""))
    if not commit:
        return ref
    return short_commit(commit) if commit.startswith(ref) else f"{ref}@{short_commit(commit)}"


@register.filter
def service_count(source: dict[str, Any]) -> int:
    """How many services a Compose application's source brings up."""
    return len({*source.get("images", {}), *source.get("builds", [])})


@register.filter
def short_commit(commit: object) -> str:
    """The beginning of a commit's hash, as people say it."""
    return str(commit or "")[: sources.SHORT]


@register.filter
def commit_page(commit: object, url: object) -> str:
    """The address of a commit's page at its forge; "" where none is known: `{{ each.commit|commit_page:repository.url }}`."""
    try:
        return git_url.parse(str(url)).web_address(str(commit))
    except git_url.GitUrlError:
        return ""


@register.filter
def instant(text: object) -> datetime | None:
    """A moment that is kept as text (RFC 3339), None where it isn't one."""
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


@register.filter
def image_tag(image: str) -> str:
    """The tag of an image reference as it was typed, `latest` where none was."""
    name = image.partition("@")[0].rpartition("/")[2]
    return name.partition(":")[2] or ("latest" if name else "")


@register.simple_tag
def elapsed(since: datetime) -> SafeString:
    """How long something has been running; a script keeps it current."""
    seconds = int(max(0.0, (timezone.now() - since).total_seconds()))
    text = duration(seconds) if seconds >= 10 else _("%(n)s s") % {"n": seconds}  # whole: it's about to change
    return format_html('<span class="elapsed" data-since="{}">{}</span>', since.isoformat(), text)


@register.simple_tag
def setting_name(cell: Any, number: object = None) -> str:
    """The name of a cell in a table of settings; `number` takes the place of the blank row's own."""
    return str(cell.path) if number is None else str(cell.path).replace(".__.", f".{number}.")


@register.simple_tag
def changes(before: dict[str, Any], after: dict[str, Any]) -> list[dict[str, str | None]]:
    """What an audit entry says of each value, in the order of names: `{"name", "before", "after"}`, texts or None where it wasn't."""
    return [
        {"name": name, "before": _as_text(before, name), "after": _as_text(after, name)}
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]


def _as_text(values: dict[str, Any], name: str) -> str | None:
    value = values.get(name)
    if value is None or value == "":
        return None
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@register.filter
def act(action: str) -> str:
    """What an audit entry's action is called, or the action itself."""
    return str(words.ACTS.get(action, action))


@register.filter
def kind(name: str) -> str:
    """What a kind of object is called, or the kind itself."""
    return str(words.KINDS.get(name, name))
