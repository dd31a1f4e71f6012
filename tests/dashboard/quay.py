"""The harbour's quay: applications of several services that Compose brings up, as every page can show them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from deployments import compose_settings, container_settings
from deployments.models import Deployment, Host, Placement, Plan, Release, Target
from deployments.states import DeploymentStatus, TargetStatus
from tests import factories as make
from tests.dashboard import shipyard
from tests.dashboard.harbour import finding, plan_row

FILE = """\
services:
  web:
    image: registry.harbour.example/shop/web:${WEB_VERSION:-4}
    ports: ["8080:80"]
    environment:
      DATABASE_URL: postgres://shop:${DB_PASSWORD}@db/shop
    depends_on: {db: {condition: service_healthy}}
  api:
    build: api
  db:
    image: postgres:16
    volumes: ["data:/var/lib/postgresql/data"]
volumes:
  data:
"""
OLDER = FILE.replace("${WEB_VERSION:-4}", "3").replace("  api:\n    build: api\n", "")
KEPT = FILE.replace("  api:\n    build: api\n", "")
SOCKET = ["web", "volumes", "/var/run/docker.sock is the engine itself: whoever has it owns the server"]
NETWORK = ["db", "network_mode", "the container shares the network of the server"]


def images(version: int, *, api: bool = False) -> dict[str, str]:
    """What is pinned."""
    found = {
        "web": f"registry.harbour.example/shop/web@{make.digest(('web', version))}",
        "db": f"postgres@{make.digest('postgres:16')}",
    }
    return {**found, "api": make.digest("api")} if api else found


def source(text: str = FILE, *, version: int = 4, **more: Any) -> dict[str, Any]:
    """From the repository, as a Plan found it out."""
    builds = ["api"] if "build: api" in text else []
    return {
        "kind": "compose",
        "url": shipyard.URL,
        "compose": compose_settings.normalise({"ref": "main", "profiles": "shop"}),
        **shipyard.commits()[0],
        "documents": ["compose.yaml"],
        "files": [["compose.yaml", text], [".env", f"WEB_VERSION={version}\n"]],
        "images": images(version),
        "builds": builds,
        "powers": [],
        **more,
    }


def kept_source(text: str = KEPT, *, version: int = 4, **more: Any) -> dict[str, Any]:
    """Of a file that is kept here."""
    return {
        "kind": "compose",
        "url": "",
        "compose": compose_settings.normalise({"text": text}),
        "documents": ["compose.yaml"],
        "files": [["compose.yaml", text]],
        "images": images(version),
        "builds": [],
        "powers": [],
        **more,
    }


def composed(of: Placement, text: str = "") -> Placement:
    """That Placement as a Compose application: its file kept here, or "" from the repository."""
    of.source, of.image, of.build, of.settings = Placement.Source.COMPOSE, "", {}, container_settings.defaults()
    of.compose = compose_settings.normalise({"text": text} if text else {"ref": "main", "profiles": "shop"})
    of.save()
    return of


def release(of: Placement, made_from: dict[str, Any], host: Host | None = None) -> Release:
    """A Release of that source; with a host it was built there."""
    facts = {
        "image_id": make.digest("api"),
        "size": 91_400_000,
        "platform": "linux/amd64",
        "base_images": [["python:3.12-slim", make.digest("base")]],
        "reused": False,
    }
    built = {"services": {"api": facts}, "host": host.pk, "host_name": host.name} if host else {}
    return make.release(of, "", image="", digest="", source=made_from, built=built)


def change(service: str, kind: str, *reasons: str, before: str = "", after: str = "") -> dict[str, Any]:
    """One service's row of a Plan."""
    return {"service": service, "kind": kind, "reasons": list(reasons), "before": before, "after": after}


