"""The first page: what runs where, what moves, what burns, what happened lately."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _

from deployments.models import Application, Deployment, Environment, Placement, User
from deployments.permissions import listed_deployments, visible_environments, visible_placements
from deployments.queries.alarms import Alarm, alarms_for
from deployments.queries.attention_page import open_doubts
from deployments.queries.cells import FAILED, Cell, cells_of
from deployments.queries.parts import Part, part
from deployments.queries.rhythm import Rhythm, rhythm
from deployments.queries.standings import DRIFTED, standings

LATELY: Final = 8
APPLICATIONS: Final = 25
"""Rows of the matrix on one page."""


@dataclass(frozen=True, slots=True)
class Row:
    """An Application, with a Cell or None for each Environment in order."""

    application: Application
    cells: list[tuple[Environment, Cell | None]]


@dataclass(frozen=True, slots=True)
class Overview:
    """The whole first page."""

    environments: list[Environment]
    rows: list[Row]
    part: Part
    standings: list[str]  # of every Placement, also of those on other pages
    alarms: list[Alarm]
    lately: list[Deployment]
    rhythm: Rhythm

    @property
    def cells(self) -> list[Cell]:
        """Every Placement shown."""
        return [cell for row in self.rows for _environment, cell in row.cells if cell is not None]

    @property
    def counts(self) -> list[tuple[str, str]]:
        """(state, words) of what deserves a look, for the head of the page."""
        kinds = (
            ("running", _("%(n)s running"), {"running"}),
            ("queued", _("%(n)s queued"), {"queued"}),
            ("stalled", _("%(n)s stalled"), {"stalled"}),
            ("failed", _("%(n)s failed"), FAILED),
            ("warn", _("%(n)s drifted"), {DRIFTED}),
        )
        numbers = [(state, text, sum(each in states for each in self.standings)) for state, text, states in kinds]
        return [(state, text % {"n": number}) for state, text, number in numbers if number]


def overview(user: User, number: int = 1) -> Overview:
    """The read model with that part of the matrix, in a constant number of queries.

    Where there is more than one part, the Applications of which something moves or deserves a look come first.
    """
    environments = list(visible_environments(user))
    visible = visible_placements(user).filter(application__archived_at=None)
    pairs = list(visible.order_by().values_list("pk", "application"))
    keys = [placement for placement, _application in pairs]
    doubts = open_doubts(keys)
    states = standings(keys, [each.row.placement_id for each in doubts])
    applications = _applications(user, {application for _placement, application in pairs})
    chosen = part(number, APPLICATIONS, len(applications))
    if not chosen.is_whole:
        loud = {application for placement, application in pairs if states[placement]}
        applications.sort(key=lambda each: each.pk not in loud)
    rows = _rows(visible, chosen.of(applications), environments)
    deployments = listed_deployments(user)
    lately = list(deployments.select_related("release")[:LATELY])
    return Overview(
        environments, rows, chosen, list(states.values()), alarms_for(user, doubts), lately, rhythm(deployments)
    )


def _applications(user: User, placed: set[int]) -> list[Application]:
    """Those that are placed somewhere, by name; for an admin those, too, that are nowhere yet."""
    rows = Application.objects.filter(pk__in=placed)
    if user.is_admin:
        nowhere = ~Exists(Placement.objects.filter(application=OuterRef("pk")))
        rows = Application.objects.filter(Q(pk__in=placed) | Q(nowhere, archived_at=None))
    return list(rows.order_by("name"))


def _rows(visible: QuerySet[Placement], shown: Sequence[Application], environments: list[Environment]) -> list[Row]:
    placements = list(visible.filter(application__in=shown).select_related("application", "environment"))
    cells = cells_of(placements)
    found: dict[int, dict[int, Cell]] = defaultdict(dict)
    for placement in placements:
        found[placement.application_id][placement.environment_id] = cells[placement.pk]
    return [Row(each, [(at, found[each.pk].get(at.pk)) for at in environments]) for each in shown]
