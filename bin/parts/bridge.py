"""A network bridge of its own for each Docker Engine, so that several run on one machine without touching each other's addresses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from ipaddress import IPv4Network, ip_network
from pathlib import Path
from typing import Any

from parts.processes import PartError, run

PREFIX = "estiva"
IP_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")
NUMBERS = range(1, 250)


class Bridge:
    """Number N owns bridge `estivaN`, 10.213.N.0/24 for its containers and 10.214.N.0/24 for the networks people create on it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.name = f"{PREFIX}{number}"
        self.subnet = IPv4Network(f"10.213.{number}.0/24")
        self.pool = IPv4Network(f"10.214.{number}.0/24")

    @classmethod
    def create(cls, before: int | None = None) -> Bridge:
        """Make the bridge with this number again, or else the first whose addresses nothing on this machine uses."""
        taken, forwards = list(_routes()), forwarding()
        for number in [before, *NUMBERS] if before else NUMBERS:
            bridge = cls(number)
            if any(bridge.subnet.overlaps(route) or bridge.pool.overlaps(route) for route in taken):
                continue
            try:
                run(
                    ["ip", "link", "add", bridge.name, "type", "bridge"]
                )  # the kernel refuses a second of the same name
            except PartError as error:
                if "File exists" in str(error):
                    continue
                raise
            run(["ip", "link", "set", bridge.name, "alias", forwards])  # the next engine's `forwarding` reads it here
            run(["ip", "address", "add", f"{bridge.subnet[1]}/24", "dev", bridge.name])
            run(["ip", "link", "set", bridge.name, "up"])
            return bridge
        raise PartError("No free address range for a network bridge: remove leftovers with `ip link delete estivaN`.")

    def remove(self) -> None:
        """Remove the bridge, and the bridges of networks that were created on its engine."""
        for name in [self.name, *self._created_networks()]:
            try:
                run(["ip", "link", "delete", name])
            except PartError as error:
                if "Cannot find device" not in str(error):
                    raise

    def _created_networks(self) -> list[str]:
        return [name for name, address in _addresses() if address in self.pool]


def forwarding() -> str:
    """The kernel's switch for passing packets on, '0' or '1', as it was before the first of our engines turned it on."""
    noted = [link["ifalias"] for link in _ours() if "ifalias" in link]
    return str(noted[0]) if noted else IP_FORWARD.read_text().strip()


def restore_forwarding(before: str) -> None:
    """Switch it off again if it was off, unless another of our bridges still needs it."""
    if before == "0" and not _ours():
        IP_FORWARD.write_text("0")


def _ours() -> list[dict[str, Any]]:
    return [link for link in _ip("link") if link["ifname"].startswith(PREFIX)]


def _ip(*words: str) -> list[dict[str, Any]]:
    """What `ip` shows, as its JSON."""
    shown: list[dict[str, Any]] = json.loads(run(["ip", "-json", "-4", *words]) or "[]")
    return shown


def _routes() -> Iterator[IPv4Network]:
    for route in _ip("route"):
        if route["dst"] != "default":
            network = ip_network(route["dst"])
            if isinstance(network, IPv4Network):
                yield network


def _addresses() -> Iterator[tuple[str, Any]]:
    for link in _ip("address"):
        for address in link.get("addr_info", []):
            yield link["ifname"], ip_network(address["local"]).network_address
