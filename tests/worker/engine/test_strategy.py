"""Start-first only where nothing can collide, and the reasons in words."""

from dataclasses import replace

import pytest

from tests.worker.engine.things import container, image
from worker.engine.container_host import Mount
from worker.engine.spec import ContainerSpec, PortSpec, VolumeSpec
from worker.engine.strategy import inherited, replacement

ANONYMOUS = "a" * 64


@pytest.mark.parametrize(
    ("spec", "carried", "strategy", "word"),
    [
        (ContainerSpec(), (), "start-first", "side by side"),
        (ContainerSpec(ports=(PortSpec(5000),)), (), "start-first", "side by side"),
        (ContainerSpec(volumes=(VolumeSpec("c", "/c", read_only=True),)), (), "start-first", "side by side"),
        (ContainerSpec(ports=(PortSpec(5000, 80),)), (), "stop-first", "host port 80/tcp"),
        (ContainerSpec(ports=(PortSpec(53, 53, protocol="udp"),)), (), "stop-first", "host port 53/udp"),
        (ContainerSpec(volumes=(VolumeSpec("data", "/d"),)), (), "stop-first", "volume data at /d"),
        (ContainerSpec(), ("/var/lib/data",), "stop-first", "data at /var/lib/data"),
    ],
)
def test_the_answer_and_why(spec: ContainerSpec, carried: tuple[str, ...], strategy: str, word: str) -> None:
    answer, reasons = replacement(spec, carried)
    assert answer == strategy
    assert word in reasons[0]


def test_every_reason_is_told() -> None:
    spec = ContainerSpec(ports=(PortSpec(5000, 80), PortSpec(6000, 81)), volumes=(VolumeSpec("data", "/d"),))
    assert len(replacement(spec, ("/x",))[1]) == 4


def mounts() -> tuple[Mount, ...]:
    """An anonymous volume, a named one and a bind."""
    return (
        Mount("volume", ANONYMOUS, "/var/lib/docker/volumes/a", "/data", read_only=False),
        Mount("volume", "named", "/var/lib/docker/volumes/n", "/named", read_only=False),
        Mount("bind", "", "/srv", "/srv", read_only=False),
    )


def test_anonymous_volumes_go_on_where_the_new_image_declares_them() -> None:
    old = replace(container(), mounts=mounts())
    assert inherited(old, image(volumes=("/data", "/named", "/srv")), ContainerSpec()) == {"/data": ANONYMOUS}


def test_a_volume_that_settings_cover_or_the_image_dropped_stays_behind() -> None:
    old = replace(container(), mounts=mounts())
    assert inherited(old, image(volumes=("/data",)), ContainerSpec(volumes=(VolumeSpec("v", "/data"),))) == {}
    assert inherited(old, image(), ContainerSpec()) == {}


def test_before_the_pull_every_anonymous_volume_counts() -> None:
    assert inherited(replace(container(), mounts=mounts()), None, ContainerSpec()) == {"/data": ANONYMOUS}
    assert inherited(None, None, ContainerSpec()) == {}
