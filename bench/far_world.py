"""Workers in network namespaces of their own, one of them far away: the database, the broker and the servers lie beyond a cable."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from bench.world import CONCURRENCY
from parts.environment import ROOT
from parts.faults.estiva import BIN, ROOT_IS_FINE_HERE, until_ready
from parts.faults.world import World
from parts.namespaces import Namespace
from parts.part import remember
from parts.processes import PartError, Process, free_port, run

KINDS = ("database", "broker", "ssh")


@dataclass(frozen=True, slots=True)
class Line:
    """A cable: milliseconds each way, and how many of a hundred packets it loses each way."""

    delay: float
    loss: float


def open_to_namespaces(world: World) -> None:
    """Let the namespaces reach PostgreSQL and the broker at this machine's address on their bridge."""
    postgres, valkey = world.estiva.postgres, world.estiva.valkey
    if postgres is None:
        raise PartError("workers elsewhere need PostgreSQL")
    postgres.also, valkey.also = world.network.gateway, (world.network.gateway, free_port())
    postgres.restart()
    valkey.restart()


@contextmanager
def place(world: World, line: Line | None = None) -> Iterator[Namespace]:
    """A machine for a worker, on the bridge or at the end of a long line; what it sends is counted from here on."""
    namespace = world.network.add()
    child = _lay(world, namespace, line) if line else None
    try:
        _begin_counting(world, namespace)
        yield namespace
    finally:
        if child is not None:
            child.kill()
            child.wait()


def worker(world: World, namespace: Namespace, name: str) -> Process:
    """A worker that runs there, ready for messages."""
    estiva, gateway = world.estiva, world.network.gateway
    flags = ["-P", "threads", "-c", str(CONCURRENCY), "-Q", "deploy", "-n", f"{name}@{namespace.name}"]
    argv = [str(BIN / "celery"), "--quiet", "-A", "worker.celery", "worker", *flags]
    env = {
        **estiva.environment(secret=True),
        "PYTHONWARNINGS": ROOT_IS_FINE_HERE,
        "ESTIVA_DATABASE_URL": estiva.postgres.url(address=gateway) if estiva.postgres else "",
        "ESTIVA_REDIS_URL": f"redis://{gateway}:{_broker_port(world)}/0",
    }
    argv = namespace.inside([*argv, "--without-gossip", "--without-mingle"])
    process = Process(argv, log=estiva.folder / f"{name}.log", env=env, cwd=ROOT)
    process.start()
    remember(estiva.folder, process.pid)
    estiva.processes[name] = process
    until_ready(process)
    return process


def sent(namespace: Namespace) -> Mapping[str, int]:
    """How many requests went out from there until now, by kind, and how many connections were opened.

    A request is a packet that carries something to be read at once: each costs a round trip where an answer is awaited.
    """
    shown = run(namespace.inside(["iptables", "-nvxL", "OUTPUT"])).splitlines()[2:]
    counts = [int(line.split()[0]) for line in shown]
    return dict(zip((*KINDS, "connections"), counts, strict=True))


def _begin_counting(world: World, namespace: Namespace) -> None:
    postgres = world.estiva.postgres
    ports = {"database": postgres.port if postgres else 0, "broker": _broker_port(world), "ssh": 22}
    rules = [["--dport", str(ports[kind]), "--tcp-flags", "PSH", "PSH"] for kind in KINDS]
    for rule in [*rules, ["--tcp-flags", "SYN,ACK", "SYN"]]:
        run(namespace.inside(["iptables", "-A", "OUTPUT", "-p", "tcp", *rule]))


def _broker_port(world: World) -> int:
    return world.estiva.valkey.also[1] if world.estiva.valkey.also else 0


def _lay(world: World, namespace: Namespace, line: Line) -> subprocess.Popen[bytes]:
    """Hang it on a slow cable instead of its own."""
    ours, theirs = f"{namespace.cable}s", f"{namespace.cable}t"
    argv = [sys.executable, "-m", "parts.faults.slow_cable", ours, theirs, f"{line.delay:g}", "0", f"{line.loss:g}"]
    child = subprocess.Popen(argv, cwd=ROOT / "bin", stdout=subprocess.PIPE, start_new_session=True)
    remember(world.network.folder, child.pid)
    if child.stdout is None or child.stdout.readline() != b"ready\n":
        raise PartError("The slow cable could not be laid: it needs /dev/net/tun.")
    run(["ip", "link", "set", theirs, "netns", namespace.name])
    run(["ip", "link", "set", namespace.cable, "nomaster"])
    namespace.ip("address", "flush", "dev", "eth0")
    namespace.ip("link", "set", "eth0", "down")
    run(["ip", "link", "set", ours, "master", world.network.bridge, "up"])
    namespace.ip("link", "set", theirs, "up")
    namespace.ip("address", "add", f"{namespace.address}/24", "dev", theirs)
    namespace.ip("route", "replace", "default", "via", namespace.gateway)
    return child
