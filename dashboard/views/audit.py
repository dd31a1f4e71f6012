"""The audit trail: who did what, and whether nobody touched the record."""

from collections.abc import Callable, Iterator
from dataclasses import asdict
from itertools import islice

from django.db.models import QuerySet
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import render

from dashboard.access import FORM, READING_ALL, Request, seen_by
from dashboard.downloads import streamed_text
from dashboard.forms.audit import TrailForm
from deployments import audit
from deployments.models import AuditEntry
from deployments.queries import trail

_ROWS_A_PIECE = 200


@seen_by(*READING_ALL, methods=FORM)
def index(request: Request) -> HttpResponse:
    """The trail, filtered by the URL; POST walks the whole chain and says what it found."""
    form = TrailForm(request.GET)
    page = trail.page(form.wanted(), before=_key(request, "before"), after=_key(request, "after"))
    verification = audit.verify() if request.method == "POST" else None
    head = verification.head if verification else audit.signed_head()
    context = {"form": form, "page": page, "head": head, "verification": verification}
    return render(request, "audit/list.html", context)


@seen_by(*READING_ALL)
def export_csv(request: Request) -> HttpResponseBase:
    """What the filters show, all of it, as CSV."""
    return _export(request, audit.csv_rows, "csv", "text/csv")


@seen_by(*READING_ALL)
def export_ndjson(request: Request) -> HttpResponseBase:
    """What the filters show, all of it, one JSON object a line."""
    return _export(request, audit.ndjson_rows, "ndjson", "application/x-ndjson")


def _export(
    request: Request, rows: Callable[[QuerySet[AuditEntry]], Iterator[str]], form: str, content_type: str
) -> HttpResponseBase:
    wanted = TrailForm(request.GET).wanted()
    filters = {name: value for name, value in asdict(wanted).items() if value}
    entry = audit.record(request.actor, "audit.export", ("audit", form, form), after={"filters": filters})
    shown = trail.entries(wanted).filter(number__lte=entry.number)
    return streamed_text(pieces(rows(shown)), content_type=content_type, file_name=f"estiva-audit.{form}")


def pieces(rows: Iterator[str]) -> Iterator[str]:
    """Many rows at a time: each piece costs a hop between threads."""
    while piece := "".join(islice(rows, _ROWS_A_PIECE)):
        yield piece


def _key(request: Request, name: str) -> int | None:
    value = request.GET.get(name, "")
    return int(value) if value.isdecimal() and len(value) < 19 else None
