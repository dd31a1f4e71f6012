"""An Application's repository: what was seen of it, the commits of a branch, and what would be built there."""

from dataclasses import dataclass, field
from typing import Any, Final

from django.db.models import Q

from deployments import build_settings, container_settings
from deployments.models import Application, Environment, Operation, Placement, Repository, User
from deployments.permissions import visible_placements
from deployments.states import OPERATION_OPEN, OperationStatus

Commit = dict[str, str]
_PROJECTS: Final = {"python": "Python", "node": "Node.js", "go": "Go"}
SUGGESTED: Final = 500
"""Branches and tags offered in a field; any other can be typed."""


@dataclass(frozen=True, slots=True)
class Look:
    """A look at a repository (an Operation): of all of it, or of a `ref` and folder of it."""

    operation: Operation
    ref: str
    subdirectory: str
    commits: list[Commit] = field(default_factory=list)
    dockerfiles: list[str] = field(default_factory=list)
    detected: dict[str, Any] | None = None
    problems: list[Any] = field(default_factory=list)
    file: dict[str, Any] | None = None
    ports: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        """It has not ended."""
        return self.operation.status in OPERATION_OPEN

    @property
    def has_failed(self) -> bool:
        """It ended without an answer."""
        return self.operation.status in {OperationStatus.FAILED, OperationStatus.CANCELLED}

    @property
    def is_of_a_branch(self) -> bool:
        """It tells what is there to be built."""
        return self.operation.status == OperationStatus.SUCCEEDED and bool(self.commits)

    @property
    def dockerfile(self) -> str:
        """The Dockerfile to build with, relative to the folder: the one of the usual name where there are several."""
        usual = build_settings.DOCKERFILE
        return usual if usual in self.dockerfiles or not self.dockerfiles else self.dockerfiles[0]

    @property
    def generated(self) -> str:
        """The Dockerfile that Estiva would write; "" where there is one already, or nothing was recognised."""
        return str(self.detected.get("dockerfile", "")) if self.detected and not self.dockerfiles else ""

    @property
    def project(self) -> str:
        """What kind of project was recognised, as people write it."""
        kind = str((self.detected or {}).get("kind", ""))
        return _PROJECTS.get(kind, kind)

    @property
    def build(self) -> dict[str, Any]:
        """Build settings to begin with; a generated Dockerfile is in them only to be looked at and accepted."""
        said = {"ref": self.ref, "subdirectory": self.subdirectory, "dockerfile": self.dockerfile}
        return build_settings.normalise({**said, "dockerfile_text": self.generated})

    @property
    def settings(self) -> dict[str, Any]:
        """A container's settings to begin with: what the Dockerfile exposes is published under the same number."""
        rows = [{**port, "host_port": port["container_port"]} for port in self.ports]
        return container_settings.normalise({"ports": rows})


@dataclass(frozen=True, slots=True)
class RepositoryPage:
    """Everything the page shows. `placements` are built from it; `can_be_added` says that an Environment is left."""

    repository: Repository
    look: Look | None
    placements: list[Placement]
    can_be_added: bool

    @property
    def default_ref(self) -> str:
        """The branch to begin with."""
        default = str(self.repository.refs.get("default") or build_settings.DEFAULT_REF)
        return self.look.ref if self.look and self.look.ref else default

    @property
    def names(self) -> list[str]:
        """Branches, then tags, the default branch first."""
        return ref_names(self.repository)

    @property
    def counts(self) -> tuple[int, int]:
        """(branches, tags)."""
        refs = self.repository.refs
        return len(refs.get("branches", [])), len(refs.get("tags", []))


def repository_page(user: User, repository: Repository, wanted: int | None) -> RepositoryPage:
    """The read model, in a constant number of queries; `wanted` is an Operation's id, else the latest look is shown."""
    places = visible_placements(user).filter(application=repository.application_id)
    built = places.filter(Q(source=Placement.Source.GIT) | Q(source=Placement.Source.COMPOSE, compose__text=""))
    return RepositoryPage(
        repository,
        look_of(repository, wanted),
        list(built.select_related("application", "environment").order_by("environment__position")),
        Environment.objects.exclude(placements__application=repository.application_id).exists(),
    )


def look_of(repository: Repository, wanted: int | None = None) -> Look | None:
    """That look at this repository, else the latest at its present address."""
    looks = Operation.objects.filter(
        repository=repository, kind=Operation.Kind.REPOSITORY, request__url=repository.url
    ).order_by("-pk")
    chosen = looks.filter(pk=wanted).first() if wanted is not None else None
    return read(chosen or looks.first())


def read(operation: Operation | None) -> Look | None:
    """What an Operation's request and result say."""
    if operation is None:
        return None
    request, result = operation.request, operation.result
    refs = result.get("refs") or {}
    return Look(
        operation,
        str(request.get("ref") or refs.get("default") or ""),
        str(request.get("subdirectory") or ""),
        list(result.get("commits") or []),
        list(result.get("dockerfiles") or []),
        result.get("detected") or None,
        list(result.get("problems") or []),
        result.get("file") or None,
        list(result.get("ports") or []),
    )


def ref_names(repository: Repository | None) -> list[str]:
    """The branches and tags to offer."""
    if repository is None:
        return []
    refs = repository.refs
    names = [str(each["name"]) for kind in ("branches", "tags") for each in refs.get(kind, [])]
    default = str(refs.get("default") or "")
    first = [default] if default in names else []
    return [*first, *(name for name in names if name != default)][:SUGGESTED]


def repository_of(application: Application) -> Repository | None:
    """The Application's repository, where one is named."""
    return Repository.objects.filter(application=application).select_related("application").first()
