"""The longer part of a container's settings: all of it is kept, compared and documented; what can't be is refused at its field."""

import re
from pathlib import Path
from typing import Any

import pytest

from deployments import container_options, container_settings, power, settings_table
from deployments.errors import FieldErrors
from tests.every_option import ELSEWHERE, OPTIONS, SETTINGS

DOCUMENT = Path(__file__).parents[2] / "docs" / "settings.md"


def refused(raw: dict[str, Any]) -> list[str]:
    with pytest.raises(FieldErrors) as caught:
        container_settings.normalise(raw)
    return list(caught.value.errors)


def test_every_option_is_kept_as_it_is() -> None:
    settings = container_settings.normalise(SETTINGS)
    assert {name: settings[name] for name in OPTIONS} == OPTIONS
    assert container_settings.normalise(settings) == settings
    known = {field.name for field in container_options.OPTIONS if field.section != "hooks"}
    assert known == set(OPTIONS) | set(ELSEWHERE), "every option is tried"
    for name, value in ELSEWHERE.items():
        assert container_settings.normalise({name: value})[name] == value


def test_what_nobody_says_is_not_kept() -> None:
    blank = {field.name: "off" if field.kind == "toggle" else "" for field in container_options.OPTIONS}
    assert container_settings.normalise(blank) == container_settings.defaults()
    assert not set(container_settings.defaults()) & set(blank)


def test_every_option_shows_in_a_plans_difference_and_on_the_release() -> None:
    settings = container_settings.normalise(SETTINGS)
    bare = container_settings.normalise({name: SETTINGS[name] for name in SETTINGS if name not in OPTIONS})
    labels = {str(field.label) for field in container_options.OPTIONS if field.name in OPTIONS}
    changed = {each["name"]: each["after"] for each in container_settings.differences(bare, settings)}
    assert labels == set(changed)
    assert all(changed.values())
    assert labels <= set(container_settings.describe(settings))
    assert not labels & set(container_settings.describe(bare))


