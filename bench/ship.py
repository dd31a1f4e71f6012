"""An image to several servers without a registry: Estiva's way against `docker save | ssh docker load`, one after another.

Each server is a Docker Engine and an sshd of its own on this machine, so that the processors are what is short here and not the network.

Each way finds servers that lack the image. The second version follows the first in Estiva's turn, as it does in life; its ratio is to the
first one of the same round.
"""

import argparse
import os
import shlex
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench import images
from bench.frame import Row, show
from bench.pairs import ROUNDS, each, medians, noise, ratios, take_turns
from parts.dockerd import DockerEngine
from parts.engine26 import Engine26
from parts.leftovers import clear_leftovers
from parts.part import remove_folder, temporary_folder
from parts.processes import PartError, run
from parts.sample_image import MACHINES
from parts.sshd import SshServer
from parts.supervisor import Interrupted, Supervisor
from worker.connections.docker import DockerHost
from worker.connections.pool import Pool
from worker.connections.shipping import ImageSource
from worker.connections.shipping_hub import Builder, ShippingHub
from worker.connections.ssh import HostKey, SshAddress, SshCredential
from worker.engine.spec import Secret

AIMS = {"ship_over_sequential": 0.6, "second_over_first": 0.2}
ENGINES: dict[str, Callable[[Path], DockerEngine]] = {"20.10": DockerEngine, "26.1": Engine26}
LONGEST = 1800.0  # seconds of an image to a server; it ends what hangs, and times nothing
SHARES = (0.40, 0.30, 0.26, 0.04)  # of the image, from the bottom up; the last layer is the application's own


@dataclass(frozen=True, slots=True)
class Server:
    """A Docker Engine and the sshd before it."""

    name: str
    engine: DockerEngine
    sshd: SshServer

    @property
    def docker(self) -> list[str]:
        """The docker client for its engine."""
        return ["docker", "--host", self.engine.url]

    @property
    def address(self) -> SshAddress:
        """Where it is."""
        return SshAddress(self.name, self.sshd.address, self.sshd.port, self.sshd.user)

    @property
    def host_key(self) -> HostKey:
        """The key it shows."""
        return HostKey(*self.sshd.host_key_line().split())


def piped(one: Sequence[str], other: Sequence[str], timeout: float = LONGEST) -> None:
    """Run both to their ends, what the one writes being what the other reads; PartError where either fails, with what the other said, or
    where they take longer than that (seconds). Neither outlives this."""
    with subprocess.Popen(one, stdout=subprocess.PIPE) as writer:
        try:
            assert writer.stdout is not None
            done = subprocess.run(
                other, stdin=writer.stdout, capture_output=True, text=True, timeout=timeout, check=False
            )
            writer.stdout.close()  # else it would write for ever to one that reads no more
            code = writer.wait(timeout=timeout)
        except subprocess.TimeoutExpired:
            writer.kill()
            raise PartError(f"{shlex.join(one)} | {shlex.join(other)} did not end within {timeout:g} s.") from None
        except BaseException:
            writer.kill()
            raise
    if code != 0 or done.returncode != 0:
        said = f"{done.returncode}: {(done.stderr or done.stdout).strip()}"
        raise PartError(f"{shlex.join(one)} ended with {code}, {shlex.join(other)} with {said}")


class Stage:
    """A builder and the servers that are to get its images, in a folder that goes with them."""

    def __init__(self, folder: Path, stack: ExitStack, engine: Callable[[Path], DockerEngine], count: int) -> None:
        self.key = folder / "key"
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.key)])
        self.builder, *self.servers = (self._server(folder, stack, engine, n) for n in range(count + 1))
        self.known_hosts = folder / "known_hosts"
        every = (self.builder, *self.servers)
        self.known_hosts.write_text("".join(f"{each.sshd.known_hosts_line()}\n" for each in every))

    def _server(self, folder: Path, stack: ExitStack, engine: Callable[[Path], DockerEngine], number: int) -> Server:
        made = engine(folder / f"engine{number}")
        stack.callback(made.destroy)
        made.start()
        sshd = stack.enter_context(SshServer(folder / f"sshd{number}"))
        sshd.authorize(self.key.with_suffix(".pub").read_text())
        return Server("builder" if number == 0 else f"web-{number}", made, sshd)

    def by_hand(self, image_id: str) -> None:
        """`docker save | ssh docker load`, one server after the other."""
        for server in self.servers:
            piped([*self.builder.docker, "save", image_id], [*self._ssh(server), *server.docker, "load"])

    def _ssh(self, server: Server) -> list[str]:
        options = [
            "-F",
            "none",
            "-i",
            str(self.key),
            "-o",
            f"UserKnownHostsFile={self.known_hosts}",
            "-o",
            "BatchMode=yes",
        ]
        return ["ssh", *options, "-p", str(server.sshd.port), f"{server.sshd.user}@{server.sshd.address}"]

    def by_estiva(self, pool: Pool, hub: ShippingHub, image_id: str) -> None:
        """To all servers at once, as the Targets of a Deployment do."""
        credential = SshCredential(Secret(self.key.read_text()))
        socket = str(self.builder.engine.socket)
        source = hub.source(Builder(self.builder.address, credential, self.builder.host_key, socket))
        with ThreadPoolExecutor(len(self.servers)) as threads:
            done = [threads.submit(self._receive, pool, credential, source, each, image_id) for each in self.servers]
            for each in done:
                each.result()

    def _receive(
        self, pool: Pool, credential: SshCredential, source: ImageSource, server: Server, image_id: str
    ) -> None:
        with pool.session(server.address, credential, server.host_key) as session:
            host = DockerHost(session, str(server.engine.socket), source=source)
            for _ in host.receive_image(image_id, deadline=LONGEST):
                pass
            image = host.local_image(image_id)
            if image is None or image.id != image_id:
                raise PartError(f"{server.name} has {image.id if image else 'no image'} where {image_id} was shipped.")

    def forget(self, *image_ids: str) -> None:
        """Remove the images from the servers, and let the disk come to rest."""
        for server in self.servers:
            for image_id in image_ids:
                run([*server.docker, "rmi", "--force", image_id], timeout=LONGEST)
        run(["sync"], timeout=LONGEST)


