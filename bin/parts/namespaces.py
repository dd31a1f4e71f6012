"""Machines as far as a network goes: namespaces of their own, each with a cable to one bridge, from which this machine reaches them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from parts.processes import PartError, kill_all, run

STATE = "namespaces.json"
PREFIX = "estns"
CARD = "eth0"  # of each machine; its containers hang on other devices
NUMBERS = range(1, 250)
MOST = 240


class Namespace:
    """One machine's network. `inside(argv)` is a command that runs there; files, processes and users are this machine's."""

    def __init__(self, name: str, address: str, gateway: str, cable: str) -> None:
        self.name, self.address, self.gateway, self.cable = name, address, gateway, cable

    def inside(self, argv: Sequence[str]) -> list[str]:
        """The command with which a program runs in this network. /sys stays this machine's, as an engine needs it."""
        return ["nsenter", f"--net=/run/netns/{self.name}", *argv]

    def ip(self, *words: str) -> str:
        """`ip` in this network."""
        return run(["ip", "-netns", self.name, *words])

    def cut(self) -> None:
        """Drop every packet to and from it without a word, as a dead link does; what is inside goes on."""
        for chain in ("INPUT", "OUTPUT"):
            run(self.inside(["iptables", "-I", chain, "-i" if chain == "INPUT" else "-o", CARD, "-j", "DROP"]))

    def reset(self) -> None:
        """Answer every TCP packet to and from it with a reset, as firewalls that forgot a connection do; `mend` ends it."""
        for chain in ("INPUT", "OUTPUT"):
            match = ["-p", "tcp", "-i" if chain == "INPUT" else "-o", CARD]
            run(self.inside(["iptables", "-I", chain, *match, "-j", "REJECT", "--reject-with", "tcp-reset"]))

    def mend(self) -> None:
        """Let packets pass again."""
        for chain in ("INPUT", "OUTPUT"):
            run(self.inside(["iptables", "-F", chain]))

    def pids(self) -> list[int]:
        """The processes that run in this network, those in containers' own networks not counted."""
        return [int(pid) for pid in run(["ip", "netns", "pids", self.name]).split()]


class Network:
    """A bridge `estnsN`, this machine at 10.216.N.1, and namespaces behind it. Use as a context manager, or call start and stop."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.namespaces: list[Namespace] = []
        self.number = 0

    @property
    def bridge(self) -> str:
        """The bridge's name, and what every namespace's name begins with."""
        return f"{PREFIX}{self.number}"

    @property
    def gateway(self) -> str:
        """This machine's address on it."""
        return f"10.216.{self.number}.1"

    @property
    def subnet(self) -> str:
        """All its addresses."""
        return f"10.216.{self.number}.0/24"

    def start(self) -> None:
        """Make the first bridge whose number nobody has."""
        for number in NUMBERS:
            self.number = number
            try:
                run(["ip", "link", "add", self.bridge, "type", "bridge"])  # the kernel refuses a second of this name
            except PartError as error:
                if "File exists" in str(error):
                    continue
                raise
            (self.folder / STATE).write_text(json.dumps({"number": number}))
            run(["ip", "address", "add", f"{self.gateway}/24", "dev", self.bridge])
            run(["ip", "link", "set", self.bridge, "up"])
            return
        raise PartError("No number is free for a network of namespaces: remove leftovers with `ip link delete estnsN`.")

    def add(self) -> Namespace:
        """One more machine."""
        order = len(self.namespaces) + 1
        if order > MOST:
            raise PartError(f"A network of namespaces holds {MOST} machines.")
        name, ours, theirs = f"{self.bridge}-{order}", f"{self.bridge}x{order}", CARD
        one = Namespace(name, f"10.216.{self.number}.{order + 1}", self.gateway, ours)
        run(["ip", "netns", "add", name])
        self.namespaces.append(one)
        run(["ip", "link", "add", ours, "type", "veth", "peer", "name", theirs, "netns", name])
        run(["ip", "link", "set", ours, "master", self.bridge, "up"])
        one.ip("link", "set", "lo", "up")
        one.ip("address", "add", f"{one.address}/24", "dev", theirs)
        one.ip("link", "set", theirs, "up")
        one.ip("route", "add", "default", "via", self.gateway)
        return one

    def stop(self) -> None:
        """Remove everything; what still runs in a namespace is ended."""
        if self.number:
            remove(self.number)
            (self.folder / STATE).unlink(missing_ok=True)
        self.namespaces, self.number = [], 0

    def __enter__(self) -> Network:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def remove(number: int) -> None:
    """End what runs in the namespaces of this number, and remove them with their bridge."""
    bridge = f"{PREFIX}{number}"
    for name in run(["ip", "netns", "list"]).split():
        if name.startswith(f"{bridge}-"):
            kill_all(int(pid) for pid in run(["ip", "netns", "pids", name]).split())
            # its cable first: the kernel takes that away a moment after the namespace, and the number may be used again by then
            _delete_link(f"{PREFIX}{number}x{name.removeprefix(f'{bridge}-')}")
            run(["ip", "netns", "delete", name])
    _delete_link(bridge)


def _delete_link(name: str) -> None:
    try:
        run(["ip", "link", "delete", name])
    except PartError as error:
        if "Cannot find device" not in str(error):
            raise


def clear(folder: Path) -> None:
    """Undo what a run that was killed left, noted in its folder."""
    state = folder / STATE
    remove(int(json.loads(state.read_text())["number"]))
    state.unlink()
