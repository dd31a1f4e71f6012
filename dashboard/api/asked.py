"""What programs send. Fields that nobody knows are refused; the values are checked by the domain, as those of the forms are."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Asked(BaseModel):
    """A body."""

    model_config = ConfigDict(extra="forbid", strict=True)


class NewApplication(Asked):
    """A new Application."""

    name: str
    description: str = ""


class ChangedApplication(Asked):
    """What may change of one."""

    description: str


class NewEnvironment(Asked):
    """A new Environment; last in the order unless a position is given."""

    name: str
    is_production: bool = False
    position: int | None = Field(default=None, ge=0, le=1000)


class ChangedEnvironment(Asked):
    """What may change of one; what isn't sent stays."""

    is_production: bool | None = None
    position: int | None = Field(default=None, ge=0, le=1000)


class NewServer(Asked):
    """A new server. `via` names the one it is reached through; without `private_key` a key pair is made."""

    name: str
    address: str
    port: int = 22
    user: str = "root"
    docker_socket: str = "/var/run/docker.sock"
    via: str = ""
    private_key: str = Field(default="", max_length=20_000)
    passphrase: str = Field(default="", max_length=1000)


class ChangedServer(Asked):
    """What may change of one; what isn't sent stays. Another address, port or way clears trust and credential."""

    name: str | None = None
    address: str | None = None
    port: int | None = None
    user: str | None = None
    docker_socket: str | None = None
    builds_at_once: int | None = None
    via: str | None = None


class ChangedPlacement(Asked):
    """What may change of a Placement; what isn't sent stays, and of `settings`, `build`, `compose` and `rollout` each
    name that isn't. `servers` are names, all of them. With `version` it is refused when somebody has saved since."""

    source: str | None = None
    image: str | None = None
    url: str | None = None
    keep_releases: int | None = None
    servers: list[str] | None = Field(default=None, max_length=1000)
    settings: dict[str, Any] | None = None
    build: dict[str, Any] | None = None
    compose: dict[str, Any] | None = None
    rollout: dict[str, Any] | None = None
    version: int | None = None


class NewPlacement(Asked):
    """An Application in an Environment."""

    application: str
    environment: str
    source: str = "image"
    image: str = ""
    url: str = ""
    keep_releases: int = 5
    servers: list[str] = Field(default=[], max_length=1000)
    settings: dict[str, Any] = {}
    build: dict[str, Any] = {}
    compose: dict[str, Any] = {}
    rollout: dict[str, Any] | None = None


class SetVariable(Asked):
    """One variable, new or changed. A secret is never shown again, and never becomes plain."""

    name: str
    value: str
    is_secret: bool = False


class Wanted(Asked):
    """What is deployed in place of what is set: of an image `image` or `tag`, of a repository `ref` and `commit`."""

    image: str = Field(default="", max_length=400)
    tag: str = Field(default="", max_length=200)
    ref: str = Field(default="", max_length=200)
    commit: str = Field(default="", max_length=64)


class AskedPlan(Wanted):
    """A Plan, to be shown; of an earlier Release where `of_release` names one."""

    of_release: int | None = None
    secrets_of_release: bool = False
    build_anew: bool = False


class AskedDeploy(Wanted):
    """A deploy in one call."""

    note: str = Field(default="", max_length=500)


class AskedRollback(Asked):
    """An earlier Release again; `secrets_of_release` with the values that its secrets had then."""

    release: int
    secrets_of_release: bool = False
    note: str = Field(default="", max_length=500)


class PlanClick(Asked):
    """The click on a Plan: its fingerprint says which one was read. `leave_out` names servers."""

    fingerprint: str
    note: str = Field(default="", max_length=500)
    leave_out: list[str] = Field(default=[], max_length=1000)


class AskedWayOut(Asked):
    """A way out of a doubt, for these servers alone."""

    servers: list[str] = Field(max_length=1000)
    reason: str = Field(default="", max_length=300)


class SeenServer(Asked):
    """A server, and the fingerprint of what was shown of it."""

    server: str
    fingerprint: str


class AskedAsIs(Asked):
    """Taking what is there as it is."""

    servers: list[SeenServer] = Field(max_length=1000)
    reason: str = Field(default="", max_length=300)
