"""A spec as the Engine API's JSON for `POST /containers/create`. Pure: tested by equality, sent by somebody else."""

from collections.abc import Mapping
from typing import Any

from worker.engine import options_body
from worker.engine.inventory import FIXED_LABEL, PORT_LABEL, RESTART_LABEL, STOP_LABEL
from worker.engine.spec import ContainerSpec, DeploySpec, PortSpec, Secret

_NANO = 1_000_000_000


def container_body(spec: DeploySpec, inherited: Mapping[str, str], *, with_aliases: bool) -> dict[str, Any]:
    """The candidate's create request. It reveals secrets: send it, never show it.

    The restart policy is "no" until the container is proven; the Release's own is kept in a label. `inherited` maps
    paths to the names of volumes taken over. `with_aliases` False keeps an unproven candidate out of reach of its
    network.
    """
    container = spec.container
    body: dict[str, Any] = {
        "Image": spec.image.image_id or spec.image.reference,
        "Env": [f"{name}={_plain(value)}" for name, value in container.environment],
        "Labels": {**options_body.labels(container.options), **spec.identity.labels(), **own_labels(container)},
        "ExposedPorts": {_key(port): {} for port in container.ports},
        "StopTimeout": container.stop_timeout,
        "HostConfig": _host_config(spec, inherited),
        **options_body.config(container),
    }
    if container.command is not None:
        body["Cmd"] = list(container.command)
    if container.entrypoint is not None:
        body["Entrypoint"] = list(container.entrypoint)
    if container.user:
        body["User"] = container.user
    for first in container.networks[:1]:  # older engines take one here; the others are joined before the start
        endpoint = options_body.endpoint(first, with_aliases=with_aliases)
        body["NetworkingConfig"] = {"EndpointsConfig": {first.name: endpoint}}
    return body


def with_fixed_policy(body: dict[str, Any], container: ContainerSpec, *, final: bool) -> dict[str, Any]:
    """The create request for an engine that can't change a policy later: marked so, and with the Release's own if `final`."""
    host = dict(body["HostConfig"])
    if final:
        retries = container.restart_retries if container.restart == "on-failure" else 0
        host["RestartPolicy"] = {"Name": container.restart, "MaximumRetryCount": retries}
    return {**body, "Labels": {**body["Labels"], FIXED_LABEL: "yes"}, "HostConfig": host}


def own_labels(container: ContainerSpec) -> dict[str, str]:
    """What a later deploy, which has other settings, needs to know of these."""
    labels = {RESTART_LABEL: restart_label(container), STOP_LABEL: str(container.stop_timeout)}
    port = asked_port(container)
    return labels if port is None else labels | {PORT_LABEL: str(port)}


def asked_port(container: ContainerSpec) -> int | None:
    """The container port that the health check asks, as far as the settings say: the one set, else the first published."""
    published = [port.container_port for port in container.ports if port.protocol == "tcp"]
    return container.health.port or next(iter(published), None)


def restart_label(container: ContainerSpec) -> str:
    """The user's restart policy as one word: `unless-stopped`, `on-failure:3`."""
    return f"{container.restart}:{container.restart_retries}" if container.restart_retries else container.restart


def _host_config(spec: DeploySpec, inherited: Mapping[str, str]) -> dict[str, Any]:
    container = spec.container
    bindings: dict[str, list[dict[str, str]]] = {}
    for port in container.ports:
        host_port = "" if port.host_port is None else str(port.host_port)
        bindings.setdefault(_key(port), []).append({"HostIp": port.host_address, "HostPort": host_port})
    ours = {"estiva.installation": spec.identity.installation}
    mounts = [
        _mount(each.name, each.path, read_only=each.read_only)
        | options_body.volume_mount_options(container, each.name, ours)
        for each in container.volumes
    ]
    mounts += [_mount(name, path, read_only=False) for path, name in sorted(inherited.items())]
    mounts += options_body.mounts(container.options, inherited)
    config: dict[str, Any] = {
        "PortBindings": bindings,
        "Mounts": mounts,
        "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
        **options_body.host_config(container.options),
    }
    if container.memory is not None:
        config["Memory"] = container.memory
    if container.cpus is not None:
        config["NanoCpus"] = round(container.cpus * _NANO)
    if container.network is not None:
        config["NetworkMode"] = container.network
    return config


def _mount(name: str, path: str, *, read_only: bool) -> dict[str, Any]:
    return {"Type": "volume", "Source": name, "Target": path, "ReadOnly": read_only}


def _key(port: PortSpec) -> str:
    return f"{port.container_port}/{port.protocol}"


def _plain(value: str | Secret) -> str:
    return value.reveal() if isinstance(value, Secret) else value
