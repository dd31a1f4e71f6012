"""Operations: short work on a server that somebody asked for. Ask here; `claims` takes them; end them here."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from deployments import audit, clock, engines, hints, known, plan, queue, releases, sources
from deployments.actors import ESTIVA, Actor
from deployments.leases import Claim
from deployments.models import AuditEntry, Host, Operation, Placement, Plan, Registry, Repository
from deployments.states import OPERATION_ENDS, OPERATION_MOVES, OperationStatus, RegistryState

DEADLINE_SECONDS: Final = 60.0


def request_operation(
    *,
    actor: Actor,
    kind: str,
    host: Host | None = None,
    placement: Placement | None = None,
    repository: Repository | None = None,
    registry: Registry | None = None,
    request: Mapping[str, Any] | None = None,
    deadline_seconds: float = DEADLINE_SECONDS,
) -> Operation:
    """Queue an Operation; it fails by itself when nobody has ended it `deadline_seconds` from now.

    What it does is written to the audit trail by whoever has a reason to ask: looking changes nothing.
    """
    with transaction.atomic():
        moment = clock.now()
        operation = Operation.objects.create(
            kind=kind,
            host=host,
            placement=placement,
            repository=repository,
            registry=registry,
            request=dict(request or {}),
            deadline_at=moment + timedelta(seconds=deadline_seconds),
            requested_by_id=actor.user_id,
            requested_by_name=actor.name if actor.user_id else "",
            requested_at=moment,
        )
        hints.operation_on_commit(operation.pk)
        queue.changed_on_commit("operation", operation.pk, placement.pk if placement else None)
        if host is not None:
            queue.changed_on_commit("host", host.pk)
    return operation


def end_operation(claim: Claim, status: OperationStatus, result: Mapping[str, Any]) -> bool:
    """End a running Operation with its result; False, and nothing written, when the claim is lost.

    A Plan's Operation that succeeded also fills its Plan: `result` is then
    `{"digest", "tag", "hosts": [rows as `deployments.plan` documents, without "ready" and "gap"], "source": what was found
    out (`sources.FOUND`), "commits": those since what runs}`.
    """
    with transaction.atomic():
        operation = Operation.objects.select_for_update(no_key=True).filter(pk=claim.id).first()
        if operation is None or operation.status != OperationStatus.RUNNING or operation.fence != claim.fence:
            return False
        _end(operation, status, result)
        if operation.kind == Operation.Kind.PLAN and status == OperationStatus.SUCCEEDED:
            _fill_plan(operation, result)
    return True


def cancel_unbegun(operation_id: int) -> bool:
    """Cancel an Operation that nobody took up yet; False when somebody has, or it is over."""
    with transaction.atomic():
        operation = Operation.objects.select_for_update(no_key=True).filter(pk=operation_id).first()
        if operation is None or operation.status != OperationStatus.QUEUED:
            return False
        _end(operation, OperationStatus.CANCELLED, {})
    return True


def fail_late(operation: Operation) -> bool:
    """Fail an open Operation whose deadline has passed; False when it moved meanwhile."""
    never_began = operation.status == OperationStatus.QUEUED and operation.attempts == 0
    result = {
        "what": "Nobody took this up in time." if never_began else "This took longer than it may.",
        "why": "No worker for looking at servers is running, or all are busy."
        if never_began
        else f"Worker {operation.holder or 'unknown'} did not end it before its deadline.",
        "remedy": "Check that the worker of queue “look” runs, then try again.",
    }
    if never_began and operation.host is not None and operation.host.is_beside:
        absent = engines.absent_reason(operation.host)
        result |= {
            "why": absent or "No worker for looking at servers has the engine beside it, or all are busy.",
            "remedy": "Start the worker of queue “look” with ESTIVA_LOCAL_ENGINE on that machine, then try again.",
        }
    if never_began and (unknown := known.unknown_in_operation(operation.pk, Operation.Kind.values)):
        result |= {
            "why": known.waiting_reason(unknown),
            "remedy": "Upgrade what is of an earlier version, then try again.",
        }
    with transaction.atomic():
        locked = Operation.objects.select_for_update(no_key=True).filter(pk=operation.pk, fence=operation.fence).first()
        if locked is None or locked.status != operation.status:
            return False
        _end(locked, OperationStatus.FAILED, result)
    return True


def _end(operation: Operation, status: OperationStatus, result: Mapping[str, Any]) -> None:
    at = OperationStatus(operation.status)
    if status not in OPERATION_ENDS or status not in OPERATION_MOVES[at]:
        raise ValueError(f"Operation {operation.pk} can't move from {at} to {status}.")
    moved = Operation.objects.filter(pk=operation.pk, status=at, fence=operation.fence).update(
        status=status,
        result=dict(result),
        steps=[_closed(step, status) for step in operation.steps],
        lease_until=None,
        ended_at=Now(),
        fence=F("fence") + 1,  # whoever still works on it bears a lower one now
    )
    if not moved:
        raise RuntimeError(f"Operation {operation.pk} moved while it was locked.")
    queue.changed_on_commit("operation", operation.pk, operation.placement_id)
    if operation.host_id is not None:
        queue.changed_on_commit("host", operation.host_id)
    if operation.kind == Operation.Kind.RUN:
        _record_run(operation, status, result)
    if operation.kind == Operation.Kind.TERMINAL:
        _record_terminal(operation, status, result)
    if operation.registry_id is not None and status == OperationStatus.FAILED:
        _record_untested(operation, operation.registry_id, result)


def _record_untested(operation: Operation, registry_id: int, result: Mapping[str, Any]) -> None:
    """A test of a registry that nobody brought to its end isn't going on any more."""
    unseen = Q(checked_at=None) | Q(checked_at__lt=operation.requested_at)
    waiting = Registry.objects.filter(
        unseen, pk=registry_id, revision=operation.request.get("revision"), state=RegistryState.NEW
    )
    text, remedy = str(result.get("what", "")), str(result.get("remedy", ""))
    if text and waiting.update(state_text=text, remedy=remedy):
        queue.changed_on_commit("registry", registry_id)


