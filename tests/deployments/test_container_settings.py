"""Settings of a container: defaults, what is refused and where, and the words for what changed."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments import container_settings
from deployments.errors import FieldErrors

ANY = container_settings.ANY_ADDRESS


def refused(raw: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(FieldErrors) as caught:
        container_settings.normalise(raw)
    return {path: " ".join(map(str, messages)) for path, messages in caught.value.errors.items()}


def test_the_defaults_are_the_documented_shape() -> None:
    assert container_settings.defaults() == {
        "ports": [],
        "volumes": [],
        "command": None,
        "entrypoint": None,
        "restart": "unless-stopped",
        "restart_retries": 0,
        "memory": None,
        "cpus": None,
        "stop_timeout": 10,
        "user": "",
        "network_aliases": [],
        "health": {
            "kind": "running",
            "path": "/",
            "port": None,
            "status_min": 200,
            "status_max": 399,
            "interval": 1.0,
            "timeout": 3.0,
            "passes": 2,
            "start_period": 0.0,
            "deadline": 60.0,
            "run_seconds": 5.0,
        },
    }


def test_what_a_form_sends_becomes_what_is_stored() -> None:
    typed = {
        "ports": [
            {"container_port": " 5000 ", "host_port": "8080", "host_address": "", "protocol": "tcp"},
            {"container_port": "53", "host_port": "", "host_address": "::1", "protocol": "udp"},
            {"container_port": "", "host_port": "", "host_address": ANY, "protocol": "tcp"},
        ],
        "volumes": [{"name": "data", "path": "/var/lib//app/", "read_only": "on"}, {"name": "", "path": ""}],
        "command": "serve\r\n--greeting\r\nhello world\r\n",
        "memory": "1.5g",
        "cpus": "0,5",
        "restart": "on-failure",
        "restart_retries": "3",
        "user": "1000:1000",
        "network_aliases": "api\ndb.internal\napi",
        "health": {"kind": "http", "path": "/healthz?deep=1", "passes": "3"},
    }

    settings = container_settings.normalise(typed)

    assert settings["ports"] == [
        {"container_port": 5000, "host_port": 8080, "host_address": ANY, "protocol": "tcp"},
        {"container_port": 53, "host_port": None, "host_address": "::1", "protocol": "udp"},
    ]
    assert settings["volumes"] == [{"name": "data", "path": "/var/lib/app", "read_only": True}]
    assert settings["command"] == ["serve", "--greeting", "hello world"]
    assert (settings["memory"], settings["cpus"]) == (1610612736, 0.5)
    assert settings["network_aliases"] == ["api", "db.internal"]
    assert (settings["health"]["port"], settings["health"]["passes"]) == (5000, 3), "the first TCP port is asked"
    assert container_settings.normalise(settings) == settings


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ({"ports": [{"container_port": "x"}]}, "ports.0.container_port"),
        ({"ports": [{"container_port": 0}]}, "ports.0.container_port"),
        ({"ports": [{"container_port": True}]}, "ports.0.container_port"),
        ({"ports": [{"host_port": 80}]}, "ports.0.container_port"),
        ({"ports": [{"container_port": 80, "host_port": 65536}]}, "ports.0.host_port"),
        ({"ports": [{"container_port": 80, "host_address": "localhost"}]}, "ports.0.host_address"),
        ({"ports": [{"container_port": 80, "protocol": "sctp"}]}, "ports.0.protocol"),
        ({"ports": "80:80"}, "ports"),
        ({"ports": ["80:80"]}, "ports.0"),
        ({"ports": [{"container_port": 80, "hostport": 80}]}, "ports.0.hostport"),
        ({"volumes": [{"name": "/srv/data", "path": "/data"}]}, "volumes.0.name"),
        ({"volumes": [{"name": "data", "path": "data"}]}, "volumes.0.path"),
        ({"volumes": [{"name": "data", "path": "/a:ro"}]}, "volumes.0.path"),
        ({"volumes": [{"name": "data", "path": "/.."}]}, "volumes.0.path"),
        ({"volumes": [{"name": "data"}]}, "volumes.0.path"),
        ({"command": 5}, "command"),
        ({"command": ["a", 5]}, "command"),
        ({"entrypoint": ["a\x00"]}, "entrypoint"),
        ({"restart": "sometimes"}, "restart"),
        ({"memory": "lots"}, "memory"),
        ({"memory": "1k"}, "memory"),
        ({"memory": -1}, "memory"),
        ({"cpus": "0"}, "cpus"),
        ({"cpus": "nan"}, "cpus"),
        ({"cpus": "inf"}, "cpus"),
        ({"stop_timeout": "-1"}, "stop_timeout"),
        ({"stop_timeout": 1.5}, "stop_timeout"),
        ({"user": "a b"}, "user"),
        ({"network_aliases": ["API"]}, "network_aliases.0"),
        ({"colour": True}, "colour"),
        ({"health": "http"}, "health"),
        ({"health": {"kind": "magic"}}, "health.kind"),
        ({"health": {"kind": "http"}}, "health.port"),
        ({"health": {"kind": "http", "port": 80, "path": "healthz"}}, "health.path"),
        ({"health": {"kind": "http", "port": 80, "path": "/a b"}}, "health.path"),
        ({"health": {"kind": "http", "port": 80, "path": "/a\r\nX: y"}}, "health.path"),
        ({"health": {"kind": "http", "port": 80, "status_min": 400}}, "health.status_max"),
        ({"health": {"kind": "tcp", "port": 80, "start_period": 60}}, "health.deadline"),
        ({"health": {"interval": "fast"}}, "health.interval"),
    ],
)
def test_what_cannot_be_is_refused_at_its_field(raw: dict[str, Any], path: str) -> None:
    assert list(refused(raw)) == [path]


def test_every_mistake_is_named_at_once() -> None:
    assert set(refused({"memory": "x", "user": "a b", "ports": [{"container_port": "y"}]})) == {
        "memory",
        "user",
        "ports.0.container_port",
    }


@pytest.mark.parametrize(
    ("addresses", "clash"),
    [
        ((ANY, ANY), True),
        ((ANY, "127.0.0.1"), True),
        (("127.0.0.1", "127.0.0.2"), False),
        (("::", "::1"), True),
        ((ANY, "::1"), False),
    ],
)
def test_one_port_of_the_server_is_taken_once(addresses: tuple[str, str], clash: bool) -> None:
    ports = [
        {"container_port": 80 + number, "host_port": 8080, "host_address": each}
        for number, each in enumerate(addresses)
    ]

    if clash:
        assert list(refused({"ports": ports})) == ["ports.1.host_port"]
    else:
        assert len(container_settings.normalise({"ports": ports})["ports"]) == 2


def test_the_same_port_by_udp_and_by_tcp_is_no_clash() -> None:
    ports = [{"container_port": 53, "host_port": 53, "protocol": each} for each in ("tcp", "udp")]

    assert len(container_settings.normalise({"ports": ports})["ports"]) == 2


def test_two_volumes_at_one_path_are_refused() -> None:
    volumes = [{"name": "aa", "path": "/data"}, {"name": "bb", "path": "/data/"}]

    assert list(refused({"volumes": volumes})) == ["volumes.1.path"]


def test_differences_are_in_words() -> None:
    old = container_settings.normalise({"ports": [{"container_port": 5000, "host_port": 8080}]})
    new = container_settings.normalise(
        {"ports": [{"container_port": 5000}], "memory": "512m", "command": ["a b", "c"], "user": "app"}
    )

    assert container_settings.differences(old, new) == [
        {"kind": "setting", "name": "Ports", "before": f"{ANY}:8080 → 5000/tcp", "after": f"{ANY}:* → 5000/tcp"},
        {"kind": "setting", "name": "Command", "before": "", "after": '["a b", "c"]'},
        {"kind": "setting", "name": "Memory limit", "before": "", "after": "512m"},
        {"kind": "setting", "name": "User", "before": "", "after": "app"},
    ]
    assert container_settings.differences(new, new) == []


def test_only_what_matters_to_the_health_check_is_shown() -> None:
    texts = container_settings.describe(container_settings.normalise({"health": {"kind": "tcp", "port": 5432}}))

    assert texts["Health: Port"] == "5432"
    assert "Health: Path" not in texts


def test_an_older_release_without_a_newer_setting_can_be_compared() -> None:
    old = container_settings.defaults()
    del old["user"]

    assert container_settings.differences(old, container_settings.defaults()) == []


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
names = st.sampled_from([field.name for field in container_settings.FIELDS])


@given(st.dictionaries(names, json_values, max_size=6))
def test_anything_is_either_refused_or_stable(raw: dict[str, Any]) -> None:
    try:
        once = container_settings.normalise(raw)
    except FieldErrors:
        return
    assert container_settings.normalise(once) == once


@given(st.lists(st.text(st.characters(codec="utf-8", blacklist_characters="\x00"), min_size=0), min_size=1, max_size=6))
def test_arguments_given_as_a_list_stay_as_they_are(arguments: list[str]) -> None:
    assert container_settings.normalise({"command": arguments})["command"] == arguments


@pytest.mark.parametrize("argument", ["a\x00b", "\ud800", "a\udfff"])
def test_an_argument_that_no_container_can_take_is_refused(argument: str) -> None:
    with pytest.raises(FieldErrors, match="half a character"):
        container_settings.normalise({"command": [argument]})
