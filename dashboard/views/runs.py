"""One-off runs: a command in a new container of a release, what it wrote, and how it ended."""

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from dashboard.access import ACT, ACTING, EVERYONE, FORM, Request, denial, get_placement, get_release, get_run, seen_by
from dashboard.downloads import streamed_text
from dashboard.forms.runs import RunForm
from deployments import audit, one_offs, permissions
from deployments.errors import Refused
from deployments.queries import log, runs, terminals
from deployments.releases import running_release

_PARTS = {"runs": "runs/_list.html", "terminals": "terminals/_list.html"}


@seen_by(*EVERYONE)
def index(request: Request, application: str, environment: str) -> HttpResponse:
    """Commands that were run for it, newest first."""
    placement = get_placement(request, application, environment)
    template = _PARTS.get(request.GET.get("fragment", ""), "runs/list.html")
    context = {
        "placement": placement,
        "tab": "runs",
        "runs": runs.runs_of(placement),
        "terminals": terminals.terminals_of(placement),
        "is_live": True,
        "running": running_release(placement.pk),
        "acts": placement.application.archived_at is None and permissions.may_act(request.user, placement),
    }
    return render(request, template, context)


@seen_by(*ACTING, methods=FORM)
def new(request: Request, application: str, environment: str, number: int) -> HttpResponse:
    """Run a command in a new container of this release."""
    release = get_release(request, application, environment, number)
    if not permissions.may_act(request.user, release.placement):
        raise denial(request)
    again = permissions.visible_runs(request.user).filter(pk=_number(request.GET.get("again", ""))).first()
    initial = (
        {"command": "\n".join(again.command), "server": again.host_name, "service": again.service} if again else {}
    )
    form = RunForm(
        request.POST if request.method == "POST" else None,
        hosts=one_offs.servers_of(release.placement),
        services=one_offs.services_of(release),
        initial=initial,
    )
    if form.is_bound and form.is_valid():
        try:
            run = one_offs.request_run(actor=request.actor, release=release, **form.values())
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            return redirect("run", run.pk)
    context = {"placement": release.placement, "release": release, "form": form, "why_not": one_offs.why_not(release)}
    return render(request, "runs/new.html", context, status=422 if form.is_bound else 200)


@seen_by(*EVERYONE)
def detail(request: Request, run: int) -> HttpResponse:
    """How it stands, and what it wrote."""
    row = get_run(request, run)
    template = "runs/_run.html" if request.GET.get("fragment") == "run" else "runs/detail.html"
    context = {
        "run": row,
        "operation": row.operation,
        "placement": row.release.placement,
        "acts": permissions.may_act(request.user, row.release.placement),
    }
    return render(request, template, context)


@seen_by(*ACTING, methods=ACT)
def cancel(request: Request, run: int) -> HttpResponse:
    """End it."""
    row = get_run(request, run)
    if not permissions.may_act(request.user, row.release.placement):
        raise denial(request)
    if not one_offs.cancel_run(actor=request.actor, run_id=row.pk):
        messages.error(request, _("It is over, or somebody cancelled it already."))
    return redirect("run", row.pk)


@seen_by(*EVERYONE)
def lines(request: Request, run: int) -> HttpResponse:
    """JSON lines, as a deployment's: `?after=`, or `?q=` to search all of it from `?next=` on."""
    row = get_run(request, run)
    if text := request.GET.get("q", "")[:200]:
        found = runs.search(row.pk, text, _number(request.GET.get("next", "")))
        rows = [[-row.pk, *line] for line in found.lines]
        return JsonResponse({"found": rows, "more": found.following is not None, "next": found.following})
    limit = min(_number(request.GET.get("limit", "")) or log.MOST_LINES, log.MOST_LINES)
    held, more = runs.lines_after(row.pk, _number(request.GET.get("after", "")), limit)
    return JsonResponse({"lines": held, "last": held[-1].number if held else 0, "more": more})


@seen_by(*EVERYONE)
def raw(request: Request, run: int) -> HttpResponseBase:
    """The whole log as a text file; that it was taken is recorded."""
    row = get_run(request, run)
    audit.record(request.actor, "log.download", ("run", row.pk, f"#{row.pk} {row.release.placement}"))
    name = f"{row.release.placement.application.name}-{row.release.placement.environment.name}-run-{row.pk}.log"
    return streamed_text(runs.as_text(row), content_type="text/plain", file_name=name)


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 19 else 0
