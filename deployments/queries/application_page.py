"""The list of Applications, and one Application's page."""

from collections import defaultdict
from dataclasses import dataclass

from deployments.models import Application, Deployment, Environment, Repository, User
from deployments.permissions import (
    listed_deployments,
    may_create_applications,
    visible_applications,
    visible_placements,
)
from deployments.queries.cells import Cell, cells_of
from deployments.queries.parts import Part, part
from deployments.queries.repository_page import repository_of

LATELY = 10
PAGE = 25


@dataclass(frozen=True, slots=True)
class ApplicationRow:
    """One Application with its Placements in the Environments' order."""

    application: Application
    cells: list[Cell]


@dataclass(frozen=True, slots=True)
class ApplicationsList:
    """A part of the list; archived ones apart."""

    rows: list[ApplicationRow]
    archived: list[Application]
    part: Part


@dataclass(frozen=True, slots=True)
class ApplicationPage:
    """Where it is placed, where it could be (`missing`), what happened lately, where its source is."""

    cells: list[Cell]
    missing: list[Environment]
    lately: list[Deployment]
    repository: Repository | None


def applications_list(user: User, number: int = 1) -> ApplicationsList:
    """That part of those that aren't archived, in a constant number of queries."""
    applications = list(visible_applications(user))
    active = [each for each in applications if each.archived_at is None]
    chosen = part(number, PAGE, len(active))
    shown = chosen.of(active)
    placements = visible_placements(user).filter(application__in=shown)
    cells: defaultdict[int, list[Cell]] = defaultdict(list)
    for cell in cells_of(placements.select_related("application", "environment")).values():
        cells[cell.placement.application_id].append(cell)
    archived = [each for each in applications if each.archived_at is not None]
    return ApplicationsList([ApplicationRow(each, cells[each.pk]) for each in shown], archived, chosen)


def application_page(user: User, application: Application) -> ApplicationPage:
    """In a constant number of queries."""
    placements = visible_placements(user).filter(application=application)
    cells = list(cells_of(placements.select_related("application", "environment")).values())
    taken = {cell.placement.environment_id for cell in cells}
    lately = listed_deployments(user).filter(placement__application=application).select_related("release")
    missing = (
        [each for each in Environment.objects.all() if each.pk not in taken] if may_create_applications(user) else []
    )
    return ApplicationPage(cells, missing, list(lately[:LATELY]), repository_of(application))
