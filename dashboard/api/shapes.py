"""What programs get: every answer's shape, as the description at /api/v1/openapi.json has it."""

from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

from ninja import Schema

T = TypeVar("T")


class Page(Schema, Generic[T]):
    """A page of a list; `next` is the cursor of the page after it."""

    items: list[T]
    next: str | None


class Failure(Schema):
    """What went wrong; `field` and `fields` where it is about what was sent, `changes` where a plan is out of date."""

    code: str
    message: str
    field: str = ""
    remedy: str = ""
    fields: dict[str, list[str]] = {}
    changes: list[dict[str, str]] = []


class Failed(Schema):
    """The shape of every error."""

    error: Failure


class TokenShape(Schema):
    """The token that asks; `placements` only where it was narrowed to some."""

    name: str
    scope: str
    expires_at: datetime | None
    placements: list[str] | None


class Me(Schema):
    """Whose token this is."""

    name: str
    email: str
    role: str
    token: TokenShape


class ApplicationShape(Schema):
    """An Application."""

    name: str
    description: str
    created_at: datetime
    archived_at: datetime | None
    page: str


class EnvironmentShape(Schema):
    """An Environment."""

    name: str
    position: int
    is_production: bool
    builder: str | None


class ServerShape(Schema):
    """A server. Sizes are bytes; `public_key` is for its authorized_keys, and shown to admins.

    One whose `way` is `beside` is the engine beside a worker: it has no address, port, user or key.
    """

    name: str
    way: str
    builds_only: bool
    address: str
    port: int
    user: str
    via: str | None
    docker_socket: str
    builds_at_once: int
    state: str
    state_text: str
    is_trusted: bool
    engine: str
    architecture: str
    disk_free: int | None
    disk_total: int | None
    checked_at: datetime | None
    drained_at: datetime | None
    public_key: str | None
    page: str


class Seat(Schema):
    """A Placement on one server."""

    server: str
    running_release: int | None
    running_since: datetime | None
    drift: str
    missed_release: int | None


class PlacementShape(Schema):
    """An Application in an Environment."""

    application: str
    environment: str
    source: str
    image: str
    url: str
    keep_releases: int
    version: int
    settings: dict[str, Any]
    build: dict[str, Any]
    compose: dict[str, Any]
    rollout: dict[str, Any]
    servers: list[Seat]
    page: str


class VariableShape(Schema):
    """One variable; the value of a secret is never there, only which version it is."""

    name: str
    is_secret: bool
    value: str | None
    version: int | None


class ReleaseShape(Schema):
    """What a deploy brought or brings."""

    number: int
    image: str
    tag: str
    digest: str
    image_id: str
    commit: str
    created_at: datetime
    created_by: str
    page: str


class WholeRelease(ReleaseShape):
    """With all that it holds."""

    settings: dict[str, Any]
    variables: list[VariableShape]
    lost_secrets: list[str]


class DeploymentShape(Schema):
    """One run that brings a Release to a Placement."""

    id: int
    application: str
    environment: str
    kind: str
    status: str
    is_open: bool
    release: int
    previous_release: int | None
    image: str
    digest: str
    commit: str
    note: str
    requested_by: str
    requested_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    href: str
    page: str


class StepShape(Schema):
    """A step of a Target's newest attempt."""

    key: str
    status: str
    message: str
    started_at: datetime
    ended_at: datetime | None


class TargetShape(Schema):
    """One server's share of it, or the build."""

    name: str
    role: str
    server: str
    wave: int
    status: str
    started_at: datetime | None
    ended_at: datetime | None
    what: str
    why: str
    remedy: str
    gap_seconds: float | None
    last_line: int
    steps: list[StepShape]


class WholeDeployment(DeploymentShape):
    """With each server's share; `waits_for` is what the next wave waits for, `halted` why none begins."""

    waits_for: str
    halted: str
    changes: list[dict[str, Any]]
    targets: list[TargetShape]
    log: str


class DeploymentsShape(Schema):
    """Deployments that were asked for."""

    deployments: list[DeploymentShape]


class SeenContainer(Schema):
    """A container, as last seen; `answer` is what it said when it was asked by its own Release's health check."""

    name: str
    release: int
    service: str
    image: str
    image_id: str
    status: str
    running: bool
    health: str
    serves: bool
    answer: str
    published: list[tuple[str, int, int, str]]


class HeldPort(Schema):
    """A port of the server that is wanted, and the containers that hold it."""

    port: str
    holders: list[str]


class DoubtShape(Schema):
    """One server that was left in doubt. `way` is "" while nobody has dealt with it; `matches` the Release on record that
    serves; `recorded_release` what taking it as it is wrote down."""

    server: str
    since: datetime
    seen_at: datetime | None
    fingerprint: str
    said: str
    is_looking: bool
    is_settling: bool
    failure: str
    matches: int | None
    before: int | None
    containers: list[SeenContainer]
    ports: list[HeldPort]
    way: str
    dealt_at: datetime | None
    dealt_by: str
    reason: str
    dealt_with: int | None
    recorded_release: int | None


class AttentionShape(Schema):
    """All of a Deployment."""

    deployment: int
    servers: list[DoubtShape]
    page: str


class PlannedServer(Schema):
    """How a server was found."""

    name: str
    ready: bool
    strategy: str
    gap: bool
    findings: list[dict[str, Any]]


class Becomes(Schema):
    """What becomes of a plan that deploys itself: `said` is why it was refused."""

    state: Literal["waiting", "deployed", "superseded", "refused"]
    said: str
    deployment: DeploymentShape | None


class PlanShape(Schema):
    """What a click would change. `deploy` only of one that deploys itself."""

    id: int
    application: str
    environment: str
    state: Literal["looking", "ready", "failed"]
    failure: str
    fingerprint: str
    of_release: int | None
    image: str
    tag: str
    digest: str
    commit: str
    changes: list[dict[str, Any]]
    servers: list[PlannedServer]
    created_at: datetime
    deploy: Becomes | None
    href: str
    page: str


class Looking(Schema):
    """Work on a server that was begun."""

    server: ServerShape
    operation: int | None
