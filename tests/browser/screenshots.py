"""`bin/screenshots`: every page of a running Estiva into docs/screenshots/, by day and by night, wide and narrow."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, Page, expect

from parts import sample_image
from parts.dockerd import DockerEngine
from parts.environment import ROOT
from parts.part import remove_folder, temporary_folder
from parts.processes import wait_until
from parts.sample_image import Sample
from parts.screen import say
from parts.service import Service
from parts.sshd import SshServer
from tests.browser.palette import few_colours
from tests.browser.scene import chromium
from tests.browser.visitor import DESK, PHONE
from tests.browser.whole import WholeEstiva, whole_estiva

FOLDER: Final = ROOT / "docs" / "screenshots"
FOLDERS_NAME: Final = "harbour"
SERVERS: Final = ("web-1", "web-2", "staging-1", "web-3")
LONGEST: Final = 1240
VIEWS: Final = (("light", DESK), ("dark", DESK), ("light", PHONE))
NEVER_TRUSTED: Final = "web-3"
WARMING_UP: Final = {"SAMPLE_BEHAVIOUR": "slow_start", "SAMPLE_SECONDS": "600"}
IMAGES: Final[dict[str, dict[str, dict[str, str]]]] = {
    "mailer": {"1.0.0": {}, "1.9.0": {}},
    "billing-api": {"1.0.0": {}, "9c4410e": {}, "9f31c02": {}},
    "python-web-app": {
        "1.0.0": {},
        "3.4.0": {},
        "3.5.0": {},
        "3.5.1": {},
        "3.5.0-broken": {"SAMPLE_BEHAVIOUR": "exits"},
    },
    "storefront": {"1.0.0": {}, "2.4.0": {}, "2.4.1": {}, "2.5.0-rc1": {}, "2.4.2": WARMING_UP},
}
PRODUCTION: Final = "/applications/storefront/production/"


@dataclass(frozen=True)
class Fleet:
    """A furnished Estiva that stands still: what it had to show, and the way in."""

    estiva: WholeEstiva
    sign_in: str
    facts: dict[str, int]


def pages(facts: dict[str, int]) -> dict[str, str]:
    """What is shown, by the file's name."""
    running, failed = facts["running"], facts["running"] - 1
    return {
        "overview": "/",
        "deployment-running": f"/deployments/{running}/",
        "deployment-failed": f"/deployments/{failed}/",
        "deployment-succeeded": f"/deployments/{failed - 1}/",
        "deployment-queued": f"/deployments/{facts['waiting']}/",
        "plan": f"/plans/{facts['plan']}/",
        "history": "/deployments/",
        "servers": "/servers/",
        "server": "/servers/web-1/",
        "server-new": "/servers/new",
        "server-trust": f"/servers/{NEVER_TRUSTED}/",
        "applications": "/applications/",
        "application": "/applications/storefront/",
        "application-new": "/applications/new",
        "placement": PRODUCTION,
        "settings": f"{PRODUCTION}settings",
        "variables": f"{PRODUCTION}variables",
        "audit": "/audit/",
        "people": "/people/",
        "invite": "/people/invite",
    }


def take() -> None:
    """Furnish an Estiva, take every picture, and clear up."""
    folder = temporary_folder("shots")
    with ExitStack() as stack:
        stack.callback(remove_folder, folder)
        fleet = stack.enter_context(furnished(folder))
        browser = stack.enter_context(chromium())
        FOLDER.mkdir(parents=True, exist_ok=True)
        for old in FOLDER.glob("*.png"):
            old.unlink()
        _sign_in_page(browser, fleet)
        state = _signed_in(browser, fleet)
        for scheme, size in VIEWS:
            ending = f"{size['width']}-{scheme}"
            _take_all(browser, fleet, ending, storage_state=state, color_scheme=scheme, viewport=size)


