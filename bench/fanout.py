"""One application to twenty and to forty servers, against the OpenSSH client, Ansible, pyinfra and Fabric; and the connections alone.

Every server is a network namespace with an sshd on port 22, as many strangers allowed as by default, and a Docker Engine of its own: all on
this one machine. Forty ports of sshd in front of one engine would be no forty servers: names and ports of containers would meet there, and
its lock is what would be measured.

Estiva's time is by the clock on the wall, from just before the Deploy form is sent until another connection to the database reads that the
deploy is over, which it looks for every 50 ms; Estiva looks before and afterwards, proves that each new version answers before it lets go of
the old one, and writes it all down. The others pull, remove, run and look. The plan before the click isn't in it, and has asked the registry
for the digest; plan_and_deploy_over_ssh is with it. Both images are on every server before anything is timed.

The others keep their connections over all rounds, where they can; Estiva keeps its own for a minute, as in production. Two cores do
everything here, so how many servers a peer best does at once is tried before: twenty, or all of them, three times each in shuffled order, and
the number whose median is the quicker one competes. Of ssh both forms compete, four calls and one line; of Fabric that with one line. For the
connections alone eight, twenty and all OpenSSH clients at once take turns, and connect_over_ssh is against the number that is the quickest.

Many at once to one server are tried once: what counts there is how many were refused. Everything else is a median of seven rounds, which take
about twenty minutes.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import Any

from bench import peers
from bench.connects import Clients, Estivas, Refusals
from bench.fanout_trials import tried
from bench.frame import Row, show
from bench.pairs import ROUNDS, each, medians, noise, ratios, take_turns
from bench.seats import CLIENT, INSIDE, Login, Seat, run_quietly
from bench.servers import Done, Servers, servers
from parts.sshd import SshServer
from parts.supervisor import Interrupted
from worker.connections.doors import MOST

AIMS = {
    "connect_over_ssh": 0.3,
    **{f"deploy_over_{peer}": 1.0 for peer in peers.PEERS},
    "refused": 0.0,
}
WAYS = {
    "estiva": "Estiva, from the click until it is on record",
    "ssh": "ssh + docker, four calls",
    "ssh_chained": "ssh + docker, in one line",
    "pyinfra": "pyinfra",
    "fabric_chained": "Fabric, in one line",
    "ansible": "Ansible, community.docker",
}
FIRST_PORT = 8100
CLIENTS_AT_ONCE = (8, 20)  # of the OpenSSH client, and as many as there are servers: whatever is the quickest competes
PULLS = 4  # servers at once, before anything is timed
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

    def ssh(at_once: int) -> Callable[[int], float]:
        return lambda _: clients.open(machines, at_once)

    ways: dict[str, Callable[[int], float | None]] = {"estiva": lambda _: counted(lambda: ours.open(machines))}
    for at_once in sorted({*(few for few in CLIENTS_AT_ONCE if few < len(machines)), len(machines)}):
        ways[f"ssh {at_once}"] = ssh(at_once)
    return take_turns(ways, rounds)


def _crowd(
    same: Sequence[SshServer], ours: Estivas, clients: Clients, refusals: Refusals, counted: Counted
) -> dict[str, Any]:
    """So many at once to one server."""
    failed = 0

    def attempt() -> float:
        nonlocal failed
        seconds, failed = clients.attempt(same, len(same), shared=False)
        return seconds

    sessions, each_own = counted(lambda: ours.open(same)), counted(lambda: ours.open_each(same))
    seconds, dropped = refusals.during(attempt)
    return {"sessions": sessions, "each": each_own, "ssh": seconds, "ssh_refused": dropped, "ssh_failed": failed}


def _deploy(made: Servers, login: Login, count: int, port: int, rounds: int, counted: Counted) -> dict[str, Any]:
    """Way → seconds, round by round; `plan`: of Estiva's, those before the click; `at_once`: what was tried for each peer."""
    print(f"deploys to {count} servers", flush=True)
    folder = made.folder / f"peers-{count}"
    tags = ("1", "2")  # a deploy changes the version each time
    images = [made.images.page(tag).reference for tag in tags]
    _pull(made, count, images)
    published = {"container_port": INSIDE, "host_port": port, "host_address": "127.0.0.1", "protocol": "tcp"}
    settings = {"ports": [published], "health": HEALTH}
    plans: list[float] = []

    def estiva(number: int) -> float:
        made.place(f"shop{count}", images[number % 2], count, settings)
        done: list[Done] = []

        def deploy() -> float:
            done.append(made.deploy(f"shop{count}"))
            return done[0].seconds

        seconds = counted(deploy)
        plans.extend([done[0].plan_seconds] if number >= 0 else [])
        return seconds

    def seats(order: int, name: str) -> list[Seat]:
        return [
            Seat(machine.sshd, str(machine.engine.socket), f"{name}-{count}-{number}", port + order)
            for number, machine in enumerate(made.machines[:count])
        ]

    names = [name for name in WAYS if name != "estiva"]
    places = {name: seats(order, name) for order, name in enumerate(names, 1)}
    chosen, spent = tried(folder, login, places, images)

    def by(name: str) -> Callable[[int], None]:
        return lambda number: chosen[name].deploy(places[name], images[number % 2])

    turns: dict[str, Callable[[int], float | None]] = {name: by(name) for name in names}
    return {**take_turns({"estiva": estiva, **turns}, rounds), "plan": plans, "at_once": spent}


