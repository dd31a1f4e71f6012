"""Making a network whose containers can be given addresses: Docker allows that only where somebody said which subnet it has."""

import secrets
from collections.abc import Mapping

import docker.errors
import docker.types

from worker.connections.engine_http import EngineClient
from worker.engine.aside import KEPT, KEPT_LABEL

_TAKEN = 409


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
        _create(api, name, {})
        config = api.inspect_network(name)["IPAM"]["Config"]
        api.remove_network(name)
    except docker.errors.APIError:
        return ""  # the network itself will say what is wrong
    subnets = [str(each["Subnet"]) for each in config or () if ":" not in str(each.get("Subnet", ":"))]
    return subnets[0] if len(subnets) == 1 else ""


def _create(
    api: EngineClient, name: str, labels: Mapping[str, str], ipam: docker.types.IPAMConfig | None = None
) -> None:
    try:
        api.create_network(name, driver="bridge", labels=dict(labels), check_duplicate=True, ipam=ipam)
    except docker.errors.APIError as error:
        if error.status_code != _TAKEN:  # somebody else just made it
            raise
