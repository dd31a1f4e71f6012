"""The harbour's shipyard: applications that are built from their repositories, as every page can show them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from deployments import build_settings, container_settings, live
from deployments.models import Deployment, Host, LogChunk, Operation, Placement, Plan, Release, Repository, Target
from deployments.states import DeploymentStatus, OperationStatus, RepositoryState, TargetStatus
from tests import factories as make
from tests.dashboard.harbour import plan_row

URL = "https://git.harbour.example/intranet/python-web-app.git"
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFxNVUS0Gyb2tEQlXQhJfWh0IuUq3DK2nhOa4Gl8J8dp"
HOST_KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIJm1sp2Y3Qf3Dk8tR7oYX6J5t9cW0eVb2nUu4Lh7q1Zy"
DOCKERFILE = """\
FROM python:3.12-slim
WORKDIR /app
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
COPY . .
EXPOSE 5000
CMD ["gunicorn", "--bind", "0.0.0.0:5000", "app:app"]
"""
_SUBJECTS = (
    ("Answer with the commit that is serving", "Bruno Lima"),
    ("Keep the session over a restart", "Carla Nunes"),
    ("Pin Flask, since 3.1 dropped what we use", "Bruno Lima"),
    ("Say on the front page which harbour this is", "Ana Prado"),
    ("Translate the timetable", "Carla Nunes"),
    ("Count visitors once", "Bruno Lima"),
    ("Serve static files with a far expiry, and give their names a hash of what they contain", "Bruno Lima"),
    ("Begin", "Ana Prado"),
)


def commits(count: int = len(_SUBJECTS)) -> list[dict[str, str]]:
    """Commits of main, newest first."""
    now = timezone.now()
    return [
        {
            "commit": make.digest(subject).removeprefix("sha256:")[:40],
            "subject": subject,
            "author": author,
            "committed_at": (now - timedelta(hours=3 + 19 * number)).isoformat(timespec="seconds"),
        }
        for number, (subject, author) in enumerate(_SUBJECTS[:count])
    ]


def source(number: int = 0, **build: Any) -> dict[str, Any]:
    """What a Release is built from: the commit that is `number` behind the newest."""
    return {"kind": "git", "url": URL, **commits()[number], "build": build_settings.normalise(build)}


def repository(of: Placement, **fields: Any) -> Repository:
    """A known repository of that application."""
    names = ("main", "timetable", "fix/session", "release-3")
    refs = {
        "branches": [{"name": name, "commit": commits()[number]["commit"]} for number, name in enumerate(names)],
        "tags": [{"name": "v3.4.0", "commit": commits()[5]["commit"]}],
        "default": "main",
    }
    values = {"url": URL, "credential": "token", "username": "estiva", "state": RepositoryState.READY, "refs": refs}
    return Repository.objects.create(application=of.application, **{**values, "checked_at": timezone.now(), **fields})


def look(of: Repository, status: OperationStatus = OperationStatus.SUCCEEDED, **result: Any) -> Operation:
    """A look at branch main."""
    now = timezone.now()
    steps = [
        {
            "key": "refs",
            "status": "good",
            "title": "Branches and tags",
            "message": "4 branches, 1 tags.",
            "seconds": 0.4,
        },
        {"key": "ref", "status": "good", "title": "What is at main", "message": "8 commits read.", "seconds": 1.2},
    ]
    found = {"state": "ready", "refs": of.refs, "commits": commits(), "dockerfiles": ["Dockerfile"], "detected": None}
    return Operation.objects.create(
        kind=Operation.Kind.REPOSITORY,
        repository=of,
        status=status,
        request={"url": of.url, "ref": "main", "subdirectory": ""},
        steps=steps,
        result={**found, **result},
        requested_at=now,
        ended_at=now,
        deadline_at=now + timedelta(minutes=2),
    )


def detected() -> dict[str, Any]:
    """What a look says of a Python project without a Dockerfile."""
    reasons = ["requirements.txt names Flask.", "app.py makes an application called app."]
    return {"kind": "python", "reasons": reasons, "dockerfile": DOCKERFILE}


def built_placement(of: Placement, **build: Any) -> Placement:
    """That Placement, built from its repository."""
    of.source, of.image, of.build = Placement.Source.GIT, "", build_settings.normalise(build)
    of.settings = container_settings.normalise({"ports": [{"container_port": 5000, "host_port": 5000}]})
    of.save()
    return of


def built_release(of: Placement, behind: int, host: Host, **built: Any) -> Release:
    """A Release whose image was built."""
    image_id = make.digest(("image", behind))
    facts = {
        "image_id": image_id,
        "digest": "",
        "repository": "",
        "size": 148_300_000 - behind * 1_700_000,
        "platform": "linux/amd64",
        "base_images": [["python:3.12-slim", make.digest(("base", behind > 2))]],
        "reused": False,
        "host": host.pk,
        "host_name": host.name,
        **built,
    }
    return make.release(of, "", image="", digest="", image_id=image_id, built=facts, source=source(behind))


def shipyard(found: dict[str, Any]) -> dict[str, Any]:
    """Into a `harbour()`: python-web-app is built from Git in staging and production; returns what pages need."""
    web: list[Host] = found["hosts"]
    staging = built_placement(found["placements"]["python-web-app/staging"])
    production = built_placement(found["placements"]["python-web-app/production"])
    for host in web[1:3]:
        production.seats.create(host=host)
    known = repository(production)
    looked = look(known)
    make.ran(built_release(staging, 3, web[3]), ago=timedelta(hours=30), requested_by_name="Carla Nunes")
    make.ran(built_release(production, 6, web[0]), ago=timedelta(hours=50), requested_by_name="Bruno Lima")
    make.ran(built_release(production, 4, web[0]), ago=timedelta(hours=28), requested_by_name="Bruno Lima")
    return {
        "repository": known,
        "look": looked,
        "plan": _plan(production, web[:3]),
        "failed": _failed(staging, web[3]),
        "building": _building(production, web),
        "staging": staging,
        "production": production,
    }


def _plan(of: Placement, hosts: list[Host]) -> Plan:
    now = source()
    changes = [
        {"kind": "commit", "name": "commit", "before": "51e9a02 Translate the timetable", "after": f"{now['commit'][:7]} {now['subject']}"},
        {"kind": "build", "name": "Stage", "before": "", "after": "runtime"},
    ]  # fmt: skip
    rows = [plan_row(host, gap=True) for host in hosts]
    return make.planned(
        of, rows, changes=changes, image="", tag="", digest="", source=now, commits=commits(4) + commits()[5:]
    )


def _building(of: Placement, hosts: list[Host]) -> Deployment:
    """A Deployment whose image is being made on the first server."""
    began = timezone.now() - timedelta(seconds=23)
    release = make.release(of, "", image="", digest="", source=source())
    row = make.deployment(
        release,
        status=DeploymentStatus.RUNNING,
        requested_by_name="Bruno Lima",
        requested_at=began,
        started_at=began,
        commits=commits(4),
        changes=[{"kind": "commit", "name": "commit", "before": "51e9a02 Translate the timetable", "after": "now"}],
    )
    build = make.target(row, hosts[0], TargetStatus.RUNNING, role=Target.Role.BUILD, fence=1, started_at=began)
    for seat in of.seats.select_related("host"):
        make.target(row, seat.host)
    _steps(build, began, ("connect", 0.8, "good", 1), ("clone", 2.1, "good", 3))
    make.step(
        build, "build", status="running", first_line=6, started_at=began, done=4, total=7, label="RUN pip install"
    )
    _log(build, ("connect", "clone", "clone", "clone", "build", "build", "build"))
    return row


def _failed(of: Placement, host: Host) -> Deployment:
    """A build that failed, and the server that was therefore left as it was."""
    now = timezone.now() - timedelta(minutes=9)
    release = make.release(of, "", image="", digest="", source=source(1))
    row = make.deployment(
        release,
        status=DeploymentStatus.FAILED,
        requested_by_name="Carla Nunes",
        requested_at=now,
        started_at=now,
        ended_at=now + timedelta(seconds=14),
        commits=commits()[1:3],
        note="Sessions",
    )
    what = {
        "what": "The build failed at step 4 of 6: pip install -r requirements.txt ended with code 1.",
        "why": "The package index has no Flask 3.99.",
        "remedy": "Correct the version in requirements.txt and push; the next plan takes the new commit.",
    }
    ended = {"started_at": now, "ended_at": now + timedelta(seconds=14), "fence": 1}
    build = make.target(row, host, TargetStatus.FAILED_UNTOUCHED, role=Target.Role.BUILD, outcome=what, **ended)
    skipped = {"what": "Not begun: the image was not built."}
    make.target(row, host, TargetStatus.SKIPPED, outcome=skipped, ended_at=now + timedelta(seconds=14))
    _steps(
        build,
        now,
        ("connect", 0.8, "good", 1),
        ("clone", 2.1, "good", 3),
        ("build", 9.0, "bad", 5),
        ("cleanup", 0.3, "good", 8),
    )
    _log(build, ("connect", "clone", "clone", "clone", "build", "build", "build", "cleanup"))
    return row


def _steps(of: Target, began: Any, *steps: tuple[str, float, str, int]) -> None:
    for key, seconds, status, line in steps:
        ended = began + timedelta(seconds=seconds)
        make.step(of, key, status=status, first_line=line, started_at=began, ended_at=ended)


def _log(of: Target, steps: tuple[str, ...]) -> None:
    at = int(timezone.now().timestamp() * 1000) - 20_000
    rows = [
        live.LogLine(
            number, at + number * 700, step, "stdout" if step == "build" else "estiva", f"{step}: what is said there"
        )
        for number, step in enumerate(steps, 1)
    ]
    last = len(rows)
    LogChunk.objects.create(target=of, first_line=1, last_line=last, fence=1, lines=live.encode_lines(rows))
    Target.objects.filter(pk=of.pk).update(last_line=last)
