"""A web process that dies between the commit of a click and its message: `python -m tests.integration.dying_web PLAN`."""

from __future__ import annotations

import os
import sys
from unittest import mock

import django

DIED_BEFORE_THE_MESSAGE = 86


def die(*_: object) -> None:
    """As SIGKILL would: no handler runs, nothing is flushed."""
    os._exit(DIED_BEFORE_THE_MESSAGE)


def click(plan_id: int) -> None:
    """Click Deploy as the person who asked for this Plan; the process is gone before the message is sent."""
    from deployments import queue, requests
    from deployments.actors import Actor
    from deployments.models import Plan

    plan = Plan.objects.get(pk=plan_id)
    assert plan.created_by is not None
    actor = Actor.of(plan.created_by, "127.0.0.1")
    with mock.patch.object(queue, "send", die):
        requests.request_deployment(actor=actor, plan=plan, fingerprint=plan.fingerprint)


if __name__ == "__main__":
    django.setup()
    click(int(sys.argv[1]))
