"""A Release's settings, as `deployments.container_settings` normalises them, as the engine's spec. Pure."""

from collections.abc import Mapping
from typing import Any

from worker.engine.spec import ContainerSpec, HealthSpec, PortSpec, Secret, VolumeSpec


def container_spec(
    settings: Mapping[str, Any], environment: tuple[tuple[str, str | Secret], ...], network: str | None
) -> ContainerSpec:
    """`settings` are complete: every default is written out where they are normalised."""
    return ContainerSpec(
        environment=environment,
        ports=tuple(_port(each) for each in settings["ports"]),
        volumes=tuple(
            VolumeSpec(each["name"], each["path"], bool(each.get("read_only"))) for each in settings["volumes"]
        ),
        command=_words(settings["command"]),
        entrypoint=_words(settings["entrypoint"]),
        restart=settings["restart"],
        restart_retries=settings["restart_retries"] or 0,
        memory=settings["memory"],
        cpus=settings["cpus"],
        stop_timeout=settings["stop_timeout"],
        user=settings["user"],
        network=network,
        network_aliases=tuple(settings["network_aliases"]),
        health=health_spec(settings),
    )


def health_spec(settings: Mapping[str, Any]) -> HealthSpec:
    """When a container with these settings counts as healthy."""
    health = settings["health"]
    return HealthSpec(
        kind=health["kind"],
        path=health["path"] or "/",
        port=health["port"],
        status_min=health["status_min"],
        status_max=health["status_max"],
        interval=health["interval"],
        timeout=health["timeout"],
        passes=health["passes"],
        start_period=health["start_period"],
        deadline=health["deadline"],
        run_seconds=health["run_seconds"],
    )


def _port(port: Mapping[str, Any]) -> PortSpec:
    return PortSpec(port["container_port"], port["host_port"], port["host_address"], port["protocol"])


def _words(words: list[str] | None) -> tuple[str, ...] | None:
    return None if words is None else tuple(words)
