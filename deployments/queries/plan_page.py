"""A Plan's page: what would change, how each server was found, how long the gap was last time."""

from dataclasses import dataclass, field
from typing import Any, Final

from django.utils.text import get_text_list
from django.utils.translation import gettext as _

from deployments import deployable, hooks, releases, sources
from deployments.models import Deployment, Plan, Release, Target
from deployments.queries.compose_parts import (
    FileDiff,
    Power,
    ServiceChange,
    changes_of,
    file_diffs,
    powers_of,
    without_files,
)
from deployments.queries.order_words import order_words, waves_of
from deployments.queries.plan_build import Build, build_of
from deployments.states import OPERATION_OPEN, OperationStatus, TargetStatus

_KINDS: Final = ("added", "recreated", "unchanged", "removed")


MOST_UNFOLDED: Final = 12
"""Servers that a plan shows one by one, whatever there is to say."""

_GAPS_OF: Final = 50
"""Deployments of a Placement that are looked through for a gap."""


@dataclass(frozen=True, slots=True)
class HostRow:
    """One server as the Plan found it. `last_gap` is in seconds, None where none was measured.

    `services` are a Compose application's; `same_as` names a server above where the same becomes of them. `wave` counts from 1,
    0 where all come at once.
    """

    row: dict[str, Any]
    left_out: bool
    last_gap: float | None
    services: list[ServiceChange] = field(default_factory=list)
    same_as: str = ""
    wave: int = 0

    @property
    def away(self) -> str:
        """What becomes of it as it didn't answer: "skip" or "wait"; "" where it did, or where that holds the deploy up."""
        return "" if self.left_out else str(self.row.get("away", ""))

    @property
    def is_in(self) -> bool:
        """It would be deployed to."""
        return not self.left_out and self.away != "skip"

    @property
    def blocks(self) -> bool:
        """It can't be deployed to and hasn't been left out."""
        return self.is_in and not self.row["ready"] and not self.away

    @property
    def troubles(self) -> list[dict[str, str]]:
        """What somebody should read: bad, then warnings, then what isn't known."""
        order = {"bad": 0, "warn": 1, "unknown": 2}
        found = [each for each in self.row["findings"] if each["result"] in order]
        return sorted(found, key=lambda each: order[each["result"]])

    @property
    def counts(self) -> dict[str, int]:
        """How many services are added, recreated, unchanged and removed."""
        return {kind: sum(1 for each in self.services if each.kind == kind) for kind in _KINDS}

    @property
    def good(self) -> list[dict[str, str]]:
        """What was found in order."""
        return [each for each in self.row["findings"] if each["result"] == "good"]


