"""What every chapter of the demo's story does: be the admin, plan and click and wait, and insist on what was promised.

To be imported in a process that has Estiva's settings, after `django.setup()`.
"""

from __future__ import annotations

import secrets

from deployments import requests
from deployments.accounts import setup
from deployments.actors import Actor
from deployments.models import Deployment, Operation, Placement, Plan, Release, Role, Target, User
from deployments.states import DEPLOYMENT_OPEN, OPERATION_OPEN
from parts.processes import PartError, wait_until


def admin() -> tuple[User, Actor]:
    """The demo's admin, made the first time."""
    if setup.needs_setup():
        token = setup.issue_setup_token()
        if token is None:
            raise PartError("The first admin can't be made: no setup link could be issued.")
        password = secrets.token_urlsafe(24)
        setup.complete_setup(token=token, name="Demo Admin", email="admin@example.com", password=password)
        print("made the first admin, admin@example.com", flush=True)
    user = User.objects.filter(role=Role.ADMIN, is_active=True).order_by("pk")[0]
    return user, Actor.of(user)


def deploy(
    actor: Actor, placement: Placement, release: int | None = None, *, anew: bool = False, timeout: float = 120
) -> Target:
    """Plan, click, and wait for the end (seconds); the Target that replaced the container, or should have.

    `anew` builds without the builder's cache.
    """
    earlier = Release.objects.get(placement=placement, number=release) if release is not None else None
    plan = requests.request_plan(actor=actor, placement=placement, of_release=earlier, build_anew=anew)
    await_operation(plan.operation, "the plan was not worked out")
    plan = Plan.objects.get(pk=plan.pk)
    check("plan", plan.is_ready, f"{plan.operation.result}")
    deployment = requests.request_deployment(actor=actor, plan=plan, fingerprint=plan.fingerprint, note="The demo's")

    def is_over() -> bool:
        return Deployment.objects.get(pk=deployment.pk).status not in DEPLOYMENT_OPEN

    wait_until(is_over, f"deployment #{deployment.pk} did not end", timeout=timeout)
    return Target.objects.select_related("deployment").get(deployment=deployment, role=Target.Role.DEPLOY)


def await_operation(operation: Operation, otherwise: str, *, timeout: float = 60) -> None:
    """Wait until a worker has done it (seconds)."""

    def is_over() -> bool:
        operation.refresh_from_db()
        return operation.status not in OPERATION_OPEN

    wait_until(is_over, otherwise, timeout=timeout)


def check(what: str, holds: bool, otherwise: str) -> None:
    """PartError unless it holds."""
    if not holds:
        raise PartError(f"{what}: {otherwise}.")
