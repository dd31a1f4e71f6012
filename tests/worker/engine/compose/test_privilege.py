"""What gives power over the server is found on the resolved model."""

from typing import Any

import pytest

from worker.engine.compose.model import Model
from worker.engine.compose.privilege import privileged


def found(top: dict[str, Any] | None = None, *allowed: str, **body: Any) -> list[tuple[str, str]]:
    model = Model({"services": {"web": {"image": "x", **body}}, **(top or {})})
    return [(each.service, each.key) for each in privileged(model, allowed)]


def bind(source: str) -> dict[str, Any]:
    return {"type": "bind", "source": source, "target": "/x"}


HARMLESS: list[dict[str, Any]] = [
    {},
    {"volumes": [{"type": "volume", "source": "data", "target": "/x"}, {"type": "tmpfs", "target": "/t"}]},
    {"network_mode": "none"},
    {"network_mode": "service:db", "pid": "service:db", "ipc": "shareable"},
    {"security_opt": ["no-new-privileges:true"]},
    {"cap_drop": ["ALL"], "user": "root", "read_only": True},
    {"build": {"context": "/estiva/repository/app", "args": {"A": "1"}}},
    {"privileged": False, "cap_add": []},
    {"logging": {"driver": "json-file", "options": {"max-size": "10m"}}},
]
POWERFUL: list[tuple[str, dict[str, Any]]] = [
    ("privileged", {"privileged": True}),
    ("volumes", {"volumes": [bind("/var/run/docker.sock")]}),
    ("volumes", {"volumes": [bind("/etc")]}),
    ("volumes", {"volumes": [bind("/estiva/conf")]}),
    ("volumes", {"volumes": [{"type": "npipe", "source": "x", "target": "/x"}]}),
    ("network_mode", {"network_mode": "host"}),
    ("network_mode", {"network_mode": "container:other"}),
    ("pid", {"pid": "host"}),
    ("ipc", {"ipc": "host"}),
    ("uts", {"uts": "host"}),
    ("userns_mode", {"userns_mode": "host"}),
    ("cgroup", {"cgroup": "host"}),
    ("cap_add", {"cap_add": ["NET_ADMIN"]}),
    ("devices", {"devices": [{"source": "/dev/sda", "target": "/dev/sda"}]}),
    ("security_opt", {"security_opt": ["no-new-privileges:true", "seccomp=unconfined"]}),
    ("sysctls", {"sysctls": {"kernel.msgmax": "1"}}),
    ("volumes_from", {"volumes_from": ["container:other"]}),
    ("cgroup_parent", {"cgroup_parent": "/"}),
    ("deploy", {"deploy": {"resources": {"reservations": {"devices": [{"capabilities": ["gpu"]}]}}}}),
    ("use_api_socket", {"use_api_socket": True}),
    ("logging", {"logging": {"driver": "syslog"}}),
    ("build", {"build": {"context": "/etc"}}),
    ("build", {"build": {"context": "/estiva/../etc"}}),
    ("build", {"build": {"context": "/estiva", "additional_contexts": {"a": "/root"}}}),
    ("build", {"build": {"context": "/estiva", "network": "host"}}),
    ("build", {"build": {"context": "https://example.org/x.git"}}),
]


@pytest.mark.parametrize("body", HARMLESS)
def test_what_needs_no_admin(body: dict[str, Any]) -> None:
    assert found(**body) == []


@pytest.mark.parametrize(("key", "body"), POWERFUL)
def test_what_needs_one(key: str, body: dict[str, Any]) -> None:
    assert found(**body) == [("web", key)]


@pytest.mark.parametrize(
    ("source", "needs"),
    [("/srv/app", False), ("/srv/app/x", True), ("/srv/apple", True), ("/srv/app/../x", True), ("/srv", True)],
)
def test_an_allowed_folder_and_its_neighbours(source: str, needs: bool) -> None:
    assert bool(found(None, "/srv/app", volumes=[bind(source)])) is needs


def test_the_engines_socket_is_never_allowed() -> None:
    assert found(None, "/", volumes=[bind("/run/docker.sock")]) == [("web", "volumes")]


@pytest.mark.parametrize(
    "top",
    [
        {"volumes": {"web": {"driver_opts": {"type": "none", "o": "bind", "device": "/etc"}}}},
        {"volumes": {"web": {"driver": "nfs"}}},
        {"volumes": {"web": {"external": True, "name": "theirs"}}},
        {"networks": {"web": {"driver": "macvlan"}}},
        {"networks": {"web": {"driver_opts": {"com.docker.network.bridge.name": "docker0"}}}},
        {"configs": {"web": {"file": "/etc/shadow"}}},
        {"secrets": {"web": {"file": "/etc/shadow"}}},
    ],
)
def test_networks_volumes_and_files(top: dict[str, Any]) -> None:
    assert [name for name, _ in found(top)] == ["web"]


def reasons(top: dict[str, Any] | None = None, *allowed: str, **body: Any) -> list[str]:
    model = Model({"services": {"web": {"image": "x", **body}}, **(top or {})})
    return [each.reason for each in privileged(model, allowed)]


@pytest.mark.parametrize(
    ("one", "another"),
    [
        ({"cap_add": ["NET_BIND_SERVICE"]}, {"cap_add": ["SYS_ADMIN"]}),
        ({"devices": [{"source": "/dev/ttyUSB0"}]}, {"devices": [{"source": "/dev/sda"}]}),
        ({"security_opt": ["apparmor=ours"]}, {"security_opt": ["seccomp=unconfined"]}),
        ({"pid": "container:one"}, {"pid": "container:another"}),
        ({"post_start": [{"command": ["true"]}]}, {"post_start": [{"command": ["sh"], "privileged": True}]}),
        ({"sysctls": {"net.core.somaxconn": "1"}}, {"sysctls": {"kernel.core_pattern": "|/x"}}),
        (
            {"logging": {"driver": "syslog", "options": {"a": "1"}}},
            {"logging": {"driver": "syslog", "options": {"a": "2"}}},
        ),
    ],
)
def test_a_word_for_one_value_is_no_word_for_another(one: dict[str, Any], another: dict[str, Any]) -> None:
    assert len(reasons(**one)) == len(reasons(**another)) == 1
    assert reasons(**one) != reasons(**another)


def test_a_network_of_others_by_its_bare_name() -> None:
    assert found(network_mode="shop-production_default") == [("web", "network_mode")]
    assert found(network_mode="bridge") == []


def test_annotations_and_shared_mounts() -> None:
    assert found(annotations={"run.oci.hooks": "x"}) == [("web", "annotations")]
    shared = {**bind("/srv/app"), "bind": {"propagation": "rshared"}}
    assert found(None, "/srv/app", volumes=[shared]) == [("web", "volumes")]


@pytest.mark.parametrize(
    ("options", "needs"),
    [
        ({"type": "none", "o": "bind", "device": "/srv/app"}, False),
        ({"type": "none", "o": "bind", "device": "/srv/app/x"}, True),
        ({"type": "overlay", "o": "lowerdir=/:/srv/bind", "device": "/srv/app"}, True),
        ({"type": "none", "o": "bind,shared", "device": "/srv/app"}, True),
        ({"type": "ext4", "o": "bind", "device": "/srv/app"}, True),
    ],
)
def test_a_volume_that_is_a_folder_of_the_server(options: dict[str, str], needs: bool) -> None:
    top = {"volumes": {"data": {"name": "data", "driver_opts": options}}}
    assert bool(found(top, "/srv/app")) is needs
