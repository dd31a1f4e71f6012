"""How containers were left, compared with how they are: which is which, and what differs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from deployments import container_settings
from tests.worker.engine.things import container
from worker.engine.compose.left import Changed, Left, changed, compared, is_hashed, read
from worker.engine.container_host import LocalImage
from worker.engine.options_body import HOST_CONFIG_KEYS
from worker.engine.spec import Secret
from worker.operations.compose_pieces import pieces, said_of

KEY = Secret("a key")
IMAGE = LocalImage("sha256:1", (), (), 1, "linux", "amd64", config={"Env": ["PATH=/bin", "LANG=C"], "Cmd": ["serve"]})


def one(number: int = 1, host: Mapping[str, Any] | None = None, *, name: str = "", target: str = "5") -> Left:
    name = name or f"shop-web-{number}"
    labels = {"estiva.target": target, "com.docker.compose.config-hash": "h"}
    found = container(
        id=f"{number}" * 64,
        name=name,
        labels=labels,
        environment=("PATH=/bin", "LANG=C", "TOKEN=hush"),
        inspected={
            "Config": {"Cmd": ["serve"], "Env": ["PATH=/bin", "LANG=C", "TOKEN=hush"], "Labels": labels},
            "HostConfig": host or {},
            "NetworkSettings": {"Networks": {"shop_default": {"Aliases": [name, "web"], "IPAddress": "172.18.0.2"}}},
        },
    )
    return read(found, IMAGE, KEY)


def test_what_is_written_down_tells_no_value_that_may_be_a_secret() -> None:
    left = one(1, {"Memory": 9, "ExtraHosts": ["db:10.0.0.1"]})
    assert left["settings"]["memory"] == 9
    assert is_hashed(left["settings"]["extra_hosts"])
    assert "command" not in left["settings"], "the image's own"
    assert list(left["variables"]) == ["TOKEN"]
    assert left["variables"]["TOKEN"] != read_with_another_key()["variables"]["TOKEN"]
    assert "hush" not in str(left)


def read_with_another_key() -> Left:
    found = container(environment=("TOKEN=hush",), inspected={"Config": {}, "HostConfig": {}})
    return read(found, IMAGE, Secret("another key"))


@pytest.mark.parametrize("image", [None, IMAGE])
def test_what_cannot_be_read_is_not_compared(image: LocalImage | None) -> None:
    found = container(inspected={} if image else {"Config": {"Cmd": ["serve"]}, "HostConfig": {}})
    assert read(found, image, KEY) == {}
    assert compared([one()], [{}]) == compared([{}], [one()]) == []


def test_each_of_several_containers_with_its_own() -> None:
    before = [one(1), one(2), one(3)]
    now = [one(3, {"Memory": 9}), one(1), one(7, name="shop-web-2")]
    differs = {each["name"]: what for each, what in compared(before, now) if what}
    assert {name: (each.recreated, dict(each.settings)) for name, each in differs.items()} == {
        "shop-web-3": (False, {"memory": (None, 9)}),
        "shop-web-2": (True, {}),
    }


def test_more_containers_than_before_are_not_recreated_ones() -> None:
    assert [bool(each) for _, each in compared([one(1)], [one(1), one(2)])] == [False]


def test_what_another_deploy_made_was_nobodys_hand() -> None:
    assert compared([one(1)], [one(2, name="shop-web-1", target="6")]) == []
    ((_, differs),) = compared([one(1)], [one(2, name="by-hand", target="")])
    assert (differs.recreated, differs.name) == (True, "by-hand")


def test_said_of_the_container() -> None:
    now = one(2, {"Memory": 512 * 1024**2, "ExtraHosts": ["db:10.0.0.1"]}, name="shop-web-1")
    assert said_of("web", replace(changed(one(), now), networks={"back": "changed"})) == [
        "web was recreated by hand",
        "web was changed by hand: Memory limit 512m, Extra hosts a value, other names or addresses in network back",
    ]
    assert (said_of("web", Changed()), pieces("web", Changed())) == ([], [])


@pytest.mark.parametrize("name", sorted(HOST_CONFIG_KEYS.keys() - {"network_mode"}))
def test_every_number_of_the_engine_can_be_said(name: str) -> None:
    """Whatever the setting says of itself; one that a person set has another form than the engine's."""
    key = HOST_CONFIG_KEYS[name]
    for before, now in ((0, 7), (7, -1), (7, 0), (True, False)):
        differs = changed(one(1, {key: before}), one(2, {key: now}, name="shop-web-1"))
        rows = pieces("web", differs)[1:]
        assert len(rows) == 1, rows
        assert rows[0]["before"] != rows[0]["after"]
        assert rows[0]["name"] == f"web: {container_settings.label(name)}"
