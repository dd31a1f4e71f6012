"""docker-compose.yml brought up for real: an engine of its own, Compose v2, the secrets' files, and what its containers say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from parts.engine26 import ComposeCli, Engine26
from parts.processes import PartError, run
from parts.screen import say

URL = "https://estiva.test"
# All that differs from production: the local authority signs in place of a public one
OVERRIDE = {
    "services": {
        "caddy": {"command": ["caddy", "reverse-proxy", "--from", URL, "--to", "web:8000", "--internal-certs"]},
    }
}
MIGRATE_SECONDS = 300  # all of them from nothing, or those of one upgrade on a long history
LOCAL_AUTHORITY = "/data/caddy/pki/authorities/local/root.crt"
SERVICES = ("postgres", "redis", "web", "worker", "looker", "reconciler", "caddy")


class Stack:
    """One Compose project from the source tree `tree`, its settings and secrets in `folder`."""

    def __init__(self, name: str, tree: Path, folder: Path, engine: Engine26, *, ports: Mapping[str, int]) -> None:
        self.name, self.tree, self.folder, self.ports = name, tree, folder, ports
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.secrets = folder / "secrets"
        self._cli = ComposeCli(folder / "cli")
        self._environment = {
            **{
                name: value
                for name, value in os.environ.items()
                if not name.startswith(("ESTIVA_", "DOCKER_", "COMPOSE_"))
            },
            **self._cli.variables,
            "DOCKER_HOST": engine.url,
        }
        self._override = folder / "override.json"
        self._override.write_text(json.dumps(OVERRIDE))
        self.image = ""

    def settle(self, image: str) -> None:
        """Write .env, as the person who installs fills it in, naming the image to run."""
        self.image = image
        values = {
            "ESTIVA_BASE_URL": URL,
            "ESTIVA_ALLOWED_HOSTS": URL.removeprefix("https://"),
            "COMPOSE_PROFILES": "tls",
            "ESTIVA_HTTP_PUBLISH": f"127.0.0.1:{self.ports['http']}",
            "ESTIVA_HTTPS_PUBLISH": f"127.0.0.1:{self.ports['https']}",
            "ESTIVA_PUBLISH": f"127.0.0.1:{self.ports['web']}",
            "ESTIVA_SECRETS": str(self.secrets),
            "ESTIVA_IMAGE": image,
            "ESTIVA_HOST_CHECK_SECONDS": "10",
        }
        (self.folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in values.items()))

    def pull(self, tree: Path, image: str) -> None:
        """What `git pull` and an image of another name are for the person who upgrades: another source, another .env."""
        self.tree = tree
        self.settle(image)

    def make_secrets(self) -> None:
        """As docs/install.md says: keys from the image, files by bin/secrets."""
        keys = self.docker("run", "--rm", "--network", "none", self.image, "python", "manage.py", "keys")
        run([sys.executable, str(self.tree / "bin/secrets"), str(self.secrets)], typed=keys)

    def secret(self, name: str) -> str:
        """A secret's content."""
        return (self.secrets / name).read_text()

    def plain(self) -> dict[str, str]:
        """The settings that are no secrets, for a machine without Compose."""
        lines = (self.folder / ".env").read_text().splitlines()
        found = dict(line.split("=", 1) for line in lines)
        return {name: found[name] for name in ("ESTIVA_BASE_URL", "ESTIVA_ALLOWED_HOSTS")}

    def publish(self, address: str, ports: Mapping[str, int]) -> None:
        """Let other machines reach database and Redis at this address, as docs/operations.md has it."""
        inside = {"postgres": 5432, "redis": 6379}
        published = {
            name: {"networks": ["data", "default"], "ports": [f"{address}:{port}:{inside[name]}"]}
            for name, port in ports.items()
        }
        self._override.write_text(json.dumps({"services": {**OVERRIDE["services"], **published}}))

    def users(self) -> dict[str, str]:
        """As which user each service's container runs."""
        found = {name: self.containers(name)[:1] for name in SERVICES}
        return {
            name: self.docker("inspect", "--format", "{{.Config.User}}", *ids).strip() or "root"
            for name, ids in found.items()
        }

    def memory(self) -> dict[str, str]:
        """What each container holds now."""
        ids = self.compose("ps", "--quiet").split()
        lines = self.docker("stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}}", *ids).splitlines()
        return {line.split()[0].removeprefix(f"{self.name}-"): line.split()[1] for line in lines}

    def refuses_writes(self, service: str) -> bool:
        """Whether a file can't be made beside the program."""
        try:
            self.compose("exec", "--no-TTY", service, "touch", "/srv/estiva/written")
        except PartError as error:
            return "Read-only file system" in str(error)
        return False

    def build(self) -> None:
        """Build the image that .env names, from this source tree. Nothing is fetched: what Dockerfile installs lies in the stand-ins."""
        self.compose("build", timeout=900)

    def build_from(self, tree: Path, image: str) -> None:
        """Build another source tree's image, as its own Compose would."""
        self.docker("build", "--progress=plain", "--tag", image, str(tree), timeout=900)

    def up(self, *services: str, scale: Mapping[str, int] | None = None, alone: bool = False) -> None:
        """Bring it up and wait until all are healthy; `alone`, nothing is done with what these services depend on."""
        words = [word for name, count in (scale or {}).items() for word in ("--scale", f"{name}={count}")]
        words += ["--no-deps"] if alone else []
        self.compose("up", "--detach", "--wait", "--wait-timeout", "240", *words, *services, timeout=300)

    def up_beside(self, service: str, count: int) -> None:
        """More containers of a service, as .env has it now, beside those that run: they are left as they are."""
        words = ["--no-deps", "--no-recreate", "--scale", f"{service}={count}", service]
        self.compose("up", "--detach", "--wait", "--wait-timeout", "240", *words, timeout=300)

    def migrate(self, *, alone: bool = False) -> None:
        """Bring the database to this version; `alone`, nothing is done with what that depends on."""
        words = ["--no-deps"] if alone else []
        self.compose("run", "--rm", "--no-TTY", *words, "migrate", timeout=MIGRATE_SECONDS)

    def ask(self, query: str) -> str:
        """What psql prints for one query, in the container of the database: unaligned, without headings."""
        psql = ["psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--username=estiva", "--dbname=estiva"]
        asked = ["--set=ON_ERROR_STOP=1", "--command=SET TIME ZONE 'UTC'", f"--command={query}"]
        return self.compose("exec", "--no-TTY", "postgres", *psql, *asked)

    def manage(self, *words: str, output: IO[bytes] | None = None, source: IO[bytes] | None = None) -> str:
        """Run a management command in a new container of the web; what it printed, where `output` doesn't take it."""
        argv = [*self._argv(), "run", "--rm", "--no-TTY", "--no-deps", "web", "python", "manage.py", *words]
        return self._run(argv, 300, stdin=source or subprocess.DEVNULL, stdout=output or subprocess.PIPE).strip()

    def authority(self) -> str:
        """The certificate of Caddy's local authority."""
        return self.compose("exec", "--no-TTY", "caddy", "cat", LOCAL_AUTHORITY)

    def log(self, container: str) -> str:
        """What a container of Estiva's said until now."""
        return self._run([str(self._cli.program), "logs", container], 60, stderr=subprocess.STDOUT)

    def containers(self, service: str) -> list[str]:
        """The ids of a service's containers."""
        return self.compose("ps", "--quiet", service).split()

    def compose(self, *words: str, timeout: float = 120) -> str:
        """Run `docker compose` on this project; its output."""
        try:
            return self._run([*self._argv(), *words], timeout)
        except PartError as error:
            raise PartError(f"{str(error)[-300:]}\n{self._why_not()}" if words[0] == "up" else str(error)) from error

    def docker(self, *words: str, timeout: float = 120) -> str:
        """Run `docker` on this engine; its output."""
        return self._run([str(self._cli.program), *words], timeout)

    def down(self) -> None:
        """Remove containers, networks and volumes."""
        if not self.image:
            return
        self.compose("down", "--volumes", "--remove-orphans", "--timeout", "3", timeout=180)

    def _argv(self) -> list[str]:
        files = ["--file", str(self.tree / "docker-compose.yml"), "--file", str(self._override)]
        place = ["--project-directory", str(self.tree), "--env-file", str(self.folder / ".env")]
        return [str(self._cli.program), "compose", "--project-name", self.name, *place, "--progress", "plain", *files]

    def _why_not(self) -> str:
        """What the containers say, for an error message."""
        states = self._run([*self._argv(), "ps", "--all"], 60)
        logs = self._run([*self._argv(), "logs", "--no-color", "--tail", "8"], 60)
        return f"{states}\n{logs[-5000:]}"

    def _run(
        self,
        argv: list[str],
        timeout: float,
        stdin: IO[bytes] | int = subprocess.DEVNULL,
        stdout: IO[bytes] | int = subprocess.PIPE,
        stderr: int = subprocess.PIPE,
    ) -> str:
        streams: dict[str, Any] = {"stdin": stdin, "stdout": stdout, "stderr": stderr}
        try:
            done = subprocess.run(argv, env=self._environment, timeout=timeout, check=False, **streams)
        except subprocess.TimeoutExpired as error:
            raise PartError(f"{' '.join(argv[-6:])} did not end within {timeout:g} s.") from error
        told = (done.stdout or b"").decode(errors="replace")
        if done.returncode != 0:
            why = (done.stderr or b"").decode(errors="replace") or told
            raise PartError(f"{' '.join(argv[-8:])} ended with {done.returncode}: {why[-2500:]}")
        return told


def announce(text: str) -> None:
    """A line for the person at the terminal."""
    say("trial", text)
