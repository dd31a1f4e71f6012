"""Everything the stream asks of the database, in one small shared executor: 500 viewers need 4 threads and no standing connection."""

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.contrib.auth import get_user
from django.contrib.sessions.backends.db import SessionStore
from django.db import close_old_connections
from django.http import HttpRequest

from dashboard.stream.ring import Entry
from dashboard.stream.watching import Asked, Rights, Standing
from deployments import audit, follows, permissions
from deployments.actors import Actor
from deployments.models import AuditHead, Deployment, Host, LogChunk, Operation, Repository, Step, Target, User
from deployments.queries import runs, terminals

THREADS = 4
FILL_CHUNKS = 40
FILL_CHARACTERS = 256_000

_P = ParamSpec("_P")
_T = TypeVar("_T")
_executor = ThreadPoolExecutor(THREADS, thread_name_prefix="stream")


async def in_database(function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Run a read in the shared executor; the thread's connection is given back at its end."""

    def run() -> _T:
        try:
            return function(*args, **kwargs)
        finally:
            close_old_connections()

    return await asyncio.get_running_loop().run_in_executor(_executor, run)


class NotSignedIn(Exception):
    """No session, or one that has ended."""


class NotVisible(Exception):
    """Something watched doesn't exist for this person."""


def rights(session_key: str, asked: Asked, address: str) -> Rights:
    """Who this is and what they may see of what they asked; raises NotSignedIn or NotVisible (which is audited)."""
    request = HttpRequest()
    request.session = SessionStore(session_key)
    user = get_user(request)
    if not isinstance(user, User) or not user.is_active:
        raise NotSignedIn
    ids = asked.ids
    _all_visible(user, asked, address)
    pairs = Target.objects.filter(deployment_id__in=ids["deployment"]).values_list("deployment_id", "id")
    targets: dict[int, set[int]] = {}
    for deployment_id, target_id in pairs:
        targets.setdefault(deployment_id, set()).add(target_id)
    frozen = {deployment_id: frozenset(found) for deployment_id, found in targets.items()}
    frozen |= {-number: frozenset({-number}) for number in ids["follow"]}
    standing = (user.is_active, user.session_epoch, str(user.role), user.deploys_everything)
    if permissions.sees_everything(user):
        return Rights(user.pk, sees_all=True, standing=standing, targets=frozen)
    placements = frozenset(permissions.visible_placements(user).values_list("id", flat=True))
    hosts = frozenset(permissions.visible_hosts(user).values_list("id", flat=True))
    return Rights(user.pk, sees_all=False, standing=standing, placements=placements, hosts=hosts, targets=frozen)


def _all_visible(user: User, asked: Asked, address: str) -> None:
    visible = {
        "deployment": permissions.visible_deployments,
        "follow": permissions.visible_follows,
        "host": permissions.visible_hosts,
        "operation": permissions.visible_operations,
        "placement": permissions.visible_placements,
        "repository": permissions.visible_repositories,
    }
    for kind, wanted in asked.ids.items():
        if not wanted:
            continue
        missing = wanted - set(visible[kind](user).filter(pk__in=wanted).values_list("pk", flat=True))
        if missing:
            actor = Actor.of(user, address=address)
            audit.denied(actor, "access.refused", (kind, str(min(missing)), ""), "tried to follow it live")
            raise NotVisible


def last_lines(target_ids: Iterable[int]) -> dict[int, int]:
    """The newest line of each target."""
    wanted = list(target_ids)
    others = [-each for each in wanted if each < 0]
    known = follows.last_lines(others)
    if others:
        known |= runs.last_lines(others) | terminals.last_lines(others)
    followed = {-number: last for number, last in known.items()}
    recorded = [each for each in wanted if each > 0]
    if not recorded:
        return followed
    return followed | dict(Target.objects.filter(pk__in=recorded).values_list("pk", "last_line"))


def lines_after(target_id: int, line: int) -> list[Entry]:
    """The record after a line, a bounded piece of it: call again for more."""
    if target_id < 0:
        followed = (
            follows.lines_after(-target_id, line)
            or runs.chunks_after(-target_id, line)
            or terminals.chunks_after(-target_id, line)
        )
        return [Entry(*chunk).after(line) for chunk in followed]
    chunks = LogChunk.objects.filter(target_id=target_id, last_line__gt=line).order_by("first_line")
    found: list[Entry] = []
    characters = 0
    for first, last, lines in chunks.values_list("first_line", "last_line", "lines")[:FILL_CHUNKS]:
        found.append(Entry(first, last, lines).after(line))
        characters += len(lines)
        if characters > FILL_CHARACTERS:
            break
    return found


def marks(keys: Iterable[str]) -> dict[str, object]:
    """For each watched key something that differs when the row has moved; used while Redis is away."""
    ids: dict[str, list[int]] = {}
    for key in keys:
        kind, _, number = key.partition(":")
        if number:
            ids.setdefault(kind, []).append(int(number))
    found: dict[str, object] = dict.fromkeys(keys, AuditHead.objects.values_list("number", flat=True).first())
    for host in Host.objects.filter(pk__in=ids.get("host", [])).values_list("pk", "state", "checked_at"):
        found[f"host:{host[0]}"] = host
    operations = Operation.objects.filter(pk__in=ids.get("operation", []))
    for operation in operations.values_list("pk", "status", "steps"):
        found[f"operation:{operation[0]}"] = operation
    repositories = Repository.objects.filter(pk__in=ids.get("repository", []))
    for repository in repositories.values_list("pk", "state", "state_text", "checked_at"):
        found[f"repository:{repository[0]}"] = repository
    _mark_deployments(ids.get("deployment", []), found)
    return found


def _mark_deployments(wanted: list[int], found: dict[str, object]) -> None:
    moved: dict[int, list[object]] = {number: [] for number in wanted}
    for deployment in Deployment.objects.filter(pk__in=wanted).values_list("pk", "status", "cancel_requested_at"):
        moved[deployment[0]].append(deployment)
    targets = Target.objects.filter(deployment_id__in=wanted).order_by("pk")
    for target in targets.values_list("deployment_id", "pk", "status", "fence", "stalled_reason"):
        moved[target[0]].append(target)
    steps = Step.objects.filter(target__deployment_id__in=wanted).order_by("pk")
    for step in steps.values_list("target__deployment_id", "pk", "status"):
        moved[step[0]].append(step)
    found.update({f"deployment:{number}": rows for number, rows in moved.items()})


def standings(user_ids: Iterable[int]) -> dict[int, Standing]:
    """How these people stand now; a difference means that their rights are looked up again."""
    people = User.objects.filter(pk__in=list(user_ids))
    rows = people.values_list("pk", "is_active", "session_epoch", "role", "deploys_everything")
    return {number: (active, epoch, str(role), everything) for number, active, epoch, role, everything in rows}