def measure(arguments: argparse.Namespace) -> dict[str, list[float]]:
    """Seconds, round by round: `by_hand`, `first`, `second` version, and what the builder's engine alone takes to save it (`saved`)."""
    if os.geteuid() != 0:
        raise PartError("it needs root: engines of its own.")
    clear_leftovers()
    folder = temporary_folder("bench")
    try:
        with Supervisor() as supervisor, supervisor.signals(), ExitStack() as stack:
            stage = Stage(folder, stack, ENGINES[arguments.engine], arguments.servers)
            first, second = _images(folder, stage.builder, arguments.megabytes * 1_000_000)
            again: list[float] = []

            def by_hand(_: int) -> float:
                spent = _timed(lambda: stage.by_hand(first))
                stage.forget(first)
                return spent

            def ours(number: int) -> float:
                with closing(Pool()) as pool:  # with the connects, as by hand
                    hub = ShippingHub(pool)
                    spent = _timed(lambda: stage.by_estiva(pool, hub, first))
                    second_spent = _timed(lambda: stage.by_estiva(pool, hub, second))
                again.extend([second_spent] if number >= 0 else [])
                stage.forget(first, second)
                return spent

            ways: dict[str, Callable[[int], float | None]] = {
                "by_hand": by_hand,
                "first": ours,
                "saved": lambda _: _save_only(stage.builder, second),
            }
            return {**take_turns(ways, arguments.rounds), "second": again}
    finally:
        remove_folder(folder)


def table(
    seconds: Mapping[str, Sequence[float]], megabytes: int, servers: int
) -> tuple[list[Row], dict[str, list[float]]]:
    """The rows of the table, and the figures in each round."""
    size = f"{megabytes} MB to {servers} servers"
    notes = {
        "by_hand": ("docker save | ssh docker load, one after another", size),
        "first": ("Estiva, all at once", size),
        "second": ("Estiva, second version", f"one layer changed, {megabytes * SHARES[-1]:g} MB"),
        "saved": ("of which the builder's engine can't spare", "docker save of it, thrown away: not in the figures"),
    }
    rows = [Row(what, median(seconds[name]), f"{note}; {each(seconds[name])}") for name, (what, note) in notes.items()]
    return rows, {
        "ship_over_sequential": ratios(seconds["first"], seconds["by_hand"]),
        "second_over_first": ratios(seconds["second"], seconds["first"]),
    }


def _images(folder: Path, builder: Server, size: int) -> tuple[str, str]:
    """Two versions of an image on the builder."""
    scratch = folder / "layers"
    scratch.mkdir()
    *base, app = (images.make_layer(scratch, f"l{n}", int(size * share)) for n, share in enumerate(SHARES))
    changed = images.make_layer(scratch, "changed", int(size * SHARES[-1]))
    architecture = next(iter(MACHINES.values()))
    made = [images.load(builder.docker, [*base, top], architecture) for top in (app, changed)]
    remove_folder(scratch)
    return made[0], made[1]


def _save_only(builder: Server, image_id: str) -> None:
    piped([*builder.docker, "save", image_id], ["dd", "of=/dev/null", "status=none", "bs=1M"])


def _timed(action: Callable[[], None]) -> float:
    begun = time.monotonic()
    action()
    return time.monotonic() - begun


def main(words: Sequence[str]) -> int:
    """Measure and print; the exit code."""
    parser = argparse.ArgumentParser(prog="bin/bench ship", description=__doc__)
    parser.add_argument("--megabytes", type=int, default=500, help="the image's size (default: 500)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"how often each is timed (default: {ROUNDS})")
    parser.add_argument("--servers", type=int, default=4, help="how many receive it (default: 4)")
    parser.add_argument(
        "--engine", choices=sorted(ENGINES), default="20.10", help="of builder and servers (default: 20.10)"
    )
    arguments = parser.parse_args(words)
    try:
        seconds = measure(arguments)
    except Interrupted as reason:
        print(f"bin/bench ship: interrupted by {reason}")
        return 1
    rows, rounds = table(seconds, arguments.megabytes, arguments.servers)
    title = f"Shipping an image without a registry, Docker {arguments.engine}"
    show("ship", title, rows, medians(rounds), AIMS, noise(seconds["by_hand"]), rounds=rounds)
    return 0
