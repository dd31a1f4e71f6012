"""Row 16: the registry fails, lags, lies, forgets; each has its own words, and the old version serves."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from parts import sample_image
from parts.faults.causes import Cause, Told
from parts.faults.gate import Each, First, Gate, always
from parts.faults.images import REPOSITORY, Pushed
from parts.faults.registry_ways import CAUSES, GONE, PIECE_RATE, PULL_SECONDS, REFUSED, SLOW, WAYS, Layered, Way
from parts.faults.row import Round, Row
from parts.faults.tokens import Tokens
from parts.faults.world import Application

CANCEL_SECONDS: Final = 10.0
TOKEN_SECONDS: Final = 3.0


@dataclass
class Registry:
    """What all of it is tried with."""

    turn: Round
    gate: Gate
    app: Application
    told: Told

    def fresh(self, tag: str) -> Pushed:
        """An image of which no engine has a layer but busybox's, by way of the gate: the next one that is to be deployed."""
        image = self.gate.through(self.turn.world.images.page(tag, ballast=200_000))
        self.turn.world.change(self.app, image)
        return image

    def planned(self) -> tuple[str, str]:
        """While all is well."""
        plan = self.turn.world.ada.ask_plan(self.app.name, "live")
        return plan, self.turn.world.ada.until_planned(plan)

    def click(self, plan: tuple[str, str]) -> int:
        """The Deployment's number."""
        number = self.turn.world.ada.click(*plan)
        self.app.clicked(number)
        return number

    def failed(self, number: int, tag: str, cause: Cause) -> None:
        """It ended with nothing touched, and told why."""
        self.turn.world.ended(number, timeout=150)
        (share,) = self.turn.world.record.of(number)
        self.turn.expect(share.status == "failed_untouched", f"{tag}: {share}")
        for wrong in self.told.wrong(cause, share.outcome, self.app.name, tag):
            self.turn.expect(False, f"{tag}: {wrong}")


def registry_trouble(turn: Round) -> None:
    """Each way once a round, the image always a new one."""
    world = turn.world
    worker = world.worker()
    app = turn.application("app")
    world.deployed(app)
    world.probe(app)
    with Gate(world.registry) as gate:
        registry = Registry(turn, gate, app, Told(CAUSES))
        for number in range(turn.amount(1, 3)):
            for way in WAYS:
                _fails(registry, way, f"registry-{way.name}{number}")
            _recovers(registry, f"registry-500-twice{number}")
            _recovers_at_once(registry, f"registry-500-asked{number}")
            _token_expires(registry, f"registry-token{number}", believed=False)
            _token_expires(registry, f"registry-renewed{number}", believed=True)
            _slow(registry, f"registry-slow{number}")
            _moved_tag(registry, f"registry-moved{number}")
            _deleted(registry, f"registry-deleted{number}")
        world.estiva.end(worker)
        worker = world.worker(pull_deadline=PULL_SECONDS)
        for number in range(turn.amount(1, 3)):
            _outlasts(registry, f"registry-deadline{number}")
    world.estiva.end(worker)


def _fails(registry: Registry, way: Way, tag: str) -> None:
    """Planned while all is well; then it is not."""
    image, other = registry.fresh(tag), registry.turn.world.images.page("1")
    plan = registry.planned()
    registry.gate.rule = way.rule(image, other)
    number = registry.click(plan)
    registry.failed(number, tag, way.cause)
    registry.gate.rule = None
    registry.turn.did()


def _recovers(registry: Registry, tag: str) -> None:
    """Each of its layers is answered with 500 twice, then it is well again: the deploy succeeds."""
    registry.fresh(tag)
    plan = registry.planned()
    registry.gate.rule = rule = Each(2, 500, "blobs")
    registry.turn.succeeded(registry.click(plan))
    registry.gate.rule = None
    registry.turn.expect(rule.given >= 4, f"{tag}: only {rule.given} answers were 500")
    registry.turn.did()


def _recovers_at_once(registry: Registry, tag: str) -> None:
    """The question for the image itself is answered with 500 twice, then it is well again: the deploy succeeds."""
    registry.fresh(tag)
    plan = registry.planned()
    registry.gate.rule = rule = First(2, 500, "manifests")
    registry.turn.succeeded(registry.click(plan))
    registry.gate.rule = None
    registry.turn.expect(rule.given == 2, f"{tag}: only {rule.given} answers were 500")
    registry.turn.did()


