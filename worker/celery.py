"""The Celery app of the workers: a message is a hint, the row is the truth (see `deployments.claims`).

Early acknowledgement, no result, no retry, no countdown: what is lost with a broker or a worker comes back by lease and
reconciler. The command: `celery -A worker.celery worker -P threads -c 32 -Q deploy -n deploy@%h`, for looking `-Q look`.
"""

import logging
import os
import threading
import warnings
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")

import django
import structlog
from celery import Celery, signals
from celery.exceptions import SecurityWarning
from django.conf import settings

from deployments import logs, start

django.setup()
start.refuse_wrong_settings()

from deployments import engines, queue  # noqa: E402 - needs Django to be set up
from worker import commit_status, git_servers, local_engine  # noqa: E402
from worker.connections.beside import LocalEngine  # noqa: E402
from worker.keeper import EXIT_SECONDS, Keeper, process_keeper, set_process_keeper  # noqa: E402
from worker.logs import open_secrets  # noqa: E402

app = Celery("estiva", broker=queue.broker_url(settings.ESTIVA_REDIS_URL), include=["worker.tasks"])
app.conf.update(
    task_acks_late=False,
    task_ignore_result=True,
    task_store_errors_even_if_ignored=False,
    task_serializer="json",
    accept_content=["json"],
    task_default_queue=queue.DEPLOY_QUEUE,
    task_create_missing_queues=True,
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    worker_redirect_stdouts=False,
    worker_enable_remote_control=False,
    worker_send_task_events=False,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    broker_transport_options=queue.BROKER_OPTIONS,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_connection_timeout=2,
    enable_utc=True,
)
if settings.ESTIVA_DEMO:  # it runs as root on a bare machine, and says so itself
    warnings.filterwarnings("ignore", category=SecurityWarning)


@signals.setup_logging.connect
def _configure_logs(**_: Any) -> None:
    logs.configure("worker", mask=open_secrets.mask)
    logging.getLogger("celery.worker.strategy").setLevel(logging.WARNING)  # a line for each hint; ours say more


@signals.celeryd_after_setup.connect
def _make_keeper(sender: str, instance: Any, **_: Any) -> None:
    """Runs once the worker knows its name and queues, before it takes the first message."""
    deploys = queue.DEPLOY_QUEUE in instance.app.amqp.queues.consume_from
    set_process_keeper(Keeper(sender, "deploy" if deploys else "look", instance.concurrency))


_stopping = threading.Event()


@signals.worker_ready.connect
def _start_keeper(sender: Any, **_: Any) -> None:
    bases = {queue.DEPLOY_QUEUE, queue.LOOK_QUEUE} & set(sender.app.amqp.queues.consume_from)

    def found(engine: LocalEngine) -> None:
        """What only this engine can do has a queue of its own. Called on a thread: the consumer does it on its own."""
        for base in sorted(bases):
            sender.call_soon(sender.add_task_queue, engines.queue_of(base, [engine.identity]))

    local_engine.watch(found, _stopping)
    process_keeper().start()
    if (
        process_keeper().role == "look"
    ):  # the reconciler can't open a token, and deploys are not to wait for a Git service
        commit_status.start_sending(git_servers.token_of, _stopping)


@signals.worker_shutting_down.connect
def _stop_keeper(**_: Any) -> None:
    """Inside the signal handler: hand everything back, and end in time whatever a thread is still waiting for."""
    _stopping.set()
    process_keeper().begin_stop()
    watchdog = threading.Timer(EXIT_SECONDS, _exit_now)
    watchdog.daemon = True
    watchdog.start()


@signals.worker_shutdown.connect
def _join_keeper(**_: Any) -> None:
    process_keeper().join()
    process_keeper().send_passed_on()


def _exit_now() -> None:
    structlog.get_logger(__name__).warning("still waiting for a thread; ending now, its lease will expire")
    os._exit(0)
