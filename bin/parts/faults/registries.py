"""Row 16: the registry fails, lags, lies, forgets; each has its own words, and the old version serves."""

from __future__ import annotations

import re
import time
from typing import Final

from parts import sample_image
from parts.faults.gate import Gate, Rule, always, first
from parts.faults.images import REPOSITORY, Pushed
from parts.faults.row import Round, Row
from parts.faults.world import Application

CANCEL_SECONDS: Final = 10.0
PULL_SECONDS: Final = 6.0  # instead of half an hour
WAYS: Final[dict[str, tuple[Rule, str]]] = {
    "500-always": (always("blobs", status=500), r"500|registry"),
    "token-expired": (always("blobs", status=401), r"unauthori[sz]ed|refuse|authentication|credentials"),
    "wrong-digest": (always("blobs", spoil=True), r"digest|verif"),
    "gone-in-between": (always("manifests", status=404), r"no such|not found|unknown"),
}


def registry_trouble(turn: Round) -> None:
    """Each way once a round, the image always a new one."""
    world = turn.world
    worker = world.worker()
    app = turn.application("app")
    world.deployed(app)
    world.probe(app)
    with Gate(world.registry) as gate:
        for number in range(turn.amount(1, 3)):
            for name, (rule, said) in WAYS.items():
                _fails(turn, gate, app, f"registry-{name}{number}", rule, said)
            _recovers(turn, gate, app, f"registry-500-twice{number}")
            _slow(turn, gate, app, f"registry-slow{number}")
            _moved_tag(turn, app, f"registry-moved{number}")
            _deleted(turn, app, f"registry-deleted{number}")
        world.estiva.end(worker)
        worker = world.worker(pull_deadline=PULL_SECONDS)
        for number in range(turn.amount(1, 3)):
            _outlasts(turn, gate, app, f"registry-deadline{number}")
    world.estiva.end(worker)


def _fresh(turn: Round, tag: str, *, ballast: int = 200_000) -> Pushed:
    """An image of which no engine has a layer but busybox's."""
    return turn.world.images.page(tag, ballast=ballast)


def _planned(turn: Round, app: Application) -> tuple[str, str]:
    plan = turn.world.ada.ask_plan(app.name, "live")
    return plan, turn.world.ada.until_planned(plan)


def _click(turn: Round, app: Application, plan: str, fingerprint: str) -> int:
    number = turn.world.ada.click(plan, fingerprint)
    app.clicks.append(number)
    return number


def _fails(turn: Round, gate: Gate, app: Application, tag: str, rule: Rule, said: str) -> None:
    """Planned while all is well; then it is not."""
    world = turn.world
    world.change(app, gate.through(_fresh(turn, tag)))
    plan, fingerprint = _planned(turn, app)
    gate.rule = rule
    number = _click(turn, app, plan, fingerprint)
    world.ended(number, timeout=150)
    gate.rule = None
    (share,) = world.record.of(number)
    told = " ".join(str(share.outcome.get(key, "")) for key in ("what", "why", "remedy"))
    turn.expect(share.status == "failed_untouched", f"{tag}: {share}")
    turn.expect(bool(re.search(said, told, re.IGNORECASE)), f"{tag} was told as: {told}")
    turn.did()


def _recovers(turn: Round, gate: Gate, app: Application, tag: str) -> None:
    """Two answers of 500 for the layers, then it is well again: the deploy succeeds."""
    world = turn.world
    world.change(app, gate.through(_fresh(turn, tag)))
    plan, fingerprint = _planned(turn, app)
    gate.rule = first(2, 500, "blobs")
    turn.succeeded(_click(turn, app, plan, fingerprint))
    gate.rule = None
    turn.did()


def _slow(turn: Round, gate: Gate, app: Application, tag: str) -> None:
    """1 KB a second: the pull goes on, the page says how far, and a cancel ends it soon. Its own deadline is half an hour."""
    world = turn.world
    world.change(app, gate.through(_fresh(turn, tag)))
    plan, fingerprint = _planned(turn, app)
    gate.rule = always("blobs", rate=1000)
    number = _click(turn, app, plan, fingerprint)
    world.until_step(number, "pull")
    time.sleep(3)
    turn.expect(not world.is_over(number), f"{tag} ended by itself: {world.record.of(number)}")
    began = time.monotonic()
    world.ada.cancel(number)
    status = world.ended(number)
    turn.note("cancel_seconds_at_most", round(time.monotonic() - began, 1))
    turn.expect(status == "cancelled", f"{tag}: {world.record.of(number)}")
    turn.expect(time.monotonic() - began < turn.patience(CANCEL_SECONDS), "the cancel of a slow pull took too long")
    gate.rule = None
    turn.did()


def _outlasts(turn: Round, gate: Gate, app: Application, tag: str) -> None:
    """A pull that takes longer than its deadline: broken off in words, and the next one, with the registry well, goes through."""
    world = turn.world
    image = gate.through(_fresh(turn, tag))
    world.change(app, image)
    plan, fingerprint = _planned(turn, app)
    gate.rule = always("blobs", rate=1000)
    began = time.monotonic()
    number = _click(turn, app, plan, fingerprint)
    world.ended(number, timeout=120)
    took = time.monotonic() - began
    gate.rule = None
    (share,) = world.record.of(number)
    turn.expect(share.status == "failed_untouched", f"{tag}: {share}")
    told = str(share.outcome.get("what", ""))
    turn.expect("took longer than" in told, f"{tag} was told as: {told}")
    turn.expect(took < turn.patience(PULL_SECONDS + CANCEL_SECONDS), f"{tag} was broken off after {took:.0f} s")
    turn.succeeded(world.deploy(app))
    turn.did()


def _moved_tag(turn: Round, app: Application, tag: str) -> None:
    """The tag means another image by the time of the click: what was shown is deployed."""
    world = turn.world
    shown = _fresh(turn, tag)
    world.change(app, shown)
    plan, fingerprint = _planned(turn, app)
    sample_image.push(world.registry, REPOSITORY, tag, world.images.made(f"{tag}-other"))
    number = _click(turn, app, plan, fingerprint)
    turn.succeeded(number)
    (running,) = world.containers(app, app.servers[0])
    turn.expect(
        running["ImageID"] == shown.image_id,
        f"{tag}: {running['ImageID']} runs, {shown.image_id} was shown",
        "wrong_verdict",
    )
    turn.did()


def _deleted(turn: Round, app: Application, tag: str) -> None:
    """Gone from the registry between plan and click."""
    world = turn.world
    image = _fresh(turn, tag)
    world.change(app, image)
    plan, fingerprint = _planned(turn, app)
    world.registry.delete_manifest(REPOSITORY, image.digest)
    number = _click(turn, app, plan, fingerprint)
    world.ended(number)
    (share,) = world.record.of(number)
    told = " ".join(str(share.outcome.get(key, "")) for key in ("what", "why", "remedy"))
    turn.expect(share.status == "failed_untouched", f"{tag}: {share}")
    turn.expect(bool(re.search(r"no such|not found|unknown", told)), f"{tag} was told as: {told}")
    turn.did()


ROWS = (Row(16, "registry", "a registry that fails, lags, lies or forgets", registry_trouble, long=250),)
