"""Terminals as a worker left them."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from deployments.live import LogLine, encode_lines
from deployments.models import Host, Operation, Placement, Terminal, TerminalChunk, User
from deployments.queries.terminals import OUTPUT, SIZE


def terminal(host: Host, of: Placement, by: User, **fields: Any) -> Terminal:
    """One that somebody has open."""
    now = timezone.now()
    operation = Operation.objects.create(
        kind=Operation.Kind.TERMINAL,
        status="running",
        host=host,
        placement=of,
        request={"what": "terminal", "name": "web"},
        requested_by=by,
        requested_by_name=str(by),
        requested_at=now,
        deadline_at=now,
    )
    values: dict[str, Any] = {
        "command": ["/bin/sh"],
        "container_id": "c" * 64,
        "container_name": "storefront-staging-r1.f1",
        "session_epoch": by.session_epoch,
        "begun_at": now,
        **fields,
    }
    release = of.releases.order_by("number")[0]
    return Terminal.objects.create(operation=operation, release=release, host_name=host.name, **values)


def wrote(row: Terminal, *texts: str, size: str = "80x24") -> None:
    """What stood on its screen, a piece each."""
    pieces = [(size, SIZE), *((text, OUTPUT) for text in texts)]
    lines = [
        LogLine(number, 1_700_000_000_000 + number, "terminal", stream, text)
        for number, (text, stream) in enumerate(pieces, 1)
    ]
    TerminalChunk.objects.create(terminal=row, first_line=1, last_line=len(lines), fence=1, lines=encode_lines(lines))
    Terminal.objects.filter(pk=row.pk).update(last_piece=len(lines))
