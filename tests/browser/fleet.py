"""A harbour's worth of applications for the screenshots: `python -m tests.browser.fleet CHAPTER ARGUMENTS-AS-JSON`.

Runs with an Estiva's settings. Servers, plans and deploys are real; only an earlier fortnight of history is made up, and at the end
the rows are made to look as if they had been there for a while, on machines with names of their own.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import django

django.setup()

from deployments import requests  # noqa: E402 - Django has to be set up first
from deployments.accounts import invitations, people, setup  # noqa: E402
from deployments.actors import ESTIVA, Actor  # noqa: E402
from deployments.container_settings import defaults  # noqa: E402
from deployments.inventory import applications, hosts, placements  # noqa: E402
from deployments.models import Application, Deployment, Environment, Host, Placement, Plan, Release, Role, Step, User  # noqa: E402
from deployments.states import DEPLOYMENT_OPEN, OPERATION_OPEN, HostState  # noqa: E402
from tests.browser import fleet_age  # noqa: E402

PASSWORD: Final = "tide tables and lanterns"
PORT: Final = 5000
PEOPLE: Final = (
    ("Bruno Lima", Role.DEPLOYER, True),
    ("Dora Reis", Role.DEPLOYER, False),
    ("Carla Nunes", Role.AUDITOR, False),
)
APPLICATIONS: Final = {
    "storefront": "The shop itself",
    "billing-api": "Invoices and receipts",
    "python-web-app": "The one it all began with",
    "mailer": "Sends what the others write",
}
SERVERS: Final = {"production": ("web-1", "web-2"), "staging": ("staging-1",)}
ADDRESSES: Final = {
    ("storefront", "production"): "https://shop.harbour.example",
    ("storefront", "staging"): "https://next.harbour.example",
    ("python-web-app", "production"): "https://tides.harbour.example",
    ("billing-api", "production"): "https://billing.harbour.example",
}
FIRST_NUMBER: Final = 148
VARIABLES: Final = (
    ("APP_ENV", "{environment}", False),
    ("LOG_LEVEL", "info", False),
    ("CART_LIMIT", "40", False),
    ("DATABASE_URL", "postgres://shop:a-secret-value@db-1/shop", True),
    ("SESSION_KEY", "another-secret-value", True),
    ("MAIL_FROM", "Harbour Shop <orders@harbour.example>", False),
)


@dataclass(frozen=True)
class Run:
    """A deploy: of what, where, by whom, why."""

    application: str
    environment: str
    tag: str
    by: str = "Ana Prado"
    note: str = ""


EARLY: Final = (
    Run("mailer", "staging", "1.9.0"),
    Run("mailer", "production", "1.9.0"),
    Run("billing-api", "production", "9c4410e", "Bruno Lima"),
)
RUNS: Final = (
    Run("storefront", "production", "2.4.0", "Bruno Lima", "Spring prices"),
    Run("python-web-app", "production", "3.4.0", "Carla Nunes"),
    Run("storefront", "production", "2.4.1", "Bruno Lima", "Fix the search box on phones, SHOP-298"),
    Run("billing-api", "staging", "9f31c02", "Bruno Lima"),
    Run("python-web-app", "staging", "3.5.0"),
    Run("storefront", "staging", "2.5.0-rc1", "Ana Prado", "First look at the new cart"),
    Run("python-web-app", "production", "3.5.0-broken", "Bruno Lima", "Move the settings file, WEB-77"),
)
LAST: Final = Run("storefront", "production", "2.4.2", "Bruno Lima", "Fix for the cart total, SHOP-311")


def found(servers: list[dict[str, Any]], registry: str) -> dict[str, Any]:
    """People, servers, applications; then everything is deployed that `RUNS` tells of."""
    token = setup.issue_setup_token()
    assert token is not None
    ana = setup.complete_setup(token=token, name="Ana Prado", email="ana@harbour.example", password=PASSWORD)
    actor = Actor.of(ana, "10.20.0.7")
    for name, role, everything in PEOPLE:
        email = f"{name.split()[0].lower()}@harbour.example"
        User.objects.create_user(email, PASSWORD, name=name, role=role, deploys_everything=everything)
    for position, name in enumerate(SERVERS):
        applications.create_environment(
            actor=actor, name=name, position=2 - position, is_production=name == "production"
        )
    for server in servers:
        _register(actor, **server)
    for name, description in APPLICATIONS.items():
        application = applications.create_application(actor=actor, name=name, description=description)
        for environment in SERVERS:
            _place(actor, application, environment, f"{registry}/{name}:1.0.0")
    dora = User.objects.get(name="Dora Reis")
    pairs = [(Application.objects.get(name="storefront").pk, each.pk) for each in Environment.objects.all()]
    people.change_access(actor=actor, user=dora, role=Role.DEPLOYER, deploys_everything=False, grants=pairs)
    invitations.invite(
        actor=actor, email="felix@harbour.example", role=Role.AUDITOR, deploys_everything=False, grants=[]
    )
    fleet_age.count_from(FIRST_NUMBER)
    for run in EARLY:
        _await_end(_deploy(run, registry))
    fleet_age.invent_history("storefront", "python-web-app")
    for run in RUNS:
        _await_end(_deploy(run, registry))
    return {"sign_in": people.issue_sign_in_token(actor=ESTIVA, user=ana)}


def begin(registry: str) -> dict[str, Any]:
    """A deploy that still runs, another behind it, and a plan for everybody to read."""
    running = _deploy(LAST, registry)
    waiting = _deploy(Run("storefront", "production", "2.4.2", "Ana Prado", "Once more, with the new prices"), registry)
    ana = _actor("Ana Prado")
    placement = _placement("billing-api", "production")
    applications.set_variable(actor=ana, placement=placement, name="LOG_LEVEL", value="debug", is_secret=False)
    applications.set_variable(
        actor=ana, placement=placement, name="INVOICE_KEY", value="a-fresh-secret", is_secret=True
    )
    placement.refresh_from_db()
    placement.settings["memory"] = "1g"
    plan = _plan(ana, _image(ana, placement, f"{registry}/billing-api:9f31c02"))
    return {"running": running.pk, "waiting": waiting.pk, "plan": plan.pk}


def is_warming_up() -> int:
    """Whether the last deploy is in its health check on every server: 1 or 0."""
    running = Deployment.objects.get(status="running")
    warming = Step.objects.filter(target__deployment=running, key="health", status="running")
    return int(warming.count() == running.targets.count())


def age(replace: dict[str, str]) -> dict[str, Any]:
    """Make it look lived in: times moved back, loopback addresses replaced. Nobody may be working on it any more."""
    fleet_age.move_back()
    fleet_age.rename(replace)
    return {}


def _register(
    actor: Actor, *, name: str, port: int, user: str, socket: str, authorized_keys: str, trusted: bool
) -> None:
    host, operation = hosts.register_host(
        actor=actor, name=name, address="127.0.0.1", port=port, user=user, docker_socket=socket
    )
    with open(authorized_keys, "a", encoding="utf-8") as file:  # noqa: PTH123 - appending, which Path can't
        file.write(f"{host.public_key}\n")
    _await(lambda: not _is_open(operation), f"{name} was looked at")
    if not trusted:
        return
    host.refresh_from_db()
    hosts.trust_host(actor=actor, host=host, key=host.offered_key)
    _await(lambda: Host.objects.get(pk=host.pk).state == HostState.READY, f"{name} is ready")


def _is_open(operation: Any) -> bool:
    operation.refresh_from_db()
    return operation.status in OPERATION_OPEN


def _place(actor: Actor, application: Application, environment: str, image: str) -> None:
    settings = defaults()
    if application.name == "python-web-app":
        settings["ports"] = [
            {"container_port": PORT, "host_port": None, "host_address": "127.0.0.1", "protocol": "tcp"}
        ]
    settings["health"] = {**settings["health"], "kind": "http", "path": "/healthz", "port": PORT, "interval": 0.5}
    settings["memory"], settings["network_aliases"] = "512m", [application.name]
    if application.name == "billing-api":
        settings["volumes"] = [{"name": f"billing-{environment}", "path": "/data", "read_only": False}]
    placement = placements.save_placement(
        actor=actor,
        placement=None,
        application=application,
        environment=Environment.objects.get(name=environment),
        image=image,
        settings=settings,
        host_ids=list(Host.objects.filter(name__in=SERVERS[environment]).values_list("pk", flat=True)),
        url=ADDRESSES.get((application.name, environment), ""),
    )
    for name, value, is_secret in VARIABLES if application.name == "storefront" else VARIABLES[:2]:
        text = value.format(environment=environment)
        applications.set_variable(actor=actor, placement=placement, name=name, value=text, is_secret=is_secret)


def _placement(application: str, environment: str) -> Placement:
    return Placement.objects.get(application__name=application, environment__name=environment)


def _actor(name: str) -> Actor:
    user = User.objects.get(name=name)
    return Actor.of(user, "10.20.0.7")


def _image(actor: Actor, placement: Placement, image: str) -> Placement:
    return placements.save_placement(
        actor=actor,
        placement=placement,
        application=placement.application,
        environment=placement.environment,
        image=image,
        settings=placement.settings,
        host_ids=list(placement.seats.filter(is_active=True).values_list("host_id", flat=True)),
        url=placement.url,
    )


def _plan(actor: Actor, placement: Placement, of_release: Release | None = None) -> Plan:
    plan = requests.request_plan(actor=actor, placement=placement, of_release=of_release)
    _await(lambda: not _is_open(plan.operation), "the plan is worked out")
    return Plan.objects.get(pk=plan.pk)


def _deploy(run: Run, registry: str) -> Deployment:
    actor = _actor(run.by)
    placement = _placement(run.application, run.environment)
    plan = _plan(actor, _image(actor, placement, f"{registry}/{run.application}:{run.tag}"))
    assert plan.is_ready, plan.operation.result
    return requests.request_deployment(actor=actor, plan=plan, fingerprint=plan.fingerprint, note=run.note)


def _await_end(deployment: Deployment) -> None:
    _await(
        lambda: Deployment.objects.get(pk=deployment.pk).status not in DEPLOYMENT_OPEN, f"#{deployment.pk} has ended"
    )


def _await(condition: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < until, f"waited in vain until {what}"
        time.sleep(0.1)


CHAPTERS: Final[dict[str, Callable[..., Any]]] = {
    "found": found,
    "begin": begin,
    "is_warming_up": is_warming_up,
    "age": age,
}

if __name__ == "__main__":
    sys.stdout.write(json.dumps(CHAPTERS[sys.argv[1]](**json.loads(sys.argv[2]))) + "\n")