@dataclass(frozen=True, slots=True)
class PlanPage:
    """The Plan with its rows; `is_stale` says that the settings were changed after it was made.

    Of a Compose application `powers` are what gives power over the server, and `file_diffs` what of its files differs from
    those that run.
    """

    plan: Plan
    running: Release | None
    hosts: list[HostRow]
    build: Build | None = None
    powers: list[Power] = field(default_factory=list)
    file_diffs: list[FileDiff] = field(default_factory=list)

    @property
    def is_compose(self) -> bool:
        """Several services, brought up with Compose."""
        return sources.is_compose(self.plan.source)

    @property
    def changes(self) -> list[dict[str, str]]:
        """What the click would change, files apart."""
        return without_files(self.plan.changes, self.file_diffs)

    @property
    def new_powers(self) -> list[Power]:
        """Those that need an admin's click."""
        return [each for each in self.powers if each.is_new]

    @property
    def recreated(self) -> str:
        """The services that are gone for a moment on some chosen server, in words."""
        names = {each.service for host in self.chosen for each in host.services if each.kind == "recreated"}
        return str(get_text_list(sorted(names), _("and")))

    @property
    def removed(self) -> str:
        """The services that go, in words."""
        names = {each.service for host in self.chosen for each in host.services if each.kind == "removed"}
        return str(get_text_list(sorted(names), _("and")))

    @property
    def earlier_commits(self) -> list[dict[str, str]]:
        """Those that come with the one that is built, since what runs."""
        commit = self.plan.source.get("commit")
        return [each for each in self.plan.commits if each["commit"] != commit]

    @property
    def is_looking(self) -> bool:
        """Its Operation hasn't ended."""
        return self.plan.operation.status in OPERATION_OPEN

    @property
    def has_failed(self) -> bool:
        """Its Operation ended without a Plan."""
        return self.plan.operation.status in {OperationStatus.FAILED, OperationStatus.CANCELLED}

    @property
    def chosen(self) -> list[HostRow]:
        """The servers that a click would deploy to."""
        return [each for each in self.hosts if each.is_in]

    @property
    def folded(self) -> list[HostRow]:
        """Where they are many: the servers that are ready and about which there is nothing to say."""
        if len(self.hosts) <= MOST_UNFOLDED:
            return []
        return [
            each for each in self.hosts if each.is_in and each.row["ready"] and not each.troubles and not each.services
        ]

    @property
    def unfolded(self) -> list[HostRow]:
        """The others."""
        folded = self.folded
        return [each for each in self.hosts if each not in folded]

    @property
    def order(self) -> list[str]:
        """In which order they come, in sentences."""
        names = [each.row["name"] for each in self.chosen]
        return order_words(self.plan.placement.rollout, names, leads=_leads(self.plan, self.running))

    @property
    def blocked(self) -> list[HostRow]:
        """The servers that stand in the way."""
        return [each for each in self.hosts if each.blocks]

    @property
    def gaps(self) -> list[HostRow]:
        """The chosen servers with time without service."""
        return [each for each in self.chosen if each.row["gap"] and each.row["ready"]]

    @property
    def gap_reasons(self) -> list[str]:
        """Why, each once."""
        return list(dict.fromkeys(reason for each in self.gaps for reason in each.row["reasons"]))

    @property
    def longest_gap(self) -> float | None:
        """The longest gap that was measured last time on those servers."""
        return max((each.last_gap for each in self.gaps if each.last_gap is not None), default=None)

    @property
    def is_first(self) -> bool:
        """Nothing runs on any of the chosen servers yet."""
        return all(each.row["first"] for each in self.chosen)

    @property
    def repeats(self) -> bool:
        """It brings the Release that runs already."""
        return self.running is not None and self.plan.of_release_id == self.running.pk

    @property
    def is_stale(self) -> bool:
        """The Placement was changed after this."""
        return self.plan.placement.version != self.plan.placement_version

    @property
    def can_deploy(self) -> bool:
        """A click would be taken."""
        can_build = self.build is None or self.build.refusal is None
        return self.plan.is_ready and bool(self.chosen) and not self.blocked and can_build


def plan_page(plan: Plan, left_out: set[int]) -> PlanPage:
    """The read model, in a constant number of queries."""
    running = releases.running_release(plan.placement_id)
    rows = _host_rows(plan, left_out, leads=_leads(plan, running))
    served = running.source if running else {}
    return PlanPage(
        plan,
        running,
        rows,
        build_of(plan, [each.row for each in rows if each.is_in]),
        powers_of(plan.source, deployable.new_powers(plan, [each.row["host"] for each in rows if each.is_in])),
        file_diffs(served, plan.source),
    )


def _leads(plan: Plan, running: Release | None) -> bool:
    """One server would go alone at first, for the command before the deploy."""
    return hooks.leads(plan.settings, goes_back=plan.of_release is not None and plan.of_release != running)


def _host_rows(plan: Plan, left_out: set[int], *, leads: bool) -> list[HostRow]:
    gaps = _last_gaps(plan)
    rows: list[HostRow] = []
    names = [row["name"] for row in plan.hosts if _is_chosen(row, left_out)]
    waves = waves_of(plan.placement.rollout, names, leads=leads)
    for row in plan.hosts:
        services = changes_of(row, plan.source)
        same = _same_above(rows, services)
        wave = waves.get(row["name"], 0)
        rows.append(HostRow(row, row["host"] in left_out, gaps.get(row["host"]), services, same, wave))
    return rows


def _same_above(rows: list[HostRow], services: list[ServiceChange]) -> str:
    same = (each.row["name"] for each in rows if each.is_in and services and each.services == services)
    return next(same, "")


def _is_chosen(row: dict[str, Any], left_out: set[int]) -> bool:
    return row["host"] not in left_out and row.get("away") != "skip"


def _last_gaps(plan: Plan) -> dict[int, float]:
    """The gap measured last, by server, of the newest Deployments: a long history isn't read for it."""
    ids = [row["host"] for row in plan.hosts]
    newest = Deployment.objects.filter(placement=plan.placement_id).order_by("-pk").values_list("pk", flat=True)
    measured = Target.objects.filter(
        deployment__in=list(newest[:_GAPS_OF]), host__in=ids, status=TargetStatus.SUCCEEDED, gap_seconds__gt=0
    )
    return {host: gap for host, gap in measured.order_by("pk").values_list("host", "gap_seconds") if gap is not None}