def services_row(host: Host, **fields: Any) -> dict[str, Any]:
    """A server's row of a Plan of a Compose application: web is recreated, api is new, db stays, mail goes."""
    old, new = images(3), images(4)
    return plan_row(
        host,
        **{
            "strategy": "",
            "reasons": [],
            "gap": True,
            "findings": [
                finding("compose", "good", f"Compose 2.29.7 on {host.name}."),
                finding("model", "good", "Compose resolves 3 services: api, db and web."),
            ],
            "services": [
                change("api", "added", after="estiva/awaited:api"),
                change("db", "unchanged", before=old["db"], after=new["db"]),
                change("mail", "removed", before="mailhog@" + make.digest("mail")),
                change(
                    "web",
                    "recreated",
                    f"image {old['web']} → {new['web']}",
                    "variables: DATABASE_URL changed",
                    before=old["web"],
                    after=new["web"],
                ),
            ],
            **fields,
        },
    )


def seen(of: Placement, host: Host) -> None:
    """The server was looked at, and runs what it should; db is not well."""
    common = {"placement": str(of.pk), "release": "2", "since": timezone.now().isoformat()}
    rows = [
        {**common, "name": "shop-web-1", "service": "web", "state": "running", "image": images(4)["web"]},
        {**common, "name": "shop-web-2", "service": "web", "state": "running", "image": images(4)["web"]},
        {**common, "name": "shop-db-1", "service": "db", "state": "restarting", "image": images(4)["db"]},
        {**common, "name": "shop-old-1", "state": "exited", "image": "mailhog"},
        {**common, "placement": "999999", "name": "other", "service": "stranger", "state": "running", "image": "x"},
    ]
    Host.objects.filter(pk=host.pk).update(containers=rows, checked_at=timezone.now())


def quay(staging: Placement, production: Placement, hosts: list[Host]) -> dict[str, Any]:
    """staging's file is kept here, production's comes from the repository and builds `api`; returns what pages need."""
    composed(staging, KEPT)
    composed(production)
    repository = shipyard.repository(production)
    make.ran(release(staging, kept_source(OLDER, version=3)), ago=timedelta(hours=40))
    make.ran(release(staging, kept_source()), ago=timedelta(hours=3), requested_by_name="Bruno Lima")
    seen(staging, staging.seats.first().host)  # type: ignore[union-attr]
    older = source(OLDER, version=3, powers=[NETWORK], **shipyard.commits()[4])
    make.ran(release(production, older), ago=timedelta(hours=28), requested_by_name="Bruno Lima")
    return {
        "staging": staging,
        "production": production,
        "repository": repository,
        "plan": plan(production, hosts),
        "building": _building(production, hosts),
    }


def plan(of: Placement, hosts: list[Host], *, lacking: bool = False, **more: Any) -> Plan:
    """Of the newest commit, with power that is new; the last server lacks Compose where asked for."""
    rows = [services_row(host) for host in hosts]
    if lacking:
        install = "Install Compose v2 there: docker-compose-plugin from Docker's own repository."
        missing = finding("compose", "bad", f"Compose v2 is missing on {hosts[-1].name}.", install)
        rows[-1] = services_row(hosts[-1], ready=False, findings=[missing], services=[])
    changes = [
        {"kind": "commit", "name": "commit", "before": "51e9a02 Translate the timetable", "after": "4f3a1c2 Begin"},
        {"kind": "file", "name": "compose.yaml", "before": "13 lines", "after": "15 lines"},
        {"kind": "image", "name": "web", "before": images(3)["web"], "after": images(4)["web"]},
        {"kind": "compose", "name": "Profiles", "before": "", "after": "shop"},
    ]
    fields = {"image": "", "tag": "", "digest": "", "source": source(powers=[SOCKET, NETWORK])}
    return make.planned(of, rows, changes=changes, commits=shipyard.commits(4), **{**fields, **more})


def _building(of: Placement, hosts: list[Host]) -> Deployment:
    began = timezone.now() - timedelta(seconds=23)
    row = make.deployment(release(of, source()), status=DeploymentStatus.RUNNING, requested_at=began, started_at=began)
    build = make.target(row, hosts[0], TargetStatus.RUNNING, role=Target.Role.BUILD, fence=1, started_at=began)
    make.step(build, "clone", status="good", first_line=1, started_at=began, ended_at=began + timedelta(seconds=2))
    make.step(build, "build", status="running", first_line=3, started_at=began, done=2, total=5, label="api: RUN pip")
    for seat in of.seats.select_related("host"):
        make.target(row, seat.host)
    return row
