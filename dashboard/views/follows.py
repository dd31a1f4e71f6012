"""A container's log while it runs: following it, its lines, and what was shown of it as a file."""

from collections.abc import Iterator

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _

from dashboard.access import ACT, EVERYONE, Request, get_follow, get_host, seen_by
from dashboard.downloads import streamed_text
from dashboard.views.containers import get_container
from deployments import audit, follows
from deployments.errors import Refused
from deployments.live import decode_lines
from deployments.models import Operation
from deployments.queries.log import text_line

MOST_FOUND = 1_000


@seen_by(*EVERYONE, methods=ACT)
def begin(request: Request, host: str, container: str) -> HttpResponse:
    """Follow it from now on, for as long as somebody looks."""
    row = get_host(request, host)
    page = get_container(request, row, container)
    tail, since = _offered(request, "tail", follows.TAILS), _offered(request, "since", follows.SINCE)
    try:
        follow = follows.follow_log(actor=request.actor, host=row, container=page.row, tail=tail, since=since)
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("container", row.name, page.row["key"])
    return redirect(f"{reverse('container', args=(row.name, page.row['key']))}?log={follow.pk}")


@seen_by(*EVERYONE)
def lines(request: Request, follow: int) -> HttpResponse:
    """JSON lines, as a deployment's: `?after=`, or `?q=` to search what is held."""
    row = _log(request, follow)
    if text := request.GET.get("q", "")[:200].casefold():
        held = (line for chunk in _chunks(row.pk, 0) for line in decode_lines(chunk.lines))
        found = [[-row.pk, *line] for line in held if text in line.text.casefold()][:MOST_FOUND]
        return JsonResponse({"found": found, "more": False, "next": None})
    after = _number(request.GET.get("after", ""))
    chunks = follows.lines_after(row.pk, after)
    rows = [line for chunk in chunks for line in decode_lines(chunk.lines) if line.number > after]
    last = rows[-1].number if rows else 0
    return JsonResponse({"lines": rows, "last": last, "more": bool(rows) and bool(follows.lines_after(row.pk, last))})


@seen_by(*EVERYONE)
def raw(request: Request, follow: int) -> HttpResponseBase:
    """What was shown of it, as a text file; that it was taken is recorded."""
    row = _log(request, follow)
    name = str(row.request["name"])
    audit.record(request.actor, "log.download", ("container", row.request["id"][:12], name))
    return streamed_text(_as_text(row, name), content_type="text/plain", file_name=f"{name}.log")


def _as_text(follow: Operation, name: str) -> Iterator[str]:
    for chunk in _chunks(follow.pk, 0):
        yield "".join(text_line(name, line) for line in decode_lines(chunk.lines))


def _chunks(follow_id: int, after: int) -> Iterator[follows.Chunk]:
    while found := follows.lines_after(follow_id, after):
        yield from found
        after = found[-1].last


def _log(request: Request, follow: int) -> Operation:
    row = get_follow(request, follow)
    if row.request["what"] != follows.LOG:
        raise Http404(_("This follows no log."))
    return row


def _offered(request: Request, name: str, offered: tuple[int, ...]) -> int:
    """What was chosen; -1, which is refused, for anything that wasn't offered."""
    return next((each for each in offered if str(each) == request.POST.get(name, "")), -1)


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 19 else 0
