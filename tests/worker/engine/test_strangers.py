"""A wanted name that somebody else's container has: it is left as it is, and the log says whose it is and what was done."""

from dataclasses import replace
from typing import Any

import pytest

from tests.worker.engine.stage import FIXED, SHOP, Stage, ended
from worker.connections.fake import FakeHost
from worker.engine.events import Event, Line
from worker.engine.strangers import whose

WANTED = "shop-production-r1.f1"

WHOSE: dict[str, tuple[dict[str, str], str]] = {
    "nobody": ({}, "a container that is not Estiva's ("),
    "compose": ({"com.docker.compose.project": "blog"}, "a container of the Compose project blog ("),
    "other": (
        {"estiva.installation": "other", "estiva.placement": "7", "estiva.release": "1"},
        "a container of another Estiva, other (",
    ),
    "rude": ({"com.docker.compose.project": "a\nb\x1b[31m" + "c" * 200}, "the Compose project ab[31mccc"),
}


def warned(events: list[Event]) -> list[str]:
    """What the log warns of."""
    return [each.text for each in events if isinstance(each, Line) and each.level == "warn"]


def somebodys(stage: Stage, name: str, labels: dict[str, str]) -> Any:
    """A container of another tool's."""
    image = f"{SHOP}@{stage.server.images.published[f'{SHOP}:1'].digest}"
    stage.server.images.store(image)
    FakeHost(stage.server).create(name, {"Image": image, "Labels": labels})
    return stage.server.find(name)


@pytest.mark.parametrize("strategy", FIXED)
@pytest.mark.parametrize("who", WHOSE)
def test_a_taken_name_is_told_of_and_left_alone(who: str, strategy: str) -> None:
    labels, said = WHOSE[who]
    stage = Stage(container=FIXED[strategy])
    stage.publish(1)
    theirs = somebodys(stage, WANTED, labels)

    events = stage.deploy(1)

    assert ended(events).verdict == "succeeded"
    assert stage.names() == [WANTED, f"{WANTED}-2"]
    assert stage.server.find(WANTED) is theirs
    assert theirs.status == "created", "nobody started it"
    (line,) = warned(events)
    assert line.startswith(f"The name {WANTED} is taken by ")
    assert said in line
    assert theirs.id[:12] in line
    assert line.endswith(f"That one is left alone; ours gets {WANTED}-2.")


def test_each_taken_name_is_told_of() -> None:
    stage = Stage()
    stage.publish(1)
    for name in (WANTED, f"{WANTED}-2"):
        somebodys(stage, name, {})
    events = stage.deploy(1)
    assert ended(events).verdict == "succeeded"
    assert [line.split(" is taken by ")[0] for line in warned(events)] == [
        f"The name {WANTED}",
        f"The name {WANTED}-2",
    ]


def test_where_no_name_is_free_the_deploy_says_so() -> None:
    stage = Stage()
    stage.publish(1)
    theirs = [somebodys(stage, WANTED if number == 1 else f"{WANTED}-{number}", {}) for number in range(1, 7)]
    events = stage.deploy(1)
    assert ended(events).verdict == "failed"
    assert "No name was free for the new container" in ended(events).what
    assert stage.containers() == theirs


def test_an_image_without_a_name_is_told_of_in_short() -> None:
    stage = Stage().serving_first()
    (serving,) = stage.containers()
    container = replace(serving.inspected(0.0), image="sha256:" + "ab" * 32)
    assert "image sha256:abababababab, running)" in whose(container, stage.spec(1).identity)
