"""Terminals into Estiva's containers: opening one, typing into it, ending it, and what stood on its screen."""

from django.http import Http404, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from dashboard.access import ACT, ADMINS, FORM, READING_ALL, Request, denial, get_host, get_terminal, seen_by
from dashboard.adapters import OPENED_TERMINALS
from dashboard.downloads import streamed_text
from dashboard.forms.terminals import TerminalForm, read_typed
from dashboard.views.containers import get_container
from deployments import audit, terminal_keys, terminals
from deployments.errors import Refused
from deployments.queries import terminals as record
from deployments.queries.log import MOST_LINES
from deployments.queries.room import SHORT


@seen_by(*ADMINS, methods=FORM)
def new(request: Request, host: str, container: str) -> HttpResponse:
    """Open one into this container."""
    row = get_host(request, host)
    page = get_container(request, row, container)
    if page.placement is None:
        raise Http404(_("This container is not Estiva's."))
    form = TerminalForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        try:
            terminal = terminals.request_terminal(
                actor=request.actor, host=row, container=page.row, command=form.cleaned_data["command"]
            )
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            opened = [*request.session.get(OPENED_TERMINALS, []), terminal.pk]
            request.session[OPENED_TERMINALS] = opened[-terminals.MOST_OPEN :]
            return redirect("terminal", terminal.pk)
    context = {"host": row, "page": page, "form": form, "why_not": terminals.why_not(page.placement, page.row)}
    return render(request, "terminals/new.html", {**context, **_limits()}, status=422 if form.is_bound else 200)


@seen_by(*READING_ALL)
def detail(request: Request, terminal: int) -> HttpResponse:
    """The terminal while it is open, its record afterwards."""
    row = get_terminal(request, terminal)
    template = "terminals/_terminal.html" if request.GET.get("fragment") == "terminal" else "terminals/detail.html"
    is_mine = row.operation.requested_by_id == request.user.pk
    context = {
        "terminal": row,
        "operation": row.operation,
        "placement": row.release.placement,
        "is_mine": is_mine and request.user.is_admin,
        "short_id": row.container_id[:SHORT],
        "may_end": request.user.is_admin and row.operation.is_open,
    }
    return render(request, template, {**context, **_limits()})


@seen_by(*READING_ALL)
def pieces(request: Request, terminal: int) -> HttpResponse:
    """What it wrote, as JSON: the pieces `?after=` a number."""
    row = get_terminal(request, terminal)
    held, more = record.pieces_after(row.pk, _number(request.GET.get("after", "")), MOST_LINES)
    return JsonResponse({"lines": held, "last": held[-1].number if held else 0, "more": more})


@seen_by(*READING_ALL)
def raw(request: Request, terminal: int) -> HttpResponseBase:
    """What it wrote as a file, with its colours and moves; that it was taken is recorded."""
    row = get_terminal(request, terminal)
    audit.record(request.actor, "log.download", ("terminal", row.pk, terminals.name_of(row)))
    name = f"{row.container_name}-terminal-{row.pk}.log"
    return streamed_text(record.as_text(row), content_type="text/plain", file_name=name)


@seen_by(*ADMINS, methods=ACT)
def keys(request: Request, terminal: int) -> HttpResponse:
    """Type, or tell a new size. Only who opened it, and only while its environment allows it.

    `taken`, or the number that is `expected`, or `over`; nothing of these where nobody takes it yet, or Redis is away.
    """
    row = get_terminal(request, terminal)
    if row.operation.requested_by_id != request.user.pk:
        raise denial(request)
    if row.outcome or not row.operation.is_open or terminals.still_allowed(row):
        return JsonResponse({"over": True})
    typed = read_typed(request.body)
    if typed is None:
        return JsonResponse({"error": _("This can't be typed into a terminal.")}, status=422)
    answer = terminal_keys.put(row.pk, typed.tab, typed.number, typed.keys)
    if answer.taken:
        return JsonResponse({"taken": typed.number})
    return JsonResponse({} if answer.expected is None else {"expected": answer.expected})


@seen_by(*ADMINS, methods=ACT)
def end(request: Request, terminal: int) -> HttpResponse:
    """End it, whoever opened it."""
    row = get_terminal(request, terminal)
    terminals.end_terminal(actor=request.actor, terminal_id=row.pk)
    return redirect("terminal", row.pk)


def _limits() -> dict[str, int]:
    """What the pages say of them."""
    return {
        "megabytes": terminals.MOST_BYTES // 1_000_000,
        "idle_minutes": terminals.IDLE_SECONDS // 60,
        "most_hours": terminals.MOST_SECONDS // 3600,
    }


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 19 else 0
