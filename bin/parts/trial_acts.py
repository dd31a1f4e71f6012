"""What people do with Estiva in the trial, by its pages and forms: each act waits until the page says that it is done."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from parts.processes import PartError, free_port
from parts.sshd import SshServer
from parts.trial_person import TICKED, Page, Person

ADMIN: Final = "marta@harbour.example"
SERVER, ENVIRONMENT = "quay-1", "production"
_AUTHORIZED = re.compile(r'id="authorized-line">([^<]+)<')
_DEPLOYMENT = re.compile(r"/deployments/(\d+)/")
_PLAN = re.compile(r"/plans/(\d+)/")
_PLAN_SECONDS: Final = 130  # Estiva itself gives a plan two minutes
_LAST = re.compile(r'<li data-target="(\d+)" data-name="[^"]*" data-last="(\d+)"')


class Server(Protocol):
    """What these acts need to know of a server."""

    sshd: SshServer
    address: str

    @property
    def socket(self) -> Path:
        """Its engine's."""

    def image(self, version: str) -> str:
        """The sample application's reference."""

    def running(self, application: str) -> int:
        """How many containers of an application run."""


@dataclass
class Deployed:
    """An application of the trial: where it answers on the server, and its newest deployment."""

    name: str
    port: int
    deployment: int = 0


class Acts:
    """One person's acts on one server."""

    def __init__(self, person: Person, server: Server) -> None:
        self.person = person
        self.server = server

    def become_admin(self, link: str, password: str) -> None:
        """By the setup link; then name an environment."""
        page = self.person.open(link)
        self.person.submit(page, page.path, name="Marta", email=ADMIN, password=password)
        page = self.person.open("/environments/new")
        self.person.submit(page, page.path, name=ENVIRONMENT, position="1", is_production=TICKED)

    def sign_in(self, password: str) -> None:
        """As somebody who was let in before."""
        page = self.person.open("/account/login")
        page = self.person.submit(page, "/account/login", login=ADMIN, password=password)
        check(page.path == "/", f"signing in led to {page.path}: {page.words()[:300]}")

    def register_server(self) -> None:
        """Named, its key compared and trusted, Estiva's key added to it; until it is ready."""
        page = self.person.open("/servers/new")
        sshd = self.server.sshd
        given = {"name": SERVER, "address": self.server.address, "port": str(sshd.port), "user": sshd.user}
        self.person.submit(page, page.path, **given, docker_socket=str(self.server.socket))
        place = f"/servers/{SERVER}/"
        page = self.until(place, lambda page: sshd.fingerprint() in page.text, "the server's key is not shown")
        authorized = _AUTHORIZED.search(page.text)
        sshd.authorize(authorized[1] if authorized else "")
        self.person.submit(page, f"{place}trust", pasted=sshd.fingerprint())
        self.person.wait_for(place, "Ready")

    def create(self, name: str, *variables: str, secret: bool = False) -> Deployed:
        """An application from a docker run line; `secret` says so of its last variable."""
        port = free_port()
        words = "".join(f"-e {each} " for each in variables)
        line = f"docker run -d --name {name} -p 127.0.0.1:{port}:5000 {words}{self.server.image('1')}"
        page = self.person.open("/applications/paste")
        page = self.person.submit(page, "/applications/paste", text=line)
        health = {"kind": "http", "path": "/healthz", "port": "5000", "deadline": "90"}
        given = {f"settings.health.{key}": value for key, value in health.items()}
        given |= {"variables-secret_names": TICKED} if secret else {}
        self.person.submit(page, "/applications/new", hosts=TICKED, **given)
        return Deployed(name, port)

    def set_version(self, application: Deployed, version: str) -> None:
        """Another image in the settings."""
        place = f"/applications/{application.name}/{ENVIRONMENT}/settings"
        self.person.submit(self.person.open(place), place, image=self.server.image(version))

    def deploy(self, application: Deployed, *, wait: bool = True) -> None:
        """Plan, look, click; and wait for the end."""
        application.deployment = self.click(self.planned(application))
        if wait:
            self.finished(application)

    def planned(self, application: Deployed) -> Page:
        """The page of a new plan, once it has the button."""
        place = f"/applications/{application.name}/{ENVIRONMENT}/"
        plan = self.person.submit(self.person.open(place), f"{place}plan").path
        pressable = f'action="{plan}deploy"'
        return self.until(plan, lambda page: pressable in page.text, "the plan was not worked out", _PLAN_SECONDS)

    def click(self, plan: Page) -> int:
        """Press a plan's button; the deployment's number. PartError where it leads elsewhere: that is a refusal, in words."""
        page = self.person.submit(plan, f"{plan.path}deploy", confirm=TICKED)
        found = _DEPLOYMENT.fullmatch(page.path)
        if found is None:
            raise PartError(f"the button of {plan.path} led to {page.path}: {page.words()[:600]}")
        return int(found[1])

    def cancel(self, deployment: int) -> None:
        """By the button on its page."""
        place = f"/deployments/{deployment}/"
        self.person.submit(self.person.open(place), f"/deployments/{deployment}/cancel")

    def shown(self, application: Deployed) -> str:
        """The application's page as text."""
        return self.person.open(f"/applications/{application.name}/{ENVIRONMENT}/").text

    def finished(self, application: Deployed) -> None:
        """Wait until its newest deployment has succeeded; then exactly one container of it runs."""
        self.person.wait_for(f"/deployments/{application.deployment}/", "Succeeded", timeout=150)
        running = self.server.running(application.name)
        check(running == 1, f"{running} containers of {application.name} run")

    def log(self, application: Deployed) -> int:
        """How many lines its newest deployment has, all read from the live stream; PartError where one is missing or doubled."""
        number = application.deployment
        last = {
            int(target): int(line) for target, line in _LAST.findall(self.person.open(f"/deployments/{number}/").text)
        }
        check(bool(last), f"deployment #{number} shows no log")
        seen: dict[int, list[int]] = {target: [] for target in last}
        start = ",".join(f"t{target}:0" for target in last)
        for name, data in self.person.events(f"deployment:{number}", start):
            if name == "log":
                seen[data["target"]] += [row[0] for row in data["lines"]]
            if all(lines[-1:] >= [last[target]] for target, lines in seen.items()):
                break
        for target, lines in seen.items():
            wrong = f"the stream told lines {lines[:3]}…{lines[-3:]} of 1 to {last[target]} of deployment #{number}"
            check(lines == list(range(1, last[target] + 1)), wrong)
        return sum(last.values())

    def until(self, path: str, holds: Callable[[Page], bool], otherwise: str, timeout: float = 60) -> Page:
        """The page once it holds; PartError with `otherwise` after `timeout` seconds."""
        until = time.monotonic() + timeout
        while True:
            page = self.person.open(path)
            if holds(page):
                return page
            if time.monotonic() > until:
                raise PartError(f"{otherwise}: {page.state()} {page.words()[:600]}")
            time.sleep(0.3)


def plan_number(plan: Page) -> int:
    """Of a plan's page."""
    found = _PLAN.fullmatch(plan.path)
    if found is None:
        raise PartError(f"{plan.path} is no plan's page")
    return int(found[1])


def check(holds: bool, otherwise: str) -> None:
    """PartError unless it holds."""
    if not holds:
        raise PartError(otherwise)