def _record_run(operation: Operation, status: OperationStatus, result: Mapping[str, Any]) -> None:
    """A command that somebody ran has ended, or never will begin."""
    server = operation.host.name if operation.host else ""
    after = {"status": str(status), "server": server, "asked_by": operation.requested_by_name}
    if "exit_code" in result:
        after["exit_code"] = result["exit_code"]
    good = status in {OperationStatus.SUCCEEDED, OperationStatus.CANCELLED}
    audit.record(
        ESTIVA,
        "run.end",
        ("run", operation.pk, f"#{operation.pk} {operation.placement} on {server}"),
        after=after,
        outcome=AuditEntry.Outcome.DONE if good else AuditEntry.Outcome.FAILED,
        message="" if status == OperationStatus.SUCCEEDED else str(result.get("what", "")),
    )
    queue.changed_on_commit("placement", operation.placement_id or 0, operation.placement_id)


def _record_terminal(operation: Operation, status: OperationStatus, result: Mapping[str, Any]) -> None:
    """A terminal has ended, or never was opened."""
    server, told = operation.host.name if operation.host else "", ("how", "exit_code", "bytes")
    after = {"server": server, "container": operation.request.get("name", ""), "asked_by": operation.requested_by_name}
    audit.record(
        ESTIVA,
        "terminal.end",
        ("terminal", operation.pk, f"#{operation.pk} {operation.placement} on {server}"),
        after={"status": str(status), **after, **{key: result[key] for key in told if key in result}},
        outcome=AuditEntry.Outcome.FAILED if status == OperationStatus.FAILED else AuditEntry.Outcome.DONE,
        message=str(result.get("what", "")),
    )
    queue.changed_on_commit("placement", operation.placement_id or 0, operation.placement_id)


def _closed(step: dict[str, Any], status: OperationStatus) -> dict[str, Any]:
    """No step of an ended Operation still runs."""
    if step.get("status") != "running":
        return step
    return {**step, "status": "good" if status == OperationStatus.SUCCEEDED else "bad"}


def _fill_plan(operation: Operation, result: Mapping[str, Any]) -> None:
    row = Plan.objects.select_related("placement", "of_release").get(operation=operation)
    running = releases.running_release(row.placement_id)
    found = {**result.get("source", {}), **({"anew": row.pk} if row.build_anew else {})}
    intended = plan_content(row, found)
    assembled = plan.assemble(
        placement_id=row.placement_id,
        intended=intended,
        running=releases.content_as_recorded(running) if running else None,
        digest=result.get("digest", ""),
        tag=result.get("tag", ""),
        looks=result.get("hosts", []),
        rollout=row.placement.rollout,
    )
    Plan.objects.filter(pk=row.pk).update(
        is_ready=True,
        digest=assembled.digest,
        tag=assembled.tag,
        settings=intended.settings,
        source=intended.source,
        commits=result.get("commits", []),
        changes=assembled.changes,
        hosts=assembled.hosts,
        fingerprint=assembled.fingerprint,
    )


def plan_content(row: Plan, found: Mapping[str, Any]) -> releases.Content:
    """What a Plan is about, with what its Operation `found` out of the source."""
    lost = (
        releases.content_of(row.of_release, secrets_as_they_were=row.secrets_of_release).lost_secrets
        if row.of_release
        else []
    )
    content = releases.Content(row.image, row.settings, row.variables, lost_secrets=lost, source=row.source)
    return sources.resolved(content, found)
