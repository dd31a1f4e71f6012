"""The registries' pages: the list, one with its test, and an image's tags."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import QuerySet

from deployments import registry_address
from deployments.models import Operation, Placement, Registry
from deployments.states import OPERATION_OPEN

SHOWN: Final = 300
"""Tags on the page: more are only counted."""


@dataclass(frozen=True, slots=True)
class RegistryRow:
    """One line of the list; `images` counts the placements whose image is one of its."""

    registry: Registry
    images: int


@dataclass(frozen=True, slots=True)
class RegistryPage:
    """One registry: its latest test, and the placements that use it."""

    registry: Registry
    test: Operation | None
    placements: Sequence[Placement]

    @property
    def is_open(self) -> bool:
        """The test goes on."""
        return self.test is not None and self.test.status in OPERATION_OPEN


@dataclass(frozen=True, slots=True)
class Tags:
    """What a look at an image's tags found. Each: `{"tag", "digest", "created", "size", "platforms"}`, the latter unknown for `names`."""

    operation: Operation
    image: str
    tags: Sequence[dict[str, Any]]
    names: Sequence[str]
    total: int
    is_complete: bool

    @property
    def is_open(self) -> bool:
        """It goes on."""
        return self.operation.status in OPERATION_OPEN

    @property
    def is_more(self) -> int:
        """How many have no line."""
        return max(0, self.total - len(self.tags) - len(self.names))


def registry_list() -> list[RegistryRow]:
    """All of them, by host and namespace."""
    rows, users = list(Registry.objects.all()), _users(Placement.objects.all())
    used = [registry_address.best(rows, _image(each)) for each in users]
    return [RegistryRow(row, sum(each is not None and each.pk == row.pk for each in used)) for row in rows]


def registry_page(registry: Registry, visible: QuerySet[Placement]) -> RegistryPage:
    """One, with those of the visible placements that pull from it."""
    rows = list(Registry.objects.filter(host=registry.host))
    users = [each for each in _users(visible) if _is(registry_address.best(rows, _image(each)), registry)]
    test = registry.operations.filter(kind=Operation.Kind.REGISTRY).order_by("-pk").first()
    return RegistryPage(registry, test, users)


def tags_of(placement: Placement, operation_id: int) -> Tags | None:
    """That look at an image's tags, if it is one for this placement."""
    found = Operation.objects.filter(pk=operation_id, placement=placement, kind=Operation.Kind.TAGS).first()
    if found is None:
        return None
    result = found.result
    tags, names = list(result.get("tags") or []), list(result.get("names") or [])
    return Tags(
        found,
        str(found.request.get("image", "")),
        tags[:SHOWN],
        names[: max(0, SHOWN - len(tags))],
        int(result.get("total") or len(tags)),
        bool(result.get("complete", True)),
    )


def _users(placements: QuerySet[Placement]) -> list[Placement]:
    return list(
        placements.filter(application__archived_at=None)
        .select_related("application", "environment")
        .order_by("application__name", "environment__position")
    )


def _image(placement: Placement) -> str:
    """What servers pull: the image, or where a built one is pushed to."""
    if placement.source == Placement.Source.GIT:
        return str(placement.build.get("push_to") or "")
    return placement.image


def _is(found: Registry | None, registry: Registry) -> bool:
    return found is not None and found.pk == registry.pk
