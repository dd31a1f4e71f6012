"""The other way of docs/install.md: systemd units, on one machine that runs under a real systemd, with PostgreSQL and Redis as its services.

The machine is its own server too: Estiva deploys to its Docker Engine over its sshd. A person reaches the web as a proxy passes it on.
"""

from __future__ import annotations

import http.client
import json
import re
import secrets
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from parts import sample_image
from parts.engine26 import SYSTEM_PATH
from parts.namespaces import Network
from parts.processes import PartError, Process, free_port, port_answers, run, wait_until
from parts.registry import Registry
from parts.sample_image import Sample
from parts.systemd_machine import SystemdMachine
from parts.trial_acts import Acts, check
from parts.trial_person import Person

URL = "https://estiva.test"
HOME, STATIC, SETTINGS, SECRETS = "/opt/estiva", "/opt/estiva-static", "/etc/estiva/estiva.env", "/etc/estiva/secrets"
UNITS = ("estiva-web", "estiva-worker@deploy", "estiva-worker@look", "estiva-reconciler")
SERVICES = ("postgresql", "redis-server", "docker-registry")
REPOSITORY = "harbour/sample"
SLOW = ("SAMPLE_BEHAVIOUR=slow_start", "SAMPLE_SECONDS=15")
REGISTRY = {
    "version": 0.1,
    "storage": {"filesystem": {"rootdirectory": "/var/lib/docker-registry"}},
    "http": {"addr": "127.0.0.1:5000"},
}
_LINK = re.compile(r"https://\S+/account/link/\S+")


class UnitsMachine:
    """One machine, installed as the docs say; `server` is what `Acts` needs of it."""

    def __init__(self, folder: Path, network: Network, tree: Path, wheels: Path) -> None:
        self.folder = folder
        files = {
            "/etc/docker/registry/config.yml": json.dumps(REGISTRY),  # JSON is YAML
            SETTINGS: f"ESTIVA_BASE_URL={URL}\nESTIVA_ALLOWED_HOSTS={URL.removeprefix('https://')}\nESTIVA_TRUSTED_PROXIES=1\n"
            "ESTIVA_HOST_CHECK_SECONDS=10\n",
        }
        units = {f"{name}.service": None for name in SERVICES}
        copies = {str(tree): HOME, str(wheels): "/opt/wheels"}
        self.machine = SystemdMachine(folder / "machine", network.add(), units=units, files=files, copies=copies)
        self.sshd, self.address = self.machine.sshd, self.machine.namespace.address
        self.web, self._registry = free_port(), Registry(folder / "registry")
        self._tunnel = Process(["ssh"], log=folder / "tunnel.log")

    def start(self) -> None:
        """Boot, and put the sample application into its registry."""
        key = self.folder / "key"
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)])
        self.sshd.authorize(key.with_suffix(".pub").read_text())
        self.machine.start()
        known = self.folder / "known_hosts"
        known.write_text(f"{self.address} {self.sshd.host_key_line()}\n")
        ways = [f"-L127.0.0.1:{self.web}:127.0.0.1:8000", f"-L127.0.0.1:{self._registry.port}:127.0.0.1:5000"]
        options = ["-N", "-i", str(key), "-o", f"UserKnownHostsFile={known}", "-o", "BatchMode=yes", *ways]
        self._tunnel = Process(["ssh", *options, f"root@{self.address}"], log=self.folder / "tunnel.log")
        self._tunnel.start()
        self._tunnel.wait_ready(lambda: port_answers(self._registry.port))
        for version in ("1", "2"):
            sample_image.push(self._registry, REPOSITORY, version, Sample(version))

    def stop(self) -> None:
        """Cut its power."""
        self._tunnel.stop()
        self.machine.stop()

    def do(self, *argv: str, stdin: str | None = None) -> str:
        """A command at its console, which has to end well; what it prints."""
        inside = self.machine.inside(["env", "--ignore-environment", f"PATH={SYSTEM_PATH}", "LANG=C.UTF-8", *argv])
        return run(inside, timeout=300, typed=stdin)

    def manage(self, *words: str) -> str:
        """manage.py as an administrator of the machine runs it: settings and secrets from the files."""
        given = [f"{name}_FILE={SECRETS}/{name}" for name in self.do("ls", SECRETS).split()]
        given += [f"ESTIVA_STATIC_ROOT={STATIC}", "ESTIVA_VAR=/var/lib/estiva", *self.do("cat", SETTINGS).split()]
        return self.do("env", "-C", HOME, *given, f"{HOME}/.venv/bin/python", "manage.py", *words)

    def install(self) -> None:
        """As docs/install.md says; what is everybody's own, the database, is made as PostgreSQL's manual says."""
        self.do("python3", "-m", "venv", f"{HOME}/.venv")
        pip = (f"{HOME}/.venv/bin/pip", "install", "--quiet", "--no-index", "--find-links=/opt/wheels")
        self.do(*pip, "--requirement", f"{HOME}/requirements.txt")
        self.do("useradd", "--system", "--user-group", "--home-dir", "/var/lib/estiva", "estiva")
        keys = self.do(f"{HOME}/.venv/bin/python", f"{HOME}/manage.py", "keys")
        self.do(f"{HOME}/bin/secrets", SECRETS, stdin=keys)
        password = self.do("cat", f"{SECRETS}/POSTGRES_PASSWORD")
        sql = ("runuser", "-u", "postgres", "--", "psql", "--quiet", "--set=ON_ERROR_STOP=1", "--file=-")
        self.do(*sql, stdin=f"CREATE ROLE estiva LOGIN PASSWORD '{password}'; CREATE DATABASE estiva OWNER estiva;")
        self.do("tee", f"{SECRETS}/ESTIVA_DATABASE_URL", stdin=f"postgres://estiva:{password}@127.0.0.1:5432/estiva")
        self.do("tee", f"{SECRETS}/ESTIVA_REDIS_URL", stdin="redis://127.0.0.1:6379/0")
        self.manage("migrate", "--verbosity=0")
        self.manage("collectstatic", "--no-input", "--verbosity=0")
        units = [f"{HOME}/docs/systemd/{name}" for name in self.do("ls", f"{HOME}/docs/systemd").split()]
        self.do("cp", *units, "/etc/systemd/system/")
        self.do("systemctl", "daemon-reload")
        self.do("systemctl", "enable", "--now", *UNITS)
        wait_until(lambda: port_answers(self.web) and self._ready(), "the web is not ready", timeout=60)

    def _ready(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.web, timeout=10)
        try:
            connection.request("GET", "/readyz", headers={"Host": URL.removeprefix("https://")})
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    @property
    def socket(self) -> Path:
        """Its engine's."""
        return Path("/run/docker.sock")

    def image(self, version: str) -> str:
        """The sample application's reference, on this machine."""
        return f"127.0.0.1:5000/{REPOSITORY}:{version}"

    def running(self, application: str) -> int:
        """How many containers of an application run."""
        names = self.do("docker", "ps", "--format", "{{.Names}}").split()
        return sum(1 for name in names if name.startswith(f"{application}-"))


