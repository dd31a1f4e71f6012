"""A harbour full of ships: an installation in the middle of a working day, for looking at pages."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from deployments.models import Application, Deployment, Environment, Host, Placement, Plan
from deployments.states import DeploymentStatus, HostState, TargetStatus
from tests import factories as make

_DAY = timedelta(days=1)
_DAILY = (7, 4, 10, 4, 3, 7, 7, 8, 5, 7, 3, 6, 5, 4)
_FAILURES = {1: 1, 4: 1, 6: 2, 11: 1}


def harbour() -> dict[str, Any]:
    """Everything the overview can show, at once; returns what pages need to be found by."""
    make.worker()
    staging = make.environment("staging", position=1)
    production = make.environment("production", position=2, is_production=True)
    web = [make.host(f"web-{number}") for number in (1, 2, 3)]
    lab = make.host("lab-1", disk_free=12_000_000_000)
    placements: dict[str, Placement] = {}
    for name, words, url in (
        ("storefront", "What customers see", "https://shop.example.com"),
        ("billing-api", "Invoices and payments", ""),
        ("python-web-app", "The intranet's front page", "http://intranet.example.com:5000"),
        ("mailer", "", ""),
    ):
        application = make.application(name, description=words)
        placements[f"{name}/staging"] = _place(application, staging, [lab])
        servers = {"storefront": web, "billing-api": web[:2], "python-web-app": web[:1], "mailer": web[1:]}[name]
        placements[f"{name}/production"] = _place(application, production, servers, url=url)
    people = {"ana": make.ana(), "bruno": make.bruno(*placements.values()), "carla": make.carla()}
    _past(placements)
    moving = _present(placements, web)
    return {"placements": placements, "people": people, "hosts": [*web, lab], "moving": moving}


def _place(application: Application, environment: Environment, hosts: list[Host], **fields: Any) -> Placement:
    return make.placement(application, environment, hosts, **fields)


def _past(placements: dict[str, Placement]) -> None:
    people = ("Ana Prado", "Bruno Lima", "Carla Nunes")
    some = list(placements.values())
    for day, count in enumerate(_DAILY):
        for number in range(count):
            placement = some[(day + number) % len(some)]
            release = placement.releases.first() or make.release(placement, "0.9.0")
            failed = number < _FAILURES.get(day, 0)
            status = DeploymentStatus.FAILED if failed else DeploymentStatus.SUCCEEDED
            make.ran(
                release,
                status=status,
                targets=TargetStatus.FAILED_RESTORED if failed else TargetStatus.SUCCEEDED,
                ago=(13 - day) * _DAY + timedelta(hours=1, minutes=number * 7),
                seconds=12 + number * 3,
                requested_by_name=people[(day + number) % 3],
            )


def _present(placements: dict[str, Placement], web: list[Host]) -> dict[str, Any]:
    def now_runs(key: str, tag: str, ago: timedelta, who: str) -> None:
        make.ran(make.release(placements[key], tag), ago=ago, requested_by_name=who)

    now_runs("storefront/production", "2.4.1", 3 * _DAY, "Bruno Lima")
    now_runs("billing-api/staging", "9f31c02", timedelta(hours=2), "Bruno Lima")
    now_runs("billing-api/production", "9c4410e", 6 * _DAY, "Bruno Lima")
    now_runs("python-web-app/production", "main", _DAY, "Carla Nunes")
    now_runs("mailer/staging", "1.9.0", 21 * _DAY, "Ana Prado")
    now_runs("mailer/production", "1.9.0", 20 * _DAY, "Ana Prado")
    now_runs("python-web-app/staging", "main", _DAY, "Carla Nunes")
    drifted = placements["billing-api/production"].seats.get(host=web[1])
    drifted.drift, drifted.drift_at = "env changed by hand", timezone.now()
    drifted.save()
    make.ran(
        make.release(placements["python-web-app/staging"], "main"),
        status=DeploymentStatus.FAILED,
        targets=TargetStatus.FAILED_RESTORED,
        ago=timedelta(minutes=4),
        requested_by_name="Carla Nunes",
    )
    now_runs("storefront/staging", "2.5.0-rc1", timedelta(minutes=12), "Ana Prado")
    make.deployment(make.release(placements["mailer/production"], "1.9.1"), requested_by_name="Ana Prado")
    return {"deployment": _running(placements["storefront/production"], web)}


def _running(placement: Placement, web: list[Host]) -> Deployment:
    began = timezone.now() - timedelta(seconds=41)
    deployment = make.deployment(
        make.release(placement, "2.4.2"),
        status=DeploymentStatus.RUNNING,
        requested_by_name="Bruno Lima",
        requested_at=began,
        started_at=began,
        previous_release=placement.seats.first().running_release,  # type: ignore[union-attr]
        note="Fix for the cart total, SHOP-311",
    )
    for host, status in zip(web, (TargetStatus.SUCCEEDED, TargetStatus.SUCCEEDED, TargetStatus.RUNNING), strict=True):
        target = make.target(deployment, host, status, fence=1, started_at=began)
        if status == TargetStatus.RUNNING:
            make.step(target, "pull", done=38_200_000, total=61_000_000, label="layer 4 of 6")
    return deployment


def burning() -> dict[str, Any]:
    """The same harbour, with everything that raises an alarm."""
    found = harbour()
    web = found["hosts"]
    Host.objects.filter(pk=web[0].pk).update(
        state=HostState.KEY_CHANGED,
        state_text="It shows another host key than the trusted one. Nothing was sent to it.",
    )
    Host.objects.filter(pk=found["hosts"][3].pk).update(
        state=HostState.UNREACHABLE, state_text="Port 22 did not answer within 10 s."
    )
    return found


def finding(check: str, result: str, message: str, remedy: str = "") -> dict[str, str]:
    """One of preflight's findings."""
    return {"check": check, "result": result, "message": message, "remedy": remedy}


