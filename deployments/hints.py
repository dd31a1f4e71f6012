"""Hints to the workers that can do the work: where it needs the engine beside a worker, to the queue of those that have it."""

import functools
import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence

from django.db import DatabaseError, transaction

from deployments import engines, queue

log = logging.getLogger(__name__)


def target_on_commit(target_id: int) -> None:
    """Hint a Target when the transaction has been committed."""
    targets_on_commit([target_id])


def targets_on_commit(target_ids: Sequence[int]) -> None:
    """Hint these Targets when the transaction has been committed: which queues they belong in is looked up once for all."""
    if target_ids:
        transaction.on_commit(functools.partial(_send_all, queue.RUN_TARGET, list(target_ids)))


def operation_on_commit(operation_id: int) -> None:
    """Hint an Operation when the transaction has been committed."""
    transaction.on_commit(functools.partial(send, queue.RUN_OPERATION, operation_id))


def send(task: str, object_id: int) -> bool:
    """Send one hint now; False when the broker or the database can't be reached (the reconciler comes by)."""
    return _send_all(task, [object_id])


def _send_all(task: str, object_ids: Sequence[int]) -> bool:
    try:
        found = by_queue(task, object_ids)
    except DatabaseError as error:  # what was committed stands
        log.warning("hints not sent", extra={"task": task, "objects": object_ids, "error": str(error).strip()})
        return False
    sent = [queue.send(task, name, each) for name, several in found.items() for each in several]
    return all(sent)


def by_queue(task: str, object_ids: Iterable[int]) -> dict[str, list[int]]:
    """These Targets or Operations by the queue that their hints belong in, in the given order."""
    object_ids = list(object_ids)
    is_target = task == queue.RUN_TARGET
    base = queue.DEPLOY_QUEUE if is_target else queue.LOOK_QUEUE
    needed = (engines.needed_by_targets if is_target else engines.needed_by_operations)(object_ids)
    found: defaultdict[str, list[int]] = defaultdict(list)
    for each in object_ids:
        found[engines.queue_of(base, needed.get(each, frozenset()))].append(each)
    return dict(found)
