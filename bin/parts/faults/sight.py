"""Looking at the world from outside Estiva: requests to the applications, the engines' events and containers."""

from __future__ import annotations

import json
import urllib.parse
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from parts.faults.events import SERVICE, Event, Watch
from parts.faults.evidence import Brought
from parts.faults.images import Pushed
from parts.faults.lives import with_power_cuts
from parts.faults.probing import Asked, Asking, Prober
from parts.machine import Machine

INSTALLATION = "estiva.installation"
ENVIRONMENT = "live"
HERE = "127.0.0.1"  # its network card may be unplugged
STOP_FIRST, START_FIRST = "stop-first", "start-first"


@dataclass
class Application:
    """One that is deployed: where, how, and what was asked of it."""

    name: str
    servers: list[Machine]
    strategy: str
    port: int
    settings: dict[str, Any]
    placement: int
    since: float
    clicks: list[int] = field(default_factory=list)
    images: dict[str, Pushed] = field(default_factory=dict)
    brings: Brought | None = None  # what the next click asks for, where that is known
    brought: dict[int, Brought] = field(default_factory=dict)  # by Deployment
    service: str = ""  # of a Compose application: the one that is looked at
    # server, begin, end: when a fault itself kept it from answering there, whatever Estiva does
    broken: list[tuple[str, float, float]] = field(default_factory=list)

    def clicked(self, number: int) -> None:
        """A click on what its settings are now was answered with this Deployment."""
        self.clicks.append(number)
        if self.brings is not None:
            self.brought[number] = self.brings


class Sight:
    """What is watched and asked, and what was seen of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.installation = ""  # what labels its containers
        self.watches: dict[str, Watch] = {}
        self.probers: list[Prober] = []
        self._stack = ExitStack()

    def probe(self, *applications: Application, within: bool = False) -> None:
        """Ask these from now on; each runs somewhere. `within` their servers: what becomes of the network outside isn't seen there."""
        stopped = [app for app in applications if app.strategy == STOP_FIRST]
        pages = {
            f"{app.name}@{machine.name}": (machine.address, app.port) for app in stopped for machine in app.servers
        }
        if pages and not within:
            self._begin(Prober(self.folder / "asked", pages))
        for app in stopped if within else ():
            for machine in app.servers:
                page = {f"{app.name}@{machine.name}": (HERE, app.port)}
                self._begin(Prober(self.folder / "asked-within", page, inside=machine.namespace.name))
        for app in applications:
            if app.strategy == START_FIRST:
                for machine in app.servers:
                    self._probe_inside(app, machine)

    def leave(self) -> None:
        """Ask nobody any more: what was asked stays known."""
        for prober in self.probers:
            prober.stop()

    def asked(self, application: Application) -> dict[str, list[Asked]]:
        """By server: every request to this application until now."""
        found: dict[str, list[Asked]] = {machine.name: [] for machine in application.servers}
        for prober in self.probers:
            for each in prober.asked():
                name, _, server = each.name.partition("@")
                if name == application.name:
                    found[server].append(each)
        return found

    def asking(self, application: Application) -> dict[str, list[Asking]]:
        """By server: when it was to be asked."""
        return {
            machine.name: [each.asking for each in self.probers if f"{application.name}@{machine.name}" in each.pages]
            for machine in application.servers
        }

    def serves(self, application: Application) -> bool:
        """Whether the latest request was answered, on each server. Where nobody asks, nobody knows."""
        return all(asked and asked[-1].ok for asked in self.asked(application).values())

    def events(self, application: Application) -> list[Event]:
        """What the engines did for this application."""
        found = [
            each
            for watch in self.watches.values()
            for each in watch.seen()
            if each.placement == application.placement
            and each.labels.get(INSTALLATION) == self.installation
            and application.service in ("", each.labels.get(SERVICE))
        ]
        found.sort(key=lambda each: each.at)
        return with_power_cuts(found, {machine.name: machine.power_cuts for machine in application.servers})

    def containers(self, application: Application, machine: Machine) -> list[dict[str, Any]]:
        """Its containers on a server now, running or not."""
        wanted = {"label": [f"estiva.placement={application.placement}", f"{INSTALLATION}={self.installation}"]}
        wanted["label"] += [f"{SERVICE}={application.service}"] if application.service else []
        query = urllib.parse.urlencode({"all": "1", "filters": json.dumps(wanted)})
        found: list[dict[str, Any]] = machine.engine.api.json("GET", f"/containers/json?{query}")
        return found

    def _begin(self, prober: Prober) -> None:
        self.probers.append(prober)
        self._stack.callback(prober.stop)
        prober.start()

    def _probe_inside(self, app: Application, machine: Machine) -> None:
        """From a bystander's network: the only place where a name in a Docker network means something."""
        api = machine.engine.api
        (mine, *_) = [each for each in self.containers(app, machine) if each["State"] == "running"]
        network = next(iter(mine["NetworkSettings"]["Networks"]))
        name = f"bystander-{app.name}"
        body = {
            "Image": mine["ImageID"],
            "Entrypoint": ["/bin/busybox", "sleep", "100000"],
            "HostConfig": {"NetworkMode": network, "Init": False},
        }
        made = api.json("POST", f"/containers/create?name={name}", body)
        api.json("POST", f"/containers/{made['Id']}/start")
        pid = int(api.json("GET", f"/containers/{made['Id']}/json")["State"]["Pid"])
        page = {f"{app.name}@{machine.name}": ("", 5000)}
        self._begin(Prober(self.folder / "asked", page, alias=app.name, inside=pid))