def plan_row(host: Host, **fields: Any) -> dict[str, Any]:
    """A server's row of a Plan, ready and with a gap unless told otherwise."""
    return {
        "host": host.pk,
        "name": host.name,
        "ready": True,
        "findings": [
            finding("reachable", "good", f"{host.name} answers, its host key is the trusted one."),
            finding("platform", "good", "The image has linux/amd64."),
            finding("disk", "good", "31.0 GB are free for images."),
        ],
        "engine": "Docker 26.1.4",
        "platform": "linux/amd64",
        "disk_free": host.disk_free,
        "strategy": "stop-first",
        "reasons": ["Port 8080 is published on the server, so the old container stops before the new one starts."],
        "gap": True,
        "first": False,
        **fields,
    }


def a_plan(placement: Placement, hosts: list[Host]) -> Plan:
    """A Plan of storefront 2.4.2, the third server in its way."""
    refusal = finding(
        "platform",
        "bad",
        "web-3 runs Windows containers; this image has linux/amd64 and linux/arm64.",
        "Use a Linux server, or leave web-3 out.",
    )
    rows = [
        plan_row(hosts[0]),
        plan_row(hosts[1], disk_free=12_000_000_000),
        plan_row(
            hosts[2], ready=False, findings=[refusal], engine="Docker 26.1.4", platform="windows/amd64", gap=False
        ),
    ]
    rows[1]["findings"].append(
        finding("port", "unknown", "Whether a program other than Docker holds port 8080 can't be told.")
    )
    changes = [
        {
            "kind": "image",
            "name": "image",
            "before": "shop:2.4.1 (sha256:04be12…)",
            "after": "shop:2.4.2 (sha256:9f2c41…)",
        },
        {"kind": "variable", "name": "CART_V2", "before": "off", "after": "on"},
        {"kind": "secret", "name": "STRIPE_KEY", "before": "version 1", "after": "version 2"},
        {"kind": "setting", "name": "Memory limit", "before": "256m", "after": "512m"},
    ]
    return make.planned(placement, rows, changes=changes, image="registry.example.com/shop:2.4.2", tag="2.4.2")
