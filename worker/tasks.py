"""What the messages name. Each takes an id, and whether there is anything to do is decided by the claim, not here."""

from celery import shared_task

from deployments import queue
from worker import runs
from worker.keeper import process_keeper
from worker.operations import running


@shared_task(name=queue.RUN_TARGET)
def run_target(target_id: int) -> None:
    """Run one Target if it can be claimed."""
    runs.run(target_id, process_keeper())


@shared_task(name=queue.RUN_OPERATION)
def run_operation(operation_id: int) -> None:
    """Run one Operation if it can be claimed."""
    running.take(operation_id, process_keeper())
