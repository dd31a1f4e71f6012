"""One application to twenty and to forty servers, against the OpenSSH client, Ansible, pyinfra and Fabric; and the connections alone.

Every server is a network namespace with an sshd on port 22, as many strangers allowed as by default, and a Docker Engine of its own: all on
this one machine. Estiva's time is from the request to the end on record; it looks before and afterwards, proves that each new version
answers before it lets go of the old one, and writes it all down. The others pull, remove, run and look.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

from bench import peers
from bench.connects import Clients, Estivas, Refusals
from bench.frame import Row, show
from bench.pairs import each, noise, ratio, take_turns
from bench.seats import INSIDE, Login, Seat
from bench.servers import Servers, servers
from parts.sshd import SshServer
from parts.supervisor import Interrupted
from worker.connections.doors import MOST

AIMS = {
    "connect_over_ssh": 0.3,
    **{f"deploy_over_{name}": 1.0 for name in ("ssh", "ansible", "pyinfra", "fabric")},
    "refused": 0.0,
}
WAYS = {
    "estiva": "Estiva, from request to record",
    "ssh": "ssh + docker",
    "pyinfra": "pyinfra",
    "fabric": "Fabric",
    "ansible": "Ansible, community.docker",
}
FIRST_PORT = 8100
# One answer is proof enough here, asked for often: the others don't ask at all
HEALTH = {"interval": 0.1, "passes": 1, "deadline": 30.0}


def measure(counts: Sequence[int], rounds: int) -> dict[str, Any]:
    """By number of servers: way → seconds, round by round; `crowd`: many to one; `refused`."""
    peers.install()
    with servers(max(counts)) as made:
        machines = [machine.sshd for machine in made.machines]
        place = made.folder / "peers"
        place.mkdir()
        login = Login.make(place, machines)
        told: dict[str, Any] = {"refused": 0, "connect": {}, "deploy": {}, "crowd": {}}
        refusals = Refusals(machines)

        def counted(act: Callable[[], float]) -> float:
            seconds, refused = refusals.during(act)
            told["refused"] += refused
            return seconds

        ours, clients = Estivas(login), Clients(place, login)
        for count in counts:
            told["connect"][count] = _connect(machines[:count], ours, clients, rounds, counted)
            told["crowd"][count] = _crowd([machines[0]] * count, ours, clients, refusals, counted)
        for order, count in enumerate(counts):
            told["deploy"][count] = _deploy(made, login, count, FIRST_PORT + 10 * order, rounds, counted)
    return told


Counted = Callable[[Callable[[], float]], float]


def _connect(
    machines: Sequence[SshServer], ours: Estivas, clients: Clients, rounds: int, counted: Counted
) -> dict[str, list[float]]:
    print(f"connections to {len(machines)} servers", flush=True)
    ways: dict[str, Callable[[int], float | None]] = {
        "estiva": lambda _: counted(lambda: ours.open(machines)),
        "ssh": lambda _: clients.open(machines),
    }
    return take_turns(ways, rounds)


def _crowd(
    same: Sequence[SshServer], ours: Estivas, clients: Clients, refusals: Refusals, counted: Counted
) -> dict[str, Any]:
    """So many at once to one server."""
    failed = 0

    def attempt() -> float:
        nonlocal failed
        seconds, failed = clients.attempt(same, shared=False)
        return seconds

    sessions, each_own = counted(lambda: ours.open(same)), counted(lambda: ours.open_each(same))
    seconds, dropped = refusals.during(attempt)
    return {"sessions": sessions, "each": each_own, "ssh": seconds, "ssh_refused": dropped, "ssh_failed": failed}


def _deploy(
    made: Servers, login: Login, count: int, port: int, rounds: int, counted: Counted
) -> dict[str, list[float]]:
    print(f"deploys to {count} servers", flush=True)
    folder = made.folder / f"peers-{count}"
    folder.mkdir()
    ways, tags = peers.peers(folder, login, at_once=count), ("1", "2")  # a deploy changes the version each time
    images = [made.images.page(tag) for tag in tags]
    published = {"container_port": INSIDE, "host_port": port, "host_address": "127.0.0.1", "protocol": "tcp"}
    settings = {"ports": [published], "health": HEALTH}

    def estiva(number: int) -> float:
        made.place(f"shop{count}", images[number % 2].reference, count, settings)
        return counted(lambda: made.deploy(f"shop{count}"))

    def by(name: str, order: int) -> Callable[[int], None]:
        seats = [
            Seat(machine.sshd, str(machine.engine.socket), f"{name}-{count}-{number}", port + order)
            for number, machine in enumerate(made.machines[:count])
        ]
        return lambda number: ways[name].deploy(seats, images[number % 2].reference)

    turns: dict[str, Callable[[int], float | None]] = {name: by(name, order) for order, name in enumerate(ways, 1)}
    return take_turns({"estiva": estiva, **turns}, rounds)


def table(told: Mapping[str, Any]) -> tuple[list[Row], dict[str, float]]:
    """The rows of the table and the figures: those without a number are of the most servers."""
    rows: list[Row] = []
    for count, spent in told["connect"].items():
        rows += [Row(f"connect to {count}, {who}", median(spent[who]), each(spent[who])) for who in ("estiva", "ssh")]
    for count, crowd in told["crowd"].items():
        lost = f"{crowd['ssh_refused']} refused by sshd, {crowd['ssh_failed']} clients failed"
        rows += [
            Row(f"{count} sessions on one server, estiva", crowd["sessions"], "they share a connection"),
            Row(f"{count} handshakes with one server, estiva", crowd["each"], f"{MOST} at once"),
            Row(f"{count} handshakes with one server, ssh", crowd["ssh"], lost),
        ]
    for count, spent in told["deploy"].items():
        rows += [
            Row(f"deploy to {count}, {about}", median(spent[name]), each(spent[name])) for name, about in WAYS.items()
        ]
    return rows, _figures(told)


def _figures(told: Mapping[str, Any]) -> dict[str, float]:
    most, figures = max(told["deploy"]), {}
    for count, spent in told["connect"].items():
        figures[_of("connect_over_ssh", count, most)] = ratio(spent["estiva"], spent["ssh"])
    for count, spent in told["deploy"].items():
        for name in WAYS:
            if name != "estiva":
                figures[_of(f"deploy_over_{name}", count, most)] = ratio(spent["estiva"], spent[name])
    return {**figures, "refused": float(told["refused"])}


def _of(figure: str, count: int, most: int) -> str:
    return figure if count == most else f"{figure}_{count}"


def main(words: Sequence[str]) -> int:
    """Measure and print; the exit code."""
    parser = argparse.ArgumentParser(prog="bin/bench fanout", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="how often each is timed (default: 7)")
    parser.add_argument("--servers", type=int, nargs="+", default=[20, 40], help="how many (default: 20 40)")
    given = parser.parse_args(words)
    try:
        told = measure(sorted(given.servers), given.rounds)
    except Interrupted as reason:
        print(f"bin/bench fanout: interrupted by {reason}")
        return 1
    rows, figures = table(told)
    most = max(told["deploy"])
    show(
        "fanout",
        f"One application to many servers (up to {most})",
        rows,
        figures,
        AIMS,
        noise(told["deploy"][most]["ssh"]),
    )
    return 0