def _pull(made: Servers, count: int, images: Sequence[str]) -> None:
    """Bring all images to all servers: whoever came first would do it in his time for the others."""

    def pull(socket: str) -> None:
        for image in images:
            run_quietly([CLIENT, "--host", f"unix://{socket}", "pull", "--quiet", image])

    with ThreadPoolExecutor(PULLS) as pool:
        list(pool.map(pull, [str(machine.engine.socket) for machine in made.machines[:count]]))


def table(told: Mapping[str, Any]) -> tuple[list[Row], dict[str, list[float]]]:
    """The rows of the table, and the ratios in each round: those without a number are of the most servers."""
    rows: list[Row] = []
    for count, spent in told["connect"].items():
        rows += [
            Row(f"connect to {count}, {who}{' at once' if who != 'estiva' else ''}", median(times), each(times))
            for who, times in spent.items()
        ]
    for count, crowd in told["crowd"].items():
        lost = f"once; {crowd['ssh_refused']} refused by sshd, {crowd['ssh_failed']} clients failed"
        rows += [
            Row(f"{count} sessions on one server, estiva", crowd["sessions"], "once; they share a connection"),
            Row(f"{count} handshakes with one server, estiva", crowd["each"], f"once; {MOST} at once"),
            Row(f"{count} handshakes with one server, ssh", crowd["ssh"], lost),
        ]
    for count, spent in told["deploy"].items():
        for name, about in WAYS.items():
            tried = spent["at_once"].get(name, {})
            best = f", {min(tried, key=lambda number: tried[number])} at once" if tried else ""
            rows.append(
                Row(f"deploy to {count}, {about}", median(spent[name]), peers.noted(name, f"{each(spent[name])}{best}"))
            )
        rows.append(Row(f"  Estiva's plan for {count}, before the click", median(spent["plan"]), each(spent["plan"])))
    return rows, _rounds(told)


def _rounds(told: Mapping[str, Any]) -> dict[str, list[float]]:
    most, rounds = max(told["deploy"]), {}
    for count, spent in told["connect"].items():
        rounds[_of("connect_over_ssh", count, most)] = ratios(spent["estiva"], quickest_client(spent))
    for count, spent in told["deploy"].items():
        quickest = peers.quickest({name: spent[name] for name in WAYS})
        for peer, form in quickest.items():
            rounds[_of(f"deploy_over_{peer}", count, most)] = ratios(spent["estiva"], spent[form])
        planned = [plan + rest for plan, rest in zip(spent["plan"], spent["estiva"], strict=True)]
        rounds[_of("plan_and_deploy_over_ssh", count, most)] = ratios(planned, spent[quickest["ssh"]])
    return rounds


def quickest_client(spent: Mapping[str, Sequence[float]]) -> Sequence[float]:
    """The OpenSSH client's seconds with as many at once as was the quickest."""
    return min((times for who, times in spent.items() if who != "estiva"), key=median)


def _of(figure: str, count: int, most: int) -> str:
    return figure if count == most else f"{figure}_{count}"


def main(words: Sequence[str]) -> int:
    """Measure and print; the exit code."""
    parser = argparse.ArgumentParser(prog="bin/bench fanout", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"how often each is timed (default: {ROUNDS})")
    parser.add_argument("--servers", type=int, nargs="+", default=[20, 40], help="how many (default: 20 40)")
    given = parser.parse_args(words)
    try:
        told = measure(sorted(given.servers), given.rounds)
    except Interrupted as reason:
        print(f"bin/bench fanout: interrupted by {reason}")
        return 1
    rows, rounds = table(told)
    most = max(told["deploy"])
    figures = {**medians(rounds), "refused": float(told["refused"])}
    said = noise(told["deploy"][most]["ssh"])
    noises = {"connect_over_ssh": noise(quickest_client(told["connect"][most]))}
    title = f"One application to many servers (up to {most})"
    show("fanout", title, rows, figures, AIMS, said, rounds=rounds, noises=noises)
    return 0
