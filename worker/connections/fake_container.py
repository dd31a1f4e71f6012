"""A container of the in-memory server: its settings as created, its state as time passes."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from worker.connections.fake_images import Behaviour, FakeImage
from worker.engine.container_host import Container, LogLine, Mount

EVERY_ADDRESS = "0.0.0.0"  # noqa: S104 - Docker's own default
NEVER = "0001-01-01T00:00:00Z"
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def stamp(seconds: float | None) -> str:
    """Virtual seconds as the engine writes a time."""
    return NEVER if seconds is None else (_EPOCH + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


@dataclass(slots=True)
class FakeContainer:
    """One container. `networks` holds the aliases by network; addresses exist only while it runs."""

    id: str
    name: str
    body: Mapping[str, Any]
    image: FakeImage
    created: float
    mounts: tuple[Mount, ...] = ()
    networks: dict[str, tuple[str, ...]] = field(default_factory=dict)
    policy: str = "no"
    retries: int = 0
    status: str = "created"
    exit_code: int = 0
    error: str = ""
    oom_killed: bool = False
    restart_count: int = 0
    started: float | None = None
    finished: float | None = None
    stopped_by_hand: bool = False
    restart_at: float | None = None
    addresses: dict[str, str] = field(default_factory=dict)
    published: tuple[tuple[str, int, int, str], ...] = ()
    log: list[LogLine] = field(default_factory=list)
    unwritten: list[tuple[float, LogLine]] = field(default_factory=list)
    scripted: Behaviour | None = None  # overrides the image's behaviour

    @property
    def behaviour(self) -> Behaviour:
        """What it does once it runs."""
        return self.scripted or self.image.commands.get(tuple(self.body.get("Cmd") or ()), self.image.behaviour)

    @property
    def running(self) -> bool:
        """Is its process alive? One that is paused is, too."""
        return self.status in ("running", "paused")

    def age(self, now: float) -> float:
        """Seconds since its last start."""
        return 0.0 if self.started is None else now - self.started

    def health(self, now: float) -> str:
        """What the image's own check says."""
        test = (self.body.get("Healthcheck") or {}).get("Test")
        if not (self.image.has_healthcheck or test) or test == ["NONE"] or self.started is None:
            return ""
        age, rules = self.age(now), self.behaviour
        if rules.healthy_at(age):
            return "healthy"
        gone_bad = rules.healthy_until is not None and age >= rules.healthy_until
        return "unhealthy" if gone_bad or age >= rules.unhealthy_after else "starting"

    def well_since(self, now: float) -> float | None:
        """The first good answer to the image's own check."""
        if self.health(now) != "healthy" or self.started is None:
            return None
        return self.started + (self.behaviour.healthy_after or 0.0)

    def began(self, now: float, addresses: dict[str, str]) -> None:
        """Its process started."""
        self.status, self.started, self.restart_at = "running", now, None  # when it ended before, engines go on telling
        self.exit_code, self.error, self.oom_killed = 0, "", False
        self.addresses = addresses
        self.unwritten = [(now + seconds, line) for seconds, line in self.behaviour.output]

    def ended(self, now: float, code: int) -> None:
        """Its process ended; a restart policy is the server's business."""
        self.write_until(now)
        self.status, self.finished, self.exit_code = "exited", now, code
        self.addresses, self.unwritten = {}, []

    def write_until(self, now: float) -> None:
        """Move what it has said by now into its log."""
        self.log += [line for when, line in self.unwritten if when <= now]
        self.unwritten = [each for each in self.unwritten if each[0] > now]

    def exit_due(self) -> float | None:
        """When it'll exit by itself, if it will."""
        after = self.behaviour.exits_after
        return (
            self.started + after
            if self.status == "running" and self.started is not None and after is not None
            else None
        )

    def wanted_ports(self) -> list[tuple[str, int, int, str]]:
        """(host address, host port or 0, container port, protocol), as its settings ask."""
        wanted = []
        for inner, bindings in (self.body.get("HostConfig", {}).get("PortBindings") or {}).items():
            number, _, protocol = inner.partition("/")
            for each in bindings or [{}]:
                host_port = int(each.get("HostPort") or 0)
                wanted.append((each.get("HostIp") or EVERY_ADDRESS, host_port, int(number), protocol or "tcp"))
        return wanted

    def inspected(self, now: float) -> Container:
        """As the engine would show it."""
        return Container(
            id=self.id,
            name=self.name,
            image_id=self.image.id,
            image=str(self.body.get("Image", "")),
            labels=dict(self.body.get("Labels") or {}),
            status=self.status,
            running=self.status in ("running", "paused", "restarting"),
            exit_code=self.exit_code,
            oom_killed=self.oom_killed,
            error=self.error,
            health=self.health(now),
            restart_count=self.restart_count,
            restart_policy=self.policy,
            restart_retries=self.retries,
            started_at=stamp(self.started),
            finished_at=stamp(self.finished),
            networks={name: self.addresses.get(name, "") for name in self.networks},
            network_aliases=dict(self.networks),
            network_mode=str(self.body.get("HostConfig", {}).get("NetworkMode") or "default"),
            published=self.published if self.running else (),
            mounts=self.mounts,
            environment=tuple(self.body.get("Env") or ()),
            created_at=stamp(self.created),
            passed_at=stamp(self.well_since(now)),
            inspected=self._json(),
        )

    def _json(self) -> dict[str, Any]:
        """As much of the engine's own JSON as can differ by hand here."""
        policy = {"Name": self.policy, "MaximumRetryCount": self.retries}
        networks = {name: {"Aliases": list(aliases)} for name, aliases in self.networks.items()}
        return {
            "Id": self.id,
            "Config": {name: value for name, value in self.body.items() if name != "HostConfig"},
            "HostConfig": {
                "LogConfig": {"Type": "json-file", "Config": {}},
                **self.body.get("HostConfig", {}),
                "RestartPolicy": policy,
            },
            "NetworkSettings": {"Networks": networks},
        }


def mounts_of(body: Mapping[str, Any], image: FakeImage, seed: str) -> tuple[Mount, ...]:
    """What a new container mounts: binds, mounts, and an anonymous volume for each VOLUME not covered."""
    host = body.get("HostConfig", {})
    found: list[Mount] = []
    for bind in host.get("Binds") or []:
        source, path, *rest = bind.split(":")
        found.append(_mount("bind" if source.startswith("/") else "volume", source, path, "ro" in rest))
    found += [
        _mount(
            each["Type"],
            each.get("Source") or _anonymous(seed, each["Target"]),
            each["Target"],
            bool(each.get("ReadOnly")),
        )
        for each in host.get("Mounts") or []
    ]
    declared = dict.fromkeys((*image.volumes, *(body.get("Volumes") or ())))
    bare = [path for path in declared if path not in {mount.path for mount in found}]
    found += [_mount("volume", _anonymous(seed, path), path, False) for path in bare]
    return tuple(found)


def _anonymous(seed: str, path: str) -> str:
    return hashlib.sha256(f"{seed}|{path}".encode()).hexdigest()


def _mount(kind: str, source: str, path: str, read_only: bool) -> Mount:
    if kind == "volume":
        return Mount("volume", source, f"/var/lib/docker/volumes/{source}/_data", path, read_only)
    return Mount("bind" if kind == "bind" else "tmpfs", "", source, path, read_only)