def _token_expires(registry: Registry, tag: str, *, believed: bool) -> None:
    """A token that is good when the first layers begin, and isn't when the next ones do.

    Docker's client renews one by itself that it believes to be old; then the deploy has to succeed. One that it believes to be good
    is refused: whether it asks for another then is its own affair, and either success or the refusal in words is right.
    """
    turn, world = registry.turn, registry.turn.world
    page = Layered(tag)
    digest = sample_image.push(world.registry, REPOSITORY, tag, page)
    image = Pushed(f"{world.registry.address}/{REPOSITORY}:{tag}", digest, sample_image.image_id(page))
    world.change(registry.app, registry.gate.through(image))
    plan = registry.planned()
    tokens = Tokens(TOKEN_SECONDS, believed=believed)
    registry.gate.rule, registry.gate.tokens = always("blobs", rate=PIECE_RATE), tokens
    number = registry.click(plan)
    status = world.ended(number, timeout=150)
    registry.gate.rule = registry.gate.tokens = None
    turn.expect(tokens.layers > 0, f"{tag}: no layer was ever let through")
    turn.expect(bool(tokens.renewed if believed else tokens.lapsed), f"{tag}: no token came to its end in the pull")
    if believed or status == "succeeded":
        turn.succeeded(number)
        turn.add("tokens_renewed_in_a_pull", 1)
    else:
        registry.failed(number, tag, REFUSED)
        turn.add("tokens_refused_in_a_pull", 1)
    turn.did()


def _slow(registry: Registry, tag: str) -> None:
    """1 KB a second: the pull goes on, the page says how far, and a cancel ends it soon. Its own deadline is half an hour."""
    turn, world = registry.turn, registry.turn.world
    registry.fresh(tag)
    plan = registry.planned()
    registry.gate.rule = always("blobs", rate=1000)
    number = registry.click(plan)
    so_far = _pulled_so_far(registry, number, more_than=0)
    _pulled_so_far(registry, number, more_than=so_far)
    turn.expect(not world.is_over(number), f"{tag} ended by itself: {world.record.of(number)}")
    began = time.monotonic()
    world.ada.cancel(number)
    status = world.ended(number)
    took = time.monotonic() - began
    turn.note("cancel_seconds_at_most", round(took, 1))
    turn.expect(status == "cancelled", f"{tag}: {world.record.of(number)}")
    turn.expect(took < turn.patience(CANCEL_SECONDS), "the cancel of a slow pull took too long")
    registry.gate.rule = None
    turn.did()


def _pulled_so_far(registry: Registry, number: int, *, more_than: int) -> int:
    """How far its pull is on record, once that is further than so."""
    world = registry.turn.world
    query = (
        "SELECT COALESCE(MAX(s.done), 0) FROM deployments_step s JOIN deployments_target t ON t.id = s.target_id"
        f" WHERE t.deployment_id = {number:d} AND s.key = 'pull'"
    )
    world.wait(lambda: int(world.record.rows(query)[0][0]) > more_than, f"the pull of #{number} goes on", 60)
    return int(world.record.rows(query)[0][0])


def _outlasts(registry: Registry, tag: str) -> None:
    """A pull that takes longer than its deadline: broken off in words, and the next one, with the registry well, goes through."""
    turn = registry.turn
    registry.fresh(tag)
    plan = registry.planned()
    registry.gate.rule = always("blobs", rate=1000)
    began = time.monotonic()
    number = registry.click(plan)
    registry.failed(number, tag, SLOW)
    took = time.monotonic() - began
    registry.gate.rule = None
    turn.expect(took < turn.patience(PULL_SECONDS + CANCEL_SECONDS), f"{tag} was broken off after {took:.0f} s")
    turn.succeeded(turn.world.deploy(registry.app))
    turn.did()


def _moved_tag(registry: Registry, tag: str) -> None:
    """The tag means another image by the time of the click: what was shown is deployed."""
    turn, world = registry.turn, registry.turn.world
    shown = registry.fresh(tag)
    plan = registry.planned()
    sample_image.push(world.registry, REPOSITORY, tag, world.images.made(f"{tag}-other"))
    turn.succeeded(registry.click(plan))
    (running,) = world.containers(registry.app, registry.app.servers[0])
    told = f"{tag}: {running['ImageID']} runs, {shown.image_id} was shown"
    turn.expect(running["ImageID"] == shown.image_id, told, "wrong_verdict")
    turn.did()


def _deleted(registry: Registry, tag: str) -> None:
    """Gone from the registry between plan and click."""
    image = registry.fresh(tag)
    plan = registry.planned()
    registry.turn.world.registry.delete_manifest(REPOSITORY, image.digest)
    number = registry.click(plan)
    registry.failed(number, tag, GONE)
    registry.turn.did()


ROWS = (Row(16, "registry", "a registry that fails, lags, lies or forgets", registry_trouble, long=330),)
