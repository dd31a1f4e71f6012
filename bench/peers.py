"""The ways that others replace a container on servers, each tuned as its own documentation advises.

All do the same: pull, remove what runs under the name, run, look. Connections that a way can keep between its runs (ControlPersist) it
keeps, for longer than a round lasts, so that it makes no difference whose turn it was before.

A way that can have the four steps in one command line has them so (`_chained`), since that saves it three round trips. pyinfra is given that
line by its server.shell: its own docker.container asks the server for facts first, and doesn't look afterwards. Ansible has a
module that does all four at once.
"""

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

from bench.seats import INSIDE, KEPT, Login, Seat, Way, run_quietly
from parts.environment import ROOT

FOLDER = ROOT / "var" / "bench-peers"
REQUIREMENTS = Path(__file__).with_name("requirements.txt")
PEERS = ("ssh", "ansible", "pyinfra", "fabric")  # by the names of their figures
AT_ONCE = 20  # connections that a way opens at once, unless it is told otherwise


class Local:
    """The floor: the docker client on the server itself."""

    def deploy(self, seats: Sequence[Seat], image: str) -> None:
        """As `Way` says."""
        for seat in seats:
            for words in seat.commands(image):
                run_quietly(words)


class Ssh:
    """The same commands through the OpenSSH client: a client each, or one for all of them."""

    def __init__(self, folder: Path, login: Login, at_once: int = AT_ONCE, *, chained: bool) -> None:
        self._options, self._at_once, self._chained = login.options(folder), at_once, chained

    def deploy(self, seats: Sequence[Seat], image: str) -> None:
        """As `Way` says."""
        with ThreadPoolExecutor(self._at_once) as pool:
            list(pool.map(lambda seat: self._one(seat, image), seats))

    def _one(self, seat: Seat, image: str) -> None:
        to = ["ssh", *self._options, "-p", str(seat.sshd.port), f"{seat.sshd.user}@{seat.sshd.address}"]
        for line in seat.lines(image, chained=self._chained):
            run_quietly([*to, line])


class Ansible:
    """community.docker, pipelining, ControlPersist, no facts."""

    def __init__(self, folder: Path, login: Login, at_once: int = AT_ONCE) -> None:
        self._folder, self._login = folder, login
        ssh = ["ControlMaster=auto", f"ControlPersist={KEPT}", f"UserKnownHostsFile={login.known}"]
        lines = ["[defaults]", f"forks = {at_once}", "gathering = explicit", "retry_files_enabled = False"]
        lines += ["[ssh_connection]", "pipelining = True", f"ssh_args = {' '.join(f'-o {each}' for each in ssh)}"]
        self._config = "\n".join([*lines, f"control_path_dir = {folder}", ""])

    def deploy(self, seats: Sequence[Seat], image: str) -> None:
        """As `Way` says."""
        container = {
            "name": "{{ container }}",
            "image": image,
            "pull": "always",
            "recreate": True,
            "force_kill": True,
            "restart_policy": "unless-stopped",
            "published_ports": [f"127.0.0.1:{{{{ published }}}}:{INSIDE}"],
            "docker_host": "unix://{{ socket }}",
        }
        tasks = [{"community.docker.docker_container": container}]
        play = [{"hosts": "all", "gather_facts": False, "strategy": "free", "tasks": tasks}]
        (self._folder / "ansible.cfg").write_text(self._config)
        (self._folder / "play.json").write_text(json.dumps(play))
        (self._folder / "inventory.json").write_text(
            json.dumps({"all": {"hosts": {seat.name: self._about(seat) for seat in seats}}})
        )
        words = [str(FOLDER / "bin" / "ansible-playbook"), "-i", "inventory.json", "play.json"]
        run_quietly(words, folder=self._folder, environment={"ANSIBLE_CONFIG": str(self._folder / "ansible.cfg")})

    def _about(self, seat: Seat) -> dict[str, object]:
        return {
            "ansible_host": seat.sshd.address,
            "ansible_port": seat.sshd.port,
            "ansible_user": seat.sshd.user,
            "ansible_ssh_private_key_file": str(self._login.key),
            "ansible_python_interpreter": str(FOLDER / "bin" / "python"),  # with what its modules need
            "container": seat.name,
            "published": seat.port,
            "socket": seat.socket,
        }