def test_two_options_are_not_called_the_same() -> None:
    labels = [str(field.label) for field in container_settings.FIELDS]
    assert len(labels) == len(set(labels))
    assert {field.section for field in container_settings.FIELDS} == set(container_options.SECTIONS)


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ({"ports": [{"container_port": "80-70"}]}, "ports.0.container_port"),
        ({"ports": [{"container_port": "1-500"}]}, "ports.0.container_port"),
        ({"ports": [{"container_port": "80-90", "host_port": "8000-8009"}]}, "ports.0.host_port"),
        ({"ports": [{"container_port": "80-90", "host_port": "8000-8010"}, {"container_port": 1, "host_port": 8005}]}, "ports.1.host_port"),
        ({"working_dir": "app"}, "working_dir"),
        ({"working_dir": "/a\nb"}, "working_dir"),
        ({"stop_signal": "TERM; rm"}, "stop_signal"),
        ({"platform": "windows/amd64"}, "platform"),
        ({"anonymous_volumes": ["relative"]}, "anonymous_volumes.0"),
        ({"volumes": [{"name": "aa", "path": "/a"}], "anonymous_volumes": ["/a"]}, "anonymous_volumes.0"),
        ({"volume_options": [{"name": "nowhere"}]}, "volume_options.0.name"),
        ({"binds": [{"source": "srv", "path": "/a"}]}, "binds.0.source"),
        ({"binds": [{"source": "/srv/../etc", "path": "/a"}]}, "binds.0.source"),
        ({"binds": [{"source": "/srv:/etc", "path": "/a"}]}, "binds.0.source"),
        ({"binds": [{"source": "/srv", "path": "/a", "propagation": "wild"}]}, "binds.0.propagation"),
        ({"tmpfs": [{"path": "/a", "mode": "999"}]}, "tmpfs.0.mode"),
        ({"tmpfs": [{"path": "/a", "size": "1,exec"}]}, "tmpfs.0.size"),
        ({"network_mode": "container:db"}, "network_mode"),
        ({"network_mode": "host", "ports": [{"container_port": 80}]}, "ports"),
        ({"network_mode": "none", "health": {"kind": "tcp", "port": 80}}, "health.kind"),
        ({"networks": [{"name": "host"}]}, "networks.0.name"),
        ({"networks": [{"name": "a b"}]}, "networks.0.name"),
        ({"networks": [{"name": "back", "ipv4": "fd00::1"}]}, "networks.0.ipv4"),
        ({"networks": [{"name": "back", "ipv6": "fe80::1%eth0"}]}, "networks.0.ipv6"),
        ({"networks": [{"name": "back", "aliases": "No Such"}]}, "networks.0.aliases"),
        ({"hostname": "-x"}, "hostname"),
        ({"hostname": "shop", "uts_mode": "host"}, "hostname"),
        ({"extra_hosts": ["db"]}, "extra_hosts.0"),
        ({"extra_hosts": ["ok:10.0.0.1", "db:nowhere"]}, "extra_hosts.1"),
        ({"dns": ["resolver"]}, "dns.0"),
        ({"mac_address": "02:42"}, "mac_address"),
        ({"memory_swap": "1g"}, "memory_swap"),
        ({"memory": "1g", "memory_swap": "512m"}, "memory_swap"),
        ({"memory": "64m", "memory_reservation": "128m"}, "memory_reservation"),
        ({"cpus": 1, "cpu_quota": 1000}, "cpus"),
        ({"cpuset_cpus": "all"}, "cpuset_cpus"),
        ({"ulimits": [{"name": "nofile", "soft": 9, "hard": 1}]}, "ulimits.0.soft"),
        ({"ulimits": [{"name": "magic", "soft": 1, "hard": 1}]}, "ulimits.0.name"),
        ({"device_rates": [{"source": "/dev/vda", "rate": "fast"}]}, "device_rates.0.rate"),
        ({"oom_score_adj": 2000}, "oom_score_adj"),
        ({"gpus": "many"}, "gpus"),
        ({"cap_add": ["NET ADMIN"]}, "cap_add.0"),
        ({"security_opt": ["label:a b"]}, "security_opt.0"),
        ({"sysctls": ["somaxconn=1"]}, "sysctls.0"),
        ({"devices": [{"source": "/dev/null", "permissions": "x"}]}, "devices.0.permissions"),
        ({"device_cgroup_rules": ["c all rwm"]}, "device_cgroup_rules.0"),
        ({"log_driver": "pigeon"}, "log_driver"),
        ({"log_options": ["max-size=1m"]}, "log_driver"),
        ({"labels": ["estiva.installation=mine"]}, "labels.0"),
        ({"labels": ["COM.docker.compose.project=x"]}, "labels.0"),
        ({"health": {"kind": "command"}}, "health.command"),
        ({"health": {"kind": "command", "command": ["a\x00"]}}, "health.command"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_at_its_field(raw: dict[str, Any], path: str) -> None:
    assert refused(raw) == [path]


def test_ways_of_writing_come_to_one() -> None:
    settings = container_settings.normalise(
        {
            "cap_drop": "cap_net_raw\r\nALL\r\n",
            "extra_hosts": "db=10.0.0.1\nsix:[fd00::1]",
            "memory": "64m",
            "memory_swap": "unlimited",
            "binds": [{"source": "/srv//data/", "path": "/data/"}],
            "ports": [{"container_port": "80-80"}],
            "health": {"kind": "tcp"},
        }
    )
    assert settings["cap_drop"] == ["NET_RAW", "ALL"]
    assert settings["extra_hosts"] == ["db:10.0.0.1", "six:fd00::1"]
    assert settings["memory_swap"] == -1
    assert (settings["binds"][0]["source"], settings["binds"][0]["path"]) == ("/srv/data", "/data")
    assert (settings["ports"][0]["container_port"], settings["health"]["port"]) == (80, 80)


def test_the_document_is_what_the_code_says() -> None:
    wanted = settings_table.markdown()
    assert wanted in DOCUMENT.read_text(encoding="utf-8"), "write it anew: .venv/bin/python bin/settings_table"
    assert all(f"`{field.name}`" in wanted for field in container_settings.FIELDS)
    assert len(re.findall("admin", wanted)) >= len(power.RULES)
