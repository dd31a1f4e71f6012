"""A Release's settings, as `deployments.container_settings` normalises them, as the engine's spec. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from deployments.option_fields import port_numbers
from worker.engine.options import (
    BindSpec,
    DeviceSpec,
    NetworkSpec,
    Options,
    RateSpec,
    TmpfsSpec,
    UlimitSpec,
    VolumeOptionSpec,
)
from worker.engine.spec import ContainerSpec, HealthSpec, PortSpec, Secret, VolumeSpec


def container_spec(
    settings: Mapping[str, Any], environment: tuple[tuple[str, str | Secret], ...], network: str | None
) -> ContainerSpec:
    """`settings` are complete: every default is written out where they are normalised."""
    chosen = options(settings)
    return ContainerSpec(
        environment=environment,
        ports=tuple(port for each in settings["ports"] for port in _ports(each)),
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
        network=network or next((each.name for each in chosen.networks), None),
        network_aliases=tuple(settings["network_aliases"]),
        health=health_spec(settings),
        options=chosen,
    )


def options(settings: Mapping[str, Any]) -> Options:
    """Those that were set; what a Release from before an option has no word about is as if nobody had set it."""
    return Options(
        **{each.name: _option(each.name, settings[each.name]) for each in fields(Options) if each.name in settings}
    )


def _option(name: str, value: Any) -> Any:
    if name in _ROWS:
        return tuple(_ROWS[name](**row) for row in value)
    return tuple(value) if isinstance(value, list) else value


def _network(name: str, aliases: str, ipv4: str, ipv6: str) -> NetworkSpec:
    return NetworkSpec(name, tuple(aliases.replace(",", " ").split()), ipv4, ipv6)


_ROWS: dict[str, Callable[..., Any]] = {
    "volume_options": VolumeOptionSpec,
    "binds": BindSpec,
    "tmpfs": TmpfsSpec,
    "networks": _network,
    "ulimits": UlimitSpec,
    "devices": DeviceSpec,
    "device_rates": RateSpec,
}


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
        command=tuple(health.get("command") or ()),
        retries=health.get("retries"),
        no_image_check=bool(health.get("no_image_check")),
    )


def _ports(port: Mapping[str, Any]) -> list[PortSpec]:
    """One for each port of a range."""
    inner = port_numbers(port["container_port"])
    outer = [None] * len(inner) if port["host_port"] is None else port_numbers(port["host_port"])
    return [
        PortSpec(number, published, port["host_address"], port["protocol"])
        for number, published in zip(inner, outer, strict=True)
    ]


def _words(words: list[str] | None) -> tuple[str, ...] | None:
    return None if words is None else tuple(words)