class Scripted:
    """A way that is a Python script in the peers' own environment, told what to do as JSON in a file."""

    def __init__(
        self, folder: Path, login: Login, words: Sequence[str], at_once: int = AT_ONCE, *, chained: bool
    ) -> None:
        self._at_once, self._chained = at_once, chained
        self._folder, self._login, self._words = folder, login, words

    def deploy(self, seats: Sequence[Seat], image: str) -> None:
        """As `Way` says."""
        told = self._folder / "told.json"
        told.write_text(
            json.dumps(
                {
                    "key": str(self._login.key),
                    "known": str(self._login.known),
                    "at_once": self._at_once,
                    "seats": [
                        {
                            "address": seat.sshd.address,
                            "port": seat.sshd.port,
                            "user": seat.sshd.user,
                            "lines": seat.lines(image, chained=self._chained),
                        }
                        for seat in seats
                    ],
                }
            )
        )
        run_quietly([str(FOLDER / "bin" / self._words[0]), *self._words[1:]], environment={"BENCH_TOLD": str(told)})


def peers(folder: Path, login: Login, at_once: int = AT_ONCE) -> dict[str, Way]:
    """All but the floor, in each of their forms; each works on so many servers at once."""
    scripts = Path(__file__).parent
    pyinfra = [
        "pyinfra",
        "-y",
        "--parallel",
        str(at_once),
        str(scripts / "pyinfra_inventory.py"),
        str(scripts / "pyinfra_deploy.py"),
    ]
    fabric = ["python", str(scripts / "fabric_deploy.py")]
    return {
        "ssh": Ssh(folder, login, at_once, chained=False),
        "ssh_chained": Ssh(folder, login, at_once, chained=True),
        "ansible": Ansible(folder, login, at_once),
        "pyinfra": Scripted(folder, login, pyinfra, at_once, chained=True),
        "fabric": Scripted(folder, login, fabric, at_once, chained=False),
        "fabric_chained": Scripted(folder, login, fabric, at_once, chained=True),
    }


def quickest(seconds: Mapping[str, Sequence[float]]) -> dict[str, str]:
    """Peer → the form of it that was the quickest: that is the one to be compared with."""
    return {
        peer: min(
            (form for form in (peer, f"{peer}_chained") if form in seconds), key=lambda form: median(seconds[form])
        )
        for peer in PEERS
        if peer in seconds or f"{peer}_chained" in seconds
    }


def versions() -> dict[str, str]:
    """Peer → the package and version that `install` brings, for the table; ssh is the machine's own."""
    pins = dict(line.split("==") for line in REQUIREMENTS.read_text().splitlines() if "==" in line)
    return {peer: f"{peer} {pins[peer]}" for peer in PEERS if peer in pins}


def noted(form: str, note: str) -> str:
    """A note of the table on one form of a peer, with its version."""
    version = versions().get(form.removesuffix("_chained"))
    return f"{note}; {version}" if version else note


def install() -> None:
    """Make the peers' environment, unless it is there; two minutes the first time."""
    stamp = FOLDER / "requirements.sha256"
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    print(f"Installing what Estiva is measured against into {FOLDER.relative_to(ROOT)} (two minutes the first time)")
    run_quietly([sys.executable, "-m", "venv", "--clear", str(FOLDER)])
    run_quietly(
        [str(FOLDER / "bin" / "python"), "-m", "pip", "install", "--quiet", "-r", str(REQUIREMENTS)], timeout=900
    )
    stamp.write_text(wanted)