class PassedOn(Person):
    """A person whose proxy has taken TLS off: what comes to the web's own port says so."""

    def __init__(self, url: str, port: int) -> None:
        super().__init__(url, port, None)
        self._opener.addheaders += [("X-Forwarded-Proto", "https"), ("X-Forwarded-For", "192.0.2.7")]


def go(folder: Path, tree: Path, wheels: Path, figures: dict[str, Any]) -> None:
    """Boot, install, deploy, restart the worker in a deploy; everything is removed on the way out."""
    folder.mkdir(exist_ok=True)
    with Network(folder / "network") as network, ExitStack() as parts:
        machine = UnitsMachine(folder, network, tree, wheels)
        parts.callback(machine.stop)
        machine.start()
        figures["units_init"] = machine.do("systemctl", "--version").partition("\n")[0]
        machine.install()
        link = _LINK.search(machine.manage("setup_link"))
        if link is None:
            raise PartError("manage.py setup_link printed no link")
        acts = Acts(PassedOn(URL, machine.web), machine)
        acts.become_admin(link[0], secrets.token_urlsafe(16))
        acts.register_server()
        sample = acts.create("sample")
        acts.deploy(sample)
        figures["units_log_lines"] = acts.log(sample)
        slow = acts.create("slow", *SLOW)
        acts.deploy(slow, wait=False)
        acts.person.wait_for(f"/deployments/{slow.deployment}/", "Running", timeout=30)
        machine.do("systemctl", "restart", "estiva-worker@deploy")
        acts.finished(slow)
        figures["units_log_lines_over_restart"] = acts.log(slow)
        failed = machine.do("systemctl", "list-units", "--failed", "--plain", "--no-legend").split()
        check(not failed, f"units have failed: {failed}")
        restarts = machine.do("systemctl", "show", "--property=NRestarts", "--value", *UNITS).split()
        check(
            set(restarts) == {"0"}, f"units were started again by themselves: {dict(zip(UNITS, restarts, strict=True))}"
        )
        figures["units"] = len(UNITS)
