"""One Operation from claim to end, whatever its kind."""

import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import structlog

from deployments import claims, clock, queue
from deployments.models import Operation
from deployments.operations import end_operation
from deployments.states import OperationStatus
from deployments.webhooks import automatic
from worker import local_engine
from worker.brief import CannotBrief
from worker.engine.errors import Cancelled, HostError, HostLost, LeaseLost
from worker.keeper import Held, Keeper, uptime
from worker.operations import (
    adopt,
    check,
    following,
    meet,
    one_off,
    plan,
    registry,
    repository,
    room,
    room_acts,
    room_images,
    rotate,
    settle,
    tags,
    terminal,
)
from worker.operations.steps import Looking, Outcome
from worker.patience import claimed

Work = Callable[[Looking], Outcome]

log = structlog.get_logger(__name__)

KINDS: Final[dict[str, Work]] = {
    Operation.Kind.MEET: meet.meet,
    Operation.Kind.CHECK: check.check,
    Operation.Kind.PLAN: plan.plan,
    Operation.Kind.REPOSITORY: repository.look,
    Operation.Kind.ROOM: room.look,
    Operation.Kind.CONTAINER: room_acts.act,
    Operation.Kind.FOLLOW: following.follow,
    Operation.Kind.IMAGES: room_images.remove,
    Operation.Kind.REGISTRY: registry.look,
    Operation.Kind.TAGS: tags.look,
    Operation.Kind.ADOPT: adopt.adopt,
    Operation.Kind.SETTLE: settle.settle,
    Operation.Kind.ROTATE: rotate.rotate,
    Operation.Kind.RUN: one_off.run,
    Operation.Kind.TERMINAL: terminal.serve,
}

LONG: Final = (Operation.Kind.FOLLOW, Operation.Kind.RUN, Operation.Kind.TERMINAL)


def take(operation_id: int, keeper: Keeper) -> None:
    """Run this Operation, here; one that may last for hours on a thread of its own."""
    if Operation.objects.filter(pk=operation_id, kind__in=LONG).exists():
        following.apart(operation_id, lambda: run(operation_id, keeper))
    else:
        run(operation_id, keeper)


def run(operation_id: int, keeper: Keeper) -> None:
    """Claim this Operation and bring it to its end; nothing when somebody else has it or it is over."""
    if keeper.stopping:
        keeper.pass_on(queue.RUN_OPERATION, operation_id)
        return
    with keeper.claiming.asking("operation", operation_id):
        claim, asked_at = claimed(lambda: _claim(operation_id, keeper), uptime, lambda: keeper.stopping)
    if claim is None:
        return
    with keeper.holding("operation", claim, asked_at) as held:
        operation = Operation.objects.select_related("host", "placement", "repository__application", "registry").get(
            pk=claim.id
        )
        looking, work = Looking(operation, held, keeper.tail), KINDS.get(operation.kind)
        if work is None:
            log.error("claimed what this worker does not know", operation=claim.id, kind=operation.kind)
            claims.hand_back_operation(claim, hint=False)
            return
        try:
            outcome = _carried_out(looking, held, work)
            looking.settle()
        except LeaseLost:
            _let_go(held, keeper)
            return
        if not end_operation(claim, outcome.status, outcome.result):
            log.warning("lease lost before the end", operation=claim.id, fence=claim.fence)
            return
    plan_id = automatic.plan_of(operation) if operation.kind == Operation.Kind.PLAN else None
    if plan_id is not None:
        automatic.carry_on(plan_id)


def _claim(operation_id: int, keeper: Keeper) -> claims.Claim | None:
    with keeper.claiming.beside_others():
        return claims.claim_operation(
            operation_id, holder=keeper.holder, engines=local_engine.held(), kinds=KINDS.keys()
        )


def _carried_out(looking: Looking, held: Held, work: Work) -> Outcome:
    operation = looking.operation
    try:
        with _deadline(operation, held):
            return work(looking)
    except LeaseLost:
        raise
    except Exception as error:  # noqa: BLE001 - logged with an id; whatever it was, the Operation must not stay as if somebody were at work
        return Outcome(OperationStatus.FAILED, told(error, operation))


@contextmanager
def _deadline(operation: Operation, held: Held) -> Iterator[None]:
    """Cancel the work when its time is over."""
    left = (operation.deadline_at - clock.now()).total_seconds()
    timer = threading.Timer(max(0.1, left - 1.0), held.signals.cancelled.set)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _let_go(held: Held, keeper: Keeper) -> None:
    if held.handing_back:
        claims.hand_back_operation(held.claim, reason=f"The worker {keeper.name} was stopped.")
    else:
        log.warning("lease lost; nothing more is done", operation=held.claim.id, fence=held.claim.fence)


def told(error: Exception, operation: Operation) -> Mapping[str, Any]:
    """An error as the result that people read."""
    match error:
        case HostLost() | HostError():
            return {"what": error.message, "why": error.why, "remedy": error.remedy}
        case CannotBrief():
            return {"what": error.message, "why": "", "remedy": error.remedy}
        case Cancelled():
            return {
                "what": "This took longer than it may.",
                "why": "The server, or something on the way to it, answers too slowly.",
                "remedy": "Try again; if it stays so, look at the server's load and at the network.",
            }
    number = uuid.uuid4().hex[:8]
    log.exception("an Operation failed unforeseen", exc_info=error, operation=operation.pk, error_id=number)
    return {
        "what": "Estiva itself failed here, through an error that nobody foresaw.",
        "why": f"The worker's log has the details under error_id={number}.",
        "remedy": "Please report it with those lines.",
    }
