"""Shared sets of variables: an Environment's, one with who uses it, and what a Placement gets from which."""

from dataclasses import dataclass, field

from django.db.models import Count

from deployments.models import Environment, Placement, PlacementSet, SharedVariable, Variable, VariableSet
from deployments.releases import shared_variables, variables_now


@dataclass(frozen=True, slots=True)
class SetRow:
    """A set in an Environment's list."""

    row: VariableSet
    variables: int
    used_by: list[str]


@dataclass(frozen=True, slots=True)
class SharedRow:
    """A variable of a set that a Placement uses. `overridden_by` names the set that wins, `by_own` says that its own does."""

    variable: SharedVariable
    overridden_by: str = ""
    by_own: bool = False

    @property
    def is_overridden(self) -> bool:
        """Something stronger has this name."""
        return self.by_own or bool(self.overridden_by)


@dataclass(frozen=True, slots=True)
class Choice:
    """A set that a Placement may use; `place` is its place in the order, None where it isn't used."""

    row: VariableSet
    place: int | None
    variables: int


@dataclass(frozen=True, slots=True)
class FromSets:
    """What a Placement gets from shared sets, weakest first, and what there is to choose from, used ones first."""

    rows: list[SharedRow] = field(default_factory=list)
    choices: list[Choice] = field(default_factory=list)

    @property
    def used(self) -> list[Choice]:
        """The sets in use, the weakest first."""
        return [each for each in self.choices if each.place is not None]


def sets_of(environment: Environment) -> list[SetRow]:
    """An Environment's sets with who uses them, in a constant number of queries."""
    uses = PlacementSet.objects.filter(variable_set__environment=environment).order_by("placement__application__name")
    used_by: dict[int, list[str]] = {}
    for set_id, name in uses.values_list("variable_set_id", "placement__application__name"):
        used_by.setdefault(set_id, []).append(name)
    sets = environment.variable_sets.annotate(amount=Count("variables")).order_by("name")
    return [SetRow(row, row.amount, used_by.get(row.pk, [])) for row in sets]


def users_of(variable_set: VariableSet) -> list[Placement]:
    """The Placements that use a set."""
    used = Placement.objects.filter(set_uses__variable_set=variable_set)
    return list(used.select_related("application", "environment").order_by("application__name"))


def from_sets(placement: Placement, own: list[Variable]) -> FromSets:
    """For the page of a Placement's variables; `own` are its own ones."""
    shared = shared_variables(placement.pk)
    winner = {each.name: each.variable_set.name for each in shared}
    mine = {each.name for each in own}
    rows = []
    for each in shared:
        wins = winner[each.name]
        rows.append(SharedRow(each, "" if wins == each.variable_set.name else wins, each.name in mine))
    places = dict(placement.set_uses.values_list("variable_set_id", "position"))
    sets = VariableSet.objects.filter(environment=placement.environment_id).annotate(amount=Count("variables"))
    choices = [Choice(row, places.get(row.pk), row.amount) for row in sets]
    return FromSets(rows, sorted(choices, key=lambda each: (each.place is None, each.place or 0, each.row.name)))


def secret_names(placement: Placement) -> list[str]:
    """The secrets that a container of it would get, its own and shared ones."""
    return [each["name"] for each in variables_now(placement.pk) if "secret" in each]
