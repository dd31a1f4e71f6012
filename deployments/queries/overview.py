"""The first page: what runs where, what moves, what burns, what happened lately."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Final

from django.db.models import Exists, OuterRef
from django.utils.translation import gettext as _

from deployments.models import Application, Deployment, Environment, Placement, User
from deployments.permissions import visible_deployments, visible_environments, visible_placements
from deployments.queries.alarms import Alarm, alarms_for
from deployments.queries.cells import FAILED, Cell, cells_of
from deployments.queries.rhythm import Rhythm, rhythm

LATELY: Final = 8


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
        cells = self.cells
        kinds = (
            ("running", _("%(n)s running"), [c for c in cells if c.motion and c.state == "running"]),
            ("queued", _("%(n)s queued"), [c for c in cells if c.state == "queued"]),
            ("stalled", _("%(n)s stalled"), [c for c in cells if c.state == "stalled"]),
            ("failed", _("%(n)s failed"), [c for c in cells if c.state in FAILED]),
            ("warn", _("%(n)s drifted"), [c for c in cells if c.state == "warn"]),
        )
        return [(state, text % {"n": len(found)}) for state, text, found in kinds if found]


def overview(user: User) -> Overview:
    """The read model, in a constant number of queries."""
    environments = list(visible_environments(user))
    placements = list(
        visible_placements(user).filter(application__archived_at=None).select_related("application", "environment")
    )
    cells = cells_of(placements)
    by_application: dict[Application, dict[int, Cell]] = defaultdict(dict)
    for placement in placements:
        by_application[placement.application][placement.environment_id] = cells[placement.pk]
    for bare in _without_placement(user):
        by_application.setdefault(bare, {})
    rows = [
        Row(application, [(each, found.get(each.pk)) for each in environments])
        for application, found in sorted(by_application.items(), key=lambda pair: pair[0].name)
    ]
    visible = visible_deployments(user)
    return Overview(
        environments,
        rows,
        alarms_for(user, [doubt for cell in cells.values() for doubt in cell.doubts]),
        list(visible.select_related("release")[:LATELY]),
        rhythm(visible),
    )


def _without_placement(user: User) -> list[Application]:
    if not user.is_admin:
        return []
    placed = Placement.objects.filter(application=OuterRef("pk"))
    return list(Application.objects.filter(~Exists(placed), archived_at=None))
