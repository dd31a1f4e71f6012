"""Settings as the domain keeps them, as the engine takes them."""

from typing import Any

import pytest

from deployments import container_settings
from worker.container_spec import container_spec
from worker.engine.spec import ContainerSpec, HealthSpec, PortSpec, Secret, VolumeSpec

FULL: dict[str, Any] = {
    "ports": [{"container_port": 5000, "host_port": 8080, "host_address": "127.0.0.1", "protocol": "udp"}],
    "volumes": [{"name": "data", "path": "/data", "read_only": True}],
    "command": ["serve", "--all"],
    "entrypoint": [],
    "restart": "on-failure",
    "restart_retries": 3,
    "memory": 64_000_000,
    "cpus": 0.5,
    "stop_timeout": 7,
    "user": "1000:1000",
    "network_aliases": ["shop"],
    "health": {
        "kind": "http",
        "path": "/up",
        "port": 5000,
        "status_min": 200,
        "status_max": 204,
        "interval": 2.0,
        "timeout": 1.0,
        "passes": 3,
        "start_period": 4.0,
        "deadline": 90.0,
        "run_seconds": 5.0,
    },
}


def test_every_setting_arrives() -> None:
    environment: tuple[tuple[str, str | Secret], ...] = (("A", "1"), ("B", Secret("b")))
    assert container_spec(FULL, environment, "net") == ContainerSpec(
        environment=environment,
        ports=(PortSpec(5000, 8080, "127.0.0.1", "udp"),),
        volumes=(VolumeSpec("data", "/data", read_only=True),),
        command=("serve", "--all"),
        entrypoint=(),
        restart="on-failure",
        restart_retries=3,
        memory=64_000_000,
        cpus=0.5,
        stop_timeout=7,
        user="1000:1000",
        network="net",
        network_aliases=("shop",),
        health=HealthSpec("http", "/up", 5000, 200, 204, 2.0, 1.0, 3, 4.0, 90.0, 5.0),
    )


def test_the_domains_defaults_are_complete() -> None:
    spec = container_spec(container_settings.defaults(), (), None)
    assert spec.command is None
    assert spec.ports == ()


@pytest.mark.parametrize("missing", sorted(FULL))
def test_a_setting_left_out_is_an_error_and_not_a_guess(missing: str) -> None:
    settings = {name: value for name, value in FULL.items() if name != missing}
    with pytest.raises(KeyError):
        container_spec(settings, (), None)


def test_no_setting_of_the_domain_is_forgotten() -> None:
    assert set(container_settings.defaults()) == set(FULL)
