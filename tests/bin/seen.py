"""Made-up events, requests and records for the campaign's judge."""

from __future__ import annotations

from typing import Any

from parts.faults import judge
from parts.faults.events import Event
from parts.faults.judge import Seen
from parts.faults.probing import Asked
from parts.faults.record import Deployed, Share, Stage

PLACEMENT, T0 = 1, 1000.0


def event(
    at: float, action: str, target: int, *, release: int | None = None, server: str = "web-1", name: str = ""
) -> Event:
    """One of an engine's, `at` seconds after the beginning."""
    number = target if release is None else release
    labels = {"estiva.placement": "1", "estiva.target": str(target), "estiva.release": str(number)}
    return Event(T0 + at, server, action, name or f"c{target}", name or f"shop-r{number}.f{target}", labels)


def share(number: int, status: str, began: float, ended: float, **more: Any) -> Share:
    """A Target of Deployment and Release of the same number."""
    given: dict[str, Any] = {
        "id": number,
        "deployment": number,
        "placement": PLACEMENT,
        "application": "shop",
        "server": "web-1",
        "role": "deploy",
        "status": status,
        "release": number,
        "image_id": "",
        "fence": number,
        "attempts": 1,
        "leases_lost": 0,
        "connections_lost": 0,
        "stalled_reason": "",
        "gap": 0.5,
        "last_line": 0,
        "started": T0 + began,
        "ended": T0 + ended if ended else 0.0,
        "outcome": {},
    }
    return Share(**{**given, **more})


def deployed(number: int, status: str, began: float, ended: float) -> Deployed:
    """A Deployment."""
    return Deployed(number, PLACEMENT, "shop", status, number, T0 + began, T0 + began, T0 + ended if ended else 0.0)


def running(target: int, state: str = "running") -> dict[str, Any]:
    """A container as an engine lists it."""
    return {
        "Names": [f"/shop-r{target}.f{target}"],
        "State": state,
        "Labels": {"estiva.release": str(target)},
        "ImageID": "i",
    }


def proof(began: float, ended: float, status: str = "good") -> Stage:
    """The step in which a version is judged."""
    return Stage("health", status, 1, T0 + began, T0 + ended if ended else 0.0)


def answered(at: float, version: str = "1") -> Asked:
    """A request."""
    return Asked("shop", T0 + at, T0 + at + 0.01, version, "x", "")


def refused(at: float) -> Asked:
    """One that nobody answered."""
    return Asked("shop", T0 + at, T0 + at, "", "", "refused")


def replaced() -> Seen:
    """Version 1, then version 2 in its place, stop-first."""
    first = [event(1, "create", 1), event(2, "start", 1)]
    swap = [event(11, "create", 2), event(12, "die", 1), event(12.3, "start", 2), event(13, "destroy", 1)]
    asked = [Asked("shop", T0 + at, T0 + at + 0.01, "1", "x", "") for at in (3, 5, 10, 11, 12)]
    asked += [Asked("shop", T0 + 12.1, T0 + 12.1, "", "", "refused"), Asked("shop", T0 + 12.5, T0 + 12.5, "2", "y", "")]
    return Seen(
        "shop",
        PLACEMENT,
        start_first=False,
        clicks=[1, 2],
        events=[*first, *swap],
        asked={"web-1": asked},
        final={"web-1": [running(2)]},
        deployments=[deployed(1, "succeeded", 0, 4), deployed(2, "succeeded", 10, 14)],
        shares=[share(1, "succeeded", 0, 4), share(2, "succeeded", 10, 14)],
        stages={1: [proof(2, 3)], 2: [proof(12.3, 12.8)]},
    )


def kinds(seen: Seen) -> list[str]:
    """What the judge finds."""
    return sorted(each.kind for each in judge.judge(seen))
