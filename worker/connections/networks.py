"""Making a network whose containers can be given addresses: Docker allows that only where somebody said which subnet it has.

To Docker a network's name is no key: asked for the same one by two deploys at the same moment it makes two, whether or not it was to
look first, and from then on refuses whatever names either. So whoever has made one looks for twins, and so does whoever is refused.
"""

import re
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, Final, TypeVar

import docker.errors
import docker.types

from worker.connections.engine_http import EngineClient
from worker.engine.aside import KEPT, KEPT_LABEL

_TAKEN = 409
_AMBIGUOUS: Final = re.compile(r"network (?P<name>\S+) is ambiguous")
_PAUSES: Final = (0.05, 0.2, 0.5, 1.0)  # seconds before what was ambiguous is asked for again
_SUBNET_LABEL: Final = "estiva.subnet"
_SUBNET_SECONDS: Final = 60.0  # a network that is made to be looked at lives for less than one

T = TypeVar("T")


def ensure_network(api: EngineClient, name: str, labels: Mapping[str, str]) -> None:
    """A network of that name, unless there is one."""
    try:
        api.inspect_network(name)
    except docker.errors.NotFound:
        make_network(api, name, labels)
        drop_twins(api, name)


def unambiguous(api: EngineClient, wait: Callable[[float], None], call: Callable[[], T]) -> T:
    """Make a call that names networks; where the engine has two of a name, the needless one goes first. `wait` takes seconds."""
    for pause in _PAUSES:
        try:
            return call()
        except docker.errors.APIError as error:
            found = _AMBIGUOUS.search(str(error.explanation or error))
            if found is None:
                raise
            drop_twins(api, found["name"])
            wait(pause)  # its other maker may be about to do the same; nothing tells when it has
    return call()


def drop_twins(api: EngineClient, name: str) -> None:
    """Of several of that name, keep the one that is in use, else the oldest: everybody decides alike. Only ours go."""
    listed = [str(each["Id"]) for each in api.networks(names=[name]) if each["Name"] == name]
    if len(listed) < 2:
        return
    found = [each for each in (_by_id(api, network_id) for network_id in listed) if each is not None]
    found.sort(key=lambda each: (not each.get("Containers"), _made_at(each), str(each["Id"])))
    for each in found[1:]:
        if each.get("Containers") or "estiva.installation" not in (each.get("Labels") or {}):
            continue
        # Its maker was quicker, or it is in use by now: whether a name is still ambiguous, the call that names it is told
        with suppress(docker.errors.APIError):
            api.remove_network(each["Id"])


def _by_id(api: EngineClient, network_id: str) -> Mapping[str, Any] | None:
    try:
        found: Mapping[str, Any] = api.inspect_network(network_id)
    except docker.errors.NotFound:
        return None
    return found


def make_network(api: EngineClient, name: str, labels: Mapping[str, str]) -> None:
    """A bridge network; with a subnet of its own where `labels` ask for addresses that are kept, and the engine has one."""
    wanted = dict(labels)
    subnet = _free_subnet(api) if wanted.get(KEPT_LABEL) == KEPT else ""
    if subnet:
        ipam = docker.types.IPAMConfig(pool_configs=[docker.types.IPAMPool(subnet=subnet)])
        try:
            _create(api, name, wanted, ipam)
        except docker.errors.APIError:
            subnet = ""  # somebody was given it meanwhile
    if not subnet:
        wanted.pop(KEPT_LABEL, None)
        _create(api, name, wanted)


def keeps_addresses(api: EngineClient, name: str) -> bool:
    """Whether `make_network` made it so."""
    found = api.inspect_network(name)
    return (found.get("Labels") or {}).get(KEPT_LABEL) == KEPT and not found.get("EnableIPv6")


def _free_subnet(api: EngineClient) -> str:
    """One that the engine itself would give to the next network: made, looked at and removed."""
    name = f"estiva-subnet-{secrets.token_hex(6)}"
    try:
        _create(api, name, {_SUBNET_LABEL: ""})
        made = api.inspect_network(name)
        config = made["IPAM"]["Config"]
        api.remove_network(name)
        _drop_left(api, _made_at(made))
    except docker.errors.APIError:
        return ""  # the network itself will say what is wrong
    subnets = [str(each["Subnet"]) for each in config or () if ":" not in str(each.get("Subnet", ":"))]
    return subnets[0] if len(subnets) == 1 else ""


def _drop_left(api: EngineClient, now: float) -> None:
    """What a worker that died at that moment had made to look at. By the engine's own clock: others may be looking just now."""
    for each in api.networks(filters={"label": _SUBNET_LABEL}):
        if _made_at(each) < now - _SUBNET_SECONDS:
            with suppress(docker.errors.APIError):  # tried again as the next network is made
                api.remove_network(each["Id"])


def _made_at(network: Mapping[str, Any]) -> float:
    """Seconds; the engine tells nanoseconds, which no date of Python's holds."""
    told = re.sub(r"(\.\d{1,6})\d*", r"\1", str(network["Created"]))
    return datetime.fromisoformat(told).timestamp()


def _create(
    api: EngineClient, name: str, labels: Mapping[str, str], ipam: docker.types.IPAMConfig | None = None
) -> None:
    try:
        api.create_network(name, driver="bridge", labels=dict(labels), check_duplicate=True, ipam=ipam)
    except docker.errors.APIError as error:
        if error.status_code != _TAKEN:  # somebody else just made it
            raise