@contextmanager
def furnished(folder: Path) -> Iterator[Fleet]:
    """Four servers, four applications, a deploy that runs and never ends: the workers stand still while pictures are taken."""
    with whole_estiva(folder) as estiva, ExitStack() as stack:
        registry = estiva.server.registry
        name = f"{registry.address}/{FOLDERS_NAME}"
        for application, tags in IMAGES.items():
            for tag, variables in tags.items():
                sample = Sample(tag, variables=variables, ballast=3_000_000)
                sample_image.push(registry, f"{FOLDERS_NAME}/{application}", tag, sample)
        say("shots", "images are pushed, servers start")
        servers = [_server(stack, folder / each, each) for each in SERVERS]
        told = _chapter(estiva, "found", servers=servers, registry=name)
        facts = _chapter(estiva, "begin", registry=name)
        _freeze(estiva)
        _chapter(estiva, "age", replace=_names_of_machines(name, servers))
        yield Fleet(estiva, f"{estiva.url}/account/link/{told['sign_in']}", facts)


def _names_of_machines(registry: str, servers: list[dict[str, Any]]) -> dict[str, str]:
    """What stands on record of this machine, and what a harbour's machines would have left there."""
    names = {registry: "registry.harbour.example", "127.0.0.1": "10.20.0.11"}
    for server in servers:
        names[str(Path(server["socket"]).parent / "data")] = "/var/lib/docker"
        names |= {f"{word} {server['port']}": f"{word} 22" for word in ("port", "Port")}
    return names


def _server(stack: ExitStack, folder: Path, name: str) -> dict[str, Any]:
    sshd = stack.enter_context(SshServer(folder / "sshd"))
    engine = DockerEngine(folder / "engine")
    stack.callback(engine.destroy)
    engine.start()
    return {
        "name": name,
        "port": sshd.port,
        "user": sshd.user,
        "socket": str(engine.socket),
        "authorized_keys": str(sshd.authorized_keys),
        "trusted": name != NEVER_TRUSTED,
    }


def _chapter(estiva: WholeEstiva, name: str, **arguments: Any) -> dict[str, Any]:
    say("shots", f"chapter {name}")
    told = estiva.run("-m", "tests.browser.fleet", name, json.dumps(arguments))
    return dict(json.loads(told.splitlines()[-1]))


def _freeze(estiva: WholeEstiva) -> None:
    """Stop the workers' clocks as soon as the last deploy is in its health check: nobody writes any more, yet nothing has ended."""
    wait_until(
        lambda: "1" in estiva.run("-m", "tests.browser.fleet", "is_warming_up", "{}"), "it is warming up", timeout=60
    )
    for name in ("worker", "looker", "reconciler"):
        program = estiva.supervisor.programs[name]
        assert isinstance(program, Service)
        os.killpg(program.pid, signal.SIGSTOP)


def _sign_in_page(browser: Browser, fleet: Fleet) -> None:
    for scheme in ("light", "dark"):
        context = browser.new_context(viewport=DESK, color_scheme=scheme)  # type: ignore[arg-type]
        page = context.new_page()
        page.goto(f"{fleet.estiva.url}/account/login")
        _save(page, f"sign-in-{DESK['width']}-{scheme}")
        context.close()


def _signed_in(browser: Browser, fleet: Fleet) -> Any:
    context = browser.new_context()
    page = context.new_page()
    page.goto(fleet.sign_in)
    page.locator("main").get_by_role("button", name="Sign in").click()
    page.wait_for_url(re.compile("/$"))
    state = context.storage_state()
    context.close()
    return state


def _take_all(browser: Browser, fleet: Fleet, ending: str, **options: Any) -> None:
    context = browser.new_context(locale="en-GB", timezone_id="UTC", **options)
    page = context.new_page()
    for name, path in pages(fleet.facts).items():
        page.goto(f"{fleet.estiva.url}{path}")
        if page.locator(".log-viewer").count() and "queued" not in name:
            expect(page.locator(".log .line").first).to_be_visible()
        page.evaluate("document.fonts.ready")
        _save(page, f"{name}-{ending}")
    context.close()


def _save(page: Page, name: str) -> None:
    """A phone's screen, else the whole page up to a bearable length."""
    if page.viewport_size == PHONE:  # what is fixed to the bottom edge would stand in the middle of a longer picture
        png = page.screenshot()
    else:
        height = min(int(page.evaluate("document.documentElement.scrollHeight")), LONGEST)
        png = page.screenshot(full_page=True, clip={"x": 0, "y": 0, "width": DESK["width"], "height": height})
    blank = page.context.new_page()
    (FOLDER / f"{name}.png").write_bytes(few_colours(blank, png))
    blank.close()
    say("shots", f"{name}.png")
