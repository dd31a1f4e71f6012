"""The engine's lists as the room that people see."""

from typing import Any

from worker.room.machine import machine
from worker.room.reading import MOST, disk, room
from worker.room.server_room import Listing, Machine

OURS = {"estiva.installation": "harbour", "estiva.placement": "7", "estiva.release": "12"}


def container(name: str, **more: Any) -> dict[str, Any]:
    """As `/containers/json` lists one."""
    return {
        "Id": name * 8,
        "Names": [f"/{name}"],
        "Image": "shop:1",
        "ImageID": "sha256:1",
        "State": "running",
        "Status": "Up 3 hours (healthy)",
        "Created": 1_700_000_000,
        **more,
    }


def listing(**more: Any) -> Listing:
    """A server with one container of ours and one of somebody else's."""
    ports = [
        {"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"},  # noqa: S104 - as Docker says it
        {"IP": "::", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"},
        {"IP": "127.0.0.1", "PrivatePort": 53, "PublicPort": 5353, "Type": "udp"},
        {"PrivatePort": 9000, "Type": "tcp"},
    ]
    mine = container(
        "shop",
        Labels=OURS,
        Ports=ports,
        Mounts=[{"Type": "volume", "Name": "data"}],
        NetworkSettings={"Networks": {"front": {}}},
    )
    theirs = container("a-database", ImageID="sha256:2", Status="Exited (1) 2 days ago", State="exited", Labels=None)
    lists: dict[str, Any] = {
        "containers": [theirs, mine],
        "images": [
            {"Id": "sha256:2", "RepoTags": None, "RepoDigests": ["postgres@sha256:ab"], "Size": 5},
            {"Id": "sha256:1", "RepoTags": ["shop:1", "estiva/harbour/shop-production:12"], "Size": 70},
            {"Id": "sha256:3", "RepoTags": ["<none>:<none>"], "RepoDigests": ["<none>@<none>"], "Size": 7},
        ],
        "volumes": [{"Name": "data", "Labels": OURS, "Driver": "local"}, {"Name": "bare", "Labels": None}],
        "networks": [{"Name": "bridge", "IPAM": {"Config": [{"Subnet": "172.17.0.0/16"}]}}, {"Name": "front"}],
        "usage": {
            "LayersSize": 80,
            "Images": [{"Id": "sha256:1", "SharedSize": 30}, {"Id": "sha256:2", "SharedSize": -1}],
            "Containers": [{"SizeRw": 4}, {}],
            "Volumes": [{"Name": "data", "UsageData": {"Size": 9}}, {"Name": "bare", "UsageData": {"Size": -1}}],
            "BuildCache": [{"Size": 3, "Shared": False}, {"Size": 100, "Shared": True}],
        },
        **more,
    }
    return Listing(**lists)


def test_ours_stands_first_and_says_whose_it_is() -> None:
    mine, theirs = room(listing(), "harbour")["containers"]
    assert (mine["name"], mine["ours"], mine["placement"], mine["release"]) == ("shop", True, 7, "12")
    assert (mine["status"], mine["health"]) == ("Up 3 hours", "healthy")
    assert mine["ports"] == ["127.0.0.1:5353 → 53/udp", "8080 → 80", "9000"]
    assert (theirs["name"], theirs["ours"], theirs["placement"], theirs["health"]) == ("a-database", False, None, "")
    assert theirs["status"] == "Exited (1) 2 days ago"


def test_another_installations_containers_are_others() -> None:
    found = room(listing(), "another")
    assert [each["ours"] for each in found["containers"]] == [False, False]
    assert {each["placement"] for each in found["containers"]} == {None}
    assert [each["ours"] for each in found["images"]] == [False] * 3


def test_who_uses_what() -> None:
    found = room(listing(), "harbour")
    assert [(each["name"], each["used_by"], each["ours"]) for each in found["images"]] == [
        ("estiva/harbour/shop-production:12", ["shop"], True),
        ("postgres@sha256:ab", ["a-database"], False),
        ("sha256:3", [], False),
    ]
    assert [each["shared"] for each in found["images"]] == [30, None, None]
    assert [(each["name"], each["used_by"], each["size"]) for each in found["volumes"]] == [
        ("data", ["shop"], 9),
        ("bare", [], None),
    ]
    assert [(each["name"], each["used_by"], each["predefined"]) for each in found["networks"]] == [
        ("bridge", [], True),
        ("front", ["shop"], False),
    ]


def test_disk_by_kind() -> None:
    found = room(listing(), "harbour")
    assert found["disk"] == {"images": 80, "containers": 4, "volumes": 9, "cache": 3}
    assert room(listing(usage=None), "harbour")["disk"] is None
    assert disk({}) == {"images": 0, "containers": 0, "volumes": 0, "cache": 0}


def test_a_crowded_server_is_cut_and_says_so() -> None:
    crowd = [container(f"other{number:04}") for number in range(MOST + 3)]
    found = room(listing(containers=[*crowd, container("zzz", Labels=OURS)]), "harbour")
    assert found["containers"][0]["name"] == "zzz"
    assert len(found["containers"]) == MOST
    assert found["left_out"] == {"containers": 4}


def test_what_a_machine_says_of_itself() -> None:
    said = b"0.52 0.58 0.59 1/467 12345\nMemTotal:       16314880 kB\nMemFree:  1 kB\nMemAvailable:   8157440 kB\n"
    assert machine(said) == Machine(16_706_437_120, 8_353_218_560, 0.52)
    assert machine(said + b"0-3,8\n") == Machine(16_706_437_120, 8_353_218_560, 0.52, 5)
    assert [machine(each).cores for each in (b"0\n", b"0-63\n", b"3-1\n", b"0-99999999999\n")] == [1, 64, None, None]
    assert machine(b"BusyBox says no") == Machine()
